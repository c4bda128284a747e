"""
A server played by a test, for a client under test.

Owns what an honest server does unasked: it introduces itself, answers pings, acknowledges listen streams.
Refuses everything else: what is not automatic waits for the script.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import MethodNotFound, UsageError
from zcp_actors.sessions import ZCPClientSession
from zcp_actors.testing.ambient import ambient_runtime
from zcp_actors.testing.link_channel import LinkChannel
from zcp_actors.testing.scripted_peer import Automatic, ScriptedPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from zcp_actors.ports import Channel, Connection, Session
    from zcp_actors.testing.scripted_peer import JSON

SERVER_INFO = {"name": "scripted", "version": "1"}
CAPABILITIES: dict[str, Any] = {
    "completions": {},
    "logging": {},
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "tools": {"listChanged": True},
}
"""Everything that both eras know, so that no client refuses by itself what a test wants to see on the wire."""


class ScriptedServer(ScriptedPeer):
    """The peer of a client under test, and the way to it: `scripted_server` opens a `ZCPClientSession` of it."""

    side = "server"
    identity = None

    def __init__(
        self,
        era: str,
        automatic: Mapping[str, Automatic] | None = None,
        *,
        capabilities: JSON | None = None,
        instructions: str | None = None,
        reconnects: bool = False,
    ) -> None:
        """`reconnects`: it is opened by a link, as a process is, so a supervised client opens it again."""
        self.capabilities = CAPABILITIES if capabilities is None else capabilities
        self.instructions = instructions
        self.at_once, self._comes_back = not reconnects, reconnects
        self.connections = 0
        """How often a client has connected."""
        super().__init__(era, automatic)

    @property
    def name(self) -> str:
        """See `ports.Way`."""
        return "scripted"

    def _usual(self) -> dict[str, Automatic]:
        told = {} if self.instructions is None else {"instructions": self.instructions}
        if self.stateless:
            found = {"supportedVersions": [self.era], "capabilities": self.capabilities, **told}
            cache = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            return {
                "server/discover": {**found, **cache},
                "initialize": MethodNotFound("initialize"),
                "subscriptions/listen": self._listen,
            }
        agreed = {"protocolVersion": self.era, "capabilities": self.capabilities, "serverInfo": SERVER_INFO, **told}
        return {
            "initialize": agreed,
            "notifications/initialized": None,
            "ping": {},
            "server/discover": MethodNotFound("server/discover"),
        }

    def _listen(self, request: JSON) -> None:
        """Acknowledge a listen stream; its reply comes when it ends, so there is none."""
        self.notify(
            "notifications/subscriptions/acknowledged",
            {"notifications": request["params"]["notifications"]},
            stream=request["id"],
        )

    def _completed(self, result: JSON) -> JSON:
        return {"resultType": "complete", **result} if self.stateless else result

    def input_required(
        self, request: JSON | int | str, questions: Mapping[str, JSON], state: str | None = None
    ) -> None:
        """Answer with questions, by key: `{"k": {"method": "elicitation/create", "params": {...}}}` (2026-07-28).

        The client's retry is the next request; it brings `inputResponses` and `requestState` in its params.
        """
        if not self.stateless:
            raise UsageError(f"input_required is of 2026-07-28; this peer speaks {self.era}: use ask()")
        result: JSON = {"resultType": "input_required", "inputRequests": dict(questions)}
        self.reply(request, result if state is None else {**result, "requestState": state})

    # The way to this server: see `ports.Way`
    def join(self, runtime: Any, session: Session) -> Connection:
        """The client's connection is this server itself."""
        self._connected(session)
        return self

    @asynccontextmanager
    async def open(self, runtime: Any) -> AsyncIterator[Channel]:
        """The same, for a client that reads its connection in a task of its own."""
        channel = LinkChannel()
        channel.carry_by(self)
        self._connected(channel)
        try:
            yield channel
        finally:
            if self._session is channel:
                self.hang_up()

    def _connected(self, session: Session) -> None:
        self._session = session
        self.connections += 1
        self._ended = trio.Event()


@asynccontextmanager
async def scripted_server(
    era: str,
    /,
    *,
    handshake: bool = True,
    automatic: Mapping[str, Automatic] | None = None,
    capabilities: JSON | None = None,
    instructions: str | None = None,
    **options: Any,
) -> AsyncIterator[tuple[ZCPClientSession, ScriptedServer]]:
    """A client under test and the server that the test plays, as `(client, peer)`.

    `options` are those of `ZCPClientSession` (handlers, `timeouts`, `policy`; `era=None` lets it find out by itself).
    `automatic` adds to, or replaces, what the peer answers by itself (see `Automatic`). With `handshake=False` the
    client is not opened yet: the test opens it in a task of its own and plays the handshake too. Uses the runtime
    around, or opens one. The client is closed with the block.
    """
    peer = ScriptedServer(era, automatic, capabilities=capabilities, instructions=instructions)
    if not handshake:
        for method in ("server/discover", "initialize", "notifications/initialized"):
            if method not in (automatic or {}):
                peer.automatic.pop(method, None)
    client = ZCPClientSession(peer, **{"era": era, **options})
    async with ambient_runtime():
        if handshake:
            await client.__aenter__()
        try:
            yield client, peer
        finally:
            await client.close()
