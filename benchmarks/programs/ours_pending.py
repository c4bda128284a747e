"""Many questions of ours that nobody answers yet. Words: era, how many, and "seldom" for the garbage collector."""

import gc
from contextlib import suppress

import trio
import trio.lowlevel

from benchmarks.worker import Watch, now, resident, words, work
from zcp_actors import Context, FastZCP, Inbox, Policy, memory_client, open_runtime
from zcp_actors.errors import ZCPError

CALLS = 1000
"""Questions of one session."""
WAVE = 10
"""Done between two turns of the loop by this program, so that no stall is of its own making."""
app = FastZCP("Asking")


@app.tool
async def ask(n: int, ctx: Context) -> str:
    return (await ctx.elicit(f"Question {n}?")).action


class Loop(trio.abc.Instrument):
    """The longest turn of the loop, in nanoseconds."""

    def __init__(self):
        self.longest, self._since = 0, now()

    def before_io_wait(self, timeout):
        self.longest = max(self.longest, now() - self._since)

    def after_io_wait(self, timeout):
        self._since = now()


class Pending:
    def __init__(self, runtime, era, count):
        self._runtime, self._era, self._count = runtime, era, count
        self._clients, self._done, self._bytes = [], 0, 0.0

    async def _caller(self, nursery_gate, client, number):
        await nursery_gate.wait()
        with suppress(ZCPError):
            await client.call_tool("ask", {"n": number})
        self._done += 1

    async def _ask_all(self, nursery):
        """Park the callers first, so that what is measured is calls and questions. Returns the longest turn."""
        policy = Policy(max_in_flight=CALLS * 2, max_queued=CALLS * 2)
        gates = []
        for first in range(0, self._count, CALLS):
            client = memory_client(app, era=self._era, elicitation_handler=Inbox(), policy=policy)
            await client.open(self._runtime, None)
            self._clients.append(client)
            for start in range(first, min(first + CALLS, self._count), WAVE):
                gate = trio.Event()
                gates.append(gate)
                for number in range(start, start + WAVE):
                    nursery.start_soon(self._caller, gate, client, number)
                await trio.lowlevel.checkpoint()
        gc.collect()
        before = resident()
        async with Stalls() as stalls:
            for gate in gates:
                gate.set()
                await trio.lowlevel.checkpoint()
            while len(self._runtime.pending()) < self._count:
                await trio.sleep(0.01)
        gc.collect()
        self._bytes = (resident() - before) / self._count
        return stalls.longest

    async def asked(self, order):
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()
        return figure(await self._ask_all(self._nursery) / 1e6)

    async def held(self, order):
        return figure(self._bytes)

    async def answered(self, order):
        async with Stalls() as stalls:
            waiting = self._runtime.pending()
            for start in range(0, len(waiting), WAVE):
                for pending in waiting[start : start + WAVE]:
                    self._runtime.answer(pending.id, True)
                await trio.lowlevel.checkpoint()
            await self._all_done()
        return figure(stalls.longest / 1e6)

    async def ended(self, order):
        self._done = 0
        self._clients.clear()
        await self._ask_all(self._nursery)
        async with Stalls() as stalls:
            for client in self._clients:
                await client.close()
            await self._all_done()
        await self._nursery_manager.__aexit__(None, None, None)
        return figure(stalls.longest / 1e6)

    async def _all_done(self):
        while self._done < self._count:
            await trio.sleep(0.01)


class Stalls:
    async def __aenter__(self):
        await trio.lowlevel.checkpoint()
        self._loop = Loop()
        trio.lowlevel.add_instrument(self._loop)
        return self

    async def __aexit__(self, *_):
        await trio.lowlevel.checkpoint()
        trio.lowlevel.remove_instrument(self._loop)
        self.longest = self._loop.longest


def figure(value):
    return {**Watch().stop(count=1), "samples": [value]}


async def main(era, count, collector=""):
    if collector == "seldom":
        gc.set_threshold(10_000, 10, 1000)
    async with open_runtime() as runtime:
        pending = Pending(runtime, era, int(count))
        measures = {"asked": pending.asked, "bytes": pending.held, "answered": pending.answered, "ended": pending.ended}
        await work(measures)


if __name__ == "__main__":
    trio.run(main, *words())
