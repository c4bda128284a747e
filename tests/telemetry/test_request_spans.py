"""What a request looks like in a trace, on both sides, in both eras: names, kinds, attributes, durations, rounds."""

from __future__ import annotations

import contextlib
import sys

import pytest
import trio
from session_world import STATEFUL, STATELESS, Line, both_eras, opened
from span_world import Recorded, links, seconds

from zcp_actors import Command, Context, FastZCP, Inbox, Timeouts, open_runtime, stdio_client
from zcp_actors.errors import INVALID_PARAMS, RequestTimeout, RPCError, ServerExited

app = FastZCP("desk")


@app.tool
async def add(a: int, b: int) -> int:
    await trio.sleep(2)
    return a + b


@app.tool
async def publish(ctx: Context) -> str:
    draft = await ctx.sample("Summarise")
    await trio.sleep(3)
    answer = await ctx.elicit("Publish?")
    await trio.sleep(5)
    return f"{draft.content.text} {answer.action}"


@app.tool
async def slow() -> None:
    await trio.sleep(3600)


@app.tool
async def broken() -> None:
    raise ValueError("its author's fault")


@app.tool
async def refuses() -> None:
    raise RPCError(-32050, "not today")


@app.prompt
async def greeting(name: str) -> str:
    return f"Hello {name}"


@app.resource("note://{name}")
async def note(name: str) -> str:
    return name


async def model(request):
    await trio.sleep(10)
    return "short"


async def person(request):
    await trio.sleep(60)
    return {"accepted": True, "data": {}}


def asking(recorded: Recorded, era: str, **options):
    return opened(app, era, runtime={"recorder": recorded.telemetry}, **options)


@both_eras
async def test_a_call_is_a_client_span_and_a_server_span_below_it(era, autojump_clock):
    recorded = Recorded()
    async with asking(recorded, era) as client:
        recorded.clear()
        await client.call_tool("add", {"a": 1, "b": 2})
        assert recorded.tree() == ["tools/call add CLIENT", "  tools/call add SERVER"]

    for kind in ("CLIENT", "SERVER"):
        span = recorded.one("tools/call add", kind)
        assert seconds(span) == 2.0
        assert span.status.status_code.name == "UNSET"
        assert dict(span.attributes) == {
            "mcp.method.name": "tools/call",
            "gen_ai.tool.name": "add",
            "gen_ai.operation.name": "execute_tool",
            "jsonrpc.request.id": "2",
            "mcp.protocol.version": era,
        }


@both_eras
async def test_names_have_a_target_only_where_its_values_are_few(era, autojump_clock):
    recorded = Recorded()
    async with asking(recorded, era) as client:
        recorded.clear()
        await client.list_tools()
        await client.get_prompt("greeting", {"name": "x"})
        await client.read_resource("note://x")
        names = [line for line in recorded.tree() if line.endswith("CLIENT")]

    assert names == ["tools/list CLIENT", "prompts/get greeting CLIENT", "resources/read CLIENT"]
    assert recorded.one("prompts/get greeting", "SERVER").attributes["gen_ai.prompt.name"] == "greeting"
    assert recorded.one("resources/read", "SERVER").attributes["mcp.resource.uri"] == "note://x"
    assert "gen_ai.operation.name" not in recorded.one("tools/list", "SERVER").attributes


async def test_a_parked_call_has_its_questions_as_waits_and_requests_of_its_own(autojump_clock):
    recorded = Recorded()
    async with asking(recorded, STATEFUL, sampling_handler=model, elicitation_handler=person) as client:
        recorded.clear()
        await client.call_tool("publish")
        tree = recorded.tree()

    assert tree == [
        "tools/call publish CLIENT",
        "  tools/call publish SERVER",
        "    wait_for sampling/createMessage",
        "      sampling/createMessage CLIENT",
        "        sampling/createMessage SERVER",
        "    wait_for elicitation/create",
        "      elicitation/create CLIENT",
        "        elicitation/create SERVER",
    ]
    assert len(recorded.traces - {recorded.one("session.close").context.trace_id}) == 1
    assert seconds(recorded.one("wait_for sampling/createMessage")) == 10.0
    assert seconds(recorded.one("wait_for elicitation/create")) == 60.0
    assert seconds(recorded.one("tools/call publish", "SERVER")) == 10 + 3 + 60 + 5


