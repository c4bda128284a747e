"""
A server of ours over stdio, with one entry for each feature, and a tool that tells what happened in it.

`zcp_server.py [era [drain]]`: with an era other than "any" it serves that one only; `drain` is in seconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter

import attrs
import trio

from zcp_actors import Context, FastZCP, open_runtime, serve_stdio, stdio_server

app = FastZCP("Pantry", version="3.1", instructions="Ask before you eat.")
events: Counter[str] = Counter()
running: set[object] = set()
gates = trio.Event()


@attrs.frozen
class Dish:
    name: str
    hot: bool = False


@attrs.frozen
class Sum:
    total: int


@app.tool
async def add(a: int, b: int) -> Sum:
    """Add two numbers."""
    return Sum(a + b)


@app.tool
async def echo(text: str) -> str:
    return text


@app.tool
async def fail() -> str:
    msg = "the oven is cold"
    raise ValueError(msg)


@app.tool
async def shout(text: str) -> str:
    """Print, as programs do, then answer."""
    print(text, flush=True)  # noqa: T201
    return text


@app.tool
async def summarise(text: str, ctx: Context) -> str:
    drafted = await ctx.sample(f"Summarise {text}", max_tokens=20, system_prompt="Be short.")
    return drafted.content.text


@app.tool
async def order(ctx: Context) -> str:
    answer = await ctx.elicit("What shall it be?", Dish)
    return f"{answer.action} {answer.data}"


@app.tool
async def pay(ctx: Context) -> str:
    answer = await ctx.elicit_url("Pay here", "https://pay.example/1", elicitation_id="pay-1")
    return answer.action


@app.tool
async def folders(ctx: Context) -> str:
    return " ".join(str(root.uri) for root in await ctx.list_roots())


@app.tool
async def feast(ctx: Context) -> str:
    """Three questions of three kinds, one after the other."""
    drafted = await ctx.sample("Name a dish", max_tokens=5)
    answer = await ctx.elicit(f"Cook {drafted.content.text}?", Dish)
    roots = await ctx.list_roots()
    return f"{drafted.content.text} {answer.action} {len(roots)}"


@app.tool
async def count(to: int, ctx: Context) -> str:
    for number in range(1, to + 1):
        await ctx.progress(number, to, f"step {number}")
    return "counted"


@app.tool
async def gossip(ctx: Context) -> str:
    await ctx.debug("too quiet to hear")
    await ctx.warning({"soup": "salty"}, logger="kitchen")
    return "told"


@app.tool
async def simmer() -> str:
    """Run for ever; tell when that ends."""
    return await stay("simmer")


@app.tool
async def wait_for_guest(ctx: Context) -> str:
    """Ask a question that nobody answers; tell when that ends."""
    running.add(mark := object())
    events["asking started"] += 1
    try:
        return (await ctx.elicit("Are you there?")).action
    finally:
        running.discard(mark)
        if not ctx.suspending:
            events["asking ended"] += 1


@app.tool
async def nap(seconds: float) -> str:
    events["napping"] += 1
    await trio.sleep(seconds)
    return "rested"


@app.tool
def block(seconds: float) -> str:
    """A plain function: it runs in a thread, which nothing can interrupt."""
    events["blocking"] += 1
    time.sleep(seconds)
    return "unblocked"


@app.tool
async def large(mebibytes: int) -> str:
    return "x" * (mebibytes * 1024 * 1024)


@app.tool
async def gate() -> str:
    """Answer when `open_gates` is called."""
    await gates.wait()
    return "through"


@app.tool
async def open_gates() -> str:
    gates.set()
    return "open"


async def stay(name: str) -> str:
    running.add(mark := object())
    events[f"{name} started"] += 1
    try:
        await trio.sleep_forever()
    finally:
        running.discard(mark)
        events[f"{name} ended"] += 1
    return name


@app.tool
async def tell() -> dict[str, int]:
    """What happened here so far, and how many handlers run beside this one."""
    return {"pid": os.getpid(), "running": len(running), **events}


@app.resource("pantry://menu", mime_type="text/plain", subscribe=True)
async def menu() -> str:
    return "soup"


@app.tool
async def change_menu() -> str:
    """Tell who follows the menu that it changed, and who follows the tools that there is another one."""
    app.resource_updated("pantry://menu")
    app.add_tool(menu, name=f"menu-{len(app.tools)}")
    return "changed"


@app.resource("pantry://shelf/{name}")
async def shelf(name: str) -> str:
    return f"a shelf of {name}"


@app.prompt
async def recipe(dish: str) -> str:
    """How to cook a dish."""
    return f"How do I cook {dish}?"


@app.completion("recipe")
async def dishes(argument: str, value: str) -> list[str]:
    return [name for name in ("bread", "broth", "soup") if name.startswith(value)]


async def main(era: str = "any", drain: str = "5") -> None:
    async with open_runtime() as runtime:
        server = stdio_server(app, era=None if era == "any" else era)
        await serve_stdio(runtime, server, drain=float(drain))


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
