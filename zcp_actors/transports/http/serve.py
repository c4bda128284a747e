"""
Serving an app over HTTP from this process, on hypercorn's trio worker.

Owns the listening, the life of every connection, and the graceful end. Refuses to know what is said on a connection:
hypercorn reads HTTP, `HTTPApp` answers.
The rules: a connection's fault ends that connection alone; no peer holds a task for longer than its deadline, also not
while the server ends; who binds to more than this machine without authentication has said so.
"""

from __future__ import annotations

import logging
import resource
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import StartFailed, UsageError
from zcp_actors.sessions.handle import ServerHandle
from zcp_actors.transports.http.app import create_asgi_app
from zcp_actors.transports.http.config import HEADER_SECONDS, HTTPConfig
from zcp_actors.transports.http.origins import Doorkeeper, is_loopback
from zcp_actors.transports.http.patience import MOMENT, PatientStream
from zcp_actors.transports.http.service import FLUSH_SECONDS, GRACE_SECONDS
from zcp_actors.transports.signals import ENDING, noted
from zcp_actors.transports.websocket import PING_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zcp_actors.ports import App
    from zcp_actors.transports.http.app import HTTPApp

log = logging.getLogger("zcp_actors.http")

HEAD_BYTES = 64 * 1024
"""The head of a request: eight times what common proxies let through, for tools with many mirrored parameters."""

REQUESTS_PER_CONNECTION = 1_000_000_000
"""No limit: a client that stays costs nothing, one that is sent away costs a connection. Hypercorn wants a number."""

BACKLOG = 1024
"""Connections the system keeps for us while the loop is busy: a burst of every session's client at once."""


