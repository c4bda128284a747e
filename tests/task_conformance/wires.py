"""
Raw JSON-RPC to a server that is judged: newline-framed over a child's pipes, and streamable HTTP.

Owns framing and nothing else: every message that comes is handed on as it is, whatever stream it came on. Refuses to
know methods. The rule: nothing of the library under test is used here, so that it cannot agree with itself.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

JSON = dict[str, Any]
LEAVE_SECONDS = 2.0
"""For a child to end after its input was closed, and as long again after SIGTERM; a clean end takes milliseconds."""
ACCEPT = "application/json, text/event-stream"


class Wire(Protocol):
    """One connection."""

    kind: str
    """ "stdio" or "http"."""

    async def send(self, message: JSON) -> Sent:
        """Send one message. Raises `Unreachable`."""


class Sent:
    """A message that is on its way, and what is known of the stream that its reply comes on."""

    def __init__(self) -> None:
        self.content_type: str | None = None
        """Of the HTTP response."""
        self.status: int | None = None
        self.scope = trio.CancelScope()

    def drop(self) -> None:
        """Close the stream that the reply would come on, if it has one of its own."""
        self.scope.cancel()


class Unreachable(Exception):
    """The server is gone, or does not speak the transport."""


class StdioWire:
    """A child's pipes."""

    kind = "stdio"

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._one_at_a_time = trio.Lock()

    async def send(self, message: JSON) -> Sent:
        """See `Wire`."""
        assert self._process.stdin is not None
        try:
            async with self._one_at_a_time:
                await self._process.stdin.send_all(json.dumps(message).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Unreachable("the server reads no more") from error
        return Sent()


@asynccontextmanager
async def stdio_wire(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    hear: Callable[[JSON], None],
    lost: Callable[[], None],
) -> AsyncIterator[StdioWire]:
    """Start a server and talk to it; what it says on standard error is thrown away."""
    process = await trio.lowlevel.open_process(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read_lines, process, hear, lost)
            yield StdioWire(process)
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _read_lines(process: trio.Process, hear: Callable[[JSON], None], lost: Callable[[], None]) -> None:
    assert process.stdout is not None
    rest = b""
    async for chunk in process.stdout:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                hear(json.loads(line))
    lost()


async def _end(process: trio.Process) -> None:
    """Close its input, as the specification has it; end it by its id when that is not enough."""
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdin.aclose()
    for end in (process.terminate, process.kill):
        with trio.move_on_after(LEAVE_SECONDS):
            await process.wait()
        if process.returncode is None:
            end()
    await process.wait()
    await process.stdout.aclose()


class HTTPWire:
    """A session at an endpoint for streamable HTTP."""

    kind = "http"

    def __init__(
        self, url: str, client: httpx.AsyncClient, nursery: trio.Nursery, hear: Callable[[JSON], None]
    ) -> None:
        self._url, self._client, self._nursery, self._hear = url, client, nursery, hear
        self._headers: dict[str, str] = {}

    async def send(self, message: JSON) -> Sent:
        """See `Wire`."""
        sent = Sent()
        if "method" in message and "id" in message:
            await self._nursery.start(self._post, message, sent)
        else:
            await self._post(message, sent)
        if message.get("method") == "notifications/initialized":
            self._nursery.start_soon(self._listen)
        return sent

    async def _post(
        self, message: JSON, sent: Sent, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        with sent.scope:
            headers = {"accept": ACCEPT, **self._headers}
            try:
                async with self._client.stream("POST", self._url, json=message, headers=headers) as response:
                    sent.status = response.status_code
                    sent.content_type = response.headers.get("content-type", "").partition(";")[0]
                    self._agree(message, response)
                    await self._read(response, sent)
            except httpx.HTTPError as error:
                self._failed(message, f"{type(error).__name__}: {error}")
            else:
                if sent.status is not None and sent.status >= httpx.codes.BAD_REQUEST:
                    self._failed(message, f"HTTP status {sent.status}")

    def _agree(self, message: JSON, response: httpx.Response) -> None:
        if message.get("method") == "initialize":
            self._headers["mcp-protocol-version"] = message["params"]["protocolVersion"]
            if (session := response.headers.get("mcp-session-id")) is not None:
                self._headers["mcp-session-id"] = session

    async def _read(self, response: httpx.Response, sent: Sent) -> None:
        if sent.content_type == "text/event-stream":
            async for message in _events(response):
                self._hear(message)
        elif sent.content_type == "application/json" and (body := await response.aread()):
            self._hear(json.loads(body))

    def _failed(self, message: JSON, why: str) -> None:
        """Give a request that has no reply one that says so; one that has a reply keeps it: the first counts."""
        if "id" in message and "method" in message:
            self._hear({"jsonrpc": "2.0", "id": message["id"], "error": {"code": 0, "message": why}})

    async def _listen(self) -> None:
        """Read the stream of what belongs to no request, where there is one."""
        headers = {"accept": "text/event-stream", **self._headers}
        try:
            async with self._client.stream("GET", self._url, headers=headers) as response:
                if response.status_code == httpx.codes.OK:
                    async for message in _events(response):
                        self._hear(message)
        except httpx.HTTPError:
            return

    async def leave(self) -> None:
        """End the session, where there is one."""
        if "mcp-session-id" in self._headers:
            with trio.move_on_after(LEAVE_SECONDS):
                try:
                    await self._client.delete(self._url, headers=self._headers)
                except httpx.HTTPError:
                    return


@asynccontextmanager
async def http_wire(url: str, headers: Mapping[str, str], hear: Callable[[JSON], None]) -> AsyncIterator[HTTPWire]:
    """Talk to a server at this URL."""
    async with (
        httpx.AsyncClient(headers=dict(headers), timeout=None, trust_env=False) as client,  # Talk is patient
        trio.open_nursery() as nursery,
    ):
        wire = HTTPWire(url, client, nursery, hear)
        try:
            yield wire
        finally:
            with trio.CancelScope(shield=True):
                await wire.leave()
            nursery.cancel_scope.cancel()


async def _events(response: httpx.Response) -> AsyncIterator[JSON]:
    data: list[str] = []
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            text, data = "\n".join(data), []
            if text.strip():
                yield json.loads(text)
