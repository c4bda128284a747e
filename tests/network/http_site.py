"""A server to be visited: an app behind the real ASGI code, without sockets, and the shapes of requests to it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import attrs
import httpx
import trio

from zcp_actors import Context, FastZCP, ServerHandle, open_runtime
from zcp_actors.transports.http.app import create_asgi_app
from zcp_actors.transports.http.config import HTTPConfig
from zcp_actors.transports.http.in_process import InProcessTransport
from zcp_actors.transports.http.sse import EventParser

BOTH = {"accept": "application/json, text/event-stream"}
META = "io.modelcontextprotocol/"


@attrs.define
class Approval:
    ok: bool = True


class Gates:
    """What the tools of a test tell of themselves, and wait for."""

    def __init__(self) -> None:
        self.began = trio.Event()
        self.go = trio.Event()
        self.entered = 0
        self.ended: list[str] = []
        self._moved = trio.lowlevel.ParkingLot()

    def enter(self) -> None:
        self.entered += 1
        self.began.set()
        self._moved.unpark_all()

    def leave(self, how: str) -> None:
        self.ended.append(how)
        self._moved.unpark_all()

    async def until(self, *, entered: int = 0, ended: int = 0) -> None:
        """Wait until so many calls have come to the gate, and left it."""
        while self.entered < entered or len(self.ended) < ended:
            await self._moved.park()


def stage(gates: Gates) -> FastZCP:  # noqa: C901 - a list of tools
    """One app with a tool for each way a call can go."""
    app = FastZCP("Stage")

    @app.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @app.tool
    async def report(count: int, ctx: Context) -> str:
        for step in range(count):
            await ctx.progress(step + 1, count)
        return "reported"

    @app.tool
    async def chatter(count: int, ctx: Context) -> str:
        for step in range(count):
            await ctx.info(f"line {step}")
        return "said"

    @app.tool
    async def gate(ctx: Context, name: str = "gate") -> str:
        gates.enter()
        try:
            await gates.go.wait()
        except trio.Cancelled:
            gates.leave("cancelled")
            raise
        gates.leave("done")
        return f"{name} passed"

    @app.tool
    async def told_gate(ctx: Context) -> str:
        await ctx.progress(1)
        return await gate(ctx)

    @app.tool
    async def let_go(ctx: Context) -> str:
        ctx.close_stream()
        await gates.go.wait()
        return "after all"

    @app.tool
    async def approve(ctx: Context) -> str:
        answer = await ctx.elicit("Sure?", Approval)
        return f"{answer.action} {answer.data.ok if answer.accepted else ''}".strip()

    @app.tool
    async def draft(ctx: Context) -> str:
        message = await ctx.sample("Write", max_tokens=5)
        return message.content.text

    @app.tool
    async def who(ctx: Context) -> str:
        return ctx.principal

    @app.tool
    async def huge(size: int) -> str:
        return "x" * size

    @app.tool(input_schema=MIRRORING)
    async def mirrored(region: str | None = None, limit: int | None = None) -> str:
        return f"{region} {limit}"

    @app.resource("memo://one")
    async def one() -> str:
        return "1"

    return app


MIRRORING = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "limit": {"type": "integer", "x-mcp-header": "Limit"},
    },
}


class Site:
    def __init__(self, runtime, asgi, app, gates) -> None:
        self.runtime, self.asgi, self.app, self.gates = runtime, asgi, app, gates
        transport = InProcessTransport(runtime, asgi)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", timeout=None)

    # 2026-07-28
    async def new(self, method, params=None, *, headers=None, name=None, **more):
        return await self.http.post("/mcp", **modern(method, params, headers=headers, name=name, **more))

    def call(self, tool, arguments=None, **more):
        return self.new("tools/call", {"name": tool, "arguments": arguments or {}}, name=tool, **more)

    def stream(self, tool, arguments=None, **more):
        request = modern("tools/call", {"name": tool, "arguments": arguments or {}}, name=tool, **more)
        return self.http.stream("POST", "/mcp", **request)

    # 2025-11-25
    async def session(self, capabilities=None, headers=None) -> Session:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities or {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        reply = await self.http.post("/mcp", json=message, headers={**BOTH, **(headers or {})})
        assert reply.status_code == 200, reply.text
        session = Session(self.http, {**BOTH, **(headers or {}), "mcp-session-id": reply.headers["mcp-session-id"]})
        assert (await session.post(method="notifications/initialized")).status_code == 202
        return session


def modern(method, params=None, *, id=1, headers=None, name=None, meta=None, capabilities=None, without=()):
    known = {
        f"{META}protocolVersion": "2026-07-28",
        f"{META}clientCapabilities": capabilities or {},
        **(meta or {}),
    }
    head = {**BOTH, "mcp-protocol-version": "2026-07-28", "mcp-method": method}
    if name is not None:
        head["mcp-name"] = name
    head = {key: value for key, value in {**head, **(headers or {})}.items() if key not in without}
    body = {"jsonrpc": "2.0", "method": method, "params": {**(params or {}), "_meta": known}}
    return {"json": {**body, "id": id} if id is not None else body, "headers": head}


class Session:
    def __init__(self, http, headers) -> None:
        self.http, self.headers = http, headers

    async def post(self, headers=None, **message):
        return await self.http.post(
            "/mcp", json={"jsonrpc": "2.0", **message}, headers={**self.headers, **(headers or {})}
        )

    def call(self, id, tool, arguments=None, **meta):
        return self.post(id=id, method="tools/call", params=call_params(tool, arguments, meta))

    def stream(self, id, tool, arguments=None, **meta):
        message = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call_params(tool, arguments, meta)}
        return self.http.stream("POST", "/mcp", json=message, headers=self.headers)

    def listen(self, last=None):
        more = {} if last is None else {"last-event-id": last}
        return self.http.stream("GET", "/mcp", headers={**self.headers, **more})

    async def delete(self):
        return await self.http.delete("/mcp", headers=self.headers)


def call_params(tool, arguments, meta):
    params = {"name": tool, "arguments": arguments or {}}
    return {**params, "_meta": meta} if meta else params


class Events:
    """The events of an open response, one at a time."""

    def __init__(self, response) -> None:
        # httpx wraps it into generators, which complain when they are not read to their end.
        self._chunks = aiter(response.stream._stream)
        self._parser = EventParser(1 << 24)
        self._ready: list = []
        self.last = None
        self.retry = None

    async def next(self):
        """The next message; None at the end of the stream."""
        while True:
            while self._ready:
                event = self._ready.pop(0)
                self.last = event.id or self.last
                self.retry = event.retry or self.retry
                if event.data:
                    return json.loads(event.data)
            try:
                self._ready = self._parser.feed(await anext(self._chunks))
            except StopAsyncIteration:
                return None

    async def rest(self):
        messages = []
        while (message := await self.next()) is not None:
            messages.append(message)
        return messages


@asynccontextmanager
async def site(*, handle=None, **options):
    """A stage to be visited. No test waits for ever, unless its clock is virtual and jumps there."""
    gates = Gates()
    app = stage(gates)
    virtual = hasattr(trio.lowlevel.current_clock(), "autojump_threshold")
    with trio.fail_after(1e6 if virtual else 30):
        async with open_runtime(grace=1) as runtime:
            asgi = create_asgi_app(ServerHandle(app, **(handle or {})), HTTPConfig(**options), runtime=runtime)
            visited = Site(runtime, asgi, app, gates)
            async with visited.http:
                yield visited
