"""Ctrl-C is the program's: whatever runs when it comes, it is raised where the program is, and is nobody's answer."""

from __future__ import annotations

import signal

import pytest
import trio

from zcp_actors import Context, FastZCP, memory_client, open_runtime


@pytest.fixture(autouse=True)
def heard():
    """Python raises `KeyboardInterrupt` only where SIGINT was not ignored when it began: a job of a shell, say."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("where", ["handler", "provider", "timer"])
def test_ctrl_c_in_the_middle_of_what_the_runtime_runs_is_raised_in_the_program(where):
    app = FastZCP("a")
    answers = []

    @app.tool
    async def act(ctx: Context) -> str:
        if where == "handler":
            interrupt()
        return (await ctx.elicit("Go on?")).action

    async def person(request: object) -> dict[str, object]:
        if where == "provider":
            interrupt()
        if where == "timer":
            await trio.sleep_forever()
        return {"action": "accept", "content": {}}

    async def main() -> None:
        async with open_runtime() as runtime, memory_client(app, elicitation_handler=person) as client:
            runtime.timers.after(0.01, interrupt if where == "timer" else int)
            with trio.fail_after(30):
                answers.append(await client.call_tool("act", {}))

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)

    assert answers == []
