"""
Where bytes come from: the entry functions of the guide, and what stands behind them.

`stdio_client(target)` takes an app, a handle of one, a `Command`, or a command line, and returns an unopened client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zcp_actors.errors import UsageError
from zcp_actors.protocol.dialect import Era
from zcp_actors.sessions.handle import ServerHandle
from zcp_actors.sessions.zcp_client_session import ZCPClientSession
from zcp_actors.transports.command import Command as Command
from zcp_actors.transports.http.app import create_asgi_app as create_asgi_app
from zcp_actors.transports.http.client_address import checked_url
from zcp_actors.transports.http.client_way import HTTPWay
from zcp_actors.transports.http.config import HTTPConfig as HTTPConfig
from zcp_actors.transports.http.old_sse import OldSSEWay
from zcp_actors.transports.http.serve import serve_http as serve_http
from zcp_actors.transports.http.server_handle import ENDPOINT, HTTPServerHandle
from zcp_actors.transports.memory import MemoryWay
from zcp_actors.transports.serve_stdio import serve_stdio as serve_stdio
from zcp_actors.transports.stdio import ChildWay
from zcp_actors.transports.websocket_door import serve_websocket as serve_websocket
from zcp_actors.transports.websocket_way import WebsocketWay
from zcp_actors.wire import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zcp_actors.ports import App
    from zcp_actors.transports.http.client_factory import HTTPClient


def stdio_server(app: App | ServerHandle, **options: Any) -> ServerHandle:
    """An app to be reached in this process, or to be served by `serve_stdio`; options are those of `ServerHandle`."""
    return ServerHandle.of(app, **options)


def stdio_client(
    target: Any, *, on_stderr: Callable[[str], None] | None = None, tap: Any = None, **options: Any
) -> ZCPClientSession:
    """A client, not yet opened, of a server behind standard streams; options are those of `ZCPClientSession`.

    `target` is an app or `stdio_server(app)` (then it is joined in process, without a wire, and as `memory_client`
    does), a `Command`, its arguments as a list, or a command line as text. `on_stderr` is called with each line that
    the server writes to standard error, and `tap` with ("in" or "out", bytes) of each message; neither may block.
    Raises `UsageError` for anything else.
    """
    if isinstance(target, str):
        target = Command.parse(target)
    elif isinstance(target, Sequence):
        target = Command(list(target))
    if isinstance(target, Command):
        return ZCPClientSession(ChildWay(target, on_stderr, tap), **options)
    return memory_client(target, tap=tap, **options)


def memory_client(
    target: App | ServerHandle, *, strict: bool = False, tap: Any = None, **options: Any
) -> ZCPClientSession:
    """A client, not yet opened, of an app in this process: objects travel, no bytes.

    `strict` also encodes and decodes every message, as a wire would; `tap` is called with (side, message) of each.
    """
    return ZCPClientSession(MemoryWay(ServerHandle.of(target), strict=strict, tap=tap), **options)


def streamable_http_server(
    app: App | ServerHandle, *, endpoint: str = ENDPOINT, config: HTTPConfig | None = None, **options: Any
) -> HTTPServerHandle:
    """An app to be visited in this process as if it were served at `endpoint`, through the real HTTP code.

    The other options are those of `ServerHandle`. To serve it to others, see `serve_http` and `create_asgi_app`.
    """
    return HTTPServerHandle(ServerHandle.of(app, **options), checked_url(endpoint), config or HTTPConfig())


def streamable_http_client(
    target: str | HTTPServerHandle | App,
    *,
    headers: Mapping[str, str] | None = None,
    auth: Any = None,
    http_client: HTTPClient | None = None,
    max_message: int = MAX_BYTES,
    tap: Any = None,
    **options: Any,
) -> ZCPClientSession:
    """A client, not yet opened, of the server at this URL; options are those of `ZCPClientSession`.

    `target` may be an app, or `streamable_http_server(app)`: it is visited in this process, without sockets. `headers`
    and `auth` (httpx's) go with every request, and the credentials in a URL as Basic authentication, unless either of
    those two has others. `http_client` is any client with the API of `httpx.AsyncClient`; it stays open, has `auth` of
    its own, and what it logs of URLs is its own affair. It is the place for certificates of your own
    (`verify=context`). Make it with `timeout=None`: httpx's usual five seconds without a byte would end every call that
    takes longer. Without one, httpx's environment counts: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    `tap` is called with ("in" or "out", bytes) of each message. Raises `UsageError` for what is no URL, and for what no
    header can carry.
    """
    common: dict[str, Any] = {"headers": headers, "auth": auth, "max_message": max_message, "tap": tap}
    _require_one_place_for_auth(auth, http_client)
    if isinstance(target, str):
        return ZCPClientSession(HTTPWay(target, http_client=http_client, **common), **options)
    if http_client is not None:
        raise UsageError("an app in this process is visited by an HTTP client of its own: leave http_client out")
    server = target if isinstance(target, HTTPServerHandle) else streamable_http_server(target)
    return ZCPClientSession(HTTPWay(server.endpoint, make=server.make, **common), **options)


def _require_one_place_for_auth(auth: Any, http_client: HTTPClient | None) -> None:
    if auth is not None and http_client is not None:
        raise UsageError("auth is not used with an http_client: give it to that client, httpx.AsyncClient(auth=...)")


def sse_client(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    auth: Any = None,
    http_client: HTTPClient | None = None,
    max_message: int = MAX_BYTES,
    tap: Any = None,
    era: Any = "2025-11-25",
    **options: Any,
) -> ZCPClientSession:
    """A client, not yet opened, of a server of the old HTTP+SSE transport, whose stream is at this URL.

    Such servers speak the stateful era only. The other options are those of `streamable_http_client`, which is what a
    newer server wants. Raises `UsageError` as that one does, and for the other era.
    """
    if Era.of(era) is not Era.STATEFUL:
        raise UsageError(f"HTTP+SSE carries the era {Era.STATEFUL.value} only: leave era={era!r} out")
    _require_one_place_for_auth(auth, http_client)
    way = OldSSEWay(url, http_client=http_client, headers=headers, auth=auth, max_message=max_message, tap=tap)
    return ZCPClientSession(way, era=era, **options)


def websocket_server(app: App | ServerHandle, **options: Any) -> ServerHandle:
    """An app to be reached in this process, or served by `serve_websocket`; options are those of `ServerHandle`."""
    return ServerHandle.of(app, **options)


def websocket_client(
    target: Any,
    *,
    headers: Mapping[str, str] | None = None,
    ssl_context: Any = None,
    max_message: int = MAX_BYTES,
    tap: Any = None,
    **options: Any,
) -> ZCPClientSession:
    """A client, not yet opened, of a server behind a websocket; options are those of `ZCPClientSession`.

    `target` is a `ws` or `wss` URL, or an app or `websocket_server(app)`: then it is joined in process, without a
    wire, and `headers`, `ssl_context` and `max_message` have nothing to act on. `headers` go with the upgrade, and the
    credentials in a URL as Basic authentication; proxies are not used. `tap` is called with ("in" or "out", bytes) of
    each message. Raises `UsageError` for anything else, and for a header that cannot be sent.
    """
    if not isinstance(target, str):
        if tap is not None:
            raise UsageError("without a wire there are no bytes to tap: memory_client(app, tap=...) taps messages")
        return memory_client(target, **options)
    way = WebsocketWay(target, headers=headers, ssl_context=ssl_context, max_message=max_message, tap=tap)
    return ZCPClientSession(way, **options)
