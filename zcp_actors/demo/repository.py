"""
The git repository that the demo's git server looks at: this checkout, or a small one made for the purpose.

Owns finding and making it. Refuses to change a repository that was there before.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import attrs
import click

GIT_SECONDS = 20.0
"""For one git command on a small repository; a hanging file system is noticed."""

_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")


@attrs.frozen
class Repository:
    """A repository with at least one commit."""

    path: Path
    head: str
    """The last commit when the demo began."""
    shared: bool = False
    """People work in it, and may commit meanwhile."""

    def is_logged(self, text: str) -> bool:
        """Tell whether a log of one commit, as text, is this repository's."""
        return self.head in text or (self.shared and _COMMIT.search(text) is not None)


def find_repository(folder: Path) -> Repository:
    """Return this checkout's repository where the package runs from one, else make one in `folder`.

    Raises `click.ClickException` where git is not installed.
    """
    if shutil.which("git") is None:
        raise click.ClickException("the demo shows a git server, and git is not installed (no 'git' on the PATH)")
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / ".git").exists() and (checkout / "pyproject.toml").exists():
        head = _git(checkout, "rev-parse", "HEAD", check=False)
        if head:
            return Repository(checkout, head, shared=True)
    return _make(folder / "repository")


def _make(path: Path) -> Repository:
    path.mkdir()
    (path / "README").write_text("A repository made by the demo of zcp-actors; it is removed with its folder.\n")
    _git(path, "init", "--quiet")
    _git(path, "add", "README")
    author = ("-c", "user.name=The demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")
    _git(path, *author, "commit", "--quiet", "--message", "Say what this is")
    return Repository(path, _git(path, "rev-parse", "HEAD"))


def _git(path: Path, *words: str, check: bool = True) -> str:
    # Inside a hook git's own variables name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(  # noqa: S603 - our own words
        ["git", "-C", str(path), *words],  # noqa: S607 - whichever git the person uses
        env=environment,
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=False,
    )
    if done.returncode != 0 and check:
        raise click.ClickException(f"git {words[0]} failed in {path}: {done.stderr.strip()}")
    return done.stdout.strip() if done.returncode == 0 else ""
