"""
Every race of the serving side, in every order that Hypothesis can think of, in both eras.

The rules (wire.md c.4, C to F; DESIGN 2): a request is answered once, unless it was cancelled or the session closed;
nothing is sent for a cancelled call; a question is withdrawn once; progress rises and stops; no table keeps anything.
They are asserted in `server_world`.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from server_world import ServerWorld, initialize, profile

from zcp_actors.protocol.stateful_server import StatefulServer
from zcp_actors.protocol.stateless_server import StatelessServer

schedules = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=60)
both_eras = pytest.mark.parametrize("kind", [StatefulServer, StatelessServer])


def world_of(kind, *, always_replay=False):
    world = ServerWorld(kind(profile, always_replay=always_replay))
    if kind is StatefulServer:
        world.perform(world.server.received(initialize()))
    return world


@both_eras
@given(schedule=schedules, always_replay=st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_the_order_every_call_ends_once(kind, schedule, always_replay):
    world = world_of(kind, always_replay=always_replay)
    for choice, variant in schedule:
        if world.closed:
            break
        events = world.events()
        events[choice % len(events)](variant)

    world.settle_all()

    world.check()


RACERS = ("answer", "cancel", "give up", "finish", "close", "duplicate", "late")


@pytest.mark.parametrize("first", RACERS)
def test_a_question_in_flight_survives_every_race_of_four(first):
    """2025-11-25: one call with one open question, and four things that happen, in every order."""
    for rest in itertools.permutations(RACERS, 3):
        race_with_one_question((first, *rest))


def race_with_one_question(order):
    world = world_of(StatefulServer)
    world.call(["m0"])
    (run,) = world.runs.values()
    world.ask(run, "m0")
    (id,) = world.questions

    for racer in order:
        if world.closed:
            break
        if racer in ("answer", "late"):
            world.reply(id, 0)
        elif racer == "cancel":
            world.cancel("call-1")
        elif racer == "give up" and run.waiting() and run.call.number in world.runs:
            world.give_up(run, "m0")
        elif racer == "finish" and run.call.number in world.runs:
            world.finish(run, ValueError("bug"))
        elif racer == "close":
            world.close()
        elif racer == "duplicate" and "call-1" in world.server.calls:
            world.duplicate("call-1")

    world.settle_all()
    world.check()
