"""What a host allows a server to ask, and what its providers may return (DESIGN 6)."""

from __future__ import annotations

import logging
from typing import Literal

import attrs
import pytest
import trio
from session_world import STATEFUL, STATELESS, both_eras, opened

from zcp_actors import Context, FastZCP, Policy
from zcp_actors.errors import RPCError, UsageError
from zcp_actors.sessions.policy import check_url
from zcp_actors.wire import CreateMessageResult, ElicitRequestURLParams, ElicitResult, Root, TextContent

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "nobody"},
        "size": {"type": "integer"},
        "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
    },
    "required": ["size"],
}


def asking_app() -> FastZCP:
    app = FastZCP("Asking")

    @app.tool
    async def sample(ctx: Context, tokens: int = 10, text: str = "?") -> dict:
        answer = await ctx.sample(text, max_tokens=tokens)
        return {"text": answer.content.text, "model": answer.model, "role": answer.role}

    @app.tool
    async def elicit(ctx: Context) -> dict:
        answer = await ctx.elicit("How big?", SCHEMA)
        return {"action": answer.action, "content": answer.content}

    @app.tool
    async def visit(url: str, ctx: Context) -> str:
        return (await ctx.elicit_url("Visit?", url)).action

    @app.tool
    async def roots(ctx: Context) -> list:
        return [root.uri for root in await ctx.list_roots()]

    @app.tool
    async def many(count: int, ctx: Context) -> list:
        found = []

        async def one(number):
            found.append((await ctx.sample(f"{number}?")).content.text)

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(one, number)
        return sorted(found)

    return app


async def refusal(client, name, arguments=None):
    """Code and text with which a question of this tool was refused, wherever that is read."""
    with pytest.raises(RPCError) as caught:
        await client.call_tool(name, arguments)
    return caught.value.code, caught.value.message


# ---- how many at once
@both_eras
async def test_eight_providers_work_at_once_and_the_rest_wait_their_turn(era, autojump_clock):
    working, most = [], []

    async def answer(request):
        working.append(1)
        most.append(len(working))
        await trio.sleep(1)
        working.pop()
        return request.messages[0].content.text

    async with opened(asking_app(), era, sampling_handler=answer) as client:
        began = trio.current_time()
        result = await client.call_tool("many", {"count": 20})

        assert trio.current_time() - began == 3
    assert max(most) == 8
    assert result.structured_content == {"result": sorted(f"{number}?" for number in range(20))}


@both_eras
async def test_a_question_withdrawn_while_it_waits_its_turn_takes_none(era, autojump_clock):
    asked = []

    async def answer(request):
        asked.append(request.messages[0].content.text)
        await trio.sleep(10)
        return "x"

    async with (
        opened(asking_app(), era, sampling_handler=answer, policy=Policy(max_in_flight=1)) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.call_tool, "sample", {"text": "first"})
        await trio.sleep(1)
        with trio.move_on_after(1):
            await client.call_tool("sample", {"text": "second"})
        nursery.start_soon(client.call_tool, "sample", {"text": "third"})

    assert asked == ["first", "third"]


@both_eras
async def test_more_than_may_wait_are_refused(era, autojump_clock):
    async def answer(request):
        await trio.sleep(10)
        return "x"

    policy = Policy(max_in_flight=1, max_queued=1)
    async with (
        opened(asking_app(), era, sampling_handler=answer, policy=policy) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.call_tool, "sample")
        nursery.start_soon(client.call_tool, "sample")
        await trio.sleep(1)
        code, text = await refusal(client, "sample")

    assert (code, "1 questions of this server already wait" in text) == (-32000, True)


async def test_questions_withdrawn_from_the_queue_leave_room_in_it(autojump_clock):
    async def answer(request):
        await trio.sleep(100)
        return "x"

    policy = Policy(max_in_flight=1, max_queued=2)
    async with (
        opened(asking_app(), STATEFUL, sampling_handler=answer, policy=policy) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.call_tool, "sample")
        await trio.sleep(1)
        for _ in range(5):
            with trio.move_on_after(1) as scope:
                await client.call_tool("sample")
            assert scope.cancelled_caught
        nursery.cancel_scope.cancel()


