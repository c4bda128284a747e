"""A server whose tool asks a person. Try it without any program of your own, at a terminal:

zcp-actors call examples/ask_a_person.py:app order --arg dish=soup
zcp-actors serve examples/ask_a_person.py:app
"""

from __future__ import annotations

from typing import Annotated, Literal

import attrs

from zcp_actors import Context, FastZCP

app = FastZCP("kitchen", instructions="Order one dish at a time.")


@attrs.frozen
class Wishes:
    size: Literal["small", "large"] = "small"
    name: Annotated[str, "Whom to call when it is ready"] = "you"


@attrs.frozen
class Order:
    number: int
    text: str


orders: list[str] = []


def take(dish: str) -> int:
    orders.append(dish)
    return len(orders)


@app.tool
async def order(dish: Annotated[str, "What to cook"], ctx: Context) -> Order | None:
    """Order a dish; the person is asked for their wishes first."""
    answer = await ctx.elicit(f"How would you like the {dish}?", Wishes)
    if not answer.accepted or answer.data is None:
        return None
    # However often this handler is run again, the order is taken once.
    number = await ctx.once("order", lambda: take(dish))
    return Order(number, f"{answer.data.size} {dish} for {answer.data.name}")
