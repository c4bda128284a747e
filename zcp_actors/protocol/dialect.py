"""
Which era? The only module that asks.

Owns the choice of an automaton: on the serving side by the message that comes, on the asking side by what the server
answers to `server/discover`. Everything else in the package speaks to automata and never asks again.
Source: MCP 2026-07-28 basic/lifecycle, "Backward compatibility"; 2025-11-25 basic/lifecycle, version negotiation.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from zcp_actors.errors import UNSUPPORTED_VERSION, RPCError, UnsupportedVersion, UsageError
from zcp_actors.protocol.stateful_client import StatefulClient
from zcp_actors.protocol.stateful_server import StatefulServer
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.protocol.stateless_server import StatelessServer
from zcp_actors.wire import Model, Request, v2025_11_25, v2026_07_28
from zcp_actors.wire.meta_keys import PROTOCOL_VERSION, STATEFUL_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.protocol.asking import Client
    from zcp_actors.protocol.serving import Server
    from zcp_actors.wire import DiscoverResult, Message

SILENCE_SECONDS = 2.0
"""How long `server/discover` may stay unanswered: a server of the older era may ignore what it does not know."""


class Era(Enum):
    """The two ways a conversation can go."""

    STATEFUL = v2025_11_25.DIALECT.version
    STATELESS = v2026_07_28.DIALECT.version

    @classmethod
    def of(cls, name: Era | str | None) -> Era | None:
        """The era of a version string such as "2026-07-28"; None stays None. Raises `UsageError` for another."""
        if name is None or isinstance(name, Era):
            return name
        if name in STATEFUL_VERSIONS:
            return cls.STATEFUL
        if name == v2026_07_28.DIALECT.version:
            return cls.STATELESS
        raise UsageError(f"era must be one of {', '.join(era.value for era in cls)}, not {name!r}")


# ------------------------------------------------------------------------------------------------ serving side
def choose_server(
    current: Server | None, message: Message, only: Era | None, make: Callable[[type[Server]], Server]
) -> Server:
    """The automaton that shall receive this message: the current one, or a new one when the message decides the era."""
    era = only or _era_of(message)
    kind: type[Server] = StatelessServer if era is Era.STATELESS else StatefulServer
    if current is None or (era is not None and type(current) is not kind):
        return make(kind)
    return current


def _era_of(message: Message) -> Era | None:
    """The era that a message decides by itself, or None."""
    if type(message) is not Request:
        return None
    if message.method == "initialize":
        return Era.STATEFUL
    params = message.params
    meta = getattr(params, "meta", None) if isinstance(params, Model) else (params or {}).get("_meta")
    if message.method == "server/discover" or (isinstance(meta, dict) and PROTOCOL_VERSION in meta):
        return Era.STATELESS
    return None


# ------------------------------------------------------------------------------------------------ asking side
def make_client(era: Era, *arguments: Any) -> Client:
    """The automaton of this era, for us as the client."""
    return StatelessClient(*arguments) if era is Era.STATELESS else StatefulClient(*arguments)


def after_discover(outcome: DiscoverResult | Exception) -> Era:
    """What the server's answer to `server/discover` decides. Silence and a dead process count as an error.

    Any error means the older era, except "unsupported version": that server knows the newer way and names what it
    speaks. Raises `UnsupportedVersion` when nothing is in common.
    """
    if not isinstance(outcome, Exception):
        return _common(list(outcome.supported_versions))
    if isinstance(outcome, RPCError) and outcome.code == UNSUPPORTED_VERSION:
        supported = outcome.data.get("supported") if isinstance(outcome.data, dict) else None
        return _common([str(each) for each in supported] if isinstance(supported, list) else [])
    return Era.STATEFUL


def _common(supported: list[str]) -> Era:
    if v2026_07_28.DIALECT.version in supported:
        return Era.STATELESS
    if any(version in STATEFUL_VERSIONS for version in supported):
        return Era.STATEFUL
    raise UnsupportedVersion(v2026_07_28.DIALECT.version, supported)


def after_initialize(version: str) -> str:
    """The stateful version in use. Raises `UnsupportedVersion` when the server insists on one that we do not speak."""
    if version not in STATEFUL_VERSIONS:
        raise UnsupportedVersion(version, STATEFUL_VERSIONS)
    return version
