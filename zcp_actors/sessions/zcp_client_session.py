"""
`ZCPClientSession`: a server, as the program that uses it sees it.

Owns the public methods that are neither about tools nor about tasks, and their keyword names (those of the ZCP guide).
Refuses to know eras and transports: requests go to its session, which asks nobody either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors import schemas
from zcp_actors.protocol.capabilities import ELICITATION, ROOTS, SAMPLING
from zcp_actors.protocol.dialect import Era
from zcp_actors.sessions.asked import elicitation, sampling_question
from zcp_actors.sessions.tool_methods import ToolMethods
from zcp_actors.wire import (
    CompleteRequestParams,
    ElicitRequestURLParams,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    RequestParams,
    SetLevelRequestParams,
    from_wire,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcp_actors.wire import (
        CompleteResult,
        CreateMessageResult,
        ElicitResult,
        GetPromptResult,
        ListPromptsResult,
        ListResourcesResult,
        ListResourceTemplatesResult,
        ListRootsResult,
        ReadResourceResult,
    )


class ZCPClientSession(ToolMethods):
    """A client of one server. `async with client:` opens it in the runtime around; `runtime.connect` supervises it.

    Every method raises `RPCError` for the server's errors, `RequestTimeout`, `ConnectionLost` (`ServerExited` for a
    child
    process), `SessionClosed`, `InvalidResult`, and `NotOpened` before it is opened. Cancelling a caller cancels the
    request
    at the server in the same step. Results read by attribute and by wire name: `result.tools`, `result["tools"]`.
    """

    async def ping(self) -> Any:
        """Ask for a sign of life: `ping`, or `server/discover` where there is no ping."""
        stateless = self.introduction.era is Era.STATELESS
        return await self._ask("server/discover" if stateless else "ping", RequestParams())

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
        """Hear of updates of this resource, or below it, by `changed_handler`. Returns when the server has agreed.

        Raises `RPCError` when it does not: `MethodNotFound`, or `CapabilityMissing` where it just leaves the resource
        out.
        """
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
        question = elicitation(asked, options.get("schema"))
        params = question if isinstance(question, ElicitRequestURLParams) else question.params
        return await self._open_session().ask_self(ELICITATION, params)  # type: ignore[no-any-return]

    async def roots_changed(self) -> None:
        """Tell the server that our roots are others now. Where every request stands alone there is nothing to tell."""
        session = self._open_session()
        if self.introduction.era is Era.STATEFUL:
            await session.ready()
            automaton: Any = session.automaton
            session.perform(automaton.roots_changed())


def reference(ref: Any) -> Any:
    """A completion's reference: a name is a prompt's, a text with "://" or a variable is a resource template."""
    if not isinstance(ref, str):
        return plain(ref)
    is_template = "://" in ref or "{" in ref
    return {"type": "ref/resource", "uri": ref} if is_template else {"type": "ref/prompt", "name": ref}
