"""What a supervisor did, and what waited for a busy actor, in traces and numbers."""

from __future__ import annotations

import pytest
import trio
from span_world import Recorded, links, seconds

from zcp_actors import Actor, Cell, Limit, Restart, Supervisor, open_runtime


class Fails(Actor):
    """Fails when it is told to; the second incarnation takes 3 seconds to begin."""

    kind = "fragile"
    made = 0

    def __init__(self):
        type(self).made += 1
        self.number = self.made

    async def on_start(self):
        if self.number == 2:
            await trio.sleep(3)

    async def receive(self, message):
        if message == "sleep":
            await trio.sleep(7)
        if message == "die":
            raise ConnectionError("upstream reset")


class Patient(Supervisor):
    limit = Limit(restarts=1, within=1000, backoff=4, backoff_max=4)
    jitter = staticmethod(lambda: 1.0)


@pytest.fixture(autouse=True)
def first():
    Fails.made = 0


async def told_to_die(recorded, *, times=1, restart=Restart.ON_FAILURE):
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        top = await runtime.start(Patient, "top", restart=Restart.NEVER)
        ref = await runtime.start(Fails, "x", restart=restart, parent=top)
        for _ in range(times):
            await trio.sleep(10)
            ref.tell("die")
            await trio.sleep(50)


async def test_a_restart_is_a_short_trace_linked_to_the_incarnation_that_failed(autojump_clock):
    recorded = Recorded()
    await told_to_die(recorded)

    failed, again = recorded.named("actor fragile")
    assert recorded.tree() == [
        "actor fragile",
        "supervisor.restart",
        "  wait_for restart_backoff",
        "  actor fragile",
    ]
    assert (seconds(failed), failed.status.status_code.name) == (10.0, "ERROR")
    assert failed.attributes["error.type"] == "ConnectionError"
    assert failed.attributes["zcp.actor.incarnation"] == 1
    assert again.attributes["zcp.actor.incarnation"] == 2
    assert seconds(recorded.one("wait_for restart_backoff")) == 4.0
    assert seconds(again) == 3.0
    restart = recorded.one("supervisor.restart")
    assert seconds(restart) == 7.0
    assert restart.attributes["zcp.supervisor.strategy"] == "one_for_one"
    assert restart.attributes["zcp.supervisor.restarts_in_window"] == 1
    for span in (restart, again):
        assert links(span) == {"restart_of": failed.context.span_id}
        assert span.status.status_code.name == "UNSET"
    assert "upstream reset" not in str([dict(span.attributes) for span in recorded.spans])


async def test_an_actor_that_is_not_started_again_is_told_from_one_that_is(autojump_clock):
    recorded = Recorded()
    await told_to_die(recorded, restart=Restart.NEVER)

    failed = recorded.one("actor fragile")
    assert failed.attributes["error.type"] == "ConnectionError"
    assert recorded.named("supervisor.restart") == []


async def test_a_supervisor_that_gives_up_is_an_error_of_its_own(autojump_clock):
    recorded = Recorded()
    await told_to_die(recorded, times=2)

    given_up = recorded.one("actor supervisor")
    assert given_up.status.status_code.name == "ERROR"
    assert given_up.attributes["error.type"] == "RestartLimitReached"
    failed = [span for span in recorded.named("actor fragile") if span.status.status_code.name == "ERROR"]
    assert [span.attributes["zcp.actor.incarnation"] for span in failed] == [1, 2]
    assert len(recorded.named("supervisor.restart")) == 1


async def test_an_actor_that_lives_and_ends_well_has_no_span(autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        ref = await runtime.start(Fails, "x")
        await trio.sleep(1000)
        ref.stop()
        await ref.stopped()

    assert recorded.tree() == []


async def test_a_long_wait_in_a_mailbox_is_drawn_where_the_message_came_from(autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        ref = await runtime.start(Fails, "x")
        with recorded.tracer.start_as_current_span("sender") as sender:
            ref.tell("sleep")
            ref.tell("nothing")
        await trio.sleep(20)

    waited = recorded.one("wait_for mailbox fragile")
    assert seconds(waited) == 7.0
    assert waited.parent.span_id == sender.get_span_context().span_id
    count, total = recorded.metric("zcp.mailbox.wait.duration")["fragile",]
    assert (count, total) == (2, 7.0)


async def test_an_actor_never_inherits_the_span_of_whoever_started_it(autojump_clock):
    recorded = Recorded()

    class Works(Actor):
        async def receive(self, message):
            recorded.tracer.start_span("own work").end()

    async with open_runtime(recorder=recorded.telemetry) as runtime:
        with recorded.tracer.start_as_current_span("request"):
            ref = await runtime.start(Works, "x")
        await ref.ask("go")

    assert recorded.one("own work").parent is None


async def test_numbers_tell_of_actors_restarts_and_mail(autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        ref = await runtime.start(Fails, "x")
        runtime.host(Cell(), "cell")
        for _ in range(5):
            ref.tell("sleep")
        await trio.sleep(1)
        counts, depth = recorded.metric("zcp.actor.count"), recorded.metric("zcp.mailbox.depth")
        assert counts == {("supervisor",): 1, ("fragile",): 1, ("cell",): 1}
        assert depth["fragile",] == recorded.metric("zcp.mailbox.depth.max")["fragile",] == 4
        await trio.sleep(100)
        ref.tell("die")
        await trio.sleep(100)
        assert recorded.metric("zcp.actor.restarts") == {("ConnectionError", "fragile", "one_for_one"): 1}

    assert set(recorded.metric("zcp.actor.count").values()) == {0}
