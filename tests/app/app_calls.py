"""Calling an app without a session: a context that carries nothing but its task, and one function per method."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import attrs

from zcp_actors.app import FastZCP
from zcp_actors.sessions.asked import Elicited
from zcp_actors.sessions.context import Context
from zcp_actors.wire import (
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    Completion,
    CompletionArgument,
    CompletionContext,
    CreateMessageResult,
    CreateTaskRequestParams,
    GetPromptRequestParams,
    GetPromptResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
)


class FakeContext(Context):
    """A context whose call is no call, and perhaps a task."""

    def __init__(self, task: Any = None) -> None:
        super().__init__(SimpleNamespace(task=task))


class FakeTask:
    """A task whose client answers everything, and that remembers what it was told."""

    id = "a-task"

    def __init__(self, answer: Elicited | None = None) -> None:
        self.said: list[str] = []
        self.answer = answer or Elicited("accept", {}, {})

    async def update_status(self, message: str) -> None:
        self.said.append(message)

    async def create_message(self, request: Any) -> CreateMessageResult:
        asked = request["messages"][0]["content"]
        return CreateMessageResult(role="assistant", content=TextContent(text=f"re: {asked}"), model="m")

    async def elicit(self, question: Any, schema: Any = None) -> Elicited:
        return self.answer


async def call(app: FastZCP, name: str, arguments: Any = None, context: Any = None) -> CallToolResult:
    params = CallToolRequestParams(name=name, arguments=arguments)
    return await app.handle(context or FakeContext(), "tools/call", params)


async def create(app: FastZCP, kind: str, given: Any = None, context: Any = None) -> Any:
    """What the task of a kind ends with."""
    params = CreateTaskRequestParams(kind=kind, input=given)
    return await app.handle(context or FakeContext(task=FakeTask()), "tasks/create", params)


async def read(app: FastZCP, uri: str, context: Any = None) -> ReadResourceResult:
    return await app.handle(context or FakeContext(), "resources/read", ReadResourceRequestParams(uri=uri))


async def get(app: FastZCP, name: str, arguments: Any = None) -> GetPromptResult:
    return await app.handle(FakeContext(), "prompts/get", GetPromptRequestParams(name=name, arguments=arguments))


async def complete(app: FastZCP, ref: Any, argument: str, value: str, given: Any = None) -> Completion:
    params = CompleteRequestParams(
        ref=ref,
        argument=CompletionArgument(name=argument, value=value),
        context=None if given is None else CompletionContext(arguments=given),
    )
    return (await app.handle(FakeContext(), "completion/complete", params)).completion


def text(result: CallToolResult) -> str:
    """The one text block of a result."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


@attrs.frozen
class Point:
    """A place."""

    x: int
    y: int = 0
