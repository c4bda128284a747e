"""
Giving way to the thread that exports.

Owns the moments in which a busy loop lets a batch processor of the SDK have the interpreter. Refuses to know spans.
Trio lets go of the interpreter at every poll, for a microsecond. A thread that waits for it is woken each time, finds
it taken again, and counts its `sys.getswitchinterval()` anew: beside a loop that is never idle it may not run for half
a second, its queue overflows, and every poll pays for the waking.
The rule: a pause is short, each waking has one, and an exporter that hangs costs one now and then.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

PAUSE_SECONDS: Final = 100e-6
"""Long enough for a thread to wake on a core that sleeps; it keeps the interpreter then until it waits itself, or for
the switch interval, 5 ms."""

AGAIN: Final = 256
"""Spans until the next pause for the same waking: a thread that was not there in time has more chances before a queue
of the default size, 2048, is full."""


class Worker:
    """The thread of one batch processor, which is awake while it has a batch to export."""

    __slots__ = ("_awake", "_pause", "_until")

    def __init__(self, awake: Event, pause: Callable[[float], None] = time.sleep) -> None:
        self._awake, self._pause = awake, pause
        self._until = 0

    def give_way(self) -> None:
        """A span was handed to the processor: let its thread run, if it was woken and did not have the chance."""
        if not self._awake.is_set():
            self._until = 0
        elif self._until:
            self._until -= 1
        else:
            self._until = AGAIN
            self._pause(PAUSE_SECONDS)


class Exporting:
    """The workers of a tracer's processors, of which there may be more later."""

    __slots__ = ("_processors", "_workers")

    def __init__(self) -> None:
        self._processors: tuple[Any, ...] = ()
        self._workers: tuple[Worker, ...] = ()

    def give_way(self, processors: tuple[Any, ...]) -> None:
        """A span was handed to all of these."""
        if processors is not self._processors:
            self._processors, self._workers = processors, workers_of(processors)
        for worker in self._workers:
            worker.give_way()


def workers_of(processors: tuple[Any, ...]) -> tuple[Worker, ...]:
    """Those of the processors of this kind that the SDK has; none where threads do not wait for each other."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return ()
    found = [getattr(getattr(each, "_batch_processor", None), "_worker_awaken", None) for each in processors]
    return tuple(Worker(awake) for awake in found if awake is not None)
