"""
Who holds up the loop.

Owns a thread that looks, once in a while, at what the thread of the loop is doing, and the line in the log that names
the task. Refuses to touch the loop: it adds no task, no timer and no hook, so a message costs nothing more.
The rule that keeps it honest: it speaks only when it finds the very step of a task that it found when it looked last,
and once about each.

A step that holds the interpreter's lock is not seen before it lets go. In virtual time nobody looks.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.actors.workers import Workers

if TYPE_CHECKING:
    from types import CodeType, FrameType

log = logging.getLogger("zcp_actors.actors")

LOOK_SECONDS = 1.0
"""Between two looks. A step takes microseconds; one that is still there after a second delays everybody by as much."""
LINES = 5
"""Innermost places of the code that are told: enough to tell the handler from the library it calls."""

# What the loop is made of is trio's own business; where it has another name the watchdog sees nothing.
_LOOP: CodeType | None = getattr(getattr(getattr(trio._core, "_run", None), "unrolled_run", None), "__code__", None)
_JOB = Workers._run.__code__


@attrs.frozen(eq=False)
class Step:
    """One step of one task, as it was found."""

    batch: Any
    """The list trio takes its tasks from: another one after every poll, so the same one means the same step."""
    task: Any
    job: Any
    """What a worker works at, if it is one."""

    def goes_on(self, other: Step | None) -> bool:
        """Whether the other is the same step."""
        return other is not None and self.batch is other.batch and self.task is other.task

    @property
    def name(self) -> str:
        """The path of the actor or the job, or the name of the task."""
        return str(self.task.name if self.job is None else self.job.path)


class Watchdog:
    """Looks after the loop that runs in the thread that makes it, from `start` to `stop`."""

    def __init__(self, seconds: float = LOOK_SECONDS) -> None:
        self.seconds = seconds
        self._loop = threading.get_ident()
        self._ended = threading.Event()
        self._seen: Step | None = None
        self._told: Step | None = None

    def start(self) -> None:
        """Begin to look, unless time is virtual here, or there is no thread to be had: all else goes on without."""
        if hasattr(trio.lowlevel.current_clock(), "autojump_threshold"):
            return
        with suppress(RuntimeError):
            threading.Thread(target=self._run, name="zcp_actors watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more. The thread ends by itself."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self.seconds):
            self.look()

    def look(self) -> None:
        """Look once, from another thread than the loop's; speak if the step is the one that was seen last."""
        frame = sys._current_frames().get(self._loop)
        seen, self._seen = self._seen, step_of(frame)
        now = self._seen
        if self._told is not None and not self._told.goes_on(now):
            self._told = None  # it is over, and so are its task and its batch
        if frame is None or now is None or not now.goes_on(seen) or now.goes_on(self._told):
            return
        self._told = now
        msg = "%s has held up the loop for more than %g s: wait with trio, or use trio.to_thread\n%s"
        log.warning(msg, now.name, self.seconds, _place(frame))


def step_of(innermost: FrameType | None) -> Step | None:
    """The step that the loop is in whose thread is at this place; None while it waits."""
    frame, job = innermost, None
    while frame is not None and frame.f_code is not _LOOP:
        if frame.f_code is _JOB:
            job = frame.f_locals.get("job")
        frame = frame.f_back
    facts = {} if frame is None else frame.f_locals
    task, batch = facts.get("task"), facts.get("batch")
    return None if task is None or batch is None else Step(batch, task, job)


def _place(frame: FrameType) -> str:
    return "".join(traceback.format_list(traceback.extract_stack(frame, LINES))).rstrip()
