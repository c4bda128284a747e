"""
What an exception of a handler means to the session that serves the call.

Owns the sorting: errors that are the protocol's, errors that are the session's, and faults of the author's code.
Refuses to answer anybody. The rule: a cancel is never turned into anything else, and nothing that the session has to
see is turned into text.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from zcp_actors.errors import INTERNAL_ERROR, HandlerError, NotJSON, RPCError, ToolError
from zcp_actors.wire import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("zcp_actors.app")

CAUSES_SHOWN = 5
"""How many errors of a group are named in a result: a model reads the first ones, the log has all of them."""


def settled(error: Exception) -> Exception:
    """Return the one error that `error` amounts to.

    A group of one is that one. In a larger group an error that the session has to see comes before the others.
    """
    leaves = list(_leaves(error))
    if len(leaves) > 1:
        return next((_sendable(leaf) for leaf in leaves if is_the_session_s(leaf)), error)
    return _sendable(leaves[0])


def is_the_session_s(error: Exception) -> bool:
    """Tell whether the session decides what becomes of this error: protocol errors, and those of the call itself."""
    return isinstance(error, (RPCError, HandlerError)) and not isinstance(error, ToolError)


def text_of(error: Exception) -> str:
    """Say in one line what went wrong: "TypeName: message", or only the message where it was raised to be read."""
    if isinstance(error, ExceptionGroup):
        leaves = list(_leaves(error))
        more = [f"and {len(leaves) - CAUSES_SHOWN} more"] if len(leaves) > CAUSES_SHOWN else []
        return "; ".join([*map(text_of, leaves[:CAUSES_SHOWN]), *more])
    message = _message(error)
    if isinstance(error, ToolError):
        return message or "the tool failed and did not say why"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def as_rpc_error(subject: str, error: Exception) -> Exception:
    """Return what to raise for `error` where a failure has no other form than a JSON-RPC error; faults are logged."""
    error = settled(error)
    if is_the_session_s(error):
        return error
    if not isinstance(error, ToolError):
        logger.error("%s failed", subject, exc_info=error)
    return RPCError(INTERNAL_ERROR, f"{subject} failed: {text_of(error)}")


def cancelled_part(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what must go on being raised of a group that is more than ordinary errors.

    A cancelled handler whose clean-up failed too comes as a group of both: the cancel goes on, the rest is only logged.
    An exit of the program goes on as it came.
    """
    cancelled, rest = group.split(trio.Cancelled)
    if cancelled is None or not (rest is None or isinstance(rest, ExceptionGroup)):
        return group
    if rest is not None:
        logger.error("a cancelled handler failed while it was cleaning up", exc_info=rest)
    return cancelled


def _sendable(error: Exception) -> Exception:
    """Return an `RPCError` that every wire can carry, so that the request is answered; other errors as they are."""
    if not isinstance(error, RPCError):
        return error
    try:
        plain([error.code, error.message, error.data], "the error's data")
    except NotJSON:
        logger.exception("a handler raised a JSON-RPC error that cannot be sent as it is")
        return RPCError(INTERNAL_ERROR, ascii(str(error)))
    return error


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _message(error: Exception) -> str:
    try:
        return str(error).encode("utf-8", "replace").decode("utf-8")
    except Exception:  # noqa: BLE001 - an author's __str__ that fails must not hide the error it belongs to
        return "(its message could not be read)"
