"""
Serving an app over websockets from this process.

Owns the listening, the judgement of an upgrade, and the end of all connections. Refuses to know what is said on one.
The rules: `Origin` and `Host` are checked before anything is accepted, as over HTTP; a connection's fault ends that
connection alone; who binds to more than this machine without authentication has said so.
Both revisions are spoken, chosen by what the client says, as on any single connection.
"""

from __future__ import annotations

import logging
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import HTTPRefused, StartFailed, UsageError
from zcp_actors.sessions.handle import ServerHandle
from zcp_actors.transports.http.config import HEADER_SECONDS, HTTPConfig
from zcp_actors.transports.http.identity import principal_of
from zcp_actors.transports.http.origins import Doorkeeper, is_loopback
from zcp_actors.transports.http.service import FLUSH_SECONDS, GRACE_SECONDS, patience_of
from zcp_actors.transports.signals import ENDING
from zcp_actors.transports.websocket import RECEIVE_BYTES, SUBPROTOCOL, WebsocketConnection
from zcp_actors.transports.websocket_reader import Reader

if TYPE_CHECKING:
    from zcp_actors.ports import App
    from zcp_actors.sessions.server import ServerSession

MAX_CONNECTIONS = 1000
"""At once: each holds a file, of which a process commonly may open 1 024."""

log = logging.getLogger("zcp_actors.transports")


async def serve_websocket(
    runtime: Any,
    target: App | ServerHandle,
    *,
    host: str = "127.0.0.1",
    port: int = 8001,
    path: str = "/ws",
    config: HTTPConfig | None = None,
    unprotected: bool = False,
    ssl_context: Any = None,
    max_connections: int = MAX_CONNECTIONS,
    grace: float = GRACE_SECONDS,
    signals: bool = True,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> signal.Signals | None:
    """Serve the app until SIGTERM or SIGINT (return which), or until cancelled. Port 0 takes a free one.

    `nursery.start` returns the URLs. Of `config`, the hosts, the origins, `authenticate` and `max_message` count here.
    After a signal nothing new is taken, calls in flight may be answered, and shortly before `grace` seconds are over
    the rest is told; a second signal cuts the waiting short.
    Tasks that an earlier process left are taken up first.
    `unprotected` serves without authentication to others than this machine. Raises `UsageError` when that was not said,
    or the target is no app, `StartFailed` when the address cannot be had, or the tasks' store cannot be opened.
    """
    config = config or HTTPConfig()
    if not is_loopback(host) and config.authenticate is None and not unprotected:
        raise UsageError(
            f"{host or 'every address'} can be reached by others than this machine, and nobody is authenticated: set "
            "HTTPConfig.authenticate, bind to 127.0.0.1, or say unprotected=True"
        )
    handle = ServerHandle.of(target, served=True)
    await handle.recover(runtime)
    door = _Door(
        runtime,
        handle,
        host=host,
        path=path,
        config=config,
        max_connections=max_connections,
    )
    listeners = await _listen(host, port, ssl_context)
    scheme = "ws" if ssl_context is None else "wss"
    caught: list[signal.Signals] = []
    async with trio.open_nursery() as hearing, trio.open_nursery() as connections:
        with trio.CancelScope() as listening:
            if signals:
                hearing.start_soon(_hear, listening, caught, door)
            task_status.started([f"{scheme}://{_authority(each)}{path}" for each in listeners])
            await trio.serve_listeners(door.visit, listeners, handler_nursery=connections)
        if caught:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + grace + 2 * FLUSH_SECONDS):
                await door.close(grace)
        connections.cancel_scope.cancel("the server ends")
        hearing.cancel_scope.cancel("the server ends")
    return caught[0] if caught else None


async def _listen(host: str, port: int, ssl_context: Any) -> list[Any]:
    try:
        if ssl_context is None:
            return list(await trio.open_tcp_listeners(port, host=host or None))
        return list(await trio.open_ssl_over_tcp_listeners(port, ssl_context, host=host or None, https_compatible=True))
    except OSError as error:
        raise StartFailed(f"cannot listen at {host or '*'}:{port}: {error}; choose another port or address") from error


def _authority(listener: Any) -> str:
    bound = getattr(listener, "transport_listener", listener)
    address, port, *_ = bound.socket.getsockname()
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


async def _hear(listening: trio.CancelScope, caught: list[signal.Signals], door: _Door) -> None:
    with trio.open_signal_receiver(*ENDING) as signals:
        caught.append(signal.Signals(await anext(signals)))
        listening.cancel("a signal asked the server to end")
        await anext(signals)
        door.hurry()


