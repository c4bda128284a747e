"""A server automaton that is asked by hand: one request, one reply or one call."""

from __future__ import annotations

import pytest
from server_world import initialize, meta, profile

from zcp_actors.protocol.effects import Start
from zcp_actors.protocol.stateful_server import StatefulServer
from zcp_actors.protocol.stateless_server import StatelessServer
from zcp_actors.wire import Request

both_eras = pytest.mark.parametrize("kind", [StatefulServer, StatelessServer])


def opened(version="2025-11-25", capabilities=None, **options) -> StatefulServer:
    server = StatefulServer(profile, **options)
    hello = initialize(0, version) if capabilities is None else initialize(0, version, capabilities)
    server.received(hello)
    return server


def stateless(**options) -> StatelessServer:
    return StatelessServer(profile, **options)


MAKE = {StatefulServer: opened, StatelessServer: stateless}


def ask(server, method, params=None, id=1, _meta=None):
    """The one message that a request is answered with."""
    effects = server.received(request(method, params, id, _meta))
    assert len(effects) == 1
    return effects[0].message


def request(method, params=None, id=1, _meta=None):
    return Request(id, method, {**(params or {}), "_meta": meta() if _meta is None else _meta})


def call_of(server, id=1, _meta=None, **params):
    """The call that a request began."""
    (start,) = server.received(request("tools/call", {"name": "t", **params}, id, _meta))
    assert isinstance(start, Start)
    return start.call


def code(message):
    return getattr(message, "code", None)
