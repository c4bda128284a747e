"""What tasks and the server of an app have to do with each other: sessions that stay, ends that wait for no task."""

from __future__ import annotations

from functools import partial

import httpx
import pytest
import trio
from network.http_site import modern, site

from zcp_actors import (
    FastZCP,
    HTTPConfig,
    ServerHandle,
    create_asgi_app,
    memory_client,
    open_runtime,
    serve_http,
    serve_websocket,
    streamable_http_client,
)
from zcp_actors.errors import StartFailed
from zcp_actors.tasks import SqliteTaskStore, default_task_file
from zcp_actors.transports.http.config import IDLE_SECONDS
from zcp_actors.transports.http.in_process import InProcessTransport
from zcp_actors.transports.http.service import FLUSH_SECONDS, GRACE_SECONDS

DECLARED = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


def lasting(gates):
    async def last() -> str:
        gates.enter()
        await gates.go.wait()
        return "lasted"

    return last


async def began(server, era):
    """One task of either generation at work; in the older one its session."""
    server.app.add_tool(lasting(server.gates), name="last", task="optional", task_after=0)
    if era == "2026-07-28":
        reply = await server.call("last", capabilities=DECLARED)
        assert reply.json()["result"]["resultType"] == "task"
        session = None
    else:
        session = await server.session()
        params = {"name": "last", "arguments": {}, "task": {}}
        assert "task" in (await session.post(id=1, method="tools/call", params=params)).json()["result"]
    await server.gates.until(entered=1)
    return session


async def test_a_session_with_a_task_that_has_not_ended_does_not_expire(autojump_clock):
    """MCP 2025-11-25, tasks: a requestor that only waits is told in the session that made the task."""
    async with site() as server:
        session = await began(server, "2025-11-25")
        await trio.sleep(3 * IDLE_SECONDS)
        assert (await session.post(id=2, method="ping")).status_code == 200

        await trio.sleep(3 * IDLE_SECONDS)
        server.gates.go.set()
        await trio.sleep(3 * IDLE_SECONDS)
        assert (await session.post(id=3, method="ping")).status_code == 404


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_an_ending_server_waits_for_calls_and_not_for_tasks(era, autojump_clock):
    async with site() as server:
        await began(server, era)
        await server.asgi.drain(GRACE_SECONDS)
        assert trio.current_time() < FLUSH_SECONDS


