"""
One measured program, as the runner sees it: orders come in as lines of JSON, reports go out as lines of JSON.

Owns the lines, the clocks and the loops that repeat one operation. Refuses to know what is measured, and anything but
the standard library: programs run in the environments of the peers, under trio or asyncio.

An order is `{"measure": name, "warm": seconds, "seconds": seconds}`, a report `{"samples": [...], "wall": s, "cpu": s,
"children": s, "count": n}`, or `{"missing": true}` for what this program cannot measure. `cpu` is that of this
process, `children` that of all below it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

MOST_SAMPLES = 20_000
"""Of one report: enough for a p99 that means something, and no megabytes of lines."""
HUNDRED = 100
now = time.perf_counter_ns


class Wire:
    """Standard input and output, taken away from whatever the measured program prints."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._in = os.fdopen(os.dup(0), "r")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def orders(self):
        for line in iter(self._in.readline, ""):
            yield json.loads(line)

    def report(self, **facts):
        self._out.write(json.dumps(facts) + "\n")


async def work(measures, **facts):
    """Say hello, then follow orders. `measures` maps a name to `async (order) -> report`."""
    wire = Wire()
    wire.report(hello=facts)
    for order in wire.orders():
        if order["measure"] not in measures:
            wire.report(missing=True)
            continue
        try:
            report = await measures[order["measure"]](order)
        except Exception as error:  # noqa: BLE001 - the runner shows it beside the figures of the others
            traceback.print_exc()
            wire.report(error=f"{type(error).__name__}: {error}"[:300])
            continue
        wire.report(**report)


# What a process and those below it have used of the CPU. /proc has it in nanoseconds; elsewhere children count nothing.
def children_of(pid):
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, listing.read_text().split())


def cpu_of(pid):
    own = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        own += int(file.read_text().split()[0])
    return own / 1e9


def cpu_below(pid=None):
    total, todo = 0.0, [os.getpid() if pid is None else pid]
    while todo:
        for child in list(children_of(todo.pop())):
            total += cpu_of(child)
            todo.append(child)
    return total


def cpu_here():
    """That of this process, and of children that it has waited for."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


class Watch:
    """What passed between `start` and `stop`."""

    def __init__(self):
        self.samples, self.count = [], 0
        self._below, self._cpu, self._start = cpu_below(), cpu_here(), now()

    def stop(self, **more):
        wall, cpu = (now() - self._start) / 1e9, cpu_here() - self._cpu
        step = len(self.samples) // MOST_SAMPLES + 1
        return {
            "samples": [round(sample / 1000, 2) for sample in self.samples[::step]],
            "wall": wall,
            "cpu": cpu,
            "children": max(0.0, cpu_below() - self._below),
            "count": self.count or len(self.samples),
            **more,
        }


def one_after_another(call, least=5):
    """A measure: `await call()` again and again, each timed."""

    async def repeated(seconds, samples, least):
        end = now() + seconds * 1e9
        done = 0
        while (start := now()) < end or done < least:
            await call()
            samples.append(now() - start)
            done += 1

    async def measure(order):
        await repeated(order["warm"], [], least)
        watch = Watch()
        await repeated(order["seconds"], watch.samples, least)
        return watch.stop()

    return measure


def many_at_once(call, together, width=HUNDRED):
    """A measure: `width` callers, each again and again, each call timed."""

    async def repeated(seconds, samples):
        end = now() + seconds * 1e9

        async def caller():
            while True:
                start = now()
                await call()
                samples.append(now() - start)
                if now() >= end:
                    return

        await together([caller] * width)

    async def measure(order):
        await repeated(order["warm"], [])
        watch = Watch()
        await repeated(order["seconds"], watch.samples)
        return watch.stop()

    return measure


def timed_by_itself(call, least=5, each=1):
    """A measure: `await call()` returns the nanoseconds that count, among others that do not.

    `each` is how many operations one call does; what it returns is for one of them.
    """

    async def repeated(seconds, samples, least):
        end = now() + seconds * 1e9
        done = 0
        while now() < end or done < least:
            samples.append(await call())
            done += 1

    async def measure(order):
        await repeated(order["warm"], [], least)
        watch = Watch()
        await repeated(order["seconds"], watch.samples, least)
        watch.count = len(watch.samples) * each
        return watch.stop()

    return measure


def once(value):
    """A measure that is one figure in its own unit, such as bytes: `await value()`, without warming up."""

    async def measure(order):
        watch = Watch()
        figure = await value()
        return {**watch.stop(), "samples": [figure]}

    return measure


async def together_on_trio(functions):
    import trio

    async with trio.open_nursery() as nursery:
        for function in functions:
            nursery.start_soon(function)


async def together_on_asyncio(functions):
    import asyncio

    await asyncio.gather(*(function() for function in functions))


def resident():
    """Bytes that this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def words():
    """The words after the program's name."""
    return sys.argv[1:]
