"""Our tasks in process. Words: era, memory or sqlite, how many ended tasks the store holds already."""

import contextlib
import tempfile
from pathlib import Path

import trio
import trio.lowlevel

from benchmarks.worker import (
    many_at_once,
    now,
    one_after_another,
    timed_by_itself,
    together_on_trio,
    words,
    work,
)
from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.tasks import MemoryTaskStore, SqliteTaskStore, TaskLimits

LIMITS = TaskLimits(anonymous_polls_per_second=1e9, max_open_anonymous=100_000)
SOON, LATE = 2_000, 3_600_000
"""Milliseconds: what is measured is forgotten soon, what is retained is not."""


class Holding:
    def __init__(self):
        self.started, self.stopped_at = trio.Event(), 0

    async def hold(self) -> str:
        try:
            self.started.set()
            await trio.sleep_forever()
        finally:
            self.stopped_at = now()
        return "never"


@contextlib.contextmanager
def store_of(kind):
    if kind == "memory":
        yield MemoryTaskStore()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield SqliteTaskStore(Path(folder) / "tasks.sqlite3")


async def retain(client, count):
    """Tasks that have ended and stay."""

    async def some():
        for _ in range(count // 100):
            await (await client.call_tool_as_task("echo", {"text": "kept"}, ttl=LATE)).result()

    await together_on_trio([some] * 100 if count else [])


async def main(era, kind, retained):
    app, holding = FastZCP("Tasks", task_limits=LIMITS), Holding()
    app.tool(name="hold", task="required")(holding.hold)

    @app.tool(task="required")
    async def echo(text: str) -> str:
        return text

    with store_of(kind) as unopened:
        async with unopened as store, open_runtime(task_store=store), memory_client(app, era=era) as client:
            await retain(client, int(retained))
            kept = await client.call_tool_as_task("echo", {"text": "kept"}, ttl=LATE)
            await kept.result()

            async def whole():
                task = await client.call_tool_as_task("echo", {"text": "hello"}, ttl=SOON)
                assert (await task.result()).structured_content == {"result": "hello"}

            async def create():
                start = now()
                task = await client.call_tool_as_task("echo", {"text": "hello"}, ttl=SOON)
                took = now() - start
                await task.result()
                return took

            async def poll():
                assert (await client.get_task(kept.id)).status == "completed"

            async def result():
                assert (await client.get_task_result(kept.id)).structured_content == {"result": "kept"}

            async def cancel():
                holding.started = trio.Event()
                task = await client.call_tool_as_task("hold", ttl=SOON)
                await holding.started.wait()
                for _ in range(5):
                    await trio.lowlevel.checkpoint()
                start = now()
                await client.cancel_task(task.id)
                while holding.stopped_at < start:
                    await trio.lowlevel.checkpoint()
                return holding.stopped_at - start

            await work(
                {
                    "create": timed_by_itself(create),
                    "whole": one_after_another(whole),
                    "poll": one_after_another(poll),
                    "result": one_after_another(result),
                    "cancel": timed_by_itself(cancel),
                    "hundred": many_at_once(whole, together_on_trio),
                }
            )


if __name__ == "__main__":
    trio.run(main, *words())
