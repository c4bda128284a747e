"""Questions that wait: an `Inbox` leaves them open, anybody in the process lists and answers them.

The server is a child process under supervision. It is killed while it waits, and the answer still completes its call.

    python examples/answer_from_elsewhere.py
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import trio

from zcp_actors import Command, Inbox, Runtime, ZCPClientSession, open_runtime, stdio_client

DESK = Command([sys.executable, "-m", "zcp_actors.cli", "serve", "zcp_actors.demo.desk:app", "--era", "2026-07-28"])


async def call(client: ZCPClientSession) -> None:
    receipt = (await client.call_tool("publish", {"topic": "patience"})).structured_content
    survived = receipt["reserved_by"] != receipt["printed_by"]
    print(f"printed {receipt['headline']!r}, {'by another process than began it' if survived else 'by one process'}")


async def until(claim: Callable[[], bool]) -> None:
    while not claim():  # noqa: ASYNC110 - a real program shows what waits, and hears of an answer from its user
        await trio.sleep(0.05)


async def answer(runtime: Runtime, client: ZCPClientSession) -> None:
    await until(lambda: bool(runtime.pending()))
    (question,) = runtime.pending()
    print("waiting:", question.backend, "asks", repr(question.params.message))
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # A retry that was on the wire when its server died would fail: nobody can know whether it was carried out.
    await until(lambda: client.pid != pid)
    runtime.answer(question.id, {"headline": "Worth the wait"})


async def main() -> None:
    async with open_runtime() as runtime:
        client = stdio_client(
            DESK, name="desk", sampling_handler=lambda _: "Patience pays.", elicitation_handler=Inbox()
        )
        await runtime.connect(client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, client)
            nursery.start_soon(answer, runtime, client)


if __name__ == "__main__":
    trio.run(main)
