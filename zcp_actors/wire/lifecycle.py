"""
How a conversation begins: the handshake of 2025-11-25, the discovery of 2026-07-28.

Owns the shapes of both. Refuses to choose a version.
"""

from __future__ import annotations

import attrs

from zcp_actors.wire.capabilities import ClientCapabilities, ServerCapabilities
from zcp_actors.wire.identity import Implementation
from zcp_actors.wire.params import RequestParams
from zcp_actors.wire.results import CacheableResult, Result


@attrs.frozen(kw_only=True, eq=False, repr=False)
class InitializeRequestParams(RequestParams):
    """The client opens: what it wants to speak, what it can, who it is."""

    protocol_version: str
    capabilities: ClientCapabilities
    client_info: Implementation


@attrs.frozen(kw_only=True, eq=False, repr=False)
class InitializeResult(Result):
    """The server answers: what will be spoken, what it can, who it is, how to use it."""

    protocol_version: str
    capabilities: ServerCapabilities
    server_info: Implementation
    instructions: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class DiscoverResult(CacheableResult):
    """What a stateless server can do; who it is stands in `_meta`."""

    supported_versions: list[str]
    capabilities: ServerCapabilities
    instructions: str | None = None
