"""
`ZCPClientSession`: a server, as the program that uses it sees it.

Owns the public methods, their keyword names (those of the ZCP guide) and the opening and closing of one client.
Refuses to know eras and transports: requests go to its session, which asks nobody either.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

from zcp_actors import schemas
from zcp_actors.actors import Limit, Restart, Supervisor, current_runtime
from zcp_actors.errors import CapabilityMissing, InvalidResult, MethodNotFound, NotOpened, SchemaError, UsageError
from zcp_actors.protocol.capabilities import ELICITATION, ROOTS, SAMPLING
from zcp_actors.protocol.dialect import Era
from zcp_actors.sessions.asked import form_question, sampling_question
from zcp_actors.sessions.client import ClientSession
from zcp_actors.sessions.handshake import introduce
from zcp_actors.sessions.link import Link
from zcp_actors.sessions.listening import Listener
from zcp_actors.sessions.policy import Policy
from zcp_actors.sessions.providers import Providers
from zcp_actors.sessions.timeouts import Timeouts
from zcp_actors.wire import (
    CallToolRequestParams,
    CompleteRequestParams,
    GetPromptRequestParams,
    Implementation,
    Model,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    RequestParams,
    SetLevelRequestParams,
    TaskMetadata,
    from_wire,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from zcp_actors.actors import Exit, Ref
    from zcp_actors.ports import Way
    from zcp_actors.sessions.handshake import Introduction
    from zcp_actors.wire import (
        CallToolResult,
        CompleteResult,
        CreateMessageResult,
        ElicitResult,
        GetPromptResult,
        ListPromptsResult,
        ListResourcesResult,
        ListResourceTemplatesResult,
        ListRootsResult,
        ListToolsResult,
        ReadResourceResult,
    )

log = logging.getLogger("zcp_actors.sessions")

VERSION = "0.1.0"

MAX_VALIDATORS = 10_000
"""Output schemas kept of one server: far above what a model can be shown, and names are the server's to invent."""

_numbers = itertools.count(1)


class Backend(Supervisor[Any]):
    """One server's place in the tree: its session, and the link that keeps it connected."""

    max_children = 8

    def __init__(self, limit: Limit) -> None:
        super().__init__()
        self.limit = limit

    def on_child_exit(self, ref: Ref[Any], exit: Exit) -> None:
        """Without its session a connection serves nobody."""
        if ref.name == "session" and isinstance(exit.error, Exception):
            raise exit.error


