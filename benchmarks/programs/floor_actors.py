"""An actor by hand on trio: a task, a memory channel, and a channel for each answer. No supervisor, no deadline."""

import trio

from benchmarks.programs.ours_cancel import Handler, cancelled
from benchmarks.worker import many_at_once, now, one_after_another, timed_by_itself, together_on_trio, work

BURST = 100


async def actor(receive, *, task_status):
    task_status.started()
    async for message, back in receive:
        if back is not None:
            back.send_nowait(message)


async def asked(send, message):
    back, answer = trio.open_memory_channel(1)
    await send.send((message, back))
    return await answer.receive()


async def main():
    async with trio.open_nursery() as nursery:
        send, receive = trio.open_memory_channel(1000)
        await nursery.start(lambda task_status: actor(receive, task_status=task_status))
        handler = Handler()

        async def ask():
            assert await asked(send, "ping") == "ping"

        async def tell():
            start = now()
            for number in range(BURST):
                send.send_nowait((number, None))
            await asked(send, "drained")
            return (now() - start) / BURST

        async def spawn():
            async with trio.open_nursery() as own:
                into, out = trio.open_memory_channel(10)
                await own.start(lambda task_status: actor(out, task_status=task_status))
                into.close()

        async def cancel():
            return (await cancelled(handler, handler.hold))[0]

        await work(
            {
                "ask": one_after_another(ask),
                "hundred": many_at_once(ask, together_on_trio),
                "tell": timed_by_itself(tell, each=BURST),
                "spawn": one_after_another(spawn),
                "cancel": timed_by_itself(cancel),
            }
        )
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