# ---- budgets
@both_eras
@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (Policy(sampling_calls=2), "budget is spent: 2 calls"),
        (Policy(sampling_tokens=25), "5 tokens left; 10 were asked for"),
        (Policy(per_minute=2), "2 questions a minute"),
    ],
)
async def test_what_is_beyond_the_budget_is_refused_with_its_reason(era, policy, text, autojump_clock):
    """2025: an error the server reads. 2026: the retry has no place for an error, so the call fails."""
    async with opened(asking_app(), era, sampling_handler=lambda request: "x", policy=policy) as client:
        for _ in range(2):
            await client.call_tool("sample")
        code, message = await refusal(client, "sample")

    assert code == -1
    assert text in message


async def test_a_server_reads_the_refusal_and_may_go_on(autojump_clock):
    app = FastZCP("Brave")

    @app.tool
    async def brave(ctx: Context) -> str:
        try:
            await ctx.sample("?")
        except RPCError as error:
            return f"{error.code}: {error.message}"
        return "sampled"

    async with opened(app, STATEFUL, sampling_handler=lambda request: "x", policy=Policy(sampling_calls=0)) as client:
        assert (await client.call_tool("brave")).structured_content == {
            "result": "-1: the sampling budget is spent: 0 calls"
        }


@both_eras
async def test_the_rate_recovers_after_a_minute(era, autojump_clock):
    async with opened(asking_app(), era, sampling_handler=lambda request: "x", policy=Policy(per_minute=1)) as client:
        await client.call_tool("sample")
        await refusal(client, "sample")
        await trio.sleep(60)
        await client.call_tool("sample")


async def test_one_request_may_not_sample_without_end(autojump_clock):
    async with opened(
        asking_app(), STATELESS, sampling_handler=lambda request: "x", policy=Policy(sampling_calls_per_request=3)
    ) as client:
        await client.call_tool("many", {"count": 3})
        code, message = await refusal(client, "many", {"count": 4})

    assert (code, "may cause 3 sampling calls" in message) == (-1, True)


# ---- pages that a person is sent to
@both_eras
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt://x/%0aalert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "https:evil",
        "ftp://x/y",
        "//x.y/z",
        "x.y",
        "",
    ],
)
async def test_only_web_addresses_are_opened(era, url, autojump_clock):
    asked = []
    async with opened(asking_app(), era, elicitation_handler=asked.append) as client:
        with pytest.raises(Exception, match=r"opens only http and https|url"):
            result = await client.call_tool("visit", {"url": url})
            raise AssertionError(result)

    assert asked == []


@both_eras
@pytest.mark.parametrize(("returned", "action"), [(True, "accept"), (False, "decline"), (None, "cancel")])
async def test_a_web_address_is_shown_whole_and_agreed_to_or_not(era, returned, action, autojump_clock):
    asked = []

    def answer(request):
        asked.append((request.mode, request.url))
        return returned

    async with opened(asking_app(), era, elicitation_handler=answer) as client:
        result = await client.call_tool("visit", {"url": "https://user@xn--bcher-kva.example/pay?id=7#now"})

    assert result.structured_content == {"result": action}
    assert asked == [("url", "https://user@xn--bcher-kva.example/pay?id=7#now")]


@pytest.mark.parametrize(
    "url", ["https://a.b/ c", "https://a.b/\n", "https://a.b/\x00", " javascript:x", "https://a\u2028b"]
)
def test_an_address_with_blanks_is_refused(url):
    with pytest.raises(RPCError):
        check_url(ElicitRequestURLParams(message="?", url=url))


# ---- what was never declared
@both_eras
@pytest.mark.parametrize(
    ("name", "arguments", "needed"),
    [
        ("sample", None, {"sampling": {}}),
        ("elicit", None, {"elicitation": {"form": {}}}),
        ("visit", {"url": "https://a.b"}, {"elicitation": {"url": {}}}),
        ("roots", None, {"roots": {}}),
    ],
)
async def test_what_has_no_provider_is_not_advertised_and_cannot_be_asked(era, name, arguments, needed, autojump_clock):
    async with opened(asking_app(), era) as client:
        with pytest.raises(RPCError) as caught:
            await client.call_tool(name, arguments)

    assert (caught.value.code, caught.value.data) == (-32021, {"requiredCapabilities": needed})


