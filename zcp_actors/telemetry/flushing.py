"""
Letting exporters finish, for a bounded time.

Owns the bound. Exporters hang, and `force_flush` keeps no promise about its own timeout; a thread that may be left
behind, and a shield with a deadline, do.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

FLUSH_SECONDS = 2.0
"""What an ending program may wait for its telemetry: spans are worth a moment, not a hang."""


async def flush(*providers: Any, seconds: float = FLUSH_SECONDS) -> bool:
    """Export what has ended, at most for `seconds`, also while being cancelled. False when it was not all in time.

    `providers` are tracer or meter providers of an SDK; others have nothing to flush.
    """
    return await _each("force_flush", providers, seconds, int(seconds * 1000))


async def shut_down(*providers: Any, seconds: float = FLUSH_SECONDS) -> bool:
    """End the providers, exporting what is left. Bounds and result as those of `flush`."""
    return await _each("shutdown", providers, seconds)


async def _each(verb: str, providers: tuple[Any, ...], seconds: float, *arguments: Any) -> bool:
    verbs = [getattr(provider, verb, None) for provider in providers]
    done: list[bool] = []
    with trio.move_on_after(seconds, shield=True):
        async with trio.open_nursery() as nursery:
            for each in verbs:
                if each is not None:
                    nursery.start_soon(_call, partial(each, *arguments), done)
    return len(done) == len([each for each in verbs if each is not None]) and all(done)


async def _call(function: Callable[[], Any], done: list[bool]) -> None:
    try:
        # Abandoned on cancel: the thread is trio's, a daemon, and does not keep the process.
        done.append(await trio.to_thread.run_sync(function, abandon_on_cancel=True) is not False)
    except Exception:  # noqa: BLE001 - whatever fails in an exporter is not the program's failure
        done.append(False)
