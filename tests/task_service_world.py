"""
One app with tasks in one runtime, clients of either era played by the test, and the check that nothing is left.

An app is built of plain handlers (`tasked`); `Stage` gives a test a hold on a handler that runs. Whatever a test does,
`task_world` ends with an empty service: no task, no follower, no question on its way, nobody in the queue.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors import FastZCP, ServerHandle, open_runtime
from zcp_actors.errors import RPCError
from zcp_actors.ports import NullRecorder
from zcp_actors.testing import scripted_client

STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
RELATED = "io.modelcontextprotocol/related-task"
EXTENSION = "io.modelcontextprotocol/tasks"
WITH_TASKS = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "extensions": {EXTENSION: {}}}
WITHOUT_TASKS = {"sampling": {}, "elicitation": {"form": {}}}
YES = {"action": "accept", "content": {}}
SAID = {"role": "assistant", "content": {"type": "text", "text": "said"}, "model": "m"}
OVER = ("completed", "failed", "cancelled")


class Heard(NullRecorder):
    """A recorder that keeps what moved."""

    enabled = True

    def __init__(self) -> None:
        self.moves: list[tuple[str, str, str, str, dict[str, Any]]] = []

    def transition(self, subject: str, path: str, old: str, new: str, **facts: Any) -> None:
        self.moves.append((subject, path, old, new, facts))

    def of(self, subject: str) -> list[tuple[str, str]]:
        return [(old, new) for each, _, old, new, _ in self.moves if each == subject]

    def facts(self, subject: str) -> list[dict[str, Any]]:
        return [facts for each, *_, facts in self.moves if each == subject]


class Stage:
    """What a handler of a test tells of itself, and waits for."""

    def __init__(self) -> None:
        self.entered: list[Any] = []
        self.left: list[str] = []
        self.go = trio.Event()
        self._moved = trio.lowlevel.ParkingLot()

    async def play(self, name: Any = "", *, result: Any = "done") -> Any:
        self.entered.append(name)
        self._moved.unpark_all()
        how = "cancelled"
        try:
            await self.go.wait()
            how = "done"
        finally:
            self.left.append(how)
            self._moved.unpark_all()
        return result

    async def until(self, *, entered: int = 0, left: int = 0) -> None:
        with trio.fail_after(60):
            while len(self.entered) < entered or len(self.left) < left:
                await self._moved.park()


def tasked(handler: Any, name: str = "App", **options: Any) -> FastZCP:
    """An app whose tool "work" is a task at once for everybody who may have one."""
    app = FastZCP(name, task_limits=options.pop("limits", None))
    options = {"task": "optional", **options}
    if options["task"] == "optional":
        options.setdefault("task_after", 0)
    app.tool(name="work", **options)(handler)
    return app


@attrs.define
class World:
    runtime: Any
    app: FastZCP
    heard: Heard

    @property
    def service(self) -> Any:
        (service,) = self.runtime.task_services.values()
        return service

    def client(self, era: str, *, principal: str = "", capabilities: Any = None, automatic: Any = None, **more: Any):
        handle = ServerHandle(self.app, principal=principal, **more)
        capabilities = WITH_TASKS if capabilities is None else capabilities
        return scripted_client(handle, era, automatic=automatic, capabilities=capabilities)

    async def rest(self) -> None:
        """Let everything come to rest."""
        await wait_all_tasks_blocked()


@asynccontextmanager
async def task_world(app: FastZCP, *, cut: bool = False, **runtime: Any):
    """A runtime that serves `app`. Everything about tasks is over when it ends, unless it is `cut` short."""
    heard = Heard()
    async with open_runtime(grace=1.0, recorder=heard, **runtime) as hosting:
        world = World(hosting, app, heard)
        yield world
        await wait_all_tasks_blocked()
        for service in () if cut else hosting.task_services.values():
            assert_quiet(service)
        of_tasks = ("-server-", "/task-", "/call-", "/expiring")
        left = [node.path for node in hosting.tree().walk() if any(name in node.path for name in of_tasks)]
        assert cut or left == []
        assert cut or len(hosting.timers) == 0
        assert [letter.message for letter in hosting.dead_letters] == []
    for service in hosting.task_services.values():
        assert_quiet(service)


def assert_quiet(service: Any) -> None:
    """No task runs or waits, nobody follows one, and no question of one is on its way."""
    assert service.cells == {}
    assert len(service.followers) == 0
    assert service.asking == {}
    assert service._running == 0
    assert not service._turn
    assert len(service.sessions) == 0


# ---- what a client does, in the words of its era
def work(arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": "work", "arguments": arguments or {}, **more}


async def create(client: Any, arguments: Any = None, *, task: Any = None, meta: Any = None) -> dict[str, Any]:
    """Make a task of "work"; what the answer says of it."""
    more = {} if meta is None else {"_meta": meta}
    if client.stateless:
        answer = await client.ask("tools/call", work(arguments, **more))
        assert answer["resultType"] == "task", answer
        return answer
    answer = await client.ask("tools/call", work(arguments, task=task or {}, **more))
    return answer["task"]


async def get(client: Any, id: str) -> dict[str, Any]:
    return await client.ask("tasks/get", {"taskId": id})


async def status_of(client: Any, id: str) -> str:
    return (await get(client, id))["status"]


async def until(client: Any, id: str, *statuses: str) -> dict[str, Any]:
    """Poll until the task has one of these statuses; by default, has ended."""
    with trio.fail_after(1000):
        while True:
            task = await get(client, id)
            if task["status"] in (statuses or OVER):
                return task
            await trio.sleep(0.05)


async def cancel(client: Any, id: str) -> None:
    """Cancel a task if it has not ended."""
    try:
        await client.ask("tasks/cancel", {"taskId": id})
    except RPCError:
        return


async def refusal(awaiting: Any) -> RPCError:
    """The error that a request is answered with."""
    try:
        got = await awaiting
    except RPCError as error:
        return error
    raise AssertionError(f"expected an error, got {got}")


def text_of(result: Any) -> str:
    return result["content"][0]["text"]
