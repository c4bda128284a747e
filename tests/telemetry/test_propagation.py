"""Trace context on the way: over every transport, in both directions, in both eras; and what of it is believed."""

from __future__ import annotations

import json
import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span, set_span_in_context
from session_world import STATEFUL, STATELESS, Line, both_eras, opened
from span_world import Recorded, links, seconds

from zcp_actors import (
    Command,
    Context,
    FastZCP,
    ServerHandle,
    memory_client,
    open_runtime,
    serve_http,
    serve_stdio,
    serve_websocket,
    stdio_client,
    streamable_http_client,
    streamable_http_server,
    websocket_client,
)
from zcp_actors.errors import ConnectionLost
from zcp_actors.telemetry import Telemetry
from zcp_actors.wire import ErrorResponse, Request, Response

GUARD = 30
KEYS = ["a key that only tests would ever use"]
TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
PARENT = f"00-{TRACE:032x}-{SPAN:016x}-01"

app = FastZCP("Everywhere")


@app.tool
async def draft(ctx: Context) -> str:
    return (await ctx.sample("Say something", max_tokens=5)).content.text


@app.tool
async def publish(ctx: Context) -> str:
    first = await ctx.elicit("Really?")
    second = await ctx.elicit("Really, really?")
    return f"{first.action} {second.action}"


@app.tool
async def carried(ctx: Context) -> str:
    return str(baggage.get_baggage("customer"))


events: dict[str, trio.Event] = {}


@app.tool
async def dies() -> None:
    os._exit(9)


@app.tool
async def endless() -> None:
    events["there"].set()
    try:
        await trio.sleep_forever()
    finally:
        events["gone"].set()


class Lines(SpanExporter):
    """Spans as lines of a file, written as they end, for the process that started this one."""

    def __init__(self, path):
        self.path = Path(path)

    def export(self, spans):
        with self.path.open("a") as file:
            for span in spans:
                parent = span.parent.span_id if span.parent else None
                row = [span.name, span.kind.name, span.context.trace_id, span.context.span_id, parent]
                file.write(json.dumps(row) + "\n")
        return SpanExportResult.SUCCESS


async def serve_this(path):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Lines(path)))
    async with open_runtime(tracer_provider=provider) as runtime:
        await serve_stdio(runtime, app)


# ------------------------------------------------------------------------------------------------ over the transports
@asynccontextmanager
async def in_memory(runtime, path):
    yield partial(memory_client, app, strict=True)


@asynccontextmanager
async def over_stdio(runtime, path):
    environment = {
        "ZCP_ACTORS_STATE_KEYS": KEYS[0],
        "PYTHONPATH": f"{Path(__file__).parents[2]}:{Path(__file__).parents[1]}",
    }
    yield partial(stdio_client, Command([sys.executable, __file__, str(path)], env=environment))


@asynccontextmanager
async def over_http(runtime, path):
    async with trio.open_nursery() as nursery:
        serve = partial(serve_http, runtime, ServerHandle(app, keys=KEYS), port=0, signals=False)
        (url,) = await nursery.start(serve)
        yield partial(streamable_http_client, url)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def by_http_in_process(runtime, path):
    yield partial(streamable_http_client, streamable_http_server(app))


@asynccontextmanager
async def over_a_websocket(runtime, path):
    async with trio.open_nursery() as nursery:
        serve = partial(serve_websocket, runtime, ServerHandle(app, keys=KEYS), port=0, signals=False)
        (url,) = await nursery.start(serve)
        yield partial(websocket_client, url)
        nursery.cancel_scope.cancel()


TRANSPORTS = [in_memory, over_stdio, over_http, by_http_in_process, over_a_websocket]


@pytest.mark.parametrize("era", [STATEFUL, STATELESS])
@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda each: each.__name__)
async def test_client_server_sampling_and_model_are_one_trace(transport, era, tmp_path):
    """Server and client have recorders of their own wherever a wire is between them."""
    server, client = Recorded(trust=True), Recorded()

    async def model(request):
        with client.tracer.start_as_current_span("chat model"):
            return "soup"

    with trio.fail_after(GUARD):
        async with (
            open_runtime(recorder=server.telemetry) as serving,
            transport(serving, tmp_path / "spans") as client_of,
            open_runtime(recorder=client.telemetry),
            client_of(era=era, sampling_handler=model) as asking,
        ):
            assert (await asking.call_tool("draft")).content[0].text == "soup"

    rows = [
        (s.name, s.kind.name, s.context.trace_id, s.context.span_id, s.parent) for s in (*server.spans, *client.spans)
    ]
    rows = [(*row[:4], row[4].span_id if row[4] else None) for row in rows]
    if (tmp_path / "spans").exists():
        rows += [tuple(json.loads(line)) for line in (tmp_path / "spans").read_text().splitlines()]
    by_id = {row[3]: row for row in rows}
    [chat] = [row for row in rows if row[0] == "chat model"]
    chain = []
    while chat is not None:
        chain.append(f"{chat[0]} {chat[1]}")
        chat = by_id.get(chat[4])
    assert chain[:2] == ["chat model INTERNAL", "sampling/createMessage SERVER"]
    assert "tools/call draft SERVER" in chain
    assert "tools/call draft CLIENT" in chain
    traces = {row[2] for row in rows if row[0] in ("tools/call draft", "sampling/createMessage", "chat model")}
    assert len(traces) == 1
    waits = [row for row in rows if row[0] == "wait_for sampling/createMessage"]
    assert [row[2] for row in waits] == list(traces)


