"""
How a server is started: its words, its directory, what it may see of our environment, how long it may take to leave.

Owns the description of a child process and its checks. Refuses to know processes: nothing is started here.
The rule: an environment's values may be secrets, so no text made here ever contains one.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from zcp_actors.errors import UsageError

SAFE_ENVIRONMENT = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_*",
)
"""What a server sees of our environment unless told otherwise: where things are and which language to speak.

Nothing that commonly holds a secret: no tokens, and no proxy variables, whose URLs may carry a password.
The MCP SDKs inherit HOME, LOGNAME, PATH, SHELL, TERM and USER; the rest is what programs need to find
temporary files, caches, certificates and the time zone.
"""

MAX_MESSAGE = 16 * 1024 * 1024
"""The longest line accepted, in bytes: an image of 12 MB as base64 fits, and one peer cannot take all memory."""

GRACE = 2.0
"""Seconds a server has to leave after its input ends, and again after SIGTERM: the MCP SDKs wait as long."""


def _words(argv: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    if isinstance(argv, str):
        message = f"argv must be a sequence of words, not the string {argv!r}; use Command.parse for a line of text"
        raise UsageError(message)
    words = tuple(os.fspath(word) for word in argv)
    if not words or not words[0]:
        message = "argv is empty: its first word must name the program to start"
        raise UsageError(message)
    if any("\0" in word for word in words):
        message = "a word of argv contains a NUL character, which no program can be given"
        raise UsageError(message)
    return words


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    env = dict(env or {})
    for name, value in env.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            message = f"the environment variable {name!r} cannot be set: '=' and NUL are not allowed in it"
            raise UsageError(message)
    return env


def _directory(cwd: str | os.PathLike[str] | None) -> str | None:
    return None if cwd is None else os.fspath(cwd)


def _positive(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not value > 0:
        message = f"{attribute.name} must be more than 0, not {value!r}"
        raise UsageError(message)


@attrs.frozen
class Command:
    """How to start one server over stdio.

    `argv`: the program and its arguments; never passed through a shell.
    `env`: variables set for the server, beside and over those inherited.
    `cwd`: the directory it starts in; None is ours.
    `inherit_env`: names, or patterns such as `LC_*`, of our own variables that it sees; `("*",)` is all of them.
    `grace`: seconds it has to leave after its input was closed, and again after SIGTERM; then SIGKILL.
    `max_message`: the longest line accepted from it, in bytes.

    Raises `UsageError` for values that no process could be started with.
    """

    argv: Sequence[str] = attrs.field(converter=_words)
    env: Mapping[str, str] = attrs.field(default=None, converter=_environment, repr=lambda env: str(sorted(env)))
    cwd: str | None = attrs.field(default=None, converter=_directory)
    inherit_env: Sequence[str] = attrs.field(default=SAFE_ENVIRONMENT, converter=tuple, repr=False)
    grace: float = attrs.field(default=GRACE, validator=_positive)
    max_message: int = attrs.field(default=MAX_MESSAGE, validator=_positive)

    @classmethod
    def parse(cls, line: str) -> Command:
        """Read a line as a POSIX shell would split it: `Command.parse("python -m server 'two words'")`.

        Nothing is expanded. Raises `UsageError` when a quotation is not closed or there is no word.
        """
        try:
            return cls(shlex.split(line))
        except ValueError as error:
            message = f"cannot split {line!r} into words: {error}"
            raise UsageError(message) from error

    def __str__(self) -> str:
        return shlex.join(self.argv)

    def environment(self) -> dict[str, str]:
        """Return all variables the server will see: the inherited ones, then `env`."""
        inherited = {name: value for name, value in os.environ.items() if self._inherits(name, value)}
        return inherited | dict(self.env)

    def _inherits(self, name: str, value: str) -> bool:
        # A value that begins like this is an exported bash function: code that a shell below would run.
        return not value.startswith("()") and any(fnmatchcase(name, pattern) for pattern in self.inherit_env)
