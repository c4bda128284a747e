"""A scripted server of either era with tasks that a test moves by hand, and the client under test."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import trio

from zcp_actors import Limit, ZCPClientSession, open_runtime
from zcp_actors.errors import InvalidParams, RPCError, ZCPError
from zcp_actors.testing import ScriptedServer, scripted_server

STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
TASKS = {
    STATEFUL: {"tools": {}, "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}},
    STATELESS: {"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}},
}
ENDED = ("completed", "failed", "cancelled")
DONE = {"content": [{"type": "text", "text": "done"}]}
FORM = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
ASK = {"method": "elicitation/create", "params": {"mode": "form", "message": "How many?", "requestedSchema": FORM}}
SAMPLE = {
    "method": "sampling/createMessage",
    "params": {"messages": [{"role": "user", "content": {"type": "text", "text": "?"}}], "maxTokens": 10},
}
FIVE = {"action": "accept", "content": {"n": 5}}


def iso(seconds):
    return (datetime(2026, 8, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


class ScriptedTask:
    """One task of the server."""

    def __init__(self, id, ttl=60_000, poll=1000):
        self.id, self.ttl, self.poll = id, ttl, poll
        self.status, self.message = "working", None
        self.created = self.updated = trio.current_time()
        self.questions, self.result, self.error = {}, None, None
        self.blocked = []
        """`tasks/result` requests that wait."""

    def brief(self, era):
        ttl, poll = ("ttl", "pollInterval") if era == STATEFUL else ("ttlMs", "pollIntervalMs")
        told = {"taskId": self.id, "status": self.status, "createdAt": iso(self.created)}
        told |= {"lastUpdatedAt": iso(self.updated), ttl: self.ttl, poll: self.poll}
        return told if self.message is None else {**told, "statusMessage": self.message}

    def detailed(self):
        more = {"inputRequests": self.questions} if self.status == "input_required" else {}
        more |= {"result": self.result} if self.status == "completed" else {}
        more |= {"error": self.error} if self.status == "failed" else {}
        return {**self.brief(STATELESS), **more}


class TaskServer:
    """What an honest server of tasks does unasked; a test may replace any of `peer.automatic`."""

    def __init__(self, era, **options):
        self.era, self.options = era, options
        self.tasks, self.polls, self.cancels, self.updates = {}, [], [], []
        self.fetches, self.listens = [], []
        self.peer = None
        self.automatic = {
            "tools/call": self._create,
            "tasks/create": self._create,
            "tasks/get": self._get,
            "tasks/cancel": self._cancel,
            **({"tasks/result": self._result} if era == STATEFUL else {"tasks/update": self._update}),
            **({} if era == STATEFUL else {"subscriptions/listen": self._listen}),
        }

    @property
    def task(self):
        (task,) = self.tasks.values()
        return task

    # ---- requests
    def _create(self, request):
        task = ScriptedTask(f"t{len(self.tasks) + 1}", **self.options)
        self.tasks[task.id] = task
        task.request = request
        return (
            {"task": task.brief(STATEFUL)} if self.era == STATEFUL else {"resultType": "task", **task.brief(self.era)}
        )

    def _known(self, request):
        return self.tasks.get(request["params"]["taskId"])

    def _get(self, request):
        task = self._known(request)
        self.polls.append((trio.current_time(), request["params"]["taskId"]))
        if task is None:
            return InvalidParams("no such task")
        return task.brief(STATEFUL) if self.era == STATEFUL else {"resultType": "complete", **task.detailed()}

    def _cancel(self, request):
        task = self._known(request)
        self.cancels.append(request["params"]["taskId"])
        if task is None:
            return InvalidParams("no such task")
        if self.era == STATELESS:
            if task.status not in ENDED:
                self.move(task, "cancelled", notify=False)
            return {"resultType": "complete"}
        if task.status in ENDED:
            return InvalidParams("it has ended")
        self.move(task, "cancelled", notify=False)
        return task.brief(STATEFUL)

    def _result(self, request):
        task = self._known(request)
        self.fetches.append(request["params"]["taskId"])
        if task is None:
            return InvalidParams("no such task")
        if task.status not in ENDED:
            task.blocked.append(request)
            return None
        return self._outcome(task)

    def _outcome(self, task):
        if task.error is not None:
            return RPCError(**task.error)
        if task.status == "cancelled":
            return InvalidParams("it was cancelled")
        return {**task.result, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": task.id}}}

    def _update(self, request):
        answers = request["params"]["inputResponses"]
        self.updates.append(answers)
        return {"resultType": "complete"}

    def _listen(self, request):
        wanted = request["params"]["notifications"]
        self.listens.append(wanted.get("taskIds", []))
        self.stream = request["id"]
        self.peer.notify("notifications/subscriptions/acknowledged", {"notifications": wanted}, stream=request["id"])

    # ---- what a test does
    def move(self, task, status, *, message=None, notify=True, questions=None, result=None, error=None):
        task.status, task.updated = status, trio.current_time()
        task.message = message or task.message
        task.questions = questions or {}
        task.result, task.error = result, error
        if status in ENDED:
            for request in task.blocked:
                outcome = self._outcome(task)
                if isinstance(outcome, RPCError):
                    self.peer.error(request, outcome.code, outcome.message, outcome.data)
                else:
                    self.peer.reply(request, outcome)
            task.blocked.clear()
        if notify:
            self.notify(task)

    def notify(self, task):
        if self.era == STATEFUL:
            self.peer.notify("notifications/tasks/status", task.brief(STATEFUL))
        elif any(task.id in ids for ids in self.listens[-1:]):
            self.peer.notify("notifications/tasks", task.detailed(), stream=self.stream)

    def end(self, task=None, result=None, *, notify=True):
        self.move(task or self.task, "completed", result=result or DONE, notify=notify)

    def fail(self, task=None, *, code=-32603, message="it broke"):
        self.move(task or self.task, "failed", message=message, error={"code": code, "message": message})


@asynccontextmanager
async def task_server(era, *, server=None, capabilities=None, **options):
    """`(client, server)`; `options` are the client's, and `ttl` and `poll` of its tasks in milliseconds."""
    wishes = {name: options.pop(name) for name in ("ttl", "poll") if name in options}
    server = server or TaskServer(era, **wishes)
    declared = TASKS[era] if capabilities is None else capabilities
    async with scripted_server(era, automatic=server.automatic, capabilities=declared, **options) as (client, peer):
        server.peer = peer
        yield client, server


@asynccontextmanager
async def linked(era, *, server=None, runtime=None, restart=Limit(), name="backend", **options):  # noqa: B008 - frozen
    """A supervised client whose connection can be dropped: `(client, server)`."""
    server = server or TaskServer(era)
    peer = server.peer = ScriptedServer(era, server.automatic, capabilities=TASKS[era], reconnects=True)
    async with open_runtime(**(runtime or {})) as hosting:
        client = ZCPClientSession(peer, era=era, name=name, **options)
        await hosting.connect(client, restart=restart)
        client.runtime = hosting
        yield client, server
        await client.close()


class Waiting:
    """Somebody waits for something in a task of its own."""

    def __init__(self, nursery, function, *arguments, **options):
        self.outcome, self.scope, self.end = None, trio.CancelScope(), trio.Event()
        nursery.start_soon(self._run, partial(function, *arguments, **options))

    async def _run(self, function):
        with self.scope:
            try:
                self.outcome = await function()
            except ZCPError as error:
                self.outcome = error
        self.end.set()

    @property
    def left(self):
        return self.end.is_set()


async def seen(handle, into):
    async for view in handle:
        into.append((view.status, view.status_message))
