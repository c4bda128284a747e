"""
What a handler sees of its call.

Owns the handler's view: questions to the client, side effects that happen once, progress, log. Refuses to know
dialects, wires and automata: everything goes through the call it was made for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from zcp_actors.protocol.capabilities import ELICITATION, ROOTS, SAMPLING
from zcp_actors.sessions.asked import Elicited, elicitation, read_answer, sampling_question, url_question
from zcp_actors.wire import ElicitRequestURLParams, RequestParams, copied

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from zcp_actors.sessions.call import Call
    from zcp_actors.wire import (
        ClientCapabilities,
        CreateMessageResult,
        ElicitResult,
        Implementation,
        ListRootsResult,
        Root,
    )

T = TypeVar("T")


class Context:
    """The call a handler serves. Made by the session, one for each run of the handler.

    Declare a parameter `ctx: Context` to receive it. Every awaiting method is a checkpoint: when the call is cancelled
    (by the client, a timeout, the end of the session) it raises `trio.Cancelled`, and what was asked is withdrawn.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def call(self) -> Call:
        """The call itself, for the layers below handlers."""
        return self._call

    @property
    def task(self) -> Any:
        """The task that this call is, a `TaskContext`; None while it is a plain call."""
        return self._call.task

    # -------------------------------------------------------------------------------------------- who and what
    @property
    def request_id(self) -> int | str:
        """The id of the client's request; a retry has another."""
        return self._call.served.id

    @property
    def method(self) -> str:
        """The request's method, such as "tools/call"."""
        return self._call.served.method

    @property
    def meta(self) -> Mapping[str, Any]:
        """The request's `_meta`, as plain JSON; do not write to it."""
        return getattr(self._call.served.params, "meta", None) or {}

    @property
    def client_info(self) -> Implementation | None:
        """Who the client says it is. Self-reported: for display, never for security."""
        info: Implementation | None = copied(self._call.served.client_info)
        return info

    @property
    def client_capabilities(self) -> ClientCapabilities | None:
        """What the client can be asked for."""
        # A copy, as above: what was read once stands for every request that says the same.
        capabilities: ClientCapabilities | None = copied(self._call.served.capabilities)
        return capabilities

    @property
    def protocol_version(self) -> str:
        """The revision in use, such as "2026-07-28"."""
        return self._call.served.version

    @property
    def principal(self) -> str:
        """Who is calling, as the transport authenticated it; empty where nobody is."""
        return self._call.session.principal

    @property
    def suspending(self) -> bool:
        """True while this run ends only because its question travels to the client; the handler will be run again.

        Clean-up that must happen once belongs under `if not ctx.suspending`.
        """
        return self._call.suspending

    # -------------------------------------------------------------------------------------------- questions
    async def elicit(
        self, message: str | Mapping[str, Any], schema: Any = None, *, key: str | None = None
    ) -> Elicited[Any]:
        """Ask the person a question and wait for the answer.

        `message` is the text, or one mapping of the wire's or the guide's whole shape (`{"kind", "prompt", ...}`), with
        a `url` and the mode or kind "url" where `elicit_url` is meant. `schema` is a flat attrs class, dataclass,
        TypedDict or pydantic model, a JSON Schema dict, or None for a plain approval. Accepting, declining and
        cancelling are values of the result, not exceptions.
        Raises `CapabilityMissing` when the client cannot be asked, `InvalidResult` when its answer does not match,
        `RPCError` when it answers with an error, `AmbiguousQuestion` when an equal question is open (pass `key`),
        `UsageError` and its `SchemaError` for what no person can be asked.
        Source: client/elicitation of either revision.
        """
        question = elicitation(message, schema)
        if isinstance(question, ElicitRequestURLParams):
            return Elicited((await self._call.ask(ELICITATION, question, key)).action)
        answer: ElicitResult = await self._call.ask(ELICITATION, question.params, key, question.content)
        return read_answer(question, answer)

    async def elicit_url(
        self, message: str, url: str, *, elicitation_id: str | None = None, key: str | None = None
    ) -> Elicited[None]:
        """Ask the person to visit a page (a login, a payment).

        "accept" means that they agreed to open it, not that they finished.

        Needs the client's `elicitation.url`. Raises as `elicit` does.
        """
        params = url_question(message, url, elicitation_id)
        answer: ElicitResult = await self._call.ask(ELICITATION, params, key)
        return Elicited(answer.action)

    async def sample(
        self,
        messages: Any,
        *,
        max_tokens: int | None = None,
        system_prompt: str | None = None,
        temperature: float | None = None,
        stop_sequences: list[str] | None = None,
        model_preferences: Any = None,
        include_context: str | None = None,
        metadata: dict[str, Any] | None = None,
        tools: list[Any] | None = None,
        tool_choice: Any = None,
        key: str | None = None,
    ) -> CreateMessageResult:
        """Let the client's model write the next message; `.text` of the result is its text.

        `messages` is a text (the user's), a message, or a list of them; or one mapping of the wire's whole shape. All
        mappings may be in camelCase or snake_case.
        Raises `CapabilityMissing`, `RPCError` (the host refused: policy, budget, the person), `AmbiguousQuestion`, and
        `UsageError` for what is no such request.
        Source: client/sampling of either revision.
        """
        options = {
            "max_tokens": max_tokens,
            "system_prompt": system_prompt,
            "temperature": temperature,
            "stop_sequences": stop_sequences,
            "model_preferences": model_preferences,
            "include_context": include_context,
            "metadata": metadata,
            "tools": tools,
            "tool_choice": tool_choice,
        }
        result: CreateMessageResult = await self._call.ask(SAMPLING, sampling_question(messages, options), key)
        return result

    async def create_message(self, request: Mapping[str, Any], *, key: str | None = None) -> CreateMessageResult:
        """`sample` with the wire's name and one mapping: `{"messages": [...], "maxTokens": 120}`."""
        return await self.sample(request, key=key)

    async def list_roots(self, *, key: str | None = None) -> list[Root]:
        """The client's workspace folders. Raises `CapabilityMissing` when it has none to tell of."""
        result: ListRootsResult = await self._call.ask(ROOTS, RequestParams(), key)
        return list(result.roots)

    # -------------------------------------------------------------------------------------------- side effects
    @overload
    async def once(self, key: str, function: Callable[[], Awaitable[T]], *, retry_unfinished: bool = False) -> T: ...
    @overload
    async def once(self, key: str, function: Callable[[], T], *, retry_unfinished: bool = False) -> T: ...
    async def once(self, key: str, function: Callable[[], Any], *, retry_unfinished: bool = False) -> Any:
        """Do something that later rounds of this call must not do again; returns its outcome as plain JSON.

        The outcome is recorded under `key`, which names it over all rounds of the call. With a store, the intent is
        written before: when a process died in between, the next round raises `OnceUncertain` unless `retry_unfinished`.
        Without a store the effect happens at least once: a round whose reply was lost is run again.
        In 2026-07-28 a plain call is known again by what its first question gave the client to bring along. Sent anew
        without that, it is another call, and has its own effects: ask first, or run it as a task.
        A suspension waits for a running `once`; a real cancellation interrupts it.
        """
        return await self._call.once(key, function, retry_unfinished=retry_unfinished)

    # -------------------------------------------------------------------------------------------- reports
    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the client how far this call is.

        Goes nowhere when it did not ask; a value that does not rise, to another finite one, is dropped. Raises
        `UsageError`, and its `NotJSON` for what no wire carries (an infinite total).
        """
        await self._call.progress(progress, total, message)

    async def log(self, level: str, message: Any, *, logger: str | None = None) -> None:
        """Send a log message (any JSON) to the client, if it wants this level.

        Raises `InvalidParams` for a level that is none.
        """
        await self._call.log(level, message, logger)

    def close_stream(self) -> None:
        """Let the client's connection that waits for this call go; the client comes back for the rest.

        For calls that last longer than proxies hold a connection. Does nothing but over HTTP in 2025-11-25, where the
        client is told when to come back (`HTTPConfig.retry_ms`). Source: 2025-11-25 basic/transports, Sending Messages.
        """
        self._call.session.close_stream(self._call)

    async def debug(self, message: Any, *, logger: str | None = None) -> None:
        """Log at "debug"."""
        await self.log("debug", message, logger=logger)

    async def info(self, message: Any, *, logger: str | None = None) -> None:
        """Log at "info"."""
        await self.log("info", message, logger=logger)

    async def warning(self, message: Any, *, logger: str | None = None) -> None:
        """Log at "warning"."""
        await self.log("warning", message, logger=logger)

    async def error(self, message: Any, *, logger: str | None = None) -> None:
        """Log at "error"."""
        await self.log("error", message, logger=logger)
