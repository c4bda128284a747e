"""Many sessions in one process, of whoever opens them: how they are opened, called and closed, and what they hold."""

import gc
import random

from benchmarks.worker import Watch, now, resident, work

SEED = 20261121
BATCH = 10
"""Sessions of one sample of opening and closing: a clock tick is no session."""


class Sessions:
    """`opener` opens one session and returns (call, close), both async functions."""

    def __init__(self, opener, count, together):
        self._opener, self._count, self._together = opener, count, together
        self._open, self._grown = [], 0.0

    async def opened(self, order):
        """Open all, one after another."""
        call, close = await self._opener()
        await call()
        await close()
        gc.collect()
        before, watch = resident(), Watch()
        for _ in range(self._count // BATCH):
            start = now()
            for _ in range(BATCH):
                self._open.append(await self._opener())
            watch.samples.append((now() - start) / BATCH)
        watch.count = self._count
        report = watch.stop()
        gc.collect()
        self._grown = (resident() - before) / self._count
        return report

    async def held(self, order):
        """Bytes of memory for each session, idle, both ends."""
        return {**Watch().stop(count=1), "samples": [self._grown]}

    async def called(self, order):
        """One call at a time, each on a session that chance picks."""
        chance, end, watch = random.Random(SEED), now() + order["seconds"] * 1e9, Watch()
        while now() < end:
            call = chance.choice(self._open)[0]
            start = now()
            await call()
            watch.samples.append(now() - start)
        return watch.stop()

    async def fanned(self, order):
        """One call on every session, all at once, again and again."""
        calls = [call for call, _ in self._open]
        await self._together(calls)
        end, watch = now() + order["seconds"] * 1e9, Watch()
        while True:
            start = now()
            await self._together(calls)
            watch.samples.append((now() - start) / self._count)
            watch.count += self._count
            if now() >= end:
                return watch.stop()

    async def closed(self, order):
        """Close all, one after another."""
        watch = Watch()
        while self._open:
            some, self._open = self._open[:BATCH], self._open[BATCH:]
            start = now()
            for _, close in some:
                await close()
            watch.samples.append((now() - start) / BATCH)
        watch.count = self._count
        return watch.stop()

    async def work(self):
        """Follow orders."""
        measures = {
            "open": self.opened,
            "bytes": self.held,
            "call": self.called,
            "fan": self.fanned,
            "close": self.closed,
        }
        await work(measures)
