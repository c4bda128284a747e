"""
Every race of the asking side, in every order that Hypothesis can think of, in both eras.

The rules (wire.md c.4, C to F; DESIGN 2): a request is settled exactly once, unless its caller left; a question ends
once, answered or withdrawn; a retry has a new id, the state as it came and an answer to everything; no table keeps
anything.
They are asserted in `client_world`.
"""

from __future__ import annotations

import itertools

import pytest
from client_world import ClientWorld, client_of
from hypothesis import given, settings
from hypothesis import strategies as st

from zcp_actors.protocol.stateful_client import StatefulClient
from zcp_actors.protocol.stateless_client import StatelessClient

schedules = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=60)
both_eras = pytest.mark.parametrize("kind", [StatefulClient, StatelessClient])


@both_eras
@given(schedule=schedules)
@settings(max_examples=400, deadline=None)
def test_whatever_the_order_every_request_is_settled_once(kind, schedule):
    world, seen = ClientWorld(client_of(kind)), {}
    for choice, variant in schedule:
        if world.closed:
            break
        seen |= world.pending
        events = world.events(list(seen.values()))
        events[choice % len(events)](variant)

    world.lose(final=True)

    world.check()


RACERS = ("answer", "answer well", "cancel", "lose", "reconnect", "close", "withdraw", "late reply", "garbled")


@both_eras
@pytest.mark.parametrize("first", RACERS)
def test_a_question_of_a_request_survives_every_race_of_four(kind, first):
    for rest in itertools.permutations(RACERS, 3):
        race_with_one_question(kind, (first, *rest))


def race_with_one_question(kind, order):
    world = ClientWorld(client_of(kind))
    caller = world.request()
    (id,) = world.flying
    if world.stateless:
        world.reply(id, 4)
    else:
        world.question()
    (question,) = world.pending.values()

    for racer in order:
        if racer.startswith("answer"):
            world.answer(question, well=racer.endswith("well"))
        elif racer == "cancel":
            world.cancel(caller)
        elif racer in ("lose", "close") and not world.closed:
            world.lose(final=racer == "close")
        elif racer == "reconnect" and not world.connected and not world.closed:
            world.reconnect()
        elif racer == "withdraw" and world.connected:
            world.withdraw(question.id)
        elif racer == "late reply" and world.connected:
            world.reply(id, 0)
        elif racer == "garbled" and world.connected:
            world.garbled(id)

    if not world.closed:
        world.lose(final=True)
    world.check()
