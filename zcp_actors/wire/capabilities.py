"""
Capabilities: what each side says it can do.

Owns the shapes of both revisions together; a field of one revision is marked so. An empty object says yes, absence says
no. Refuses to decide what follows from a capability.
"""

from __future__ import annotations

from typing import Any

import attrs

from zcp_actors.wire.meta_keys import V2025_11_25, V2026_07_28
from zcp_actors.wire.model import Model, only

Flag = dict[str, Any]
"""Present means yes; what is inside is reserved."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RootsCapability(Model):
    """The client can list its roots, and in 2025-11-25 tell when they change."""

    list_changed: bool | None = only(V2025_11_25)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SamplingCapability(Model):
    """The client has a model to lend; `tools` if that model may use tools."""

    context: Flag | None = None
    tools: Flag | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ElicitationCapability(Model):
    """The client can ask its person. An empty object means forms only."""

    form: Flag | None = None
    url: Flag | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TasksSamplingCapability(Model):
    """`sampling/createMessage` may run as a task."""

    create_message: Flag | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TasksElicitationCapability(Model):
    """`elicitation/create` may run as a task."""

    create: Flag | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ClientTasksRequestsCapability(Model):
    """Which requests a client runs as tasks; what is not listed it does not."""

    sampling: TasksSamplingCapability | None = None
    elicitation: TasksElicitationCapability | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ClientTasksCapability(Model):
    """A client that can be a task's receiver (2025-11-25)."""

    list: Flag | None = None
    cancel: Flag | None = None
    requests: ClientTasksRequestsCapability | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ClientCapabilities(Model):
    """What a client can do for a server."""

    experimental: dict[str, dict[str, Any]] | None = None
    roots: RootsCapability | None = None
    sampling: SamplingCapability | None = None
    elicitation: ElicitationCapability | None = None
    tasks: ClientTasksCapability | None = only(V2025_11_25)
    extensions: dict[str, dict[str, Any]] | None = only(V2026_07_28)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PromptsCapability(Model):
    """The server has prompts."""

    list_changed: bool | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ResourcesCapability(Model):
    """The server has resources."""

    subscribe: bool | None = None
    list_changed: bool | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ToolsCapability(Model):
    """The server has tools."""

    list_changed: bool | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TasksToolsCapability(Model):
    """`tools/call` may run as a task."""

    call: Flag | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ServerTasksRequestsCapability(Model):
    """Which requests a server runs as tasks; what is not listed it does not."""

    tools: TasksToolsCapability | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ServerTasksCapability(Model):
    """A server that runs tasks (2025-11-25)."""

    list: Flag | None = None
    cancel: Flag | None = None
    requests: ServerTasksRequestsCapability | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ServerCapabilities(Model):
    """What a server can do for a client."""

    experimental: dict[str, dict[str, Any]] | None = None
    logging: Flag | None = None
    completions: Flag | None = None
    prompts: PromptsCapability | None = None
    resources: ResourcesCapability | None = None
    tools: ToolsCapability | None = None
    tasks: ServerTasksCapability | None = only(V2025_11_25)
    extensions: dict[str, dict[str, Any]] | None = only(V2026_07_28)
