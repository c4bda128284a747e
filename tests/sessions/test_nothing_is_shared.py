"""In one process objects travel, not bytes; all the same, nothing that can be changed is seen by both sides."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import attrs
import pytest
import trio
from session_app import everything
from session_world import both_eras, opened, strictly_or_not

from zcp_actors import Context, FastZCP, memory_client
from zcp_actors.testing import always_replay
from zcp_actors.wire import Model, to_wire

SCHEMA = {
    "type": "object",
    "properties": {"tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}},
    "required": ["tags"],
}


def vandalise(value, seen=None):
    """Change everything below `value` that can be changed."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Model) and attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            vandalise(getattr(value, field.name), seen)
    elif isinstance(value, dict):
        for each in list(value.values()):
            vandalise(each, seen)
        value["vandal"] = "was here"
    elif isinstance(value, list):
        for each in list(value):
            vandalise(each, seen)
        value.append("vandal")


def wire(value):
    return copy.deepcopy(to_wire(value))


KEPT = {"numbers": [1, 2], "nested": {"deep": ["x"]}}
CALLS = {
    "list_tools": lambda client: client.list_tools(),
    "list_resources": lambda client: client.list_resources(),
    "list_resource_templates": lambda client: client.list_resource_templates(),
    "list_prompts": lambda client: client.list_prompts(),
    "read_resource": lambda client: client.read_resource("docs://readme"),
    "read_template": lambda client: client.read_resource("docs://a/b"),
    "get_prompt": lambda client: client.get_prompt("review", {"code": "x"}),
    "complete": lambda client: client.complete("review", "code", "m"),
    "complete_context": lambda client: client.complete("review", "style", "", context_arguments={"code": "c"}),
    "call_tool": lambda client: client.call_tool("add", {"a": 1, "b": 2}),
    "call_kept": lambda client: client.call_tool("kept"),
    "request": lambda client: client.request("tools/list", {}),
    "initialize": lambda client: client.initialize(),
    "ping": lambda client: client.ping(),
    "list_roots": lambda client: client.list_roots(),
    "create_message": lambda client: client.create_message("?"),
    "elicit": lambda client: client.elicit({"message": "?", "schema": SCHEMA}),
}
ROOTS = [{"uri": "file:///w", "_meta": {"tags": ["x"]}}]
MESSAGE = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "t", "_meta": {"tags": ["x"]}}}
TAGS = {"action": "accept", "content": {"tags": ["a"]}}


def keeping() -> FastZCP:
    app = everything()

    @app.tool(meta={"tags": ["x"]})
    async def kept() -> dict:
        return KEPT

    return app


@both_eras
@strictly_or_not
@pytest.mark.parametrize("name", CALLS)
async def test_what_a_client_does_to_a_result_nobody_else_sees(era, strict, name, autojump_clock):
    kept, roots, message, tags = map(copy.deepcopy, (KEPT, ROOTS, MESSAGE, TAGS))
    options = {
        "roots_provider": lambda: ROOTS,
        "sampling_handler": lambda request: MESSAGE,
        "elicitation_handler": lambda request: TAGS,
    }
    app = keeping()
    async with (
        opened(app, era, strict=strict, **options) as client,
        memory_client(app, era=era, strict=strict, **options) as other,
    ):
        before = wire(await CALLS[name](other))
        mine = await CALLS[name](client)
        assert wire(mine) == before
        vandalise(mine)

        assert wire(await CALLS[name](other)) == before
        async with memory_client(app, era=era, strict=strict, **options) as third:
            assert wire(await CALLS[name](third)) == before
    assert (kept, roots, message, tags) == (KEPT, ROOTS, MESSAGE, TAGS)


@both_eras
@strictly_or_not
async def test_what_is_passed_is_copied_on_its_way(era, strict, autojump_clock):
    app, held = FastZCP("Holding"), []

    @app.tool
    async def hold(given: dict, ctx: Context) -> None:
        held.extend([given, ctx.meta, ctx.client_info, ctx.client_capabilities])

    @app.prompt
    async def fill(text: str) -> str:
        return text

    @app.completion("fill")
    async def complete(request) -> list:
        held.append(request)
        return ["x"]

    info = {"name": "me", "version": "1", "icons": [{"src": "https://a.b/c.png", "sizes": ["1x1"]}]}
    given, meta, prompt, context = {"a": [1]}, {"x/y": {"b": [2]}}, {"text": "t"}, {"arguments": {"k": "v"}}
    ref = {"type": "ref/prompt", "name": "fill"}
    async with opened(app, era, strict=strict, client_info=info, elicitation_handler=print) as client:
        await client.call_tool("hold", {"given": given}, meta=meta)
        await client.get_prompt("fill", prompt)
        await client.complete(ref, {"name": "text", "value": "v"}, context=context)
        before = [wire(each) if isinstance(each, Model) else copy.deepcopy(each) for each in held]
        for passed in (given, meta, prompt, context, ref, info):
            vandalise(passed)

        assert [wire(each) if isinstance(each, Model) else each for each in held] == before
        assert "vandal" not in repr(before)


