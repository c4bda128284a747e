"""
How many things end without stopping the world.

Owns the waves: trio runs everything that is runnable between two polls, so a hundred thousand endings asked for in one
step are one step. Refuses to know why they end.
The rule that keeps it honest: where there are more than `WAVE`, no more are asked for between two polls of the whole
runtime, however many sessions end at once: they take turns.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import trio

from zcp_actors.actors.exit import Exit
from zcp_actors.actors.reply import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zcp_actors.actors.host import Host
    from zcp_actors.actors.runtime import Runtime
    from zcp_actors.actors.workers import Job

T = TypeVar("T")

WAVE = 50
"""Endings asked for between two polls. A handler that is cancelled takes some 30 µs, so a wave is two milliseconds; and
what a wave unwinds is gone before the garbage collector comes to look at everything that still lives."""


def end_hosted_soon(host: Host, exit: Exit) -> None:
    """End the cells and jobs below `host`: now when they are few, else in waves by a task of the runtime's own."""
    if len(host._children or ()) + len(host._jobs or ()) <= WAVE:
        end_hosted_now(host, exit)
    else:
        host.runtime._spawn(_end_hosted_whatever, host, exit)


def end_hosted_now(host: Host, exit: Exit) -> None:
    """End them in this step, however many they are: for when there is no time left."""
    for job in _jobs(host):
        job.cancel(_why(host, exit))
    for child in _children(host):
        _end(child, exit)


async def _end_hosted_whatever(host: Host, exit: Exit) -> None:
    try:
        await end_hosted(host, exit)
    except trio.Cancelled:
        end_hosted_now(host, exit)
        raise


async def end_hosted(host: Host, exit: Exit) -> None:
    """End the jobs, then the cells below `host`, newest first, in waves. Does not wait for the last of them."""
    await _in_waves(host.runtime, _jobs(host), lambda job: job.cancel(_why(host, exit)))
    await _in_waves(host.runtime, _children(host), lambda child: _end(child, exit))


def each_soon(runtime: Runtime, things: Sequence[T], act: Callable[[T], object]) -> None:
    """Do this to each of them, whatever ends meanwhile: now when they are few, else in waves."""
    if len(things) <= WAVE:
        for thing in things:
            act(thing)
    else:
        runtime._spawn(_each, runtime, things, act)


async def _each(runtime: Runtime, things: Sequence[T], act: Callable[[T], object]) -> None:
    left = iter(things)
    try:
        for _ in range(0, len(things), WAVE):
            await _wave(runtime, islice(left, WAVE), act)
    finally:
        for thing in left:
            act(thing)


async def _in_waves(runtime: Runtime, things: Sequence[T], act: Callable[[T], object]) -> None:
    if len(things) <= WAVE:
        for thing in things:
            act(thing)
        return
    for first in range(0, len(things), WAVE):
        await _wave(runtime, things[first : first + WAVE], act)


async def _wave(runtime: Runtime, things: Iterable[T], act: Callable[[T], object]) -> None:
    async with runtime.turn_to_end:
        for thing in things:
            act(thing)
        await checkpoint()


def _jobs(host: Host) -> list[Job]:
    return list(reversed(host._jobs or {}))


def _children(host: Host) -> list[Host]:
    return [child for child in reversed((host._children or {}).values()) if child._kind() == "cell"]


def _end(child: Host, exit: Exit) -> None:
    if exit.kind == "cancelled":
        child._cancel(exit.reason)
    else:
        child._stop(Exit("stopped", reason=exit.reason or "its parent ended"))


def _why(host: Host, exit: Exit) -> str:
    return exit.reason or f"{host.me.path} ended"
