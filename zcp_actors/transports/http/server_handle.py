"""
A server over HTTP in this process, not yet visited: what `streamable_http_server` returns.

Owns the pairing of an app with the URL it would be served at, and one ASGI application for each runtime it is visited
in. Refuses to open sockets: `serve_http` does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import attrs

from zcp_actors.actors import current_runtime
from zcp_actors.transports.http.app import create_asgi_app
from zcp_actors.transports.http.client_factory import make_http_client
from zcp_actors.transports.http.config import HTTPConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.sessions.handle import ServerHandle
    from zcp_actors.transports.http.app import HTTPApp
    from zcp_actors.transports.http.client_factory import HTTPClient

ENDPOINT = "http://127.0.0.1:8000/mcp"
"""Where a server seems to be when nobody says otherwise: where `zcp-actors serve` would put it."""


@attrs.frozen(eq=False)
class HTTPServerHandle:
    """An app to be visited in this process through the real ASGI code."""

    handle: ServerHandle
    endpoint: str = ENDPOINT
    config: HTTPConfig = attrs.Factory(HTTPConfig)
    _apps: WeakKeyDictionary[Any, HTTPApp] = attrs.field(init=False, factory=WeakKeyDictionary)

    def app(self, runtime: Any) -> HTTPApp:
        """The ASGI application in this runtime: all clients visit the same one."""
        found = self._apps.get(runtime)
        if found is None:
            parts = urlsplit(self.endpoint)
            hosts = (*self.config.allowed_hosts, *filter(None, [parts.hostname]))
            config = attrs.evolve(self.config, endpoint=parts.path or "/", allowed_hosts=hosts)
            found = self._apps[runtime] = create_asgi_app(self.handle, config, runtime=runtime)
        return found

    @property
    def make(self) -> Callable[..., HTTPClient]:
        """Makes an httpx client that visits it, in the runtime around."""
        return partial(visitor, self)


def visitor(server: HTTPServerHandle, **options: Any) -> HTTPClient:
    """An httpx client of the server, without sockets. Raises `NoRuntime`."""
    from zcp_actors.transports.http.in_process import InProcessTransport  # it imports httpx: see `client_factory`

    runtime = current_runtime()
    return make_http_client(transport=InProcessTransport(runtime, server.app(runtime)), **options)