@both_eras
@strictly_or_not
async def test_what_a_handler_does_to_its_arguments_the_caller_does_not_see(era, strict, autojump_clock):
    app = FastZCP("Vandal")

    @app.tool
    async def spoil(given: dict, ctx: Context) -> None:
        for each in (given, ctx.meta, ctx.client_info, ctx.client_capabilities):
            vandalise(each)

    @app.tool
    async def look(ctx: Context) -> dict:
        return {"info": dict(ctx.client_info), "capabilities": dict(ctx.client_capabilities)}

    given, meta = {"a": [1]}, {"x/y": {"b": [2]}}
    info = {"name": "me", "version": "1", "icons": [{"src": "https://a.b/c.png", "sizes": ["1x1"]}]}
    async with opened(app, era, strict=strict, client_info=info, elicitation_handler=print) as client:
        before = (await client.call_tool("look")).structured_content
        await client.call_tool("spoil", {"given": given}, meta=meta)
        own = wire(client._session.automaton.me), wire(client._session.automaton.capabilities)

    assert (given, meta) == ({"a": [1]}, {"x/y": {"b": [2]}})
    assert "vandal" not in repr(info)
    assert "vandal" not in repr(own)
    assert before["info"]["name"] == "me"


@both_eras
@strictly_or_not
async def test_questions_and_answers_are_copied_on_their_way(era, strict, autojump_clock):
    app = FastZCP("Asking")
    schema, messages = copy.deepcopy(SCHEMA), [{"role": "user", "content": {"type": "text", "text": "?"}}]
    metadata = {"tags": ["x"]}
    found = []

    @app.tool
    async def ask(ctx: Context) -> None:
        answer = await ctx.elicit("?", schema)
        sampled = await ctx.sample(messages, metadata=metadata)
        roots = await ctx.list_roots()
        found.append(copy.deepcopy([answer.content, wire(sampled), [wire(root) for root in roots]]))
        for each in (answer.data, answer.content, sampled, roots):
            vandalise(each)

    kept, asked = copy.deepcopy([TAGS, MESSAGE, ROOTS]), []

    def spoil(request, answer):
        asked.append(wire(request))
        vandalise(request)
        return answer

    async with opened(
        app,
        era,
        strict=strict,
        elicitation_handler=lambda request: spoil(request, kept[0]),
        sampling_handler=lambda request: spoil(request, kept[1]),
        roots_provider=lambda: kept[2],
    ) as client:
        await client.call_tool("ask")
        await client.call_tool("ask")

    assert kept == [TAGS, MESSAGE, ROOTS]
    assert schema == SCHEMA
    assert "vandal" not in repr([messages, metadata])
    assert found[0] == found[1]
    assert "vandal" not in repr(asked)


@both_eras
@strictly_or_not
async def test_log_messages_are_copied_on_their_way(era, strict, autojump_clock):
    app, notice, heard = FastZCP("Logging"), {"a": [1]}, []

    @app.tool
    async def log(ctx: Context) -> None:
        await ctx.error(notice)
        vandalise(notice)

    def hear(params):
        heard.append(params.data)

    async with opened(app, era, strict=strict, log_handler=hear) as client:
        await client.set_logging_level("debug")
        await client.call_tool("log")
        await trio.sleep(1)
    assert heard == [{"a": [1]}]

    notice.clear()
    notice["a"] = [1]
    async with opened(app, era, strict=strict, log_handler=vandalise) as client:
        await client.set_logging_level("debug")
        await client.call_tool("log")
    assert notice == {"a": [1, "vandal"], "vandal": "was here"}


@both_eras
@strictly_or_not
@pytest.mark.parametrize("replay", [False, True], ids=["as it is", "always replayed"])
async def test_what_a_handler_does_to_an_outcome_its_replay_does_not_see(era, strict, replay, autojump_clock):
    app, effect = FastZCP("Replayed"), {"pages": []}

    @app.tool
    async def work(ctx: Context) -> dict:
        done = await ctx.once("press", lambda: effect)
        done["pages"].append("changed")
        first = await ctx.elicit("first?", SCHEMA)
        first.content["tags"].append("changed")
        first.data["tags"].append("changed")
        roots = await ctx.list_roots()
        roots.append("changed")
        sampled = await ctx.sample("?")
        vandalise(sampled)
        second = await ctx.elicit("second?", SCHEMA)
        return {"done": done, "first": first.content, "roots": len(roots), "second": second.content}

    with always_replay() if replay else nullcontext():
        async with opened(
            app,
            era,
            strict=strict,
            elicitation_handler=lambda request: {"tags": ["a"]},
            sampling_handler=lambda request: MESSAGE,
            roots_provider=lambda: ROOTS,
        ) as client:
            found = (await client.call_tool("work")).structured_content

    assert effect == {"pages": []}
    assert found["done"] == {"pages": ["changed"]}
    assert found["first"]["tags"].count("a") == 1
    assert found["first"]["tags"].count("changed") <= 2
    assert found["roots"] == 2
    assert found["second"] == {"tags": ["a"]}


@both_eras
@strictly_or_not
async def test_what_a_handler_does_to_its_clients_declaration_is_not_believed_in_the_next_call(era, strict):
    """2026-07-28, basic: a server goes by what each request declares."""
    app = FastZCP("desk")

    @app.tool
    async def look(ctx: Context) -> dict:
        found = {"capabilities": wire(ctx.client_capabilities), "info": wire(ctx.client_info)}
        vandalise(ctx.client_capabilities)
        vandalise(ctx.client_info)
        return found

    async with opened(app, era, strict=strict, elicitation_handler=lambda request: True) as client:
        first = await client.call_tool("look")
        second = await client.call_tool("look")

    assert "elicitation" in first.structured_content["capabilities"]
    assert second.structured_content == first.structured_content
