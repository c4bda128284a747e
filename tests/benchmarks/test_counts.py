"""What an operation costs, counted and not timed: the same on every machine, and the same twice. Claims: DESIGN 10."""

from __future__ import annotations

from collections import Counter
from random import Random

import attrs
import pytest
import trio
from oracle_tap import Overheard
from session_world import both_eras

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.schemas import validator
from zcp_actors.tasks import TaskLimits
from zcp_actors.transports import memory
from zcp_actors.wire import codec

TIMES = 50


@attrs.define
class Approval:
    agreed: bool


def counted_app(tools=1):
    app = FastZCP("Counted", task_limits=TaskLimits(anonymous_polls_per_second=1e9))

    @app.tool
    async def echo(text: str) -> str:
        return text

    @app.tool
    async def approve(ctx: Context) -> str:
        return (await ctx.elicit("Shall we?", Approval)).action

    @app.tool(task="optional")
    async def work(text: str) -> str:
        return text

    for number in range(tools - 1):
        app.tool(name=f"tool_{number}")(echo_again)
    return app


async def echo_again(text: str) -> str:
    return text


async def echo(client):
    await client.call_tool("echo", {"text": "hello"})


async def approve(client):
    await client.call_tool("approve")


async def work(client):
    task = await client.call_tool_as_task("work", {"text": "hello"})
    await task.result()


OPERATIONS = {"echo": echo, "approve": approve, "work": work}


class Counting(trio.abc.Instrument):
    """Counts what happens below: steps and tasks of the scheduler, and what is called of the codec and the schemas."""

    def __init__(self, monkeypatch):
        self.counts = Counter()
        monkeypatch.setattr(Overheard, "_wrote", lambda *_: None)  # it encodes what it hears
        self._watch(monkeypatch, codec, "_encoder", "encode", "encodes")
        self._watch(monkeypatch, codec, "jiter", "from_json", "decodes")
        self._watch(monkeypatch, validator, "jsonschema_rs", "validator_for", "compilations")
        copied = memory.copied

        def copy(value):
            self.counts["copies"] += 1
            return copied(value)

        monkeypatch.setattr(memory, "copied", copy)

    def _watch(self, monkeypatch, module, name, verb, counted):
        original = getattr(module, name)
        counts = self.counts

        class Watched:
            def __getattr__(self, asked):
                if asked == verb:
                    counts[counted] += 1
                return getattr(original, asked)

        monkeypatch.setattr(module, name, Watched())

    def task_spawned(self, task):
        self.counts["tasks"] += 1

    def before_task_step(self, task):
        self.counts["steps"] += 1


async def counts_of(monkeypatch, operation, era, *, tools=1, times=TIMES, **options):
    """What `times` operations cost, after the first few have filled caches and parked workers."""
    providers = {"elicitation_handler": lambda _: {"accepted": True, "data": {"agreed": True}}}
    async with open_runtime(), memory_client(counted_app(tools), era=era, **providers, **options) as client:
        for _ in range(3):
            await OPERATIONS[operation](client)
        with monkeypatch.context() as patch:
            counting = Counting(patch)
            trio.lowlevel.add_instrument(counting)
            for _ in range(times):
                await OPERATIONS[operation](client)
            trio.lowlevel.remove_instrument(counting)
    return counting.counts


@both_eras
async def test_a_call_in_process_encodes_decodes_copies_and_compiles_nothing(monkeypatch, autojump_clock, era):
    counts = await counts_of(monkeypatch, "echo", era)

    assert counts == {"steps": 2 * TIMES}


@both_eras
async def test_a_call_over_bytes_encodes_and_decodes_each_message_once(monkeypatch, autojump_clock, era):
    counts = await counts_of(monkeypatch, "echo", era, strict=True)

    assert (counts["encodes"], counts["decodes"], counts["compilations"]) == (2 * TIMES, 2 * TIMES, 0)


@both_eras
async def test_a_call_costs_the_same_among_five_hundred_tools(monkeypatch, autojump_clock, era):
    alone = await counts_of(monkeypatch, "echo", era)
    among_many = await counts_of(monkeypatch, "echo", era, tools=500)

    assert among_many == alone


@both_eras
async def test_a_question_inside_a_call_starts_no_task_and_compiles_no_schema(monkeypatch, autojump_clock, era):
    counts = await counts_of(monkeypatch, "approve", era)

    assert (counts["tasks"], counts["compilations"]) == (0, 0)


@both_eras
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_same_operations_have_the_same_counts_twice(monkeypatch, autojump_clock, era, operation):
    """trio lets chance order what is ready to run, so that its chance is one of the inputs."""
    monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
    runs = []
    for _ in range(2):
        monkeypatch.setattr("trio._core._run._r", Random(0))
        runs.append(await counts_of(monkeypatch, operation, era))
    first, second = runs

    assert first["steps"] >= 2 * TIMES
    assert second == first