async def test_a_suspended_call_is_one_trace_with_its_waits_between_the_rounds(autojump_clock):
    recorded = Recorded()
    async with asking(recorded, STATELESS, sampling_handler=model, elicitation_handler=person) as client:
        recorded.clear()
        await client.call_tool("publish")
        tree = recorded.tree()

    assert tree == [
        "tools/call publish",
        "  tools/call publish CLIENT",
        "    tools/call publish SERVER",
        "      sampling/createMessage SERVER",
        "      wait_for sampling/createMessage",
        "  tools/call publish CLIENT",
        "    tools/call publish SERVER",
        "      elicitation/create SERVER",
        "      wait_for elicitation/create",
        "  tools/call publish CLIENT",
        "    tools/call publish SERVER",
    ]
    whole = recorded.one("tools/call publish", "INTERNAL")
    assert whole.attributes["zcp.mrtr.rounds"] == 3
    assert seconds(whole) == 10 + 3 + 60 + 3 + 5  # a replay runs again what lay before its question
    rounds = [span for span in recorded.named("tools/call publish") if span.kind.name == "SERVER"]
    assert [span.attributes.get("zcp.result.type") for span in rounds] == ["input_required", "input_required", None]
    assert [links(span) for span in rounds] == [
        {},
        {"continues": rounds[0].context.span_id},
        {"continues": rounds[1].context.span_id},
    ]
    for name, duration, number in (("sampling/createMessage", 10.0, 1), ("elicitation/create", 60.0, 2)):
        waited = recorded.one(f"wait_for {name}")
        assert seconds(waited) == duration
        assert links(waited) == {"answered_by": rounds[number].context.span_id}
        assert waited.attributes["zcp.retroactive"] is True


@both_eras
async def test_half_a_character_is_in_no_span(era, autojump_clock):
    """An exporter by OTLP that meets one loses its whole batch."""
    recorded = Recorded(content=True)
    async with asking(recorded, era) as client:
        with pytest.raises(RPCError):
            await client.call_tool("half \ud800")
        with pytest.raises(RPCError):
            await client.read_resource("note://\ud800/x")

    assert "tools/call half �" in {span.name for span in recorded.spans}
    for span in recorded.spans:
        span.to_json().encode()
        f"{span.name}{dict(span.attributes)}{span.status.description}".encode()


@pytest.mark.parametrize(("tool", "code"), [("refuses", "-32050"), ("nobody", "-32602")])
@both_eras
async def test_a_code_is_an_error_of_the_client_and_of_the_server_only_if_it_is_at_fault(
    era, tool, code, autojump_clock
):
    """semantic-conventions-genai, pull request 404."""
    recorded = Recorded()
    async with asking(recorded, era) as client:
        with pytest.raises(RPCError):
            await client.call_tool(tool)

    client_span, server_span = (
        recorded.one(f"tools/call {tool}", "CLIENT"),
        recorded.one(f"tools/call {tool}", "SERVER"),
    )
    at_fault = code == "-32050"
    for span in (client_span, server_span):
        assert span.attributes["rpc.response.status_code"] == code
    assert client_span.attributes["error.type"] == code
    assert client_span.status.status_code.name == "ERROR"
    assert server_span.attributes.get("error.type") == (code if at_fault else None)
    assert server_span.status.status_code.name == ("ERROR" if at_fault else "UNSET")


@pytest.mark.parametrize(
    ("tool", "client_says", "server_says"),
    [
        ("broken", ("tool_error", "ERROR"), ("tool_error", "ERROR")),
        ("cancelled", ("cancelled", "UNSET"), ("cancelled", "UNSET")),
        ("timed out", ("timeout", "ERROR"), ("cancelled", "UNSET")),
        ("add", (None, "UNSET"), (None, "UNSET")),
    ],
)
@both_eras
async def test_endings_are_told_apart_by_an_attribute(era, tool, client_says, server_says, autojump_clock):
    recorded = Recorded()
    arguments = {"a": 1, "b": 2} if tool == "add" else {}
    name = tool if tool in ("broken", "add") else "slow"
    async with asking(recorded, era) as client:
        with trio.move_on_after(5 if tool == "cancelled" else 1e6):
            try:
                await client.call_tool(name, arguments, timeouts=Timeouts(idle=7, total=7) if name == "slow" else None)
            except RequestTimeout:
                assert tool == "timed out"
        await trio.sleep(10)

    def said(kind):
        span = recorded.one(f"tools/call {name}", kind)
        return span.attributes.get("error.type"), span.status.status_code.name

    assert (said("CLIENT"), said("SERVER")) == (client_says, server_says)