# ------------------------------------------------------------------------------------------------ taking up
class Left:
    """An app, and a task of it that a runtime which is gone left behind in a file."""

    def __init__(self, path) -> None:
        self.path = path
        self.app = FastZCP("left")
        self.runs = 0
        self.again = trio.Event()
        self.app.add_tool(self.last, task="optional", task_after=0)

    async def last(self) -> str:
        self.runs += 1
        self.again.set()
        if self.runs == 1:
            await trio.sleep_forever()
        return "lasted"

    async def leave(self) -> None:
        async with SqliteTaskStore(self.path) as store, open_runtime(grace=1) as runtime:
            asgi = create_asgi_app(ServerHandle(self.app, task_store=store), runtime=runtime)
            request = modern("tools/call", {"name": "last", "arguments": {}}, name="last", capabilities=DECLARED)
            transport = InProcessTransport(runtime, asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
                await http.post("/mcp", **request)
            await self.again.wait()
        self.again = trio.Event()


async def over_http(runtime, handle, nursery):
    await nursery.start(partial(serve_http, runtime, handle, port=0, signals=False))


async def over_websocket(runtime, handle, nursery):
    await nursery.start(partial(serve_websocket, runtime, handle, port=0, signals=False))


async def at_start_up(runtime, handle, nursery):
    await told_to_start(create_asgi_app(handle, runtime=runtime), nursery)


async def mounted(runtime, handle, nursery):
    """Nobody tells it of a start-up; the first request is about something else."""
    transport = InProcessTransport(runtime, create_asgi_app(handle, runtime=runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
        assert (await http.post("/mcp", **modern("tools/list"))).status_code == 200


async def told_to_start(asgi, nursery):
    """Play the server of an ASGI application that starts; what it is told."""
    said, heard = trio.open_memory_channel(1)
    told, start = trio.open_memory_channel(1)
    await told.send({"type": "lifespan.startup"})
    nursery.start_soon(asgi, {"type": "lifespan"}, start.receive, said.send)
    return await heard.receive()


@pytest.mark.parametrize("serve", [over_http, over_websocket, at_start_up, mounted])
async def test_a_server_takes_up_the_tasks_that_an_earlier_one_left(serve, tmp_path):
    with trio.fail_after(30):
        left = Left(tmp_path / "tasks.sqlite3")
        await left.leave()
        async with (
            SqliteTaskStore(left.path) as store,
            open_runtime(grace=1) as runtime,
            trio.open_nursery() as nursery,
        ):
            await serve(runtime, ServerHandle(left.app, task_store=store), nursery)
            await left.again.wait()
            nursery.cancel_scope.cancel()

    assert left.runs == 2


async def test_an_app_that_was_joined_in_process_before_keeps_what_it_serves_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ZCP_ACTORS_STATE_DIR", str(tmp_path))
    app = FastZCP("both")
    app.add_tool(lambda: "done", name="work", task="required")
    file = default_task_file("both", {"ZCP_ACTORS_STATE_DIR": str(tmp_path)})
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime, memory_client(app) as client:
            assert (await client.call_tool("work")).content[0].text == "done"
            assert not file.exists()
            async with trio.open_nursery() as nursery:
                (url,) = await nursery.start(partial(serve_http, runtime, app, port=0, signals=False))
                async with streamable_http_client(url) as visitor:
                    id = (await visitor.call_tool_as_task("work")).id
                nursery.cancel_scope.cancel()
        async with SqliteTaskStore(file) as store:
            assert [each.id for each in await store.page("both", "", None, 10)] == [id]


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A served app whose file of tasks is none."""
    monkeypatch.setenv("ZCP_ACTORS_STATE_DIR", str(tmp_path))
    file = default_task_file("broken", {"ZCP_ACTORS_STATE_DIR": str(tmp_path)})
    file.parent.mkdir(mode=0o700)
    file.write_text("this is no database" * 1000)
    file.chmod(0o600)
    app = FastZCP("broken")
    app.add_tool(lambda: "done", name="work", task="optional")
    return app


@pytest.mark.parametrize("serve", [over_http, over_websocket])
async def test_a_server_whose_tasks_cannot_be_kept_does_not_start(serve, broken):
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
            with pytest.raises(StartFailed, match=r"tasks\.sqlite3 cannot be opened"):
                await serve(runtime, broken, nursery)


async def test_an_application_whose_tasks_cannot_be_kept_fails_at_its_start_up(broken, caplog):
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            told = await told_to_start(create_asgi_app(broken), nursery)

    assert told["type"] == "lifespan.startup.failed"
    assert "tasks.sqlite3 cannot be opened" in told["message"]
    assert caplog.text == "", "whoever is told need not read it in the log"


async def test_a_mounted_application_whose_tasks_cannot_be_kept_says_so_in_the_log_and_serves_the_rest(
    broken, caplog, monkeypatch
):
    told = trio.Event()
    monkeypatch.setattr(caplog.handler, "emit", lambda record, emit=caplog.handler.emit: (emit(record), told.set()))
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime:
            transport = InProcessTransport(runtime, create_asgi_app(broken, HTTPConfig(), runtime=runtime))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
                assert (await http.post("/mcp", **modern("tools/list"))).status_code == 200
                call = modern("tools/call", {"name": "work", "arguments": {}}, name="work")
                assert (await http.post("/mcp", **call)).json()["result"]["content"][0]["text"] == "done"
                await told.wait()

    assert "cannot be taken up: " in caplog.text
    assert "tasks.sqlite3 cannot be opened" in caplog.text
    assert "Traceback" not in caplog.text
