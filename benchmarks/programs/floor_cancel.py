"""trio's own: cancel a scope in which a task sleeps, and wait until that task is gone."""

import trio

from benchmarks.programs.ours_cancel import Handler, cancelled
from benchmarks.worker import timed_by_itself, work


async def main():
    handler = Handler()

    async def stop():
        return (await cancelled(handler, handler.hold))[0]

    async def returned():
        return (await cancelled(handler, handler.hold))[1]

    await work({"stop": timed_by_itself(stop), "return": timed_by_itself(returned)})


if __name__ == "__main__":
    trio.run(main)
