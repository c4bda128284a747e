"""The cancelling of a call of ours: caller's cancel to the `finally` of the handler. Words: era."""

import trio
import trio.lowlevel

from benchmarks.worker import now, timed_by_itself, words, work
from zcp_actors import FastZCP, memory_client, open_runtime


class Handler:
    """Waits until it is cancelled."""

    def __init__(self):
        self.started = trio.Event()
        self.stopped_at = 0

    async def hold(self) -> str:
        try:
            self.started.set()
            await trio.sleep_forever()
        finally:
            self.stopped_at = now()
        return "never"


async def cancelled(handler, call):
    """Nanoseconds until the handler, and until the caller, were out of it."""
    handler.started = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await handler.started.wait()
        for _ in range(5):
            await trio.lowlevel.checkpoint()  # everybody waits by now
        start = now()
        nursery.cancel_scope.cancel()
    returned = now()
    while handler.stopped_at < start:
        await trio.lowlevel.checkpoint()
    return handler.stopped_at - start, returned - start


async def main(era):
    handler = Handler()
    app = FastZCP("Holding")
    app.tool(name="hold")(handler.hold)
    async with open_runtime(), memory_client(app, era=era) as client:

        async def call():
            await client.call_tool("hold")

        async def stop():
            return (await cancelled(handler, call))[0]

        async def returned():
            return (await cancelled(handler, call))[1]

        await work({"stop": timed_by_itself(stop), "return": timed_by_itself(returned)})


if __name__ == "__main__":
    trio.run(main, *words())
