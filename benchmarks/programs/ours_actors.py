"""Messages of our actors, without MCP."""

import trio
import trio.lowlevel

from benchmarks.worker import many_at_once, now, one_after_another, timed_by_itself, together_on_trio, work
from zcp_actors import Actor, open_runtime

BURST = 100


class Echo(Actor):
    mailbox_size = 1000

    async def receive(self, message):
        return message


class Waits(Actor):
    def __init__(self):
        self.started, self.stopped_at = trio.Event(), 0

    async def receive(self, message):
        try:
            self.started.set()
            await trio.sleep_forever()
        finally:
            self.stopped_at = now()


async def main():
    async with open_runtime() as runtime:
        echo = await runtime.start(Echo)

        async def ask():
            assert await echo.ask("ping") == "ping"

        async def tell():
            start = now()
            for number in range(BURST):
                echo.tell(number)
            await echo.ask("drained")
            return (now() - start) / BURST

        async def spawn():
            ref = await runtime.start(Echo)
            ref.stop()
            await ref.stopped()

        async def cancel():
            waits = Waits()
            ref = await runtime.start(lambda: waits)
            ref.tell("begin")
            await waits.started.wait()
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            start = now()
            ref.cancel()
            await ref.stopped()
            return waits.stopped_at - start

        await work(
            {
                "ask": one_after_another(ask),
                "hundred": many_at_once(ask, together_on_trio),
                "tell": timed_by_itself(tell, each=BURST),
                "spawn": one_after_another(spawn),
                "cancel": timed_by_itself(cancel),
            }
        )


if __name__ == "__main__":
    trio.run(main)