@both_eras
async def test_a_cancelled_call_links_to_what_cancelled_it_on_both_sides_in_one_trace(era, autojump_clock):
    recorded = Recorded()
    async with asking(recorded, era) as client:
        recorded.clear()
        with recorded.tracer.start_as_current_span("agent step"), trio.move_on_after(5):
            await client.call_tool("slow")
        await trio.sleep(1)
        assert recorded.tree() == [
            "agent step",
            "  tools/call slow CLIENT",
            "    tools/call slow SERVER",
            "  notifications/cancelled CLIENT",
            "    notifications/cancelled SERVER",
        ]

    for kind in ("CLIENT", "SERVER"):
        cancelled, canceller = recorded.one("tools/call slow", kind), recorded.one("notifications/cancelled", kind)
        assert links(cancelled)["cancelled_by"] == canceller.context.span_id
        assert seconds(cancelled) == 5.0
        assert "jsonrpc.request.id" not in canceller.attributes
    # The agent may still be at work when somebody looks.
    assert not recorded.unseen()
    assert not recorded.unseen(format(recorded.one("agent step").context.span_id, "016x"))


@both_eras
async def test_a_cancelled_call_that_is_a_part_of_nothing_has_what_cancelled_it_below_it(era, autojump_clock):
    """Its own link into its own trace would be a ring, of which Jaeger shows nothing."""
    recorded = Recorded()
    async with asking(recorded, era) as client:
        recorded.clear()
        with trio.move_on_after(5):
            await client.call_tool("slow")
        await trio.sleep(1)
        assert recorded.tree() == [
            "tools/call slow CLIENT",
            "  tools/call slow SERVER",
            "  notifications/cancelled CLIENT",
            "    notifications/cancelled SERVER",
        ]

    assert not recorded.unseen()
    asked, served = recorded.one("tools/call slow", "CLIENT"), recorded.one("tools/call slow", "SERVER")
    assert asked.attributes["error.type"] == served.attributes["error.type"] == "cancelled"
    assert links(recorded.one("notifications/cancelled", "CLIENT")) == {"cancels": asked.context.span_id}
    assert links(served) == {"cancelled_by": recorded.one("notifications/cancelled", "SERVER").context.span_id}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (True, {"action": "accept", "error": None}),
        ("decline", {"action": "decline", "error": None}),
        ("cancel", {"action": "cancel", "error": None}),
        ("fail", {"action": None, "error": "-32603"}),
    ],
)
async def test_accepted_declined_dismissed_and_failed_questions_are_told_apart(answer, expected, autojump_clock):
    async def decide(request):
        await trio.sleep(1)
        if answer == "fail":
            raise ValueError
        return {"action": answer} if isinstance(answer, str) else answer

    recorded = Recorded()
    async with asking(recorded, STATEFUL, sampling_handler=model, elicitation_handler=decide) as client:
        with contextlib.suppress(RPCError):
            await client.call_tool("publish")

    spans = [
        recorded.one("wait_for elicitation/create"),
        recorded.one("elicitation/create", "CLIENT"),
        recorded.one("elicitation/create", "SERVER"),
    ]
    for span in spans:
        assert span.attributes.get("zcp.input_request.action") == expected["action"]
        assert span.attributes.get("error.type") == expected["error"]
    refused = spans[2].attributes["zcp.input_request.status"]
    assert refused == {"fail": "refused", "decline": "declined", "cancel": "cancelled"}.get(answer, "answered")


@both_eras
async def test_the_wait_for_a_person_is_drawn_where_an_inbox_holds_the_question(era, autojump_clock):
    recorded = Recorded()
    handlers = {"sampling_handler": model, "elicitation_handler": Inbox()}
    async with asking(recorded, era, **handlers) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.call_tool, "publish")
        await trio.sleep(100)
        [pending] = client.runtime.pending()
        client.runtime.answer(pending.id, True)

    waited, answered = recorded.one("wait_for human"), recorded.one("elicitation/create", "SERVER")
    assert waited.parent.span_id == answered.context.span_id
    assert seconds(waited) == seconds(answered) == 100 - 10 - 3
    assert answered.attributes["zcp.input_request.decided_by"] == "person"


@both_eras
async def test_what_a_handler_does_is_a_part_of_its_call(era, autojump_clock):
    recorded = Recorded()
    inner = FastZCP("inner")

    @inner.tool
    async def work() -> None:
        with recorded.tracer.start_as_current_span("own span"):
            await trio.sleep(1)

    async with opened(inner, era, runtime={"recorder": recorded.telemetry}) as client:
        recorded.clear()
        with recorded.tracer.start_as_current_span("agent"):
            await client.call_tool("work")
        assert recorded.tree() == [
            "agent",
            "  tools/call work CLIENT",
            "    tools/call work SERVER",
            "      own span",
        ]