class _Door:
    """Where connections come in, and the sessions behind it."""

    def __init__(
        self, runtime: Any, handle: ServerHandle, *, host: str, path: str, config: HTTPConfig, max_connections: int
    ) -> None:
        local = is_loopback(host)
        names = () if local else (host, socket.gethostname())
        self._doorkeeper = Doorkeeper(
            [*config.allowed_hosts, *filter(None, names)], config.allowed_origins, addresses=not local
        )
        self._runtime, self._handle, self._path, self._config = runtime, handle, path, config
        self._state = handle.call_state(runtime)
        self._max = max_connections
        self._open: dict[WebsocketConnection, ServerSession] = {}
        self._closing = False
        self._hurried = False
        self._waits: list[trio.CancelScope] = []

    async def visit(self, stream: trio.abc.Stream) -> None:
        """One connection, from its first byte to its end. Its faults are its own."""
        try:
            async with trio.open_nursery() as nursery:
                reader = Reader(nursery)
                try:
                    await self._serve(reader, stream)
                finally:
                    reader.stop()
        except Exception:  # one client's connection must not end the others
            log.exception("a websocket connection failed")
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve(self, reader: Reader, stream: trio.abc.Stream) -> None:
        request = await self._request(reader, stream)
        if request is None:
            return
        try:
            principal = await self._admit(request)
        except HTTPRefused as error:
            headers = [(name.encode(), value.encode()) for name, value in error.headers]
            with trio.move_on_after(HEADER_SECONDS):
                await request.reject(error.status, extra_headers=headers, body=error.message.encode())
            return
        frames = None
        chosen = SUBPROTOCOL if SUBPROTOCOL in request.proposed_subprotocols else None
        with trio.move_on_after(HEADER_SECONDS):
            frames = await request.accept(subprotocol=chosen)
        if frames is not None and not self._closing:
            await self._converse(WebsocketConnection(frames, f"{request.remote}", self._config.max_message), principal)

    async def _request(self, reader: Reader, stream: trio.abc.Stream) -> Any:
        """What the client asks for; None when it does not ask in time, or for something else than a websocket."""
        from trio_websocket import wrap_server_stream

        nursery: Any = reader  # it starts tasks, and that is all that is asked of it
        wrap: Any = partial(
            wrap_server_stream,
            nursery,
            stream,
            max_message_size=self._config.max_message,
            receive_buffer_size=RECEIVE_BYTES,
        )
        with trio.move_on_after(HEADER_SECONDS):
            return await reader.first(wrap)
        return None

    async def _admit(self, request: Any) -> str:
        """Who this is. Raises `HTTPRefused`."""
        headers = [(name.lower(), value) for name, value in request.headers]
        host = request._event.host  # noqa: SLF001 - the one header that the library keeps to itself
        origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
        self._doorkeeper.check(host, origin)
        path, _, query = request.path.partition("?")
        if path != self._path:
            raise HTTPRefused(404, f"nothing is served at {path!r:.200}; the websocket is {self._path}")
        if self._closing or len(self._open) >= self._max:
            raise HTTPRefused(503, f"{self._max} connections are open, or the server is ending; try again later")
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", host.encode()), *headers],
            "client": (str(getattr(request.remote, "address", "")), getattr(request.remote, "port", 0)),
        }
        return await principal_of(self._config.authenticate, scope)

    async def _converse(self, connection: WebsocketConnection, principal: str) -> None:
        session = self._handle.host(self._runtime, connection, principal=principal, state=self._state)
        self._open[connection] = session
        try:
            await connection.converse(session, wait_for_room=True)
        finally:
            del self._open[connection]
            session.me.stop()

    async def close(self, grace: float) -> None:
        """Take nothing new, let calls end, tell the rest, and close everything, all within `grace` seconds."""
        self._closing = True
        deadline = trio.current_time() + (0.0 if self._hurried else patience_of(grace))
        self._waits = [trio.CancelScope(deadline=deadline) for _ in self._open]
        async with trio.open_nursery() as nursery:
            for (connection, session), wait in zip(list(self._open.items()), self._waits, strict=True):
                nursery.start_soon(_say_goodbye, connection, session, wait)

    def hurry(self) -> None:
        """Wait for no call any more: whoever sends a second signal does not want to."""
        self._hurried = True
        for wait in self._waits:
            wait.cancel("a second signal")


async def _say_goodbye(connection: WebsocketConnection, session: ServerSession, wait: trio.CancelScope) -> None:
    with wait:
        await session.idle()
    session.say_goodbye("the server is shutting down")
    with trio.move_on_after(FLUSH_SECONDS):
        await connection.flushed()
    connection.go_away("the server is shutting down")
