"""
What leaves the code of others: handlers and providers.

Owns the line between a cancellation, which must pass, and everything else, which is an answer: a `sys.exit()` in a tool
ends the tool's call, not the process. Refuses to know what the answer looks like on a wire.
"""

from __future__ import annotations

import trio

from zcp_actors.errors import INTERNAL_ERROR, RPCError

PASSING = (trio.Cancelled, KeyboardInterrupt, GeneratorExit)
"""What is not the code's own doing: somebody cancelled it, interrupted the process, or closed the coroutine."""


def is_cancel(error: BaseException) -> bool:
    """True for a cancellation, alone or within a group: it must be raised on."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(PASSING) is not None
    return isinstance(error, PASSING)


def unfit(error: BaseException, whose: str) -> RPCError:
    """The answer for an exit that is no error, such as `SystemExit` or another library's cancellation."""
    return RPCError(INTERNAL_ERROR, f"{whose} ended with {type(error).__name__}, which is no way to end a call")
