"""
The tools of the everything-server that ask the client: sampling, elicitation and roots.

Owns their names, questions and keys, which the conformance suite prescribes. Refuses to know that one revision asks in
a request of its own and the other in the call's result: each handler is one straight line for both.
"""

from __future__ import annotations

from typing import Any

import trio

from zcp_actors import Context
from zcp_actors.errors import InvalidResult

NAME_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "description": "Your name"}},
    "required": ["name"],
}

CONTACT_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}

DEFAULTS_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}

_OPTIONS = ["option1", "option2", "option3"]
_TITLED = [{"const": f"value{n}", "title": title} for n, title in ((1, "First"), (2, "Second"), (3, "Third"))]

ENUMS_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
    },
    "required": [],
}


async def test_sampling(prompt: str, ctx: Context) -> str:
    """Let the client's model answer a prompt."""
    answer = await ctx.sample(prompt, max_tokens=100)
    return f"LLM response: {answer.text}"


async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the person for a name and an address."""
    answer = await ctx.elicit(message, CONTACT_FORM)
    return f"User response: {answer.action}, {answer.content}"


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask with a default in every kind of field."""
    answer = await ctx.elicit("Please review and update the form fields with defaults", DEFAULTS_FORM)
    return f"Elicitation completed: {answer.action}, {answer.content}"


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask with every kind of choice."""
    try:
        answer = await ctx.elicit("Please select options from the enum fields", ENUMS_FORM)
    except InvalidResult as error:
        return f"Elicitation completed: {error}"  # a choice that was not offered is the client's fault, not the call's
    return f"Elicitation completed: {answer.action}, {answer.content}"


async def test_streaming_elicitation(ctx: Context) -> str:
    """Ask the person while the call runs."""
    answer = await ctx.elicit("Please enter your name", NAME_FORM, key="user_name")
    return f"The answer was: {answer.action}"


async def test_missing_capability(ctx: Context) -> str:
    """Need a client that lends its model."""
    answer = await ctx.sample("Say hello", max_tokens=20, key="hello")
    return answer.text


async def test_input_required_result_elicitation(ctx: Context) -> str:
    """Ask the person for a name."""
    answer = await ctx.elicit("What is your name?", NAME_FORM, key="user_name")
    return f"Hello, {answer['data']['name']}!" if answer.accepted else f"No name was given: {answer.action}"


async def test_input_required_result_sampling(ctx: Context) -> str:
    """Ask the client's model."""
    answer = await ctx.sample("What is the capital of France?", max_tokens=100, key="capital_question")
    return f"The model said: {answer.text}"


async def test_input_required_result_list_roots(ctx: Context) -> str:
    """Ask for the client's roots."""
    roots = await ctx.list_roots(key="client_roots")
    return f"Roots: {', '.join(root.uri for root in roots) or 'none'}"


async def test_input_required_result_request_state(ctx: Context) -> str:
    """Remember something between the question and its answer."""
    answer = await ctx.elicit("Please confirm", _confirmation(), key="confirm")
    return f"state-ok: {answer.action}"


async def test_input_required_result_tampered_state(ctx: Context) -> str:
    """Remember something that nobody else may change."""
    answer = await ctx.elicit("Please confirm", _confirmation(), key="confirm")
    return f"state-ok: {answer.action}"


async def test_input_required_result_multiple_inputs(ctx: Context) -> str:
    """Ask three questions at once."""
    found: dict[str, str] = {}

    async def ask_name() -> None:
        answer = await ctx.elicit("What is your name?", NAME_FORM, key="user_name")
        found["name"] = str((answer.content or {}).get("name", answer.action))

    async def ask_greeting() -> None:
        found["greeting"] = (await ctx.sample("Generate a greeting", max_tokens=50, key="greeting")).text

    async def ask_roots() -> None:
        found["roots"] = ", ".join(root.uri for root in await ctx.list_roots(key="client_roots"))

    async with trio.open_nursery() as nursery:
        for ask in (ask_name, ask_greeting, ask_roots):
            nursery.start_soon(ask)
    return f"Name: {found['name']}. Greeting: {found['greeting']}. Roots: {found['roots']}."


async def test_input_required_result_multi_round(ctx: Context) -> str:
    """Ask a second question after the first one's answer."""
    name = await ctx.elicit("Step 1: What is your name?", NAME_FORM, key="step1")
    form = {"type": "object", "properties": {"color": {"type": "string"}}, "required": ["color"]}
    color = await ctx.elicit("Step 2: What is your favourite colour?", form, key="step2")
    return f"{(name.content or {}).get('name')} likes {(color.content or {}).get('color')}."


async def test_input_required_result_capabilities(ctx: Context) -> str:
    """Ask only what this client can be asked."""
    can = ctx.client_capabilities
    if can is not None and can.sampling is not None:
        await ctx.sample("Say hello", max_tokens=20, key="hello")
    if can is not None and can.elicitation is not None:
        await ctx.elicit("What is your name?", NAME_FORM, key="user_name")
    return "Everything that could be asked was asked."


async def test_input_required_result_prompt(ctx: Context) -> str:
    """A prompt that asks the person for its context."""
    answer = await ctx.elicit(
        "What context should the prompt use?",
        {"type": "object", "properties": {"context": {"type": "string"}}, "required": ["context"]},
        key="user_context",
    )
    return f"Use this context: {(answer.content or {}).get('context', 'none')}"


def _confirmation() -> dict[str, Any]:
    return {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


QUESTION_TOOLS = (
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_streaming_elicitation,
    test_missing_capability,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
)
"""In the order they are listed in."""