@asynccontextmanager
async def apart(server, client, **options):
    """A client over HTTP whose recorder is not the server's."""
    with trio.fail_after(GUARD):
        async with (
            open_runtime(recorder=server.telemetry) as serving,
            over_http(serving, None) as client_of,
            open_runtime(recorder=client.telemetry),
            client_of(**options) as asking,
        ):
            yield asking


@both_eras
async def test_an_untrusted_caller_is_linked_to_and_is_no_parent(era):
    server, client = Recorded(), Recorded()
    async with apart(server, client, era=era) as asking:
        await asking.call_tool("carried")

    served, asked = server.one("tools/call carried"), client.one("tools/call carried")
    assert served.parent is None
    for span in (served, asked):
        told = {name: span.attributes[name] for name in ("network.transport", "network.protocol.name")}
        assert told == {"network.transport": "tcp", "network.protocol.name": "http"}
    assert asked.attributes["server.address"] == "127.0.0.1"
    assert isinstance(asked.attributes["server.port"], int)
    assert served.context.trace_id != asked.context.trace_id
    assert links(served)["caller"] == asked.context.span_id


@both_eras
async def test_a_session_that_was_lost_and_found_again_is_closed_in_good_order(era, tmp_path):
    recorded = Recorded()
    with trio.fail_after(GUARD):
        async with (
            open_runtime(recorder=recorded.telemetry) as runtime,
            over_stdio(runtime, tmp_path / "spans") as client_of,
        ):
            backend = await runtime.connect(client_of(era=era))
            with pytest.raises(ConnectionLost):
                await backend.call_tool("dies")
            await backend.call_tool("carried")

    assert recorded.one("tools/call dies").attributes["error.type"] == "ServerExited"
    closing = recorded.one("session.close").attributes
    assert (closing["zcp.close.reason"], closing.get("error.type")) == ("closed", None)
    assert sorted(point[0] for point in recorded.metric("mcp.client.session.duration")) == sorted((era, "ServerExited"))


@both_eras
async def test_requests_in_both_directions_say_who_asked_and_in_which_session(era):
    """Of the older revision: the newer one has no sessions. The port of a client would be another for each request."""
    server, client = Recorded(trust=True), Recorded(trust=True)
    async with apart(server, client, era=era, sampling_handler=lambda _: "short") as asking:
        with client.tracer.start_as_current_span("agent step"):
            await asking.call_tool("draft")

    asked, question = client.named("tools/call draft")[-1], client.one("sampling/createMessage")
    served = server.named("tools/call draft")[-1]
    ids = {span.attributes.get("mcp.session.id") for span in (asked, question, served)}
    assert len(ids) == 1
    assert (ids == {None}) == (era == STATELESS)
    assert (asked.attributes["server.address"], asked.kind.name) == ("127.0.0.1", "CLIENT")
    assert "client.address" not in asked.attributes
    assert (question.attributes["client.address"], question.kind.name) == ("127.0.0.1", "SERVER")
    assert "server.address" not in question.attributes
    # What is current where an answer is read is ours, and nothing of the transport.
    assert links(question) == {}
    (point,) = client.metric("mcp.client.session.duration")
    assert point[:3] == (era, "http", "tcp")
    assert asked.attributes["server.port"] in point


@both_eras
async def test_what_traces_http_draws_a_request_within_the_call_that_it_carries(era):
    """Source: the example of semantic-conventions-genai, docs/gen-ai/mcp.md."""
    recorded, current = Recorded(), []

    async def look(request):
        current.append(get_current_span())

    with trio.fail_after(GUARD):
        async with open_runtime(recorder=recorded.telemetry) as runtime:
            transport = httpx.ASGITransport(streamable_http_server(app).app(runtime))
            async with (
                httpx.AsyncClient(transport=transport, event_hooks={"request": [look]}) as http,
                streamable_http_client("http://localhost/mcp", era=era, http_client=http) as client,
            ):
                current.clear()
                with recorded.tracer.start_as_current_span("agent step"):
                    await client.call_tool("carried")
                asked = recorded.one("tools/call carried", "CLIENT")
                # The older revision may open its stream of news meanwhile.
                assert asked.context.span_id in {span.get_span_context().span_id for span in current}