async def serve_http(
    runtime: Any,
    target: App | ServerHandle,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    config: HTTPConfig | None = None,
    unprotected: bool = False,
    grace: float = GRACE_SECONDS,
    signals: bool = True,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> signal.Signals | None:
    """Serve the app until SIGTERM or SIGINT (return which), or until cancelled. Port 0 takes a free one.

    `nursery.start` returns the URLs of the endpoint; a websocket is served beside it, at `config.websocket_endpoint`.
    After a signal nothing new is taken, what is in flight may be answered, and shortly before `grace` seconds are over
    the rest is told that the server is going; a second signal cuts the waiting short.
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
    app = create_asgi_app(handle, config, runtime=runtime, doorkeeper=_doorkeeper(host, config))
    listeners = await _listen(host, port)
    urls = [f"http://{_authority(each)}{config.endpoint}" for each in listeners]
    log.info("serving %s at %s", handle.app.name, ", ".join(urls))
    app.service  # noqa: B018 - what cannot be served shall fail now, and not at the first request
    return await _Server(app, listeners).run(urls, grace, task_status, signals=signals)


def _doorkeeper(host: str, config: HTTPConfig) -> Doorkeeper:
    """A server that others reach is called by names that only its operator knows, or by an address."""
    local = is_loopback(host)
    names = () if local else (host, socket.gethostname())
    return Doorkeeper([*config.allowed_hosts, *filter(None, names)], config.allowed_origins, addresses=not local)


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host or None, backlog=BACKLOG)
    except OSError as error:
        raise StartFailed(f"cannot listen at {host or '*'}:{port}: {error}; choose another port or address") from error


def _authority(listener: trio.SocketListener) -> str:
    address, port, *_ = listener.socket.getsockname()
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


MAX_CONNECTIONS = 8192
"""Connections at once, where the process may open so many files: beyond it a proxy in front does better."""


def connection_limit() -> int:
    """How many connections may be open at once: three quarters of what the process may open, the rest is the app's."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft * 3 // 4)


class _Server:
    """The listeners of one app, and their connections."""

    def __init__(self, app: HTTPApp, listeners: list[trio.SocketListener]) -> None:
        from hypercorn.config import Config
        from hypercorn.trio.worker_context import WorkerContext

        self._app, self._listeners = app, listeners
        self._context = WorkerContext(None)
        self._config = Config()
        self._config.keep_alive_max_requests = REQUESTS_PER_CONNECTION
        self._config.h11_max_incomplete_size = HEAD_BYTES
        self._config.websocket_max_message_size = app.config.max_message
        self._config.websocket_ping_interval = PING_SECONDS
        self._config.include_server_header = False
        self._config.errorlog = log
        self._streams: dict[PatientStream, None] = {}
        self._limit = connection_limit()
        self._accepting = trio.CancelScope()
        self._gone = trio.lowlevel.ParkingLot()

    async def run(
        self, urls: list[str], grace: float, task_status: trio.TaskStatus[list[str]], *, signals: bool
    ) -> signal.Signals | None:
        """Serve until a signal, or for ever."""
        caught: list[signal.Signals] = []
        async with _ending(caught, wanted=signals) as heard, trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    await accepting.start(self._accept, connections)
                    task_status.started(urls)
                    if heard is not None:
                        caught.append(signal.Signals(await anext(heard)))
                        await self._leave(grace, heard)
                    else:
                        await trio.sleep_forever()
            finally:
                self._app.close()
                for stream in list(self._streams):
                    stream.abort()
            connections.cancel_scope.cancel("the server has ended")
        return caught[0]

    async def _accept(
        self, connections: trio.Nursery, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with self._accepting:
            await trio.serve_listeners(
                self._serve, self._listeners, handler_nursery=connections, task_status=task_status
            )

    async def _serve(self, accepted: trio.SocketStream) -> None:
        """One connection; one too many is closed at once."""
        from hypercorn.trio.tcp_server import TCPServer
        from hypercorn.typing import ConnectionState

        from zcp_actors.transports.http.hypercorn_http import Idleness
        from zcp_actors.transports.http.hypercorn_websocket import Attended, context_of

        stream = PatientStream(accepted)
        if len(self._streams) >= self._limit:
            stream.abort()
            return
        self._streams[stream] = None
        try:
            app, context = Attended(self._app, stream), context_of(self._context, stream)
            server = TCPServer(app, self._config, context, ConnectionState({}), stream)  # type: ignore[arg-type]
            server.idle_task = Idleness(stream, HEADER_SECONDS, self._context.terminated.is_set)  # type: ignore[assignment]
            await server
        except* trio.Cancelled:
            raise
        except* Exception as group:  # noqa: BLE001 - nothing that goes wrong here is anybody else's
            _log_end(group)
        finally:
            del self._streams[stream]
            stream.abort()
            self._gone.unpark_all()

    async def _leave(self, grace: float, heard: AsyncIterator[int]) -> None:
        """Nothing new is taken, but connections are: a client answers a question, or comes back for its reply.

        When all is answered or told, idle connections are closed at once, the others after their response.
        """
        end = trio.current_time() + grace
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hurry, nursery.cancel_scope, heard)
            try:
                await self._app.drain(grace)
            finally:
                self._accepting.cancel("nobody has to come back any more")
            await self._context.terminated.set()
            for stream in [each for each in self._streams if each.idle]:
                stream.abort()
            with trio.move_on_after(min(FLUSH_SECONDS, max(end - trio.current_time(), MOMENT))):
                while self._streams:
                    await self._gone.park()
            nursery.cancel_scope.cancel("everything has left")


def _log_end(group: BaseExceptionGroup[BaseException]) -> None:
    from zcp_actors.transports.http.hypercorn_http import is_of_the_peer

    ours = group.split(is_of_the_peer)[1]
    if ours is None:
        log.debug("a connection was ended by what came over it", exc_info=group)
    else:
        log.error("a connection failed", exc_info=ours)


@asynccontextmanager
async def _ending(caught: list[signal.Signals], *, wanted: bool) -> AsyncIterator[AsyncIterator[int] | None]:
    """The signals that come, one by one: heard until all is closed, or a second one would kill the telling."""
    if not wanted:
        yield None
        return
    async with noted(caught):
        with trio.open_signal_receiver(*ENDING) as heard:
            yield heard


async def _hurry(leaving: trio.CancelScope, heard: AsyncIterator[int]) -> None:
    """A second signal: whoever sends it does not want to wait."""
    await anext(heard)
    leaving.cancel("a second signal")
