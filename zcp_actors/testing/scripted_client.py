"""
A client played by a test, for an app under test in a real server session.

Owns what an honest client does unasked: its handshake in one era, the `_meta` of every request in the other.
Refuses everything else: what is not automatic waits for the script.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from zcp_actors.errors import UsageError
from zcp_actors.sessions.handle import ServerHandle
from zcp_actors.testing.ambient import ambient_runtime
from zcp_actors.testing.record import TIMEOUT
from zcp_actors.testing.scripted_peer import Automatic, ScriptedPeer, result_of
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from zcp_actors.ports import App
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.testing.scripted_peer import JSON

NAME = {"name": "scripted", "version": "1"}
CAPABILITIES: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": True}, "sampling": {}}
"""Every question that both eras know, so that a handler may ask what a test wants to see on the wire."""

MAX_ROUNDS = 100
"""Rounds that `complete` plays: as many as our own client."""


class ScriptedClient(ScriptedPeer):
    """The peer of a server under test; `scripted_client` joins it to one."""

    side = "client"
    session: ServerSession
    """The session under test."""

    def __init__(
        self, era: str, automatic: Mapping[str, Automatic] | None = None, *, capabilities: JSON | None = None
    ) -> None:
        super().__init__(era, automatic)
        self.capabilities = CAPABILITIES if capabilities is None else capabilities
        self.introduction: JSON | None = None
        """The result of `initialize`, after the handshake of 2025-11-25."""

    def _usual(self) -> dict[str, Automatic]:
        return {} if self.stateless else {"ping": {}}

    def _params(self, method: str, params: JSON | None) -> JSON | None:
        if not self.stateless:
            return params
        given = params or {}
        usual = {PROTOCOL_VERSION: self.era, CLIENT_INFO: NAME, CLIENT_CAPABILITIES: self.capabilities}
        meta = {**usual, **given.get("_meta", {})}
        return {**given, "_meta": {name: value for name, value in meta.items() if value is not None}}

    async def handshake(self) -> JSON:
        """Introduce oneself as 2025-11-25 asks: `initialize`, then `notifications/initialized`. Returns the result."""
        facts = {"protocolVersion": self.era, "capabilities": self.capabilities, "clientInfo": NAME}
        self.introduction = await self.ask("initialize", facts)
        self.notify("notifications/initialized")
        return self.introduction

    def retry(self, request: JSON, reply: JSON, responses: Mapping[str, JSON]) -> int | str:
        """Send a request of `start` again with the answers to what its reply asked (2026-07-28); returns the new id.

        `request` is `{"method": ..., "params": ...}` as it was started; `reply` is the result that asked.
        """
        if not self.stateless:
            raise UsageError(f"a retry is of 2026-07-28; this peer speaks {self.era}: reply() to the server's request")
        extra: JSON = {"inputResponses": dict(responses)} if responses else {}
        if "requestState" in reply:
            extra["requestState"] = reply["requestState"]
        return self.start(request["method"], {**(request.get("params") or {}), **extra})

    async def complete(self, method: str, params: JSON | None = None, *, timeout: float = TIMEOUT) -> JSON:
        """Ask, answer whatever is asked back from `automatic`, and return the final result, in either era.

        Raises `RPCError`, and `AssertionError` for a question that `automatic` does not answer.
        """
        request = {"method": method, "params": params}
        result = await self.ask(method, params, timeout=timeout)
        for _ in range(MAX_ROUNDS):
            if result.get("resultType") != "input_required":
                return result
            responses = {key: self._respond(each) for key, each in result.get("inputRequests", {}).items()}
            result = await self._outcome(self.retry(request, result, responses), timeout)
        raise AssertionError(f"{method} still asks after {MAX_ROUNDS} rounds")

    async def _outcome(self, id: int | str, timeout: float) -> JSON:
        return result_of(await self.answer_to(id, timeout=timeout))

    def _respond(self, question: JSON) -> JSON:
        answer = self.automatic.get(question["method"])
        answer = answer(question) if callable(answer) else answer
        if not isinstance(answer, dict):
            raise AssertionError(  # noqa: TRY004 - what fails a test is this, whatever the type of a value
                f"the server asks {question['method']}, and automatic has no result for it: {question}"
            )
        return answer


@asynccontextmanager
async def scripted_client(
    app: App | ServerHandle,
    era: str,
    /,
    *,
    handshake: bool = True,
    automatic: Mapping[str, Automatic] | None = None,
    capabilities: JSON | None = None,
    **options: Any,
) -> AsyncIterator[ScriptedClient]:
    """The client that the test plays, joined to a real session of the app.

    `options` are those of `ServerHandle`. `automatic` answers requests of the server by method (see `Automatic`), and
    in `complete` its embedded questions too. `handshake=False` leaves the handshake of 2025-11-25 to the script. Uses
    the runtime around, or opens one. The connection is closed with the block.
    """
    handle = app if isinstance(app, ServerHandle) else ServerHandle(app, **options)
    peer = ScriptedClient(era, automatic, capabilities=capabilities)
    async with ambient_runtime() as runtime:
        connection: Any = peer
        peer.session = handle.host(runtime, connection)
        peer._session = peer.session  # noqa: SLF001 - the joint is made here
        try:
            if handshake and not peer.stateless:
                await peer.handshake()
            yield peer
        finally:
            peer.close()
            await peer.session.me.stopped()
