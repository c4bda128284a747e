"""
An ASGI application as the transport of an httpx client, in one process and one trio run.

Owns the joint between httpx's requests and ASGI's events: bodies stream, a reader that does not read holds the writer
back, and a response that is closed early is a client that left. Refuses to know what is said.
For tests and local orchestration: everything but the sockets is the real thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import trio

from zcp_actors.actors import Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

    ASGI = Any

CLIENT = ("127.0.0.1", 0)
"""Who the requests seem to come from."""


class _Visit(Job):
    """One request being served: a task of the runtime's, so that it ends with it at the latest."""

    __slots__ = ("_app", "_asked", "_body", "_left", "_scope", "chunks", "error", "head", "over", "response")

    def __init__(self, app: ASGI, scope: dict[str, Any], body: bytes) -> None:
        super().__init__()
        self._app, self._scope, self._body = app, scope, body
        self._asked = False
        self._left = trio.Event()
        self.head = trio.Event()
        self.error: Exception | None = None
        self.response: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self.over, self.chunks = trio.open_memory_channel[bytes](0)

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - a job lets nothing escape; whoever waits for the head hears of it
            self.error = error
        finally:
            self.over.close()
            self.head.set()

    def leave(self) -> None:
        """The client reads no more."""
        self._left.set()
        self.chunks.close()

    async def _receive(self) -> MutableMapping[str, Any]:
        if not self._asked:
            self._asked = True
            await trio.lowlevel.checkpoint()
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self.response = event["status"], list(event["headers"])
            self.head.set()
            await trio.lowlevel.checkpoint()
            return
        try:
            if event.get("body"):
                await self.over.send(event["body"])
            if not event.get("more_body", False):
                self.over.close()
                self._left.set()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # nobody reads; the application learns of it by `receive`


class _Body(httpx.AsyncByteStream):
    def __init__(self, visit: _Visit) -> None:
        self._visit = visit

    def __aiter__(self) -> AsyncIterator[bytes]:
        # No generator: one that is not read to its end would be left to the garbage collector.
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._visit.chunks.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self._visit.leave()
        await trio.lowlevel.checkpoint()


class InProcessTransport(httpx.AsyncBaseTransport):
    """`httpx.AsyncClient(transport=InProcessTransport(runtime, create_asgi_app(app)), base_url="http://localhost")`."""

    def __init__(self, runtime: Any, app: ASGI) -> None:
        self._runtime, self._app = runtime, app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises what httpx raises for a server that hangs up, when the application ends without a response."""
        visit = _Visit(self._app, _scope(request), await request.aread())
        self._runtime.submit(visit)
        try:
            await visit.head.wait()
        except trio.Cancelled:
            visit.leave()
            raise
        if visit.response is None:
            raise httpx.RemoteProtocolError(f"no response: {visit.error!r}", request=request) from visit.error
        status, headers = visit.response
        return httpx.Response(status, headers=headers, stream=_Body(visit), request=request)


def _scope(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port),
        "client": CLIENT,
    }