@both_eras
async def test_what_a_provider_does_is_a_part_of_the_question(era, autojump_clock):
    recorded = Recorded()

    async def traced(request):
        with recorded.tracer.start_as_current_span("chat model"):
            await trio.sleep(1)
        return "short"

    async with asking(recorded, era, sampling_handler=traced, elicitation_handler=person) as client:
        await client.call_tool("publish")

    assert recorded.one("chat model").parent.span_id == recorded.one("sampling/createMessage", "SERVER").context.span_id


@both_eras
async def test_a_withdrawn_question_is_cancelled_on_both_sides(era, autojump_clock):
    recorded = Recorded()
    async with asking(recorded, era, sampling_handler=model, elicitation_handler=person) as client:
        with trio.move_on_after(20):
            await client.call_tool("publish")
        await trio.sleep(1)

    asked = recorded.one("elicitation/create", "SERVER")
    assert asked.attributes["error.type"] == "cancelled"
    assert seconds(asked) == 20 - 10 - 3
    assert not recorded.unseen()
    if era == STATEFUL:
        assert recorded.one("wait_for elicitation/create").attributes["error.type"] == "cancelled"


async def test_the_opening_of_a_session_is_short_and_holds_the_handshake(autojump_clock):
    recorded = Recorded()
    async with asking(recorded, STATEFUL):
        assert recorded.tree() == ["session.open", "  initialize CLIENT", "    initialize SERVER"]
        await trio.sleep(1000)

    opening, closing = recorded.one("session.open"), recorded.one("session.close")
    assert seconds(opening) == seconds(closing) == 0.0
    assert links(closing) == {"opened_by": opening.context.span_id}
    assert closing.attributes["zcp.close.reason"] == "closed"


async def test_a_session_whose_server_ends_at_once_is_closed_once():
    recorded = Recorded()
    with trio.fail_after(30):
        async with open_runtime(recorder=recorded.telemetry):
            with pytest.raises(ServerExited):
                await stdio_client(Command([sys.executable, "-c", "pass"])).__aenter__()

    opening, closing = recorded.one("session.open"), recorded.one("session.close")
    assert links(closing) == {"opened_by": opening.context.span_id}
    assert (closing.attributes["zcp.close.reason"], closing.attributes["error.type"]) == ("lost", "ServerExited")


async def test_no_content_is_shown_unless_asked_for(autojump_clock):
    shown, hidden = Recorded(content=True), Recorded()
    for recorded in (shown, hidden):
        async with asking(recorded, STATELESS, sampling_handler=model, elicitation_handler=person) as client:
            await client.call_tool("add", {"a": 4711, "b": 1})
            await client.call_tool("broken")
            with pytest.raises(RPCError):
                await client.call_tool("refuses")
            assert (await client.call_tool("add", {"a": "sesame", "b": 2})).is_error
            await client.call_tool("publish")

    def told(recorded):
        return " ".join(f"{dict(span.attributes)} {span.status.description}" for span in recorded.spans)

    for content in ("4711", "4712", "sesame", "not today", "its author's fault", "short accept"):
        assert content not in told(hidden)
    assert "4711" in told(shown)
    assert "4712" in told(shown)
    assert "not today" in told(shown)


@both_eras
async def test_a_listen_stream_is_no_span_as_long_as_the_session(era, autojump_clock):
    recorded = Recorded()
    async with asking(recorded, era, changed_handler=lambda change: None) as client:
        await client.subscribe_resource("note://x")
        await trio.sleep(1000)

    assert max(seconds(span) for span in recorded.spans) == 0.0
    method = "subscriptions/listen" if era == STATELESS else "resources/subscribe"
    assert {span.attributes.get("error.type") for span in recorded.named(method)} == {None}


@pytest.mark.hostile
@pytest.mark.parametrize("answer", [5, None, {"action": "x" * 10_000}, {"action": ["accept"]}])
async def test_a_wait_is_drawn_whatever_came_as_its_answer_and_repeats_nothing_of_it(answer, autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        line = Line(app).host(runtime)
        asked = (await line.ask("tools/call", {"name": "publish", "arguments": {}})).result
        again = {"requestState": asked.request_state, "inputResponses": dict.fromkeys(asked.input_requests, answer)}
        refused = await line.ask("tools/call", {"name": "publish", "arguments": {}, **again})

    assert refused.code == INVALID_PARAMS
    (wait,) = recorded.named("wait_for sampling/createMessage")
    assert not [value for value in wait.attributes.values() if "xxx" in str(value) or "accept" in str(value)]
