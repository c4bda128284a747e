"""
What a person reads when something went wrong, and the exit code that a script reads.

Owns the table of exit codes and the one line of an error. Refuses to handle anything: who calls it leaves afterwards.
"""

from __future__ import annotations

import click

from zcp_actors.errors import (
    Refused,
    RequestTimeout,
    SchemaError,
    ServerExited,
    SessionClosed,
    TransportError,
    UnsupportedVersion,
    UsageError,
    ZCPError,
)

FAILED, MISTYPED, NO_CONNECTION = 1, 2, 3

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (click.ClickException, MISTYPED),
    (SchemaError, FAILED),
    (UsageError, MISTYPED),
    (TransportError, NO_CONNECTION),
    (SessionClosed, NO_CONNECTION),
    (RequestTimeout, NO_CONNECTION),
    (UnsupportedVersion, NO_CONNECTION),
    (ZCPError, FAILED),
    (OSError, FAILED),
)
"""The first row that fits decides. A schema that cannot work is the server's mistake, not the caller's. What the system
refuses, such as a full disk, it says in one line, too."""

_KNOWN = tuple(kind for kind, _ in _CODES)


def report(error: Exception) -> int:
    """Print the error as one line on standard error; return the exit code. Raises what is nobody's mistake: a bug."""
    leaves = leaves_of(error)
    if not all(isinstance(leaf, _KNOWN) for leaf in leaves):
        raise error
    # Several at once are one cause felt in several tasks: the first row that fits any of them tells most.
    code, first = next((code, leaf) for kind, code in _CODES for leaf in leaves if isinstance(leaf, kind))
    click.echo(f"zcp-actors: error: {line_of(first)}", err=True)
    return code


def leaves_of(error: BaseException) -> list[BaseException]:
    """Return the errors inside the groups that nurseries make."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves_of(each)]
    return [error]


def lone_of(error: Exception) -> Exception:
    """Return the one error inside the groups that nurseries make."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def line_of(error: BaseException) -> str:
    """Return the error in one line that is safe to print."""
    if isinstance(error, click.ClickException):
        return " ".join(error.format_message().split())
    if isinstance(error, RequestTimeout):
        return f"{error.method} got no answer within {error.seconds:g} s; --timeout SECONDS changes that"
    text = error.message if isinstance(error, Refused) else str(error)
    first, *_ = text.splitlines() or [type(error).__name__]
    if isinstance(error, ServerExited) and error.stderr:
        first = f"{first}; its last words: {error.stderr[-1].strip()}"
    return printable(first)


def printable(text: str) -> str:
    """Return text without what a terminal would obey: a server must not move the cursor or recolour a question."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