@both_eras
@pytest.mark.parametrize(
    ("options", "declared"),
    [
        ({}, {}),
        ({"sampling_handler": print}, {"sampling": {}}),
        ({"sampling_handler": print, "sampling_tools": True}, {"sampling": {"tools": {}}}),
        ({"elicitation_handler": print}, {"elicitation": {"form": {}, "url": {}}}),
        ({"elicitation_handler": print, "url_elicitation": False}, {"elicitation": {"form": {}}}),
        ({"roots_provider": list}, {"roots": {"listChanged": True}}),
        ({"log_handler": print, "progress_handler": print}, {}),
    ],
)
async def test_exactly_what_has_a_provider_is_advertised(era, options, declared, autojump_clock):
    app, seen = FastZCP("Curious"), []

    @app.tool
    async def look(ctx: Context) -> None:
        seen.append(dict(ctx.client_capabilities))

    async with opened(app, era, **options) as client:
        await client.call_tool("look")

    calls = {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}}
    requests = {name: calls[name] for name in calls if name in declared}
    tasks = {"tasks": {"list": {}, "cancel": {}, "requests": requests}} if requests and era == STATEFUL else {}
    if era == STATELESS:
        # Every call may become a task; a change of roots is nothing to tell where every request stands alone.
        declared = {name: {} if name == "roots" else modes for name, modes in declared.items()}
        tasks = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    assert seen == [{**declared, **tasks}]


# ---- providers that fail
@both_eras
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_provider_that_raises_is_an_error_without_its_secrets(era, asynchronous, caplog, autojump_clock):
    def broken(request):
        raise ValueError("the key is 1234")

    async def broken_later(request):
        broken(request)

    with caplog.at_level(logging.CRITICAL):
        async with opened(asking_app(), era, sampling_handler=broken_later if asynchronous else broken) as client:
            code, message = await refusal(client, "sample")

            assert (code, "1234" in message) == (-32603, False)
            assert (await client.list_tools()).tools  # and the session goes on


@both_eras
async def test_a_provider_may_refuse_with_an_error_of_its_own(era, autojump_clock):
    def refuse(request):
        raise RPCError(-32077, "out of credit", {"until": "noon"})

    async with opened(asking_app(), era, sampling_handler=refuse) as client:
        with pytest.raises(RPCError) as caught:
            await client.call_tool("sample")

    assert (caught.value.code, caught.value.message) == (-32077, "out of credit")


@both_eras
@pytest.mark.parametrize("nonsense", [5, object(), [], {"content": 5}, {}, {"content": {"type": "smell"}}, b"x"])
async def test_a_model_that_returns_nonsense_is_named(era, nonsense, caplog, autojump_clock):
    with caplog.at_level(logging.CRITICAL):
        async with opened(asking_app(), era, sampling_handler=lambda request: nonsense) as client:
            code, message = await refusal(client, "sample")

    assert (code, "the provider for sampling/createMessage returned" in message) == (-32603, True)


@both_eras
@pytest.mark.parametrize(
    "nonsense",
    [
        5,
        "yes",
        {"action": "maybe"},
        {"action": "accept", "content": {"size": "big"}},
        {"action": "accept", "content": {}},
        {"accepted": True, "data": {"size": 1.5}},
        {"accepted": True, "data": {"size": 1, "color": "blue"}},
        {"accepted": True, "data": 7},
        object(),
    ],
)
async def test_a_person_that_returns_nonsense_is_named(era, nonsense, caplog, autojump_clock):
    with caplog.at_level(logging.CRITICAL):
        async with opened(asking_app(), era, elicitation_handler=lambda request: nonsense) as client:
            code, message = await refusal(client, "elicit")

    assert (code, "elicitation/create" in message) == (-32603, True)


# ---- what providers may return
@attrs.frozen
class Form:
    size: int
    color: Literal["red", "green"] = "green"


FULL = {"name": "nobody", "size": 3, "color": "red"}


