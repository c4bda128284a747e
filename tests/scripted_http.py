"""
HTTP servers that do exactly what a test says, byte by byte: broken streams, resets, endless bodies.

A script is an async function of (asked, reply). What it does not handle, `Manners` answers as a server of an era would.
"""

from __future__ import annotations

import json
import socket
import struct
from contextlib import asynccontextmanager
from functools import partial

import attrs
import h11
import trio

DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"}


@attrs.frozen
class Asked:
    """One HTTP request."""

    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def message(self):
        return json.loads(self.body) if self.body else {}

    @property
    def rpc(self):
        """The method of the message in it; "" where there is none."""
        return self.message.get("method", "")

    @property
    def tool(self):
        return self.message.get("params", {}).get("name")


class Reply:
    """The way back to whoever asked."""

    def __init__(self, stream, connection, asked):
        self.stream, self.asked = stream, asked
        self._http = connection

    async def head(self, status=200, **headers):
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        await self._send(h11.Response(status_code=status, headers=named))

    async def body(self, data):
        await self._send(h11.Data(data=data))

    async def end(self):
        await self._send(h11.EndOfMessage())

    async def whole(self, data, status=200, **headers):
        await self.head(status, content_length=str(len(data)), **headers)
        await self.body(data)
        await self.end()

    async def json(self, value, status=200, **headers):
        await self.whole(json.dumps(value).encode(), status, content_type="application/json", **headers)

    async def empty(self, status, **headers):
        await self.whole(b"", status, **headers)

    def response(self, result):
        return {"jsonrpc": "2.0", "id": self.asked.message["id"], "result": result}

    async def result(self, result, **headers):
        await self.json(self.response(result), **headers)

    async def text(self, text):
        await self.result({"content": [{"type": "text", "text": text}], "resultType": "complete"})

    async def error(self, code, message="no", data=None, status=200):
        error = {"code": code, "message": message} | ({} if data is None else {"data": data})
        await self.json({"jsonrpc": "2.0", "id": self.asked.message.get("id"), "error": error}, status)

    async def stream_head(self, **headers):
        await self.head(200, content_type="text/event-stream", transfer_encoding="chunked", **headers)

    async def event(self, message=None, *, id=None, retry=None):
        fields = [("id", id), ("retry", retry), ("data", "" if message is None else json.dumps(message))]
        lines = [f"{name}: {value}\n" for name, value in fields if value is not None]
        await self.body("".join([*lines, "\n"]).encode())

    async def raw(self, data):
        await self.stream.send_all(data)

    async def _send(self, event):
        await self.stream.send_all(self._http.send(event))

    def cut(self):
        """End the connection as a broken network does: no goodbye."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()
        raise Cut

    async def gone(self):
        """Wait until the client has closed the connection."""
        try:
            while await self.stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass


class Cut(Exception):
    """The script has ended the connection."""


class Served:
    """A running script."""

    def __init__(self, script):
        self.script, self.asked = script, []
        self.url = ""
        self._life = trio.CancelScope()

    async def live(self, task_status):
        with self._life:
            async with trio.open_nursery() as nursery:
                (listener,) = await nursery.start(partial(trio.serve_tcp, self.connection, 0, host="127.0.0.1"))
                task_status.started(listener.socket.getsockname()[1])

    def die(self):
        """Close everything, as a killed process does."""
        self._life.cancel()

    def messages(self):
        return [asked.rpc for asked in self.asked if asked.method == "POST"]

    async def connection(self, stream):
        async with stream:
            try:
                while await self._request(stream, h11.Connection(h11.SERVER)):
                    pass
            except (Cut, h11.RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _request(self, stream, connection):
        head, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        asked = Asked(head.method.decode(), head.target.decode(), headers, body)
        self.asked.append(asked)
        await self.script(asked, Reply(stream, connection, asked))
        if connection.our_state is h11.SEND_BODY:
            await stream.send_all(connection.send(h11.EndOfMessage()))
        return connection.our_state is h11.DONE


@asynccontextmanager
async def scripted(script):
    """Serve a script on loopback while the block runs."""
    served = Served(script)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(served.live)
        served.url = f"http://127.0.0.1:{port}/mcp"
        yield served
        served.die()


class Manners:
    """What a well-behaved server does with what a test does not care about.

    Methods of a subclass handle methods of MCP (`tools_call`) and of HTTP (`GET`, `DELETE`).
    """

    version = "2026-07-28"
    session = None
    """2025-11-25: the id that `initialize` answers with."""
    capabilities = {"tools": {}}  # noqa: RUF012 - read only

    async def __call__(self, asked, reply):
        name = asked.method if asked.method != "POST" else asked.rpc.replace("/", "_") or "response"
        await getattr(self, name, self.otherwise)(asked, reply)

    async def otherwise(self, asked, reply):
        if asked.method != "POST":
            await reply.empty(405)
        elif "id" not in asked.message or "method" not in asked.message:
            await reply.empty(202)
        else:
            await reply.error(-32601, status=404)

    async def server_discover(self, asked, reply):
        if self.version == "2026-07-28":
            await reply.result({**DISCOVERED, "resultType": "complete", "capabilities": self.capabilities})
        else:
            await reply.empty(400)

    async def initialize(self, asked, reply):
        info = {"name": "script", "version": "1"}
        headers = {} if self.session is None else {"mcp_session_id": self.session}
        result = {"protocolVersion": self.version, "capabilities": self.capabilities, "serverInfo": info}
        await reply.result(result, **headers)

    async def tools_call(self, asked, reply):
        await reply.text(asked.tool)
