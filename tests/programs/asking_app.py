"""An app for tests of the command line: it asks, fails and prints."""

from __future__ import annotations

from typing import Annotated, Literal

import attrs

from zcp_actors import Context, FastZCP

print("printed at import")  # noqa: T201 - what this is for

app = FastZCP("asker")
no_app = 3


@attrs.frozen
class Form:
    name: Annotated[str, "Your name"]
    size: Literal["small", "large"]
    age: int = 3


@app.tool
async def fill(ctx: Context) -> dict[str, object]:
    answer = await ctx.elicit("Who \x1b[31mare you?", Form)
    return {"action": answer.action, "content": answer.content}


@app.tool
async def visit(ctx: Context) -> str:
    return (await ctx.elicit_url("Log in", "https://ex\u0430mple.com/login?x=1")).action


@app.tool
async def model(ctx: Context) -> str:
    return (await ctx.sample("Say hello")).text


@app.tool
async def work(ctx: Context, steps: int = 3) -> str:
    for step in range(steps):
        await ctx.progress(step + 1, steps, "stepping")
    return f"{steps} steps"


@app.tool
def speak(text: str) -> str:
    print("printed by a tool")  # noqa: T201 - as above
    return text


@app.tool
def fail() -> str:
    raise RuntimeError("a bad day")


def make() -> FastZCP:
    return app


async def make_slowly() -> FastZCP:
    return app


def broken() -> FastZCP:
    raise ValueError("no app today")


def leave() -> FastZCP:
    raise SystemExit