@both_eras
@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (ElicitResult(action="accept", content={"size": 3}), FULL),
        ({"action": "accept", "content": {"size": 3}}, FULL),
        ({"accepted": True, "data": {"size": 3}}, FULL),
        ({"accepted": True, "fields": {"size": 3}}, FULL),
        ({"accepted": True, "data": {"size": 3, "undeclared": "x"}}, FULL),
        ({"size": 3, "undeclared": "x"}, FULL),
        (Form(3), {"name": "nobody", "size": 3, "color": "green"}),
        ({"accepted": False}, "decline"),
        ({"accepted": False, "data": {"size": 3}}, "decline"),
        ({"action": "decline"}, "decline"),
        ({"action": "cancel"}, "cancel"),
        (False, "decline"),
        (None, "cancel"),
    ],
)
async def test_an_answer_has_its_defaults_and_nothing_undeclared(era, returned, expected, autojump_clock):
    """DESIGN 6: the guide's shapes, defaults applied, undeclared fields dropped."""
    crossed = []
    async with opened(
        asking_app(),
        era,
        elicitation_handler=lambda request: returned,
        tap=lambda side, message: crossed.append((side, message)),
    ) as client:
        found = (await client.call_tool("elicit")).structured_content

    if isinstance(expected, str):
        assert found == {"action": expected, "content": None}
    else:
        assert found == {"action": "accept", "content": expected}
        assert not any("undeclared" in repr(message) for _, message in crossed)


@both_eras
@pytest.mark.parametrize(
    "returned",
    [
        "text",
        {"content": "text"},
        {"content": {"type": "text", "text": "text"}},
        {"role": "assistant", "content": "text", "stop_reason": "endTurn"},
        TextContent(text="text"),
        CreateMessageResult(role="assistant", content=TextContent(text="text"), model="unknown"),
    ],
)
async def test_a_model_may_answer_in_short(era, returned, autojump_clock):
    async with opened(asking_app(), era, sampling_handler=lambda request: returned) as client:
        found = (await client.call_tool("sample")).structured_content

    assert found == {"text": "text", "model": "unknown", "role": "assistant"}


@both_eras
@pytest.mark.parametrize(
    "returned",
    [["file:///w"], [{"uri": "file:///w", "name": "w"}], [Root(uri="file:///w")], {"roots": ["file:///w"]}],
)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_roots_are_told_in_every_shape(era, returned, asynchronous, autojump_clock):
    async def later():
        return returned

    async with opened(asking_app(), era, roots_provider=later if asynchronous else lambda: returned) as client:
        assert (await client.call_tool("roots")).structured_content == {"result": ["file:///w"]}


@both_eras
@pytest.mark.parametrize("returned", [["http://x.y"], "file:///w", [5], 7, {"folders": []}])
async def test_roots_that_are_none_are_refused(era, returned, caplog, autojump_clock):
    """E 80: `file://` only."""
    with caplog.at_level(logging.CRITICAL):
        async with opened(asking_app(), era, roots_provider=lambda: returned) as client:
            assert (await refusal(client, "roots"))[0] == -32603


@both_eras
async def test_a_provider_may_take_the_pending_request_too(era, autojump_clock):
    seen = []

    async def answer(request, pending):
        seen.append((pending.method, pending.backend, pending in pending.session.runtime.pending()))
        return "text"

    async with opened(asking_app(), era, sampling_handler=answer, name="models") as client:
        await client.call_tool("sample")

    assert seen == [("sampling/createMessage", "models", True)]


# ---- asking oneself
@both_eras
async def test_a_host_may_ask_its_own_providers(era, autojump_clock):
    async with opened(
        asking_app(),
        era,
        sampling_handler=lambda request: request.messages[0].content.text.upper(),
        elicitation_handler=lambda request: {"accepted": True},
        roots_provider=lambda: ["file:///w"],
        policy=Policy(sampling_calls=1),
    ) as client:
        assert (await client.create_message("hello")).content.text == "HELLO"
        assert (await client.elicit("approval", "Send it?")).action == "accept"
        assert [root.uri for root in (await client.list_roots()).roots] == ["file:///w"]
        with pytest.raises(RPCError, match="budget"):
            await client.create_message("again")


@both_eras
async def test_asking_oneself_what_nobody_answers_is_a_mistake(era, autojump_clock):
    async with opened(asking_app(), era) as client:
        with pytest.raises(UsageError, match="without a provider"):
            await client.create_message("hello")
