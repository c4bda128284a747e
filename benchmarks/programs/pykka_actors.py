"""Messages of pykka's actors, each a thread."""

import asyncio

import pykka

from benchmarks.worker import now, one_after_another, timed_by_itself, work

BURST = 100


class Echo(pykka.ThreadingActor):
    def on_receive(self, message):
        return message


async def main():
    echo = Echo.start()

    async def ask():
        assert echo.ask("ping") == "ping"

    async def tell():
        start = now()
        for number in range(BURST):
            echo.tell(number)
        echo.ask("drained")
        return (now() - start) / BURST

    async def spawn():
        Echo.start().stop()

    await work(
        {"ask": one_after_another(ask), "tell": timed_by_itself(tell, each=BURST), "spawn": one_after_another(spawn)}
    )
    pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    asyncio.run(main())