@both_eras
async def test_a_cancelled_call_of_an_untrusted_caller_is_seen_in_jaeger(era):
    server, client = Recorded(), Recorded()
    async with apart(server, client, era=era) as asking:
        there, gone = (events.setdefault(name, trio.Event()) for name in ("there", "gone"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking.call_tool, "endless")
            await there.wait()
            nursery.cancel_scope.cancel()
        await gone.wait()
        events.clear()

    served = server.one("tools/call endless")
    assert served.attributes["error.type"] == "cancelled"
    assert served.parent is None
    assert not server.unseen()
    assert not client.unseen()


@both_eras
async def test_baggage_travels_to_a_server_that_trusts_us(era, autojump_clock):
    recorded = Recorded()
    async with opened(app, era, runtime={"recorder": recorded.telemetry}) as client:
        token = otel.attach(baggage.set_baggage("customer", "4711"))
        try:
            assert (await client.call_tool("carried")).content[0].text == "4711"
        finally:
            otel.detach(token)
        assert (await client.call_tool("carried")).content[0].text == "None"


@both_eras
async def test_a_program_that_traces_by_other_means_may_name_the_parent_itself(era, autojump_clock):
    recorded = Recorded()
    async with opened(app, era, runtime={"recorder": recorded.telemetry}) as client:
        await client.call_tool("carried", meta={"traceparent": PARENT})

    asked, served = recorded.one("tools/call carried", "CLIENT"), recorded.one("tools/call carried", "SERVER")
    assert (asked.context.trace_id, asked.parent.span_id) == (TRACE, SPAN)
    assert served.parent.span_id == asked.context.span_id


# ------------------------------------------------------------------------------------------------ what is hostile
HOSTILE = [
    {"baggage": 7, "traceparent": []},
    {"traceparent": 5, "tracestate": {}},
    {"traceparent": PARENT, "baggage": {"a": 1}, "tracestate": 3},
    {"traceparent": PARENT, "tracestate": "=,=,,a=b;=" * 90, "baggage": "=,;%zz" * 90},
    {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"},
    {"traceparent": "ff" + PARENT[2:]},
    {"traceparent": PARENT.upper()},
    {"traceparent": "x" * 100_000, "baggage": "y" * 100_000},
    {"traceparent": "\ud800", "baggage": "a=\ud800"},
    {"baggage": "customer=4711"},
    {"traceparent": None},
]


@pytest.mark.hostile
@pytest.mark.parametrize("meta", HOSTILE, ids=lambda meta: ascii(meta)[:60])
async def test_a_request_succeeds_whatever_its_meta_says(meta, autojump_clock):
    """Source: mcp 2.3.0 answers -32603 to `{"baggage": 7}`."""
    recorded = Recorded(trust=True)
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        line = Line(app).host(runtime)
        reply = await line.ask("tools/call", {"name": "carried", "arguments": {}, "_meta": meta})
        assert isinstance(reply, Response)
        line.session.feed(Request("a", "initialize", {"_meta": meta, "protocolVersion": STATEFUL, "capabilities": {}}))

    served = recorded.one("tools/call carried")
    assert served.parent is None or served.parent.span_id == SPAN
    assert recorded.telemetry._metrics.failures == {}


@pytest.mark.parametrize("meta", [[], "text", 7, {"traceparent": [[[]]]}], ids=repr)
def test_a_meta_that_is_no_object_is_part_of_nothing(meta):
    recorded = Recorded(trust=True)
    recorded.telemetry.begin("call", "root", method="tools/call", target="x", meta=meta, transport="tcp").end()

    assert recorded.one("tools/call x").parent is None
    assert recorded.telemetry._metrics.failures == {}


@pytest.mark.parametrize(("trust", "recorded_spans"), [(True, 0), (False, 1), (None, 1)])
def test_only_a_trusted_caller_can_switch_off_the_recording_of_its_calls(trust, recorded_spans):
    recorded = Recorded(trust=trust)
    meta = {"traceparent": PARENT[:-1] + "0", "tracestate": "a=b", "baggage": "customer=1"}
    span = recorded.telemetry.begin("call", "root", method="tools/call", target="x", meta=meta, transport="tcp")
    carried = span.carried(None)
    span.end()

    assert len(recorded.spans) == recorded_spans
    assert ("baggage" in carried, "tracestate" in carried) == ((True, True) if trust else (False, False))


def test_trust_may_depend_on_the_transport_and_the_principal():
    asked = []

    def trust(transport, principal):
        asked.append((transport, principal))
        return principal == "friend"

    recorded = Recorded(trust=trust)
    for principal in ("friend", "stranger"):
        facts = {"method": "tools/call", "target": principal, "transport": "tcp", "principal": principal}
        recorded.telemetry.begin("call", "root", meta={"traceparent": PARENT}, **facts).end()

    assert asked == [("tcp", "friend"), ("tcp", "stranger")]
    assert recorded.one("tools/call friend").context.trace_id == TRACE
    assert recorded.one("tools/call stranger").context.trace_id != TRACE


async def test_a_span_of_the_transport_is_linked_to_where_something_else_draws_one(autojump_clock):
    recorded = Recorded()

    class Wire(Line):
        transport = "tcp"

    with recorded.tracer.start_as_current_span("around the runtime"):
        async with open_runtime(recorder=recorded.telemetry) as runtime:
            line = Wire(app).host(runtime)
            await line.ask("tools/call", {"name": "carried", "arguments": {}})
            with recorded.tracer.start_as_current_span("POST /mcp") as post:
                await line.ask("tools/call", {"name": "carried", "arguments": {}})

    first, second = recorded.named("tools/call carried")
    assert links(first) == {}
    assert links(second) == {"transport": post.get_span_context().span_id}


# ------------------------------------------------------------------------------------------------ rounds of strangers
@pytest.mark.parametrize("said", [[], [PARENT] * 3, [PARENT, PARENT.replace("4bf", "5bf"), None]], ids=len)
async def test_rounds_of_a_client_that_tells_nothing_useful_are_one_trace(said, autojump_clock):
    """Source: mcp 2.3.0 without an application's span sends each round in a trace of its own."""
    recorded = Recorded(trust=True)
    parents = iter([*said, None, None, None])
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        line, extra, rounds = Line(app).host(runtime), {}, 0
        while True:
            parent = next(parents)
            meta = {} if parent is None else {"_meta": {"traceparent": parent}}
            reply = await line.ask("tools/call", {"name": "publish", "arguments": {}, **meta, **extra})
            assert not isinstance(reply, ErrorResponse)
            rounds += 1
            if getattr(reply.result, "request_state", None) is None:
                break
            await trio.sleep(30)
            answers = {key: {"action": "accept", "content": {}} for key in reply.result.input_requests}
            extra = {"requestState": reply.result.request_state, "inputResponses": answers}

    assert rounds == 3
    assert len(recorded.traces) == 1
    waits = recorded.named("wait_for elicitation/create")
    assert [seconds(wait) for wait in waits] == [pytest.approx(30.0, abs=0.1)] * 2
    calls = recorded.named("tools/call publish")
    assert [links(call).get("continues") for call in calls[1:]] == [call.context.span_id for call in calls[:-1]]
    assert [wait.parent.span_id for wait in waits] == [call.context.span_id for call in calls[:-1]]


async def test_an_embedded_question_says_what_it_is_part_of(autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry) as runtime:
        reply = await Line(app).host(runtime).ask("tools/call", {"name": "publish", "arguments": {}})

    [question] = reply.result.input_requests.values()
    call = recorded.one("tools/call publish")
    assert question.params.meta["traceparent"].split("-")[1:3] == [
        f"{call.context.trace_id:032x}",
        f"{call.context.span_id:016x}",
    ]


async def test_a_state_sealed_without_a_recorder_is_opened_with_one_and_the_other_way_round(autojump_clock):
    recorded = Recorded()
    handle = {"keys": KEYS}
    for first, second in ((None, recorded.telemetry), (recorded.telemetry, None)):
        extra = {}
        for recorder in (first, second):
            async with open_runtime(recorder=recorder) as runtime:
                reply = (
                    await Line(app, **handle)
                    .host(runtime)
                    .ask("tools/call", {"name": "publish", "arguments": {}, **extra})
                )
                assert isinstance(reply, Response)
                answers = {key: {"action": "accept", "content": {}} for key in reply.result.input_requests}
                extra = {"requestState": reply.result.request_state, "inputResponses": answers}


async def test_without_a_recorder_nothing_is_added_to_what_travels(autojump_clock):
    seen = []
    async with open_runtime() as runtime, memory_client(app, tap=lambda side, message: seen.append(message)) as client:
        assert not runtime.recorder.enabled
        token = otel.attach(set_span_in_context(NonRecordingSpan(SpanContext(TRACE, SPAN, False, TraceFlags(1)))))
        try:
            await client.call_tool("carried")
        finally:
            otel.detach(token)

    assert "traceparent" not in repr(seen)


def test_an_api_without_an_sdk_is_no_recorder():
    assert not Telemetry().enabled


if __name__ == "__main__":
    trio.run(serve_this, sys.argv[1])