class ZCPClientSession:
    """A client of one server. `async with client:` opens it in the runtime around; `runtime.connect` supervises it.

    Every method raises `RPCError` for the server's errors, `RequestTimeout`, `ConnectionLost` (`ServerExited` for a
    child
    process), `SessionClosed`, `InvalidResult`, and `NotOpened` before it is opened. Cancelling a caller cancels the
    request
    at the server in the same step. Results read by attribute and by wire name: `result.tools`, `result["tools"]`.
    """

    def __init__(
        self,
        way: Way,
        *,
        name: str | None = None,
        client_info: Implementation | Mapping[str, Any] | None = None,
        roots_provider: Any = None,
        sampling_handler: Any = None,
        elicitation_handler: Any = None,
        log_handler: Callable[..., Any] | None = None,
        progress_handler: Callable[..., Any] | None = None,
        changed_handler: Callable[..., Any] | None = None,
        sampling_tools: bool = False,
        url_elicitation: bool = True,
        era: Era | str | None = None,
        timeouts: Timeouts | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Make an unopened client. `era` forces a revision ("2025-11-25", "2026-07-28"); None agrees on the newest."""
        self._way = way
        self.name = name or way.name
        self._me = _implementation(client_info)
        self._era = Era.of(era)
        self._providers = Providers(
            sampling=sampling_handler,
            elicitation=elicitation_handler,
            roots=roots_provider,
            log=log_handler,
            progress=progress_handler,
            changed=changed_handler,
            sampling_tools=sampling_tools,
            url_elicitation=url_elicitation,
        )
        self._timeouts = timeouts or Timeouts()
        self._policy = policy or Policy()
        self._session: ClientSession | None = None
        self._listener: Listener | None = None
        self._root: Ref[Any] | None = None
        self._validators: dict[str, schemas.Validator] = {}

    def __repr__(self) -> str:
        state = "not opened" if self._session is None else self._session.state.value
        return f"<ZCPClientSession {self.name!r} {state}>"

    # -------------------------------------------------------------------------------------------- life
    async def __aenter__(self) -> Self:
        """Open the way and agree with the server.

        Raises `NoRuntime`, `StartFailed`, `UnsupportedVersion`, and the above.
        """
        await self.open(current_runtime(), None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; what is in flight is cancelled, a child process is gone when this returns."""
        await self.close()

    async def open(self, runtime: Any, restart: Limit | None) -> None:
        """Open it in this runtime; with `restart`, a lost connection is brought back within that limit."""
        if self._root is not None:
            raise UsageError(f"{self!r} is already opened; make another client for another session")
        try:
            await self._connect(runtime, restart)
        except BaseException:
            await self.close()
            raise

    async def _connect(self, runtime: Any, restart: Limit | None) -> None:
        session = ClientSession(self.name, self._providers, self._policy, self._timeouts)
        name = self._free_name(runtime)
        if self._way.at_once:
            self._root = runtime.host(session, name)
            self._adopt(runtime, session)
            await introduce(session, self._way.join(runtime, session), self._me, self._era)
        else:
            await self._start_link(runtime, session, name, restart)
        assert self._listener is not None
        await self._listener.begin()

    def _free_name(self, runtime: Any) -> str:
        wanted = self.name.replace("/", "-")[:64] or "server"
        return wanted if runtime.is_free(wanted) else f"{wanted}-{next(_numbers)}"

    async def _start_link(self, runtime: Any, session: ClientSession, name: str, restart: Limit | None) -> None:
        limit = restart or Limit(restarts=0)
        self._root = await runtime.start(lambda: Backend(limit), name, restart=Restart.NEVER)
        runtime.host(session, "session", parent=self._root)
        self._adopt(runtime, session)

        def link() -> Link:
            return Link(session, self._way, self._me, self._era, supervised=restart is not None)

        policy = Restart.NEVER if restart is None else Restart.ALWAYS
        await runtime.start(link, "link", restart=policy, parent=self._root)

    def _adopt(self, runtime: Any, session: ClientSession) -> None:
        self._session, self._listener = session, Listener(session)
        runtime.opened_session(session)

    async def close(self) -> None:
        """End the session. Idempotent. Requests in flight end with `SessionClosed`."""
        if self._root is not None:
            self._root.stop()
            await self._root.stopped()

    def _open_session(self) -> ClientSession:
        if self._session is None:
            raise NotOpened(
                f"{self!r}: use it inside `async with client:`, or open it with `await runtime.connect(client)`"
            )
        return self._session

    # -------------------------------------------------------------------------------------------- who is there
    @property
    def introduction(self) -> Introduction:
        """What the server said of itself: era, version, and its `DiscoverResult` or `InitializeResult`."""
        found = self._open_session().introduction
        if found is None:
            raise NotOpened(f"{self!r}: the server has not introduced itself yet")
        return found

    @property
    def protocol_version(self) -> str:
        """The revision in use."""
        return self.introduction.version

    @property
    def server_capabilities(self) -> Any:
        """What the server declared."""
        return self.introduction.result.capabilities

    @property
    def instructions(self) -> str | None:
        """How the server wants to be used, in its own words."""
        return getattr(self.introduction.result, "instructions", None)

    @property
    def pid(self) -> int | None:
        """The server's process, where it is a child of this one; None elsewhere, and between two of them."""
        return getattr(self._open_session().connection, "pid", None)

    async def initialize(self, capabilities: Any = None) -> Any:
        """What the server said at the opening, which did the handshake already: it declared what has a provider."""
        await self._open_session().ready()
        return self.introduction.result

    async def initialized(self) -> None:
        """Nothing: the opening has said it."""

    async def ping(self) -> Any:
        """Ask for a sign of life: `ping`, or `server/discover` where there is no ping."""
        stateless = self.introduction.era is Era.STATELESS
        return await self._ask("server/discover" if stateless else "ping", RequestParams())

    # -------------------------------------------------------------------------------------------- tools
    async def list_tools(
        self,
        *,
        cursor: str | None = None,
        profile: str | None = None,
        groups: list[str] | None = None,
        exclude_groups: list[str] | None = None,
        stages: list[str] | None = None,
    ) -> ListToolsResult:
        """One page of tools; `next_cursor` of the result asks for the next.

        The filters are for servers that know them.
        """
        filters = {"profile": profile, "groups": groups, "excludeGroups": exclude_groups, "stages": stages}
        extra = {name: value for name, value in filters.items() if value is not None}
        result: ListToolsResult = await self._ask("tools/list", PaginatedRequestParams(cursor=cursor, extra=extra))
        self._remember_schemas(result)
        return result

    def _remember_schemas(self, listed: ListToolsResult) -> None:
        for tool in listed.tools:
            self._validators.pop(tool.name, None)
            if tool.output_schema is None or len(self._validators) >= MAX_VALIDATORS:
                continue
            try:
                self._validators[tool.name] = schemas.compile(tool.output_schema)
            except SchemaError as error:
                log.warning("%s lists an output schema that cannot be checked, of %s: %s", self.name, tool.name, error)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        profile: str | None = None,
        meta: Mapping[str, Any] | None = None,
        task: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> CallToolResult:
        """Call a tool. A tool's own failure is a result with `is_error`; a protocol error raises `RPCError`.

        `profile` is for servers that know it.
        `on_progress` is called with each progress report. Raises `NotJSON` for arguments that no wire carries, and
        `InvalidResult` when structured content does not match the schema that the server listed.
        """
        if task is not None:
            self._ensure_tasks()
        params = CallToolRequestParams(
            name=name,
            arguments=plain(arguments or {}, "arguments"),
            meta=None if meta is None else plain(meta, "meta"),
            task=None if task is None else from_wire(TaskMetadata, dict(task)),
            extra={} if profile is None else {"profile": profile},
        )
        result: CallToolResult = await self._open_session().request(
            "tools/call", params, timeouts=timeouts, on_progress=on_progress
        )
        validator = self._validators.get(name)
        if validator is not None and not result.is_error:
            check_structured(name, validator, result)
        return result

    def _ensure_tasks(self) -> None:
        tasks = getattr(self.server_capabilities, "tasks", None)
        if tasks is None:
            raise CapabilityMissing(
                f"{self.name} did not declare task-augmented tool calls",
                {"tasks": {"requests": {"tools": {"call": {}}}}},
            )

    # -------------------------------------------------------------------------------------------- resources
    async def list_resources(self, *, cursor: str | None = None) -> ListResourcesResult:
        """One page of resources."""
        return await self._ask("resources/list", PaginatedRequestParams(cursor=cursor))  # type: ignore[no-any-return]

    async def list_resource_templates(self, *, cursor: str | None = None) -> ListResourceTemplatesResult:
        """One page of resource templates."""
        return await self._ask("resources/templates/list", PaginatedRequestParams(cursor=cursor))  # type: ignore[no-any-return]

    async def read_resource(self, uri: str, arguments: Mapping[str, Any] | None = None) -> ReadResourceResult:
        """Read a resource; `arguments` fill the variables of a URI template."""
        found = uri if arguments is None else schemas.Template(uri).expand(dict(arguments))
        return await self._ask("resources/read", ReadResourceRequestParams(uri=found))  # type: ignore[no-any-return]

    async def subscribe_resource(self, uri: str) -> None:
        """Hear of updates of this resource, by `changed_handler`. Returns when the server has agreed."""
        await self._open_session().ready()
        assert self._listener is not None
        await self._listener.subscribe(uri)

    async def unsubscribe_resource(self, uri: str) -> None:
        """Hear no more of this resource."""
        await self._open_session().ready()
        assert self._listener is not None
        await self._listener.unsubscribe(uri)

    # -------------------------------------------------------------------------------------------- prompts
    async def list_prompts(self, *, cursor: str | None = None) -> ListPromptsResult:
        """One page of prompts."""
        return await self._ask("prompts/list", PaginatedRequestParams(cursor=cursor))  # type: ignore[no-any-return]

    async def get_prompt(self, name: str, arguments: Mapping[str, str] | None = None) -> GetPromptResult:
        """A prompt, filled in."""
        params = GetPromptRequestParams(name=name, arguments=plain(arguments or {}, "arguments"))
        return await self._ask("prompts/get", params)  # type: ignore[no-any-return]

    async def complete(
        self,
        ref: Any,
        argument: Any,
        value: str | None = None,
        *,
        context: Mapping[str, Any] | None = None,
        context_arguments: Mapping[str, str] | None = None,
    ) -> CompleteResult:
        """Complete an argument: `ref` is a prompt's name, a resource template, or the wire's reference;
        `argument` is its name with `value` the text so far, or the wire's `{"name", "value"}`.
        """
        if context is None and context_arguments is not None:
            context = {"arguments": dict(context_arguments)}
        named = {"name": argument, "value": value or ""} if isinstance(argument, str) else argument
        raw = {"ref": reference(ref), "argument": plain(named), "context": context}
        params = from_wire(CompleteRequestParams, {key: value for key, value in raw.items() if value is not None})
        return await self._ask("completion/complete", params)  # type: ignore[no-any-return]

    # -------------------------------------------------------------------------------------------- the host's side
    async def set_logging_level(self, level: str) -> None:
        """Ask for log messages of this level and above: now, or with every later request where there is no session."""
        session = self._open_session()
        params = from_wire(SetLevelRequestParams, {"level": level})
        await session.ready()
        automaton: Any = session.automaton
        if self.introduction.era is Era.STATELESS:
            automaton.set_log_level(params.level)
        else:
            await self._ask("logging/setLevel", params)
            assert self._listener is not None
            self._listener.level = level

    async def list_roots(self) -> ListRootsResult:
        """What our own roots provider tells servers."""
        return await self._open_session().ask_self(ROOTS, RequestParams())  # type: ignore[no-any-return]

    async def create_message(self, messages: Any, **options: Any) -> CreateMessageResult:
        """Ask our own sampling provider, as this server would."""
        question = sampling_question(messages, options)
        return await self._open_session().ask_self(SAMPLING, question)  # type: ignore[no-any-return]

    async def elicit(self, kind: Any, prompt: str | None = None, **options: Any) -> ElicitResult:
        """Ask our own elicitation provider, as this server would: `elicit("approval", "Send it?")`."""
        asked = {"kind": kind, "prompt": prompt, **options} if isinstance(kind, str) and prompt is not None else kind
        schema = options.pop("schema", None)
        return await self._open_session().ask_self(ELICITATION, form_question(asked, schema).params)  # type: ignore[no-any-return]

    async def roots_changed(self) -> None:
        """Tell the server that our roots are others now. Where every request stands alone there is nothing to tell."""
        session = self._open_session()
        if self.introduction.era is Era.STATEFUL:
            await session.ready()
            automaton: Any = session.automaton
            session.perform(automaton.roots_changed())

    async def request(self, method: str, params: Any = None, *, timeouts: Timeouts | None = None) -> Any:
        """Send any request of the dialect in use; `params` is its model, or a mapping of the wire's shape."""
        session = self._open_session()
        await session.ready()
        assert session.automaton is not None
        shapes = session.automaton.dialect.client_requests.get(method)
        if shapes is None:
            raise MethodNotFound(method)
        typed = params if isinstance(params, Model) else from_wire(shapes[0], plain(params or {}, "params"))
        return await session.request(method, typed, timeouts=timeouts)

    async def _ask(self, method: str, params: Any) -> Any:
        return await self._open_session().request(method, params)


def _implementation(given: Implementation | Mapping[str, Any] | None) -> Implementation:
    if given is None:
        return Implementation(name="zcp_actors", version=VERSION)
    return given if isinstance(given, Implementation) else from_wire(Implementation, dict(given))


def reference(ref: Any) -> Any:
    """A completion's reference: a name is a prompt's, a text with a scheme is a resource template."""
    if not isinstance(ref, str):
        return plain(ref)
    return {"type": "ref/resource", "uri": ref} if "://" in ref else {"type": "ref/prompt", "name": ref}


def check_structured(name: str, validator: schemas.Validator, result: CallToolResult) -> None:
    """Raises `InvalidResult` when the server breaks the schema it listed for this tool."""
    if result.structured_content is None:
        raise InvalidResult(f"tool {name!r} has an output schema, but its result has no structuredContent")
    try:
        validator.check(result.structured_content, "structuredContent")
    except schemas.Mismatch as error:
        raise InvalidResult(f"tool {name!r} broke the output schema it is listed with: {error}") from None
