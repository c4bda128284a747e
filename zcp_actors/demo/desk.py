"""
The example server: a publishing desk that asks an editor and a model, sets type for a while, and keeps count.

Owns the desk's handlers and its memory, which ends with the process: what must survive that is in the calls themselves.
Refuses to know protocol eras: `--era` of `zcp-actors serve zcp_actors.demo.desk:app` decides, no handler asks.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

import attrs
import trio

from zcp_actors.app import FastZCP
from zcp_actors.sessions import Context

SECONDS_PER_PAGE = 0.05
"""How long one page takes to set: twenty in a second are slow enough for a progress bar to be seen moving."""

HOUSE_RULES = "One idea to a sentence. No headline over sixty characters. Say who can mend it."
TONES = ["plain", "playful", "solemn", "urgent"]

app = FastZCP(
    "publishing-desk",
    version="1.0.0",
    title="The publishing desk",
    instructions="Call `publish` to bring something out: an editor is asked before anything is printed.",
)


@attrs.define
class Memory:
    """What this process of the desk remembers."""

    runs: int = 0
    """How often the handler of `publish` was begun."""
    slots: list[str] = attrs.field(factory=list)
    """Topics that a place in the press was reserved for, oldest first."""
    editions: dict[str, str] = attrs.field(factory=dict)
    """Number -> headline of what was printed."""
    setting: int = 0
    """Calls of `typeset` at work."""
    stopped: int = 0
    """Calls of `typeset` that were cancelled before their end."""


memory = Memory()


@attrs.frozen
class Approval:
    """What the editor is asked."""

    headline: Annotated[str, "As it will be printed"] = "Untitled"
    tone: Literal["plain", "playful", "solemn", "urgent"] = "plain"


@attrs.frozen
class Receipt:
    """How a publication went."""

    published: bool
    headline: str
    draft: str
    slot: str
    reserved_by: int
    """The process that reserved the slot."""
    printed_by: int
    """The process that ended the call."""


@attrs.frozen
class Count:
    """The size of a text."""

    words: int
    characters: int


@attrs.frozen
class State:
    """What the desk is doing."""

    pid: int
    runs: int
    slots: list[str]
    setting: int
    stopped: int


@app.tool(annotations={"read_only_hint": False, "idempotent_hint": False})
async def publish(topic: Annotated[str, "What it is about"], ctx: Context) -> Receipt:
    """Draft a text with the client's model, have it approved by a person, and print it."""
    memory.runs += 1
    reserved = await ctx.once("slot", lambda: reserve(topic))
    draft = (await ctx.sample(f"Summarise {topic} in one line.", max_tokens=120)).text
    answer = await ctx.elicit(f"Print this? {draft}", Approval)
    headline = answer.data.headline if answer.accepted and answer.data is not None else ""
    if answer.accepted:
        memory.editions[reserved["slot"]] = headline
    return Receipt(answer.accepted, headline, draft, reserved["slot"], reserved["pid"], os.getpid())


def reserve(topic: str) -> dict[str, Any]:
    """Take a place in the press: a side effect, to happen once in a call however often its handler runs."""
    memory.slots.append(topic)
    return {"slot": f"{os.getpid()}-{len(memory.slots)}", "pid": os.getpid()}


@app.tool
async def typeset(
    ctx: Context,
    pages: Annotated[int, "How many pages there are"] = 40,
    ask_at: Annotated[int | None, "The page before which the editor is asked whether to go on"] = None,
) -> str:
    """Set the type of some pages, a while of work for each."""
    first = min(ask_at or 0, pages)
    memory.setting += 1
    try:
        # Recorded, so that a handler that is run again for the answer does not set these pages again.
        await ctx.once("first pages", lambda: set_pages(ctx, range(first), pages))
        if ask_at is not None and not (await ctx.elicit(f"{first} of {pages} pages are set. Go on?")).accepted:
            return f"stopped after {first} pages, as the editor wished"
        await set_pages(ctx, range(first, pages), pages)
    except trio.Cancelled:
        memory.stopped += not ctx.suspending
        raise
    finally:
        memory.setting -= 1
    return f"all {pages} pages are set"


async def set_pages(ctx: Context, which: range, total: int) -> int:
    """Set these pages, and report each; return how many they were."""
    for page in which:
        await trio.sleep(SECONDS_PER_PAGE)
        await ctx.progress(page + 1, total, f"page {page + 1} of {total}")
    return len(which)


@app.tool(annotations={"read_only_hint": True})
def word_count(text: str) -> Count:
    """Count the words and characters of a text."""
    return Count(len(text.split()), len(text))


@app.tool(annotations={"read_only_hint": True})
async def status() -> State:
    """Tell what the desk is doing, and in which process."""
    return State(os.getpid(), memory.runs, list(memory.slots), memory.setting, memory.stopped)


@app.resource("desk://house-rules", mime_type="text/plain")
async def house_rules() -> str:
    """How this desk writes."""
    return HOUSE_RULES


@app.resource_template("desk://editions/{slot}", mime_type="text/plain")
async def edition(slot: str) -> str:
    """The headline of a printed edition."""
    return memory.editions.get(slot, "nothing was printed under this number")


@app.completion("desk://editions/{slot}")
async def slots(value: str) -> list[str]:
    """Numbers of editions that begin like this."""
    return [slot for slot in memory.editions if slot.startswith(value)]


@app.prompt
async def headline(topic: str, tone: str = "plain") -> str:
    """Ask a model for a headline."""
    return f"Write a headline about {topic}, in a tone that is {tone}. {HOUSE_RULES}"


@app.completion("headline")
async def tones(argument: str, value: str) -> list[str]:
    """Tones that begin like this."""
    return [tone for tone in TONES if argument == "tone" and tone.startswith(value)]
