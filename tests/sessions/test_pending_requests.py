"""What waits for an answer, listed and answered from anywhere in the process (DESIGN 6)."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from session_world import STATEFUL, STATELESS, Line, both_eras, opened, strictly_or_not

from zcp_actors import Context, FastZCP, Inbox, Policy, memory_client, open_runtime
from zcp_actors.errors import RPCError, SessionClosed, UsageError
from zcp_actors.wire import ElicitResult, Request

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def asking_app(name="Asking") -> FastZCP:
    app = FastZCP(name)

    @app.tool
    async def elicit(ctx: Context) -> str:
        answer = await ctx.elicit("How many?", SCHEMA)
        return f"{answer.action} {answer.content}"

    @app.tool
    async def sample(ctx: Context) -> str:
        return (await ctx.sample("?")).content.text

    @app.tool
    async def roots(ctx: Context) -> list:
        return [root.uri for root in await ctx.list_roots()]

    return app


class Calls:
    """Tool calls at work, and what became of them."""

    def __init__(self, nursery) -> None:
        self._nursery, self.found = nursery, {}

    def start(self, client, tool, label=None) -> None:
        self._nursery.start_soon(self._call, client, tool, label or tool)

    async def _call(self, client, tool, label) -> None:
        try:
            self.found[label] = (await client.call_tool(tool)).structured_content["result"]
        except RPCError as error:
            self.found[label] = (error.code, error.message)
        except SessionClosed as error:
            self.found[label] = type(error).__name__


@pytest.fixture
async def calls(nursery):
    return Calls(nursery)


@both_eras
@strictly_or_not
async def test_what_waits_is_listed_with_who_asks_since_when_and_until_when(era, strict, calls, autojump_clock):
    async with opened(asking_app(), era, strict=strict, elicitation_handler=Inbox(), name="desk") as client:
        await trio.sleep(7)
        calls.start(client, "elicit")
        await trio.sleep(1)
        (pending,) = client.runtime.pending()

        assert (pending.backend, pending.method, pending.params.message) == ("desk", "elicitation/create", "How many?")
        assert (pending.since, pending.until - pending.since) == (7, Policy().max_human_wait)
        assert pending.status.value == "awaiting approval"
        assert pending.request == ("tools/call" if era == STATELESS else "")
        assert len(pending.id) > 8
        client.runtime.answer(pending.id, {"n": 3})
        await trio.sleep(1)

        assert client.runtime.pending() == ()
    assert calls.found == {"elicit": "accept {'n': 3}"}


@both_eras
@pytest.mark.parametrize("way", ["answer", "decline", "cancel"])
@pytest.mark.parametrize("directly", [False, True])
async def test_a_person_answers_declines_or_dismisses(era, way, directly, calls, autojump_clock):
    async with opened(asking_app(), era, elicitation_handler=Inbox()) as client:
        calls.start(client, "elicit")
        await trio.sleep(1)
        (pending,) = client.runtime.pending()
        arguments = [ElicitResult(action="accept", content={"n": 1})] if way == "answer" else []
        if directly:
            getattr(pending, way)(*arguments)
        else:
            getattr(client.runtime, way)(pending.id, *arguments)
        await trio.sleep(1)

        with pytest.raises(UsageError):
            getattr(pending, way)(*arguments)
        with pytest.raises(UsageError, match="no pending request"):
            getattr(client.runtime, way)(pending.id, *arguments)
    assert calls.found == {"elicit": {"answer": "accept {'n': 1}"}.get(way, f"{way} None")}


@both_eras
@pytest.mark.parametrize("way", ["decline", "cancel"])
async def test_a_sampling_that_is_declined_is_refused(era, way, calls, autojump_clock):
    """E 71: the user's rejection is -1."""
    async with opened(asking_app(), era, sampling_handler=Inbox()) as client:
        calls.start(client, "sample")
        await trio.sleep(1)
        (pending,) = client.runtime.pending()
        getattr(client.runtime, way)(pending.id, "not today")
        await trio.sleep(1)

    assert calls.found == {"sample": (-1, "not today")}


@both_eras
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(era, calls, autojump_clock):
    async with opened(asking_app(), era, elicitation_handler=Inbox()) as client:
        calls.start(client, "elicit")
        await trio.sleep(1)
        (pending,) = client.runtime.pending()
        with pytest.raises(UsageError):
            client.runtime.answer(pending.id, {"action": "accept", "content": {"n": "three"}})

        assert client.runtime.pending() == (pending,)
        client.runtime.answer(pending.id, {"accepted": True, "data": {"n": 3}})
        await trio.sleep(1)
    assert calls.found == {"elicit": "accept {'n': 3}"}


@both_eras
async def test_every_kind_of_question_can_wait_in_an_inbox(era, calls, autojump_clock):
    inbox = Inbox()
    async with opened(
        asking_app(), era, elicitation_handler=inbox, sampling_handler=inbox, roots_provider=inbox
    ) as client:
        for tool in ("elicit", "sample", "roots"):
            calls.start(client, tool)
        await trio.sleep(1)
        answers = {
            "elicitation/create": {"n": 1},
            "sampling/createMessage": "text",
            "roots/list": ["file:///w"],
        }
        assert {pending.method for pending in client.runtime.pending()} == set(answers)
        for pending in client.runtime.pending():
            client.runtime.answer(pending.id, answers[pending.method])
        await trio.sleep(1)

    assert calls.found == {"elicit": "accept {'n': 1}", "sample": "text", "roots": ["file:///w"]}


