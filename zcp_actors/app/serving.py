"""
How an app answers requests: the one place that knows the methods a server serves.

Owns the catalogues and the dispatch. Refuses to know how entries come into being (`fastzcp` has that), and which era
the client speaks. The rule: nothing but an `RPCError`, a `HandlerError` or a cancel leaves `handle`, whatever the
client sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from zcp_actors.app import completion as completions
from zcp_actors.app import task_policy
from zcp_actors.app.catalogue import Catalogue, Listeners
from zcp_actors.errors import RESOURCE_NOT_FOUND_2025, InvalidParams, MethodNotFound, RPCError
from zcp_actors.ports import Changed
from zcp_actors.tasks.service import TaskService
from zcp_actors.wire import (
    CompleteRequestParams,
    CompleteResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    PromptReference,
    PromptsCapability,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourcesCapability,
    ServerCapabilities,
    ToolsCapability,
    copied,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from zcp_actors.app.completion import RegisteredCompletion
    from zcp_actors.app.prompt import RegisteredPrompt
    from zcp_actors.app.resource import Caching, RegisteredResource, RegisteredTemplate
    from zcp_actors.app.task_kind import RegisteredKind
    from zcp_actors.app.tool import RegisteredTool
    from zcp_actors.ports import App, Tasks, TaskStore
    from zcp_actors.protocol.tasks import TaskPolicy
    from zcp_actors.tasks.limits import TaskLimits
    from zcp_actors.wire import CallToolRequestParams, CallToolResult, CreateTaskRequestParams, Result

    Serve = Callable[[Any, Any], Coroutine[Any, Any, Any]]

Entry = TypeVar("Entry")


class Serving:
    """The catalogues of one app, and the answers made from them."""

    task_limits: TaskLimits | None = None
    """How much of tasks is served; None takes the defaults."""

    def __init__(self, name: str, *, page_size: int, caching: Caching) -> None:
        self._listeners = Listeners()
        self._tools: Catalogue[RegisteredTool] = Catalogue("tool", "tools", app=name, listeners=self._listeners)
        self._resources: Catalogue[RegisteredResource] = Catalogue(
            "resource", "resources", app=name, listeners=self._listeners
        )
        self._templates: Catalogue[RegisteredTemplate] = Catalogue(
            "resource template", "resources", app=name, listeners=self._listeners
        )
        self._prompts: Catalogue[RegisteredPrompt] = Catalogue("prompt", "prompts", app=name, listeners=self._listeners)
        # Nobody listens to these: no revision has a notification for a changed list of kinds.
        self._kinds: Catalogue[RegisteredKind] = Catalogue("task kind", "tasks", app=name, listeners=Listeners())
        self._completions: dict[str, RegisteredCompletion] = {}
        self._page_size, self._caching = page_size, caching
        self._methods: Mapping[str, Serve] = {
            "tools/call": self._call_tool,
            "tools/list": self._list_tools,
            "resources/read": self._read_resource,
            "resources/list": self._list_resources,
            "resources/templates/list": self._list_templates,
            "prompts/get": self._get_prompt,
            "prompts/list": self._list_prompts,
            "completion/complete": self._complete,
            "tasks/create": self._run_task,
        }

    def handle(self, context: Any, method: str, params: Any) -> Coroutine[Any, Any, Any]:
        """Serve one request: `params` is the method's params model, which is not changed; return its result model.

        Raises `RPCError` for what is to be answered with an error, and the `HandlerError`s that the session decides on.
        When cancelled, an async handler is cancelled with it; a plain function is left to end in its thread, unheard.
        """
        serve = self._methods.get(method)
        if serve is None:
            raise MethodNotFound(method)
        return serve(context, params)

    def listen(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Call `listener` with every change until the returned function is called.

        It is called in the trio run that this is called in, also for changes that another thread makes.
        """
        return self._listeners.add(listener)

    def resource_updated(self, uri: str) -> None:
        """Tell subscribers that the content of the resource at `uri` is not what it was. Safe from any thread."""
        self._listeners.announce(Changed("resources", uri))

    def capabilities(self) -> ServerCapabilities:
        """Return what is served: whatever was ever registered, since what came and went can come again."""
        resources = self._resources.served or self._templates.served
        watched = any(each.subscribe for each in self._resources.entries.values())
        watched = watched or any(each.subscribe for each in self._templates.entries.values())
        return ServerCapabilities(
            tools=ToolsCapability(list_changed=True) if self._tools.served else None,
            resources=ResourcesCapability(list_changed=True, subscribe=watched or None) if resources else None,
            prompts=PromptsCapability(list_changed=True) if self._prompts.served else None,
            completions={} if self._completes() else None,
            logging={},
            **task_policy.declared(self._kinds.entries, tools=self._tools_may_be_tasks()),
        )

    def task_policy(self, method: str, target: str) -> TaskPolicy | None:
        """Return what holds for a tool ("tools/call") or a kind ("tasks/create"); None for one that is not there."""
        found: RegisteredTool | RegisteredKind | None = None
        if method == "tools/call":
            found = self._tools.entries.get(target)
        elif method == "tasks/create":
            found = self._kinds.entries.get(target)
        return None if found is None else found.policy

    def check_task(self, kind: str, input: dict[str, Any] | None) -> None:
        """Raises `InvalidParams` for an input that does not fit this kind, and for a kind that is not there."""
        self._kind(kind).check(input)

    def task_targets(self) -> list[tuple[str, str]]:
        """Return every (method, target) that may run as a task: tools, then kinds, as they were registered."""
        tools = self._tools.entries.items()
        named = [("tools/call", name) for name, each in tools if each.policy.support != "forbidden"]
        return [*named, *(("tasks/create", kind) for kind in self._kinds.entries)]

    def host_tasks(self, runtime: Any, store: TaskStore | None, *, served: bool) -> Tasks | None:
        """Return who runs this app's tasks in `runtime`; None while the app has no tool or kind that may be one."""
        if not self._kinds.entries and not self._tools_may_be_tasks():
            return None
        return TaskService.of(cast("App", self), runtime, store, served=served, limits=self.task_limits)

    def _tools_may_be_tasks(self) -> bool:
        return any(each.policy.support != "forbidden" for each in self._tools.entries.values())

    def _completes(self) -> bool:
        return (
            bool(self._completions)
            or any(each.choices for each in self._prompts.entries.values())
            or any(each.choices for each in self._templates.entries.values())
        )

    def _call_tool(self, context: Any, params: CallToolRequestParams) -> Coroutine[Any, Any, CallToolResult]:
        tool = self._tools.entries.get(params.name)
        if tool is None:
            raise InvalidParams(f"unknown tool {params.name!r:.200}; {self._tools.known()}")
        return tool.call(context, params.arguments)

    def _run_task(self, context: Any, params: CreateTaskRequestParams) -> Coroutine[Any, Any, Result]:
        return self._kind(params.kind).run(context, params.input)

    def _kind(self, name: str) -> RegisteredKind:
        kind = self._kinds.entries.get(name)
        if kind is None:
            raise InvalidParams(f"unknown task kind {name!r:.200}")
        return kind

    async def _list_tools(self, _: Any, params: PaginatedRequestParams) -> ListToolsResult:
        entries, following = self._page(self._tools, params)
        return ListToolsResult(tools=[copied(each.model) for each in entries], next_cursor=following, **self._hints)

    async def _list_resources(self, _: Any, params: PaginatedRequestParams) -> ListResourcesResult:
        entries, following = self._page(self._resources, params)
        return ListResourcesResult(
            resources=[copied(each.model) for each in entries], next_cursor=following, **self._hints
        )

    async def _list_templates(self, _: Any, params: PaginatedRequestParams) -> ListResourceTemplatesResult:
        entries, following = self._page(self._templates, params)
        return ListResourceTemplatesResult(
            resource_templates=[copied(each.model) for each in entries], next_cursor=following, **self._hints
        )

    async def _list_prompts(self, _: Any, params: PaginatedRequestParams) -> ListPromptsResult:
        entries, following = self._page(self._prompts, params)
        return ListPromptsResult(prompts=[copied(each.model) for each in entries], next_cursor=following, **self._hints)

    async def _read_resource(self, context: Any, params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = params.uri
        if resource := self._resources.entries.get(uri):
            return await resource.read(context, uri)
        for template in tuple(self._templates.entries.values()):
            if (variables := template.match(uri)) is not None:
                return await template.read(context, uri, variables)
        raise RPCError(RESOURCE_NOT_FOUND_2025, f"resource not found: {uri!r:.200}", {"uri": uri})

    async def _get_prompt(self, context: Any, params: GetPromptRequestParams) -> GetPromptResult:
        return await self._prompt(params.name).get(context, params.arguments)

    async def _complete(self, context: Any, params: CompleteRequestParams) -> CompleteResult:
        key = completions.key_of(params.ref)
        choices = self._choices(params)
        if registered := self._completions.get(key):
            found = await registered.complete(context, params)
            if found.completion.values or not choices:
                return found
        return completions.suggestions(choices, params.argument.value)

    def _choices(self, params: CompleteRequestParams) -> list[str]:
        """Return what a closed type allows for the argument. Raises `InvalidParams` for a thing that is not there."""
        if isinstance(params.ref, PromptReference):
            return self._prompt(params.ref.name).choices.get(params.argument.name, [])
        uri = params.ref.uri
        if template := self._templates.entries.get(uri):
            return template.choices.get(params.argument.name, [])
        if uri in self._resources.entries:
            return []
        raise InvalidParams(f"unknown resource template {uri!r:.200}; {self._templates.known()}")

    def _prompt(self, name: str) -> RegisteredPrompt:
        prompt = self._prompts.entries.get(name)
        if prompt is None:
            raise InvalidParams(f"unknown prompt {name!r:.200}; {self._prompts.known()}")
        return prompt

    def _page(self, entries: Catalogue[Entry], params: PaginatedRequestParams | None) -> tuple[list[Entry], str | None]:
        return entries.page(params.cursor if params is not None else None, self._page_size)

    @property
    def _hints(self) -> dict[str, Any]:
        return attrs.asdict(self._caching)
