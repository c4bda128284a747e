"""
The ASGI application: one endpoint for both eras, a websocket, and two paths for whoever watches the process.

Owns the order in which a request is judged (who may speak to us, who it is, what it says) and the turning of refusals
into responses. Refuses to know either era. It runs on trio, in any ASGI server that does; mounted in another
application, its paths are those below the mount.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.actors import current_runtime
from zcp_actors.errors import (
    INTERNAL_ERROR,
    HTTPRefused,
    InvalidMessage,
    MessageTooLarge,
    NoRuntime,
    RPCError,
    UnsupportedVersion,
    UsageError,
)
from zcp_actors.protocol.dialect import Era, era_of_header, era_of_post
from zcp_actors.sessions.handle import ServerHandle
from zcp_actors.sessions.runtime import open_runtime
from zcp_actors.transports.http import stateless
from zcp_actors.transports.http.config import HTTPConfig
from zcp_actors.transports.http.conversation import Conversation, unknown_version
from zcp_actors.transports.http.exchange import EVENTS, JSON, ClientLeft, Exchange, path_of
from zcp_actors.transports.http.headers import VERSION
from zcp_actors.transports.http.identity import principal_of
from zcp_actors.transports.http.origins import Doorkeeper
from zcp_actors.transports.http.pages import is_preflight, permissions, readable_by
from zcp_actors.transports.http.service import GRACE_SECONDS, Service
from zcp_actors.transports.http.stateless import STATUS
from zcp_actors.transports.http.websocket import Visitors
from zcp_actors.wire import ErrorResponse, Request
from zcp_actors.wire.meta_keys import STATEFUL_VERSIONS, V2026_07_28

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zcp_actors.ports import App
    from zcp_actors.transports.http.exchange import Receive, Scope, Send
    from zcp_actors.wire import Message

NOT_ON_TRIO = (
    "zcp_actors runs on trio, and this server does not; `hypercorn --worker-class trio` does, or zcp-actors serve"
)

NOT_STARTED = (
    "this application was not started: give the one it is mounted in its lifespan, as in "
    "Starlette(routes=..., lifespan=mcp.lifespan), or run the server inside `async with open_runtime():`"
)

log = logging.getLogger("zcp_actors.http")


class HTTPApp:
    """An ASGI application. Made by `create_asgi_app`."""

    def __init__(self, handle: ServerHandle, config: HTTPConfig, runtime: Any, doorkeeper: Doorkeeper) -> None:
        self.handle, self.config, self.doorkeeper = handle, config, doorkeeper
        self._runtime = runtime
        self._service: Service | None = None
        self._visitors = Visitors(self)

    @property
    def service(self) -> Service:
        """What is served, in the runtime that was given, or opened at start-up, or is around the first request.

        Raises `NoRuntime` when there is none.
        """
        if self._service is None:
            runtime = self._runtime if self._runtime is not None else _runtime_around()
            self._service = Service(runtime, self.handle, self.config)
            self._service.recover_soon()
        return self._service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(Exchange(scope, receive, send))
        elif scope["type"] == "websocket":
            await self._visitors.visit(scope, receive, send)

    # -------------------------------------------------------------------------------------------- the life
    @asynccontextmanager
    async def lifespan(self, _: Any = None) -> AsyncIterator[None]:
        """Serve for the time of the block, in a runtime of its own unless one was given, and end it as `drain` does.

        For an application around this one, whose server tells nobody else of its start-up and its end:
        `Starlette(routes=[Mount("/tools", mcp)], lifespan=mcp.lifespan)`. That server decides how long connections live
        after its signal, and may cut them before it tells of its end (hypercorn does, after its `graceful_timeout`);
        `serve_http` tells each call first. Raises `UsageError` where trio does not run,
        and what keeps tasks from being taken up, before the block.
        """
        if not trio.lowlevel.in_trio_run():
            raise UsageError(NOT_ON_TRIO)
        async with open_runtime() if self._runtime is None else nullcontext(self._runtime) as runtime:
            await self.handle.recover(runtime)
            self._service = service = Service(runtime, self.handle, self.config)
            try:
                yield
            finally:
                await service.drain(reachable=False)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Be told of the start-up and the end by the ASGI server."""
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.lifespan())
            except Exception as error:  # noqa: BLE001 - the server that starts us is told, and decides
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def drain(self, grace: float = GRACE_SECONDS) -> None:
        """Take no more requests, let what is in flight end, and tell the rest, all within `grace` seconds."""
        if self._service is not None:
            await self._service.drain(grace)

    def close(self) -> None:
        """End everything now. After `drain` there is nothing left to end."""
        self._visitors.cut()
        if self._service is not None:
            self._service.close()

    # -------------------------------------------------------------------------------------------- requests
    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._route(exchange)
        except ClientLeft:
            return
        except HTTPRefused as error:
            await self._refuse(exchange, error.status, error, None, error.headers)
        except RPCError as error:
            await self._refuse(exchange, STATUS.get(error.code, 400), error, None)
        except NoRuntime as error:
            await self._refuse(exchange, 503, RPCError(INTERNAL_ERROR, str(error)), None)

    async def _route(self, exchange: Exchange) -> None:
        path = path_of(exchange.scope)
        if path == "/healthz":
            await exchange.json(200, b'{"status":"ok"}')
        elif path == "/readyz":
            await self._ready(exchange)
        elif path == self.config.endpoint.rstrip("/"):
            await self._endpoint(exchange)
        elif path == self.config.websocket_endpoint.rstrip("/"):
            raise HTTPRefused(426, "a websocket is served here", headers=[("Upgrade", "websocket")])
        else:
            raise HTTPRefused(404, f"nothing is served at {path!r:.200}; the endpoint is {self.config.endpoint}")

    async def _ready(self, exchange: Exchange) -> None:
        service = self.service
        full = len(service.table) >= self.config.max_sessions or service.requests >= self.config.max_requests
        full = full or self._visitors.full
        state = "draining" if service.draining else "full" if full else "ready"
        await exchange.json(200 if state == "ready" else 503, b'{"status":"%s"}' % state.encode())

    async def _endpoint(self, exchange: Exchange) -> None:
        origin = exchange.headers.get("origin")
        self.doorkeeper.check(exchange.headers.get("host"), origin)
        if origin is not None and self.doorkeeper.names(origin):
            exchange.page = readable_by(origin)
            if is_preflight(exchange.method, exchange.headers):
                await exchange.empty(204, permissions(exchange.headers))
                return
        with self.service.request():
            principal = await principal_of(self.config.authenticate, exchange.scope)
            if exchange.method == "POST":
                await self._post(exchange, principal)
            else:
                await self._older_method(exchange, principal)

    async def _post(self, exchange: Exchange, principal: str) -> None:
        exchange.require_content()
        exchange.require_accept(JSON, EVENTS)
        message: Message | None = None
        try:
            message = await exchange.message(self.config.max_message, self.config.body_seconds)
            await self._said(exchange, message, principal)
        except InvalidMessage as error:
            self._conversation(exchange, principal).refuse(error)
            await self._refuse(exchange, 413 if isinstance(error, MessageTooLarge) else 400, error, error.id)
        except HTTPRefused as error:
            await self._refuse(exchange, error.status, error, id_of(message), error.headers)
        except RPCError as error:
            await self._refuse(exchange, STATUS.get(error.code, 200), error, id_of(message))

    async def _said(self, exchange: Exchange, message: Message, principal: str) -> None:
        era = era_of_post(exchange.headers.get(VERSION), message)
        if isinstance(message, Request):
            self.service.check_open()
        if self.handle.era not in (None, era):
            raise UnsupportedVersion(exchange.headers.get(VERSION) or "of an older client", self.service.versions)
        if era is Era.STATELESS:
            await stateless.answer(self.service, exchange, message, principal)
        else:
            await self._conversation(exchange, principal).post(message)

    async def _older_method(self, exchange: Exchange, principal: str) -> None:
        """GET and DELETE are of the older era alone."""
        version = exchange.headers.one(VERSION)
        if version is not None and version not in (V2026_07_28, *STATEFUL_VERSIONS):
            raise unknown_version(version, self.service.versions)
        era = era_of_header(version)
        older = era is Era.STATEFUL and self.handle.era in (None, Era.STATEFUL)
        if exchange.method == "GET" and older:
            await self._conversation(exchange, principal).get()
        elif exchange.method == "DELETE" and older:
            await self._conversation(exchange, principal).delete()
        else:
            allowed = "POST, GET, DELETE" if older else "POST"
            raise HTTPRefused(405, f"{exchange.method} is not served here", headers=[("Allow", allowed)])

    def _conversation(self, exchange: Exchange, principal: str) -> Conversation:
        return Conversation(self.service, exchange, principal)

    async def _refuse(
        self,
        exchange: Exchange,
        status: int,
        error: RPCError,
        id: int | str | None,
        headers: Any = (),
    ) -> None:
        if exchange.started:
            log.warning("a response was begun and cannot be ended with: %s", error)
            return
        await exchange.error(status, ErrorResponse(id, error.code, error.message, error.data), headers)