@both_eras
async def test_an_inbox_takes_no_place_among_the_providers_at_work(era, calls, autojump_clock):
    async with opened(
        asking_app(),
        era,
        elicitation_handler=Inbox(),
        sampling_handler=lambda request: "text",
        policy=Policy(max_in_flight=1),
    ) as client:
        for number in range(5):
            calls.start(client, "elicit", f"elicit {number}")
        await trio.sleep(1)
        assert len(client.runtime.pending()) == 5
        assert (await client.call_tool("sample")).structured_content == {"result": "text"}
        for pending in client.runtime.pending():
            pending.decline()
        await trio.sleep(1)
    assert set(calls.found.values()) == {"decline None"}


@both_eras
async def test_a_running_provider_can_be_overtaken_by_a_person(era, calls, autojump_clock):
    ended = []

    async def slow(request):
        try:
            await trio.sleep_forever()
        finally:
            ended.append("provider")

    async with opened(asking_app(), era, elicitation_handler=slow) as client:
        calls.start(client, "elicit")
        await trio.sleep(1)
        (pending,) = client.runtime.pending()
        assert pending.status.value == "answering"
        pending.answer({"n": 9})
        await trio.sleep(1)

    assert ended == ["provider"]
    assert calls.found == {"elicit": "accept {'n': 9}"}


@both_eras
async def test_what_waits_is_withdrawn_when_its_call_ends(era, autojump_clock):
    async with opened(asking_app(), era, elicitation_handler=Inbox()) as client:
        with trio.move_on_after(1):
            await client.call_tool("elicit")
        await trio.sleep(0.001)

        assert client.runtime.pending() == ()


@both_eras
async def test_closing_one_client_withdraws_its_questions_only(era, calls, autojump_clock):
    async with opened(asking_app(), era, elicitation_handler=Inbox(), name="stays") as stays:
        runtime = stays.runtime
        async with memory_client(asking_app(), era=era, elicitation_handler=Inbox(), name="goes") as goes:
            calls.start(stays, "elicit")
            calls.start(goes, "elicit", "doomed")
            await trio.sleep(1)
            assert sorted(pending.backend for pending in runtime.pending()) == ["goes", "stays"]
        assert [pending.backend for pending in runtime.pending()] == ["stays"]
        runtime.pending()[0].decline()
        await trio.sleep(1)
    assert calls.found == {"elicit": "decline None", "doomed": "SessionClosed"}


@both_eras
async def test_an_expired_question_is_dismissed_and_says_so(era, calls, autojump_clock):
    async with opened(asking_app(), era, elicitation_handler=Inbox(), policy=Policy(max_human_wait=5)) as client:
        calls.start(client, "elicit")
        await trio.sleep(1)
        (pending,) = client.runtime.pending()
        await trio.sleep(5)

        assert pending.status.value == "expired"
    assert calls.found == {"elicit": "cancel None"}


@both_eras
async def test_the_tree_shows_who_waits_and_no_contents(era, calls, autojump_clock):
    async def slow(request):
        await trio.sleep(10)
        return {"n": 1}

    async with opened(asking_app(), era, elicitation_handler=slow, name="desk") as client:
        calls.start(client, "elicit")
        await trio.sleep(1)
        shown = "\n".join(f"{node.path} {node.description}" for node in client.runtime.tree().walk())

        assert "elicitation/create · answering" in shown
        assert "1 pending" in shown
        assert "How many?" not in shown
        await trio.sleep(10)


def tapped(crossed, side, message):
    crossed.append(message)


async def test_undeclared_questions_are_refused_with_their_code(autojump_clock):
    """E 71, 74: checked at the client too, whatever the server believes."""
    for options, method, params, code in [
        ({}, "sampling/createMessage", {"messages": [], "maxTokens": 1}, -32601),
        ({}, "roots/list", {}, -32601),
        ({}, "elicitation/create", {"message": "?", "requestedSchema": {"type": "object"}}, -32601),
        (
            {"elicitation_handler": print, "url_elicitation": False},
            "elicitation/create",
            {"mode": "url", "message": "?", "url": "https://a.b", "elicitationId": "e"},
            -32602,
        ),
        (
            {"sampling_handler": print},
            "sampling/createMessage",
            {"messages": [], "maxTokens": 1, "tools": []},
            -32602,
        ),
    ]:
        crossed = []
        tap = partial(tapped, crossed)
        async with opened(asking_app(), STATEFUL, strict=True, tap=tap, **options) as client:
            client._session.feed(Request("q", method, params))
            await trio.sleep(1)

        replies = [message for message in crossed if getattr(message, "id", None) == "q"]
        assert [getattr(reply, "code", None) for reply in replies] == [code]


async def test_a_server_is_not_asked_to_serve_a_client_that_declared_nothing(autojump_clock):
    """2026: declared by each request for itself."""
    async with open_runtime(grace=1) as runtime:
        line = Line(asking_app()).host(runtime)
        refused = await line.ask("tools/call", {"name": "sample", "arguments": {}}, capabilities={})
        asked = await line.ask("tools/call", {"name": "sample", "arguments": {}})

        assert (refused.code, refused.data) == (-32021, {"requiredCapabilities": {"sampling": {}}})
        assert asked.result.input_requests
