"""
`zcp-actors bench`: the benchmarks of this project's source tree, run with everything that was typed after it.

Owns the way to them. Refuses to know them: they are no part of the installed package, and say themselves
what they take.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from zcp_actors.errors import UsageError

ROOT = Path(__file__).parents[2]
"""The source tree, where this is an editable install of one."""


@click.command(
    short_help="Measure this runtime beside its peers.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> int:
    """Measure this runtime beside its peers, and beside the least that any runtime could cost."""
    return run_bench(arguments)


def run_bench(arguments: tuple[str, ...], root: Path = ROOT) -> int:
    """Run the benchmarks of the source tree at `root` and return their exit code. Raises `UsageError` without one."""
    if not (root / "benchmarks/__main__.py").exists():
        raise UsageError(
            "the benchmarks are part of the source tree, and this is not installed from one; "
            "clone it and run 'make bench'"
        )
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(  # noqa: S603 - what was typed is passed on to our own program
        [sys.executable, "-m", "benchmarks", *arguments], env=os.environ | {"PYTHONPATH": path}, check=False
    )
    return done.returncode
