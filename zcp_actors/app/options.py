"""
What an author may say about a tool, a kind of task, a resource, a template and a prompt: the keywords of `FastZCP`'s
decorators.

Owns the names and their meaning. Refuses to act on them.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from zcp_actors.protocol.tasks import OnRestart
from zcp_actors.wire import Annotations, CacheScope, Icon, PromptArgument, ToolAnnotations

TaskSupport = Literal["forbidden", "optional", "required"]


class Common(TypedDict, total=False):
    """What everything has."""

    name: str | None
    """For programs; the function's name by default."""
    title: str | None
    """For people, where the name does not do."""
    description: str | None
    """The first paragraph of the docstring by default."""
    icons: list[Icon | dict[str, Any]] | None
    meta: dict[str, Any] | None
    """`_meta` of what is listed."""
    replace: bool
    """Take the place of one with the same name, instead of refusing it."""


class ToolOptions(Common, total=False):
    """The keywords of `tool` and `add_tool`."""

    input_schema: dict[str, Any] | type | None
    """JSON Schema of the arguments, or a type that has one; read from the signature by default."""
    output_schema: dict[str, Any] | type | None
    """JSON Schema of the structured content, or a type that has one; read from the return annotation by default."""
    annotations: ToolAnnotations | dict[str, Any] | None
    execution: dict[str, Any] | None
    """`{"taskSupport": ...}`; `task` says the same shorter."""
    task: TaskSupport | None
    """Whether a call may, must or must not run as a task; "forbidden" by default. A parameter `task` is filled when the
    handler begins; `ctx.task` also knows when a call becomes a task later."""
    task_after: float | None
    """Seconds after which a call that still runs becomes a task, where the server decides (2026-07-28): 0 at once,
    math.inf never; `TASK_AFTER` by default. For an optional tool: a required one is a task at once."""
    on_restart: OnRestart | None
    """What becomes of a task whose process ended: "resume" runs the handler again, with the recorded answers (the
    default); "fail" ends it as failed."""
    task_ttl: float | None
    """Seconds a task is kept from its creation when its requestor does not say; the task service's by default."""
    metadata: dict[str, Any] | None
    """`{"_meta": {...}}`; `meta` says the same shorter."""
    output_mode: Literal["scalar", "handle"] | None
    """How a native surface hands the output over."""
    inline_ok: bool
    """Whether a native surface may put the output into its answer."""


class TaskOptions(TypedDict, total=False):
    """The keywords of `task` and `add_task`."""

    title: str | None
    """For people, where the kind does not do."""
    description: str | None
    """The first paragraph of the docstring by default."""
    input_schema: dict[str, Any] | type | None
    """JSON Schema of the input, or a type that has one. By default read from the signature; for a lone `payload`, any
    object will do."""
    on_restart: OnRestart | None
    """As of a tool."""
    task_ttl: float | None
    """As of a tool."""
    replace: bool
    """Take the place of one with the same kind, instead of refusing it."""


class TemplateOptions(Common, total=False):
    """The keywords of `resource_template` and `add_resource_template`."""

    mime_type: str | None
    subscribe: bool
    """Whether `resource_updated` is going to be told of its resources."""
    annotations: Annotations | dict[str, Any] | None
    ttl_ms: int | None
    """Milliseconds a client may keep what it read."""
    cache_scope: CacheScope | None
    """For whom it may be kept: "private" to one principal, or "public"."""


class ResourceOptions(TemplateOptions, total=False):
    """The keywords of `resource` and `add_resource`."""

    size: int | None
    """Bytes, before any encoding."""


class PromptOptions(Common, total=False):
    """The keywords of `prompt` and `add_prompt`."""

    arguments: list[PromptArgument | dict[str, Any] | str] | None
    """Read from the signature by default."""
