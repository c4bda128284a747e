"""
The least that a call can cost on trio, echo included. Words: how the call travels.

    direct     the caller's task runs the tool
    hop        a parked task on the other side runs it and wakes the caller: two hops, nothing else
    channels   the same with trio's memory channels, one to the server and one back to each caller
"""

from collections import deque

import trio
from trio.lowlevel import Abort, checkpoint, current_task, reschedule, wait_task_rescheduled

from benchmarks.worker import many_at_once, one_after_another, together_on_trio, words, work


async def echo(text, n):
    return text


class Parked:
    """A task that waits, or nobody."""

    __slots__ = ("task",)

    def __init__(self):
        self.task = None

    async def park(self):
        self.task = current_task()
        return await wait_task_rescheduled(self._abort)

    def wake(self):
        task, self.task = self.task, None
        if task is not None:
            reschedule(task)

    def _abort(self, _):
        self.task = None
        return Abort.SUCCEEDED


class Hop:
    def __init__(self):
        self.waiting, self.server = deque(), Parked()

    async def serve(self, task_status):
        task_status.started()
        while True:
            while self.waiting:
                caller, arguments, answer = self.waiting.popleft()
                answer.append({"result": await echo(**arguments)})
                caller.wake()
            await self.server.park()

    async def call(self):
        caller, answer = Parked(), []
        self.waiting.append((caller, {"text": "hello", "n": 1}, answer))
        self.server.wake()
        await caller.park()
        assert answer[0] == {"result": "hello"}


class Channels:
    def __init__(self):
        self.send, self.receive = trio.open_memory_channel(100)

    async def serve(self, task_status):
        task_status.started()
        async for back, arguments in self.receive:
            back.send_nowait({"result": await echo(**arguments)})

    async def call(self):
        back, answer = trio.open_memory_channel(1)
        await self.send.send((back, {"text": "hello", "n": 1}))
        assert await answer.receive() == {"result": "hello"}


class Direct:
    async def serve(self, task_status):
        task_status.started()

    async def call(self):
        await checkpoint()
        assert {"result": await echo(text="hello", n=1)} == {"result": "hello"}


async def main(way):
    floor = {"direct": Direct, "hop": Hop, "channels": Channels}[way]()
    async with trio.open_nursery() as nursery:
        await nursery.start(floor.serve)
        measures = {"one": one_after_another(floor.call), "hundred": many_at_once(floor.call, together_on_trio)}
        await work(measures)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *words())
