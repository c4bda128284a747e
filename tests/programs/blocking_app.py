"""An app whose tool blocks the loop, as a coroutine does that calls what was not written for one."""

from __future__ import annotations

import time

from zcp_actors import FastZCP

FOR_EVER = 1000

app = FastZCP("blocker")


@app.tool
async def block() -> str:
    print("blocking", flush=True)  # noqa: T201 - the test waits for it
    time.sleep(FOR_EVER)  # noqa: ASYNC251 - what this is for
    return "awake"
