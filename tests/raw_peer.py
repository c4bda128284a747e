"""
A client in plain JSON-RPC of either revision, over pipes or HTTP, for servers that die: it notices, and says so.

Nothing of ours is used for what it says. Questions of a server are answered by `answer(method, params)`; while that is
None they are kept in `questions`, for the test to `reply` to.
"""

from __future__ import annotations

import itertools
import json
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio

STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
CAPABILITIES = {"elicitation": {"form": {}}, "extensions": {f"{PREFIX}tasks": {}}}
ME = {"name": "raw", "version": "1"}


class Gone(Exception):
    """The server is not there any more, so there is no reply."""


class Refused(Exception):
    """An error was the reply."""

    def __init__(self, error: Any) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message = error["code"], error["message"]


class Peer:
    """One conversation. Made by `talking` and `http_peer`."""

    def __init__(self, era: str, answer: Any = None) -> None:
        self.era, self.answer = era, answer
        self.questions: list[Any] = []
        self.notifications: list[Any] = []
        self.gone = False
        self._ids = itertools.count(1)
        self._replies: dict[int, Any] = {}
        self._news = trio.Event()
        self._send: Any = None
        self._nursery: Any = None

    # What the server says
    def hear(self, message: Any) -> None:
        if "method" not in message:
            self._replies[message["id"]] = message
        elif "id" not in message:
            self.notifications.append(message)
        elif self.answer is None:
            self.questions.append(message)
        else:
            self._nursery.start_soon(self._respond, message)
        self._wake()

    async def _respond(self, question: Any) -> None:
        try:
            await self.reply(question, await self.answer(question["method"], question["params"]))
        except Gone:
            return

    def lose(self) -> None:
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    # What the test does
    async def ask(self, method: str, params: Any = None) -> Any:
        """The result. Raises `Refused`, and `Gone`."""
        id = await self.begin(method, params)
        await self.until(lambda: id in self._replies)
        reply = self._replies.pop(id)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    async def begin(self, method: str, params: Any = None) -> int:
        """Send a request and do not wait."""
        id = next(self._ids)
        params = dict(params or {})
        if self.era == STATELESS:
            said = {"protocolVersion": STATELESS, "clientInfo": ME, "clientCapabilities": CAPABILITIES}
            params["_meta"] = {f"{PREFIX}{name}": value for name, value in said.items()}
        await self.send({"id": id, "method": method, "params": params})
        return id

    async def send(self, message: Any) -> None:
        if self.gone:
            raise Gone
        await self._send({"jsonrpc": "2.0", **message})

    async def reply(self, question: Any, result: Any) -> None:
        await self.send({"id": question["id"], "result": result})

    async def until(self, claim: Any) -> Any:
        """Wait until it holds; returns it. Raises `Gone`."""
        while not (found := claim()):
            if self.gone:
                raise Gone
            await self._news.wait()
        return found

    async def introduce(self) -> None:
        if self.era == STATEFUL:
            hello = {"protocolVersion": STATEFUL, "capabilities": CAPABILITIES, "clientInfo": ME}
            await self.ask("initialize", hello)
            await self.send({"method": "notifications/initialized"})

    # What tests of tasks do
    async def create(self, tool: str, **arguments: Any) -> str:
        """The id of a task that calls this tool."""
        params = {"name": tool, "arguments": arguments}
        if self.era == STATEFUL:
            return (await self.ask("tools/call", params | {"task": {}}))["task"]["taskId"]
        return (await self.ask("tools/call", params))["taskId"]

    async def get(self, id: str) -> Any:
        return await self.ask("tasks/get", {"taskId": id})

    async def result(self, id: str) -> Any:
        """What `tasks/result` says, or an inlined result once the task has ended."""
        if self.era == STATEFUL:
            return await self.ask("tasks/result", {"taskId": id})
        return (await self.status(id, "completed"))["result"]

    async def status(self, id: str, *wanted: str) -> Any:
        """Poll until it is one of these."""
        while (task := await self.get(id))["status"] not in wanted:  # noqa: ASYNC110 - to poll is what it is for
            await trio.sleep(0.01)
        return task

    async def cancel(self, id: str) -> Any:
        return await self.ask("tasks/cancel", {"taskId": id})


@asynccontextmanager
async def talking(reading, writing, era: str, answer: Any = None):
    """Talk over two streams of bytes; nobody is introduced yet."""
    peer, one_at_a_time = Peer(era, answer), trio.Lock()

    async def send(message):
        try:
            async with one_at_a_time:
                await writing.send_all(json.dumps(message).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Gone from None

    async def listen():
        rest = b""
        try:
            async for chunk in reading:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    peer.hear(json.loads(line))
        except trio.ClosedResourceError:
            pass
        peer.lose()

    peer._send = send
    async with trio.open_nursery() as peer._nursery:
        peer._nursery.start_soon(listen)
        yield peer
        peer._nursery.cancel_scope.cancel()


@asynccontextmanager
async def http_peer(url: str, era: str, name: str = "ann", answer: Any = None):
    """Talk to a server at a URL, as whoever `name` says."""
    peer = Peer(era, answer)
    headers = {"accept": "application/json, text/event-stream", "authorization": name, "mcp-protocol-version": era}

    async def post(client, message):
        named = {"mcp-method": message["method"]} if "method" in message else {}
        params = message.get("params", {})
        if era == STATELESS and (about := params.get("name") or params.get("taskId")):
            named["mcp-name"] = about
        try:
            async with client.stream("POST", url, json=message, headers=headers | named) as response:
                if (session := response.headers.get("mcp-session-id")) is not None:
                    headers["mcp-session-id"] = session
                async for line in response.aiter_lines():
                    text = line.removeprefix("data:").strip() if line.startswith("data:") else line
                    if text.startswith("{"):
                        peer.hear(json.loads(text))
        except httpx.HTTPError:
            peer.lose()

    async with httpx.AsyncClient(timeout=None, trust_env=False) as client, trio.open_nursery() as peer._nursery:

        async def send(message):
            if "id" in message and "method" in message:
                peer._nursery.start_soon(post, client, message)
            else:
                await post(client, message)

        peer._send = send
        await peer.introduce()
        yield peer
        peer._nursery.cancel_scope.cancel()
