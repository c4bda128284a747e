"""
The least of clients: a request in, its answer out, over lines, HTTP or a websocket.

Owns ids, buffers and the opening words of both eras. Refuses to validate anything: what it costs is what a server is
measured with, the same for all of them. Needs trio; a websocket needs trio-websocket.
"""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio
from trio.lowlevel import Abort, current_task, reschedule, wait_task_rescheduled

STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
CALL = {"name": "echo", "arguments": {"text": "hello", "n": 1}}
META = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {"protocolVersion": STATEFUL, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
ID = b'"@"'
EXPECTED = b"hello"
NUMBERS = itertools.count(2)
"""Ids of requests over HTTP: connections that share a session share them."""


def request(method, params):
    """A request with a place for its id, and the bytes before and after that place."""
    text = json.dumps({"jsonrpc": "2.0", "id": "@", "method": method, "params": params}, separators=(",", ":"))
    before, _, after = text.encode().partition(ID)
    return before, after


def notification(method):
    return json.dumps({"jsonrpc": "2.0", "method": method}).encode()


def call_of(era):
    return request("tools/call", CALL if era == STATEFUL else {**CALL, "_meta": META})


class Slot:
    """Where one answer arrives."""

    __slots__ = ("task", "value")

    def __init__(self):
        self.task = self.value = None

    def put(self, value):
        self.value = value
        if self.task is not None:
            reschedule(self.task)
            self.task = None

    async def get(self):
        if self.value is None:
            self.task = current_task()
            await wait_task_rescheduled(lambda _: Abort.SUCCEEDED)
        return self.value


class Messages:
    """Requests and answers by id over something that sends and receives messages."""

    def __init__(self, era):
        self._before, self._after = call_of(era)
        self._slots, self._next = {}, 0
        self._out, self._writer = [], None

    def send(self, message):
        """Send a message soon, with all others that are ready by then."""
        self._out.append(message)
        if self._writer is not None:
            reschedule(self._writer)
            self._writer = None

    async def write(self, flush):
        """For ever: what there is, at once."""
        while True:
            if not self._out:
                self._writer = current_task()
                await wait_task_rescheduled(lambda _: Abort.SUCCEEDED)
            ready, self._out = self._out, []
            await flush(ready)

    def take(self, message):
        """An answer came."""
        told = json.loads(message)
        if "error" in told:
            raise ConnectionError(f"the server answered {told['error']}")
        slot = self._slots.pop(told.get("id"), None)
        if slot is not None:
            slot.put(told)

    async def ask(self, before, after):
        """Send a request and wait for its answer."""
        self._next += 1
        slot = self._slots[self._next] = Slot()
        self.send(b"%s%d%s" % (before, self._next, after))
        return await slot.get()

    async def call(self):
        """One tools/call."""
        told = await self.ask(self._before, self._after)
        assert told["result"]["content"][0]["text"].endswith("hello"), told

    async def open(self, era):
        """Shake hands, where that is done."""
        if era == STATEFUL:
            await self.ask(*request("initialize", INITIALIZE))
            self.send(notification("notifications/initialized"))


@asynccontextmanager
async def lines(argv, era):
    """A raw client of a child process."""
    async with child(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process, trio.open_nursery() as nursery:
        messages = Messages(era)

        async def flush(ready):
            await process.stdin.send_all(b"\n".join(ready) + b"\n")

        async def read():
            rest = b""
            async for piece in process.stdout:
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    messages.take(line)
            raise ConnectionError("the server closed its output")

        nursery.start_soon(messages.write, flush)
        nursery.start_soon(read)
        await messages.open(era)
        yield messages
        nursery.cancel_scope.cancel()


class HTTP:
    """One connection that is kept alive, one request at a time."""

    def __init__(self, url, era):
        host, _, path = url.partition("//")[2].partition("/")
        self._name, _, self._port = host.partition(":")
        self._era, (self._before, self._after) = era, call_of(era)
        self._head = (
            f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {era}\r\n"
        )
        if era == STATELESS:
            self._head += "Mcp-Method: tools/call\r\nMcp-Name: echo\r\n"
        self._stream, self._session, self._rest = None, "", b""

    async def open(self, session=None):
        """Connect; in the stateful era begin a session, or go on in one."""
        self._stream = await trio.open_tcp_stream(self._name, int(self._port))
        self._stream.setsockopt(6, 1, 1)
        if self._era == STATEFUL and session is None:
            await self.post(b"1".join(request("initialize", INITIALIZE)))
            await self.post(notification("notifications/initialized"))
        elif session:
            self._session = session
        return self._session

    async def post(self, body):
        """Send one message and read the whole response."""
        head = f"{self._head}{self._session}Content-Length: {len(body)}\r\n\r\n"
        await self._stream.send_all(head.encode() + body)
        while b"\r\n\r\n" not in self._rest:
            await self._more()
        headers, _, self._rest = self._rest.partition(b"\r\n\r\n")
        lower = headers.lower()
        if b"\r\nmcp-session-id:" in lower:
            at = lower.index(b"\r\nmcp-session-id:") + 2
            self._session = headers[at:].split(b"\r\n")[0].decode() + "\r\n"
        if b"\r\ncontent-length:" in lower:
            length = int(lower.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])
            while len(self._rest) < length:
                await self._more()
            told, self._rest = self._rest[:length], self._rest[length:]
            return told
        if b"chunked" not in lower:
            return b""
        while not self._rest.endswith(b"0\r\n\r\n"):
            await self._more()
        told, self._rest = self._rest, b""
        return told

    async def _more(self):
        piece = await self._stream.receive_some(65536)
        assert piece, "the server closed the connection"
        self._rest += piece

    async def call(self):
        """One tools/call."""
        told = await self.post(b"%s%d%s" % (self._before, next(NUMBERS), self._after))
        assert EXPECTED in told, told


@asynccontextmanager
async def websocket(url, era, subprotocols=("mcp",)):
    """A raw client of a websocket."""
    from trio_websocket import ConnectionClosed, open_websocket_url

    options = {"subprotocols": list(subprotocols)} if subprotocols else {}
    async with open_websocket_url(url, **options) as socket, trio.open_nursery() as nursery:
        messages = Messages(era)

        async def flush(ready):
            for message in ready:
                await socket.send_message(message.decode())

        async def read():
            with suppress(ConnectionClosed):
                while True:
                    messages.take(await socket.get_message())

        nursery.start_soon(messages.write, flush)
        nursery.start_soon(read)
        await messages.open(era)
        yield messages
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def child(argv, **options):
    """A process that is gone when the block is left."""
    process = await trio.lowlevel.open_process(argv, **options)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            process.terminate()
            with trio.move_on_after(3):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def serving(argv):
    """A server whose first line of output is its URL."""
    async with child(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        said = b""
        while not said.endswith(b"\n"):
            piece = await process.stdout.receive_some()
            assert piece, f"{argv} ended before it served"
            said += piece
        yield said.decode().strip()


def argv_of(word):
    """The command line that a word of the runner's is."""
    return shlex.split(word)


def python(program):
    """The command line of another program of ours."""
    return [sys.executable, str(Path(__file__).parent / "programs" / program)]