def _runtime_around() -> Any:
    """The runtime around a request. Raises `NoRuntime`, for those who set up the server."""
    if not trio.lowlevel.in_trio_run():
        raise NoRuntime(NOT_ON_TRIO)
    try:
        return current_runtime()
    except NoRuntime:
        raise NoRuntime(NOT_STARTED) from None


def id_of(message: Message | None) -> int | str | None:
    """The id that the reply to a message carries."""
    return message.id if isinstance(message, Request) else None


def create_asgi_app(
    target: App | ServerHandle,
    config: HTTPConfig | None = None,
    *,
    runtime: Any = None,
    doorkeeper: Doorkeeper | None = None,
) -> HTTPApp:
    """An app as an ASGI application, for any ASGI server that runs on trio, or to be mounted in another application.

    It lives in `runtime`; without one it opens its own at the server's start-up (ASGI lifespan). Mounted in another
    application it is not told of that by itself: see `HTTPApp.lifespan`; without it, it lives in the runtime around its
    first request. Tasks that an earlier process left are taken up at the start-up, or with the first request.
    A plain app is served with a key file; a handle as it says.
    """
    config = config or HTTPConfig()
    handle = target if isinstance(target, ServerHandle) else ServerHandle(target, served=True)
    return HTTPApp(
        attrs.evolve(handle), config, runtime, doorkeeper or Doorkeeper(config.allowed_hosts, config.allowed_origins)
    )
