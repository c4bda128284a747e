"""
Which era? The only module that decides.

Owns the choice of an automaton: on the serving side by the message that comes, on the asking side by what the server
answers to `server/discover`. Everything else speaks to the automaton that was chosen; where one era has something that
the other has not (a listen stream, a handshake), it goes by which automaton it has, and never by a message again.
Source: MCP 2026-07-28 basic/lifecycle, "Backward compatibility"; 2025-11-25 basic/lifecycle, version negotiation.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from zcp_actors.errors import (
    HEADER_MISMATCH,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    RPCError,
    UnexpectedStatus,
    UnsupportedVersion,
    UsageError,
)
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

OLDER_STATUSES = frozenset({400, 404, 405, 406, 415, 422})
"""What HTTP servers of the older era answer to `server/discover`, without a message: bad, not here, not so."""


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
    if current is not None and current.agreed:
        return current
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


def era_of_post(version: str | None, message: Message) -> Era:
    """The era of a message that came with this `MCP-Protocol-Version` header, or none.

    Header and `_meta` decide, never the method: a method of the other era is one that is not found.
    """
    if type(message) is Request and isinstance(message.params, dict):
        meta = message.params.get("_meta")
        if isinstance(meta, dict) and PROTOCOL_VERSION in meta:
            return Era.STATELESS
    return era_of_header(version)


def era_of_header(version: str | None) -> Era:
    """The era that a `MCP-Protocol-Version` header names. None, and every version of a handshake, is the older one."""
    return Era.STATEFUL if version is None or version in STATEFUL_VERSIONS else Era.STATELESS


# ------------------------------------------------------------------------------------------------ asking side
def make_client(era: Era, *arguments: Any) -> Client:
    """The automaton of this era, for us as the client."""
    return StatelessClient(*arguments) if era is Era.STATELESS else StatefulClient(*arguments)


def after_discover(outcome: DiscoverResult | Exception) -> Era:
    """What the server's answer to `server/discover` decides. Silence and a dead process count as an error.

    Any error means the older era, with these exceptions. "Unsupported version": that server knows the newer way and
    names what it speaks. The other two errors of the newer way: it is spoken, and something of ours is wrong. An HTTP
    status that a server of the older era does not answer with. Raises `UnsupportedVersion` when nothing is in common,
    and an error that decides nothing.
    """
    if not isinstance(outcome, Exception):
        return _common(list(outcome.supported_versions))
    if isinstance(outcome, RPCError) and outcome.code == UNSUPPORTED_VERSION:
        supported = outcome.data.get("supported") if isinstance(outcome.data, dict) else None
        return _common([str(each) for each in supported] if isinstance(supported, list) else [])
    if isinstance(outcome, RPCError) and outcome.code in (HEADER_MISMATCH, MISSING_CAPABILITY):
        raise outcome
    if isinstance(outcome, UnexpectedStatus) and outcome.status not in OLDER_STATUSES:
        raise outcome
    return Era.STATEFUL


def names_ours(outcome: Any) -> bool:
    """An "unsupported version" that names the very version that was used: the server asks for another attempt."""
    if not isinstance(outcome, RPCError) or outcome.code != UNSUPPORTED_VERSION or not isinstance(outcome.data, dict):
        return False
    supported = outcome.data.get("supported")
    return isinstance(supported, list) and v2026_07_28.DIALECT.version in supported


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
