"""
`FastZCP`: what a server author writes.

Owns the author's surface: decorators and `add_…`/`remove_…` methods that turn functions into entries of the
catalogues. Refuses to serve (`serving` does) and to know sessions and transports. The rule: a mistake of the author is
a `SchemaError` when the function is registered, with a text that says what to write instead; never a surprise in a
call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import trio

from zcp_actors.app import injection, shapes, task_policy, tool
from zcp_actors.app.completion import RegisteredCompletion, key_of
from zcp_actors.app.prompt import RegisteredPrompt
from zcp_actors.app.resource import Caching, RegisteredResource, RegisteredTemplate
from zcp_actors.app.serving import Serving
from zcp_actors.app.task_kind import RegisteredKind
from zcp_actors.errors import SchemaError
from zcp_actors.schemas import Template
from zcp_actors.schemas.docstring import docstring_of
from zcp_actors.wire import (
    Annotations,
    CacheScope,
    Icon,
    Implementation,
    Prompt,
    PromptReference,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    Tool,
    ToolAnnotations,
    ToolExecution,
    copied,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Unpack

    from zcp_actors.app.options import (
        Common,
        PromptOptions,
        ResourceOptions,
        TaskOptions,
        TemplateOptions,
        ToolOptions,
    )
    from zcp_actors.app.tool import RegisteredTool
    from zcp_actors.tasks.limits import TaskLimits

F = TypeVar("F", bound="Callable[..., Any]")

PAGE_SIZE = 1000
"""Entries of one page: nearly every server's list is one page, and 1000 tools with schemas stay below a megabyte."""
SYNC_LIMIT = 40
"""Plain functions that run at once, each in a thread: trio's own number, enough to wait on I/O, few enough to hold."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.")


class FastZCP(Serving):
    """A server: tools, resources, prompts, completions and kinds of tasks under one name.

    `sync_limit` is how many plain functions run at once, in threads; coroutine functions have no limit.
    `list_ttl_ms` (milliseconds) and `list_cache_scope` say how long and for whom a client may keep a list (2026-07-28).
    `validate_output=False` publishes output schemas without checking results against them.
    `task_limits` says how many tasks run, wait and are kept, and for how long.
    """

    def __init__(  # noqa: PLR0917 - the order of the guide's FastZCP
        self,
        name: str,
        version: str = "0.1.0",
        instructions: str | None = None,
        title: str | None = None,
        description: str | None = None,
        website_url: str | None = None,
        icons: Iterable[Icon | dict[str, Any]] | None = None,
        *,
        page_size: int = PAGE_SIZE,
        sync_limit: int = SYNC_LIMIT,
        list_ttl_ms: int | None = None,
        list_cache_scope: CacheScope | None = None,
        validate_output: bool = True,
        task_limits: TaskLimits | None = None,
    ) -> None:
        if page_size < 1:
            raise SchemaError(f"page_size is the entries of one page, at least 1, not {page_size}")
        super().__init__(name, page_size=page_size, caching=Caching(list_ttl_ms, list_cache_scope))
        self.name, self.version, self.instructions = name, version, instructions
        self._implementation = Implementation(
            name=name,
            version=version,
            title=title,
            description=description,
            website_url=website_url,
            icons=shapes.all_declared(Icon, icons, f"app {name!r}: icons"),
        )
        self._limiter = trio.CapacityLimiter(sync_limit)
        self._validate_output = validate_output
        self.task_limits = task_limits

    def __repr__(self) -> str:
        return f"<FastZCP {self.name!r} {self.version}>"

    def implementation(self) -> Implementation:
        """Return who serves: name, version, title, description, icons, website."""
        model: Implementation = copied(self._implementation)
        return model

    @property
    def tools(self) -> Mapping[str, RegisteredTool]:
        """The tools by name, in the order of their registration; a live view."""
        return self._tools.entries

    @property
    def resources(self) -> Mapping[str, RegisteredResource]:
        """The resources by URI, in the order of their registration; a live view."""
        return self._resources.entries

    @property
    def resource_templates(self) -> Mapping[str, RegisteredTemplate]:
        """The resource templates by URI template, in the order of their registration; a live view."""
        return self._templates.entries

    @property
    def prompts(self) -> Mapping[str, RegisteredPrompt]:
        """The prompts by name, in the order of their registration; a live view."""
        return self._prompts.entries

    @property
    def tasks(self) -> Mapping[str, RegisteredKind]:
        """The kinds of tasks that are no tools, in the order of their registration; a live view."""
        return self._kinds.entries

    @overload
    def tool(self, function: F, /) -> F: ...
    @overload
    def tool(self, **options: Unpack[ToolOptions]) -> Callable[[F], F]: ...
    def tool(self, function: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]  # it does take every option
        """Register a function as a tool: `@app.tool`, or `@app.tool(name=…, …)` with the keywords of `ToolOptions`."""
        decorator = _decorator(lambda given: self.add_tool(given, **options))
        return decorator if function is None else decorator(function)

    def add_tool(self, function: Callable[..., Any], **options: Unpack[ToolOptions]) -> RegisteredTool:
        """Register `function`, coroutine function or plain, as a tool.

        A parameter annotated `Context` (or a bare `ctx`) gets the call's context, one annotated `TaskContext` (or a
        bare `task`) its task, None in a plain call; the rest are arguments. Raises `SchemaError` for a name that is
        taken or not allowed, and for a signature or schema that cannot work.
        """
        name = tool.checked_name(options.get("name") or injection.name_of(function))
        execution = _execution(name, options)
        support = None if execution is None else execution.task_support
        entry = tool.registered(
            Tool(
                **_listed(f"tool {name!r}", name, function, options),
                input_schema={},
                annotations=shapes.declared(ToolAnnotations, options.get("annotations"), f"tool {name!r}: annotations"),
                execution=execution,
            ),
            function,
            self._limiter,
            input_schema=options.get("input_schema"),
            output_schema=options.get("output_schema"),
            validate_output=self._validate_output,
            output_mode=options.get("output_mode"),
            inline_ok=options.get("inline_ok", False),
            policy=task_policy.tool_policy(f"tool {name!r}", support, options),
        )
        self._tools.add(name, entry, replace=options.get("replace", False))
        return entry

    def remove_tool(self, name: str) -> None:
        """Take a tool out; calls that run go on. Raises `UsageError` when it is not there."""
        self._tools.remove(name)

    def task(self, kind: str, **options: Unpack[TaskOptions]) -> Callable[[F], F]:
        """Register a function as a kind of task: `@app.task("review.run")`; see `TaskOptions` and `add_task`."""
        if callable(kind):
            raise SchemaError('a task has a kind, by which clients create it: write @app.task("some.kind")')
        return _decorator(lambda given: self.add_task(given, kind, **options))

    def add_task(self, function: Callable[..., Any], kind: str, **options: Unpack[TaskOptions]) -> RegisteredKind:
        """Register `function`, coroutine function or plain, as what runs the tasks of `kind`.

        A lone parameter `payload` (or `input`) gets a dict of the input and, as `payload["task"]`, the task. Any other
        signature is read like a tool's, with the parts of the input for its arguments. What it returns is the result: a
        JSON object itself, anything else as `{"result": ...}`.
        Raises `SchemaError` for a kind that is taken or not allowed, and for a signature or schema that cannot work.
        """
        where = f"task kind {tool.checked_name(kind, 'task kind')!r}"
        said, described = options.get("description"), docstring_of(injection.underlying(function)).summary
        entry = RegisteredKind.of(
            kind,
            function,
            self._limiter,
            task_policy.kind_policy(where, options.get("on_restart"), options.get("task_ttl")),
            input_schema=options.get("input_schema"),
            title=options.get("title"),
            description=described if said is None else said,
        )
        self._kinds.add(kind, entry, replace=options.get("replace", False))
        return entry

    def remove_task(self, kind: str) -> None:
        """Take a kind out; its tasks that run go on. Raises `UsageError` when it is not there."""
        self._kinds.remove(kind)

    def resource(self, uri: str, **options: Unpack[ResourceOptions]) -> Callable[[F], F]:
        """Register a function that reads the resource at `uri`; with {variables}, any resource of that template."""
        if "{" not in uri:
            return _decorator(lambda given: self.add_resource(given, uri, **options))
        if options.get("size") is not None:
            raise SchemaError(f"resource template {uri!r}: its resources have no common size; leave size= out")
        common = cast("TemplateOptions", {name: value for name, value in options.items() if name != "size"})
        return self.resource_template(uri, **common)

    def add_resource(
        self, function: Callable[..., Any], uri: str, **options: Unpack[ResourceOptions]
    ) -> RegisteredResource:
        """Register `function` as what reads the resource at `uri`.

        Raises `SchemaError` for a URI that is taken or none, and for a function that needs more than its context.
        """
        if not _SCHEME.match(uri):
            raise SchemaError(f"resource {uri!r}: a URI starts with a scheme, as in docs://{uri.lstrip('/')}")
        where = f"resource {uri!r}"
        model = Resource(
            **_listed(where, None, function, options), **_shown(where, options), uri=uri, size=options.get("size")
        )
        entry = RegisteredResource.of(
            model, function, self._limiter, subscribe=options.get("subscribe", False), caching=_caching(options)
        )
        self._resources.add(uri, entry, replace=options.get("replace", False))
        return entry

    def remove_resource(self, uri: str) -> None:
        """Take a resource out. Raises `UsageError` when it is not there."""
        self._resources.remove(uri)

    def resource_template(self, uri_template: str, **options: Unpack[TemplateOptions]) -> Callable[[F], F]:
        """Register a function that reads any resource of a URI template (RFC 6570); it takes the variables."""
        return _decorator(lambda given: self.add_resource_template(given, uri_template, **options))

    def add_resource_template(
        self, function: Callable[..., Any], uri_template: str, **options: Unpack[TemplateOptions]
    ) -> RegisteredTemplate:
        """Register `function` as what reads the resources of `uri_template`.

        Raises `SchemaError` for a template that is taken or none, and for variables and parameters that differ.
        """
        where = f"resource template {uri_template!r}"
        model = ResourceTemplate(
            **_listed(where, None, function, options), **_shown(where, options), uri_template=uri_template
        )
        entry = RegisteredTemplate.of(
            model,
            Template(uri_template),
            function,
            self._limiter,
            subscribe=options.get("subscribe", False),
            caching=_caching(options),
        )
        self._templates.add(uri_template, entry, replace=options.get("replace", False))
        return entry

    def remove_resource_template(self, uri_template: str) -> None:
        """Take a resource template out. Raises `UsageError` when it is not there."""
        self._templates.remove(uri_template)

    @overload
    def prompt(self, function: F, /) -> F: ...
    @overload
    def prompt(self, **options: Unpack[PromptOptions]) -> Callable[[F], F]: ...
    def prompt(self, function: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]  # it does take every option
        """Register a function as a prompt: `@app.prompt`, or `@app.prompt(name=…, …)`; see `PromptOptions`."""
        decorator = _decorator(lambda given: self.add_prompt(given, **options))
        return decorator if function is None else decorator(function)

    def add_prompt(self, function: Callable[..., Any], **options: Unpack[PromptOptions]) -> RegisteredPrompt:
        """Register `function` as what fills a prompt in.

        Raises `SchemaError` for a taken name and for arguments that do not fit.
        """
        name = options.get("name") or injection.name_of(function)
        model = Prompt(**_listed(f"prompt {name!r}", name, function, options))
        entry = RegisteredPrompt.of(model, function, self._limiter, options.get("arguments"))
        self._prompts.add(name, entry, replace=options.get("replace", False))
        return entry

    def remove_prompt(self, name: str) -> None:
        """Take a prompt out. Raises `UsageError` when it is not there."""
        self._prompts.remove(name)

    def completion(
        self, ref: str | PromptReference | ResourceTemplateReference, *, replace: bool = False
    ) -> Callable[[F], F]:
        """Register a function that suggests values for the arguments of a prompt (by name) or a template (by URI).

        It takes as much of (argument, value, arguments) as it likes, or one `request`; it returns texts, or a
        `Completion`. Where it suggests nothing, an argument of a closed type (an `Enum`, a `Literal`) completes itself.
        """
        return _decorator(lambda given: self.add_completion(given, ref, replace=replace))

    def add_completion(
        self,
        function: Callable[..., Any],
        ref: str | PromptReference | ResourceTemplateReference,
        *,
        replace: bool = False,
    ) -> RegisteredCompletion:
        """Register `function` as what completes the arguments of `ref`. Raises `SchemaError` when something does."""
        key = key_of(ref)
        if key in self._completions and not replace:
            raise SchemaError(f"there already is a completion of {key!r}; pass replace=True to take its place")
        entry = self._completions[key] = RegisteredCompletion.of(key, function, self._limiter)
        return entry


def _decorator(register: Callable[[Any], object]) -> Callable[[F], F]:
    """Return a decorator that registers a function and gives it back unchanged."""

    def decorator(function: F) -> F:
        register(function)
        return function

    return decorator


def _listed(where: str, name: str | None, function: Callable[..., Any], options: Common) -> dict[str, Any]:
    """Return the fields that everything listed has."""
    description = options.get("description")
    said = docstring_of(injection.underlying(function)).summary
    written = options.get("metadata", {}) or {}
    meta = {**(written.get("_meta") or {}), **(options.get("meta") or {})}  # type: ignore[attr-defined]  # metadata= is a tool's
    return {
        "name": name or options.get("name") or injection.name_of(function),
        "title": options.get("title"),
        "description": said if description is None else description,
        "icons": shapes.all_declared(Icon, options.get("icons"), f"{where}: icons"),
        "meta": shapes.json_declared(meta, f"{where}: meta") or None,
    }


def _shown(where: str, options: TemplateOptions) -> dict[str, Any]:
    """Return the fields that resources and templates have beyond that."""
    annotations = shapes.declared(Annotations, options.get("annotations"), f"{where}: annotations")
    return {"mime_type": options.get("mime_type"), "annotations": annotations}


def _caching(options: TemplateOptions) -> Caching:
    return Caching(options.get("ttl_ms"), options.get("cache_scope"))


def _execution(name: str, options: ToolOptions) -> ToolExecution | None:
    where = f"tool {name!r}: execution"
    written = shapes.declared(ToolExecution, options.get("execution"), where)
    support = options.get("task")
    if support is None:
        return written
    if written is not None and written.task_support not in (None, support):
        raise SchemaError(f"{where} says {written.task_support!r} and task={support!r}; say it once")
    return shapes.declared(ToolExecution, {"task_support": support}, f"tool {name!r}: task")
