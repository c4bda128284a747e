"""
The steps in which servers ask: the same handler in both eras, and a look at what waits.

Owns what is expected of a call that asks the host's model and its person. Refuses to break anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from rich.table import Table
from rich.text import Text

from zcp_actors.demo.stage import NEW, OLD

if TYPE_CHECKING:
    from zcp_actors.demo.stage import Stage

ANSWER = {"headline": "Answered from elsewhere", "tone": "solemn"}
"""What the demo itself answers, through the runtime, where the person is away."""


async def ask_in_both_eras(stage: Stage) -> str:
    """Call one tool in both eras: it asks the model, then the person, and does something once in between."""
    receipts = [await _published(stage, name) for name in (OLD, NEW)]
    if stage.person.terminal is None:
        same = [{key: receipt[key] for key in ("published", "headline", "draft")} for receipt in receipts]
        stage.show(same[0] == same[1], f"both receipts say the same: {same[0]['headline']!r} is printed", same)
    return "sampling and elicitation inside one call, by the same handler"


async def _published(stage: Stage, name: str) -> Any:
    person, topic = stage.person, "bees"
    before, sampled, asked = await stage.call(name, "status"), person.sampled, person.asked
    receipt = await stage.call(name, "publish", topic=topic)
    after = await stage.call(name, "status")
    runs, slots = after["runs"] - before["runs"], len(after["slots"]) - len(before["slots"])
    stage.show(
        (person.sampled - sampled, person.asked - asked) == (1, 1),
        f"{name} asked the model once and the person once",
        (person.sampled - sampled, person.asked - asked),
    )
    stage.show(
        receipt["published"] == (person.action == "accept"),
        f"{name} did what the person said: {person.action}",
        receipt,
    )
    how = "parked while it waited" if runs == 1 else "ended at each question and replayed"
    stage.show(
        runs == (1 if name == OLD else 3) and slots == 1,
        f"{name}: the handler ran {runs}x ({how}), its side effect happened once",
        after,
    )
    return receipt


async def watch_waiting(stage: Stage) -> str:
    """Leave a question of each era open, show the actor tree meanwhile, then answer both through the runtime."""
    stage.person.away = True
    receipts: dict[str, Any] = {}

    async def publish(name: str) -> None:
        receipts[name] = await stage.call(name, "publish", topic="patience")

    async with trio.open_nursery() as nursery:
        for name in (OLD, NEW):
            nursery.start_soon(publish, name)
        waiting = [await stage.question(name) for name in (OLD, NEW)]
        stage.console.print(Text(str(stage.runtime.tree()), style="dim"), soft_wrap=True)
        stage.console.print(_table_of(stage))
        stage.show(len(stage.runtime.pending()) == len(waiting), "two questions wait, one of each era")
        for pending in waiting:
            stage.runtime.answer(pending.id, ANSWER)
    stage.person.away = False
    stage.show(
        all(receipt["headline"] == ANSWER["headline"] for receipt in receipts.values()),
        "both were answered through runtime.answer(), and both calls ended with that answer",
        receipts,
    )
    stage.show(not stage.runtime.pending(), "nothing waits any more", stage.runtime.pending())
    return "the actor tree and the pending list while two calls wait"


def _table_of(stage: Stage) -> Table:
    table = Table("waits for", "question of", "status", "message", box=None, padding=(0, 2))
    now = trio.current_time()
    for pending in stage.runtime.pending():
        words = (f"{now - pending.since:.2f} s", pending.backend, pending.status.value, pending.params.message)
        table.add_row(*(Text(word) for word in words))
    return table
