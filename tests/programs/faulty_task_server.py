"""
A server with the tasks of 2025-11-25, over stdio, that makes exactly the mistake it is told to: `faulty_task_server.py
MISTAKE`; with "none" it makes none.

It has one tool for each role that the judge of tasks knows. What a mistake is, is where `wrong(...)` stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from datetime import UTC, datetime

MISTAKE = sys.argv[1]
RELATED = "io.modelcontextprotocol/related-task"
SUPPORT = {
    **dict.fromkeys(("quick", "slow", "asks", "samples", "fails", "raises", "reports"), "optional"),
    "required": "required",
    "forbidden": "forbidden",
    "running": "forbidden",
}
TERMINAL = ("completed", "failed", "cancelled")
NOT_FOUND, INVALID, INTERNAL = -32601, -32602, -32603
GOES_ON = ("the work goes on", "the end of the work undoes a cancel", "a late answer undoes a cancel")
PAGE, MOST, LONGEST = 10, 100, 3_600_000


def wrong(mistake):
    return mistake == MISTAKE


class Refused(Exception):
    def __init__(self, code, message="refused"):
        super().__init__(message)
        self.error = {"code": code, "message": message}


def send(**message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def now():
    return "yesterday" if wrong("times are no times") else datetime.now(UTC).isoformat()


def text(words, **more):
    return {"content": [{"type": "text", "text": words}], **more}


class Task:
    def __init__(self, params, id):
        self.params, self.id, self.polls = params, id, 0
        self.token = params.get("_meta", {}).get("progressToken")
        self.status = "input_required" if wrong("it begins otherwise") else "working"
        self.created = self.updated = now()
        self.message = self.outcome = self.work = None
        self.ended = asyncio.Event()
        wish = params["task"].get("ttl")
        self.ttl = wish if wrong("any ttl is granted") or wish is None else min(wish, LONGEST)

    def view(self):
        told = {"taskId": self.id, "status": self.status, "createdAt": self.created, "lastUpdatedAt": self.updated}
        if not wrong("the ttl is not told"):
            told["ttl"] = self.ttl
        if self.message:
            told["statusMessage"] = self.message
        return told

    def moved(self, status, message=None):
        if self.status in TERMINAL and not wrong("the end of the work undoes a cancel"):
            return
        self.status, self.message, self.updated = status, message, now()
        if status in TERMINAL:
            self.ended.set()
        told = {"taskId": self.id, "status": status} if wrong("news are not whole") else self.view()
        if wrong("news name the task twice"):
            told |= {"_meta": {RELATED: {"taskId": self.id}}}
        send(method="notifications/tasks/status", params=told)

    def related(self):
        return {} if wrong("nothing names its task") else {"_meta": {RELATED: {"taskId": self.id}}}

    def report(self, progress):
        if self.token is not None:
            params = {"progressToken": self.token, "progress": progress, **self.related()}
            send(method="notifications/progress", params=params)


class Server:
    def __init__(self):
        self.tasks, self.asked, self.calls = {}, {}, {}
        self.running = self.numbers = 0
        self.keep = set()

    # What tools do
    async def work(self, name, arguments, task):
        if name == "raises":
            raise Refused(-32050, "no such dish")
        if name == "slow":
            await self.slow(arguments["seconds"], task)
        if name == "running":
            return text(str(self.running))
        if name == "reports":
            await self.reports(task)
        if name in ("asks", "samples"):
            await self.ask(name, task)
        if name == "required":
            await asyncio.sleep(0.05)
            return text("required", isError=wrong("what requires a task fails as one"))
        return text(name, isError=name == "fails")

    async def slow(self, seconds, task):
        self.running += 1
        try:
            if task is not None:
                task.report(0.5)
            await asyncio.sleep(seconds)
        finally:
            self.running -= 1

    async def reports(self, task):
        for step in (1, 2, 3):
            await asyncio.sleep(0.03)
            if task is not None and not wrong("progress ends with the call"):
                task.report(1 if wrong("progress stands still") else step)

    async def ask(self, name, task):
        method = "elicitation/create" if name == "asks" else "sampling/createMessage"
        params = {} if task is None else task.related()
        if wrong("it asks by a task"):
            params["task"] = {}
        id = f"q{len(self.asked)}"
        self.asked[id] = asyncio.get_running_loop().create_future()
        if task is not None and not wrong("a task that asks is working"):
            task.moved("input_required")
        send(id=id, method=method, params={"message": "Shall we?", "requestedSchema": {}, **params})
        await asyncio.shield(self.asked[id]) if wrong("a late answer undoes a cancel") else await self.asked[id]
        if task is not None:
            task.moved("working")

    # Tasks
    def begin(self, params):
        at_work = sum(each.status not in TERMINAL for each in self.tasks.values())
        if at_work >= MOST and not wrong("there is no limit"):
            raise Refused(-32000, "too many")
        self.numbers += 1
        id = secrets.token_urlsafe(24)
        if wrong("ids can be guessed"):
            id = f"task-{self.numbers:032}"
        if wrong("ids are the same"):
            id = "task"
        if wrong("ids are the requestor's"):
            id = params["task"].get("taskId", id)
        task = self.tasks[id] = Task(params, id)
        task.work = self.soon(self.run(task))
        return task

    def soon(self, coroutine):
        job = asyncio.ensure_future(coroutine)
        self.keep.add(job)
        job.add_done_callback(self.keep.discard)
        return job

    async def run(self, task):
        await asyncio.sleep(0)
        name = task.params["name"]
        try:
            result = await self.work(name, task.params.get("arguments", {}), task)
        except Refused as error:
            task.outcome = {"error": {"code": INTERNAL, "message": "?"} if wrong("errors change") else error.error}
            task.moved("failed", "it was refused")
            return
        task.outcome = {"result": {**result, "extra": 1} if wrong("results change") else result}
        failed = result.get("isError") and not wrong("a failure completes")
        task.moved("failed" if failed else "completed", "cold" if failed and not wrong("nobody says why") else None)
        if wrong("progress goes on after the end"):
            await asyncio.sleep(0.1)
            task.report(9)

    def find(self, params, method):
        id = params.get("taskId")
        if wrong("related-task counts"):
            id = params.get("_meta", {}).get(RELATED, {}).get("taskId", id)
        if not isinstance(id, str) or not id:
            raise Refused(-32600 if wrong("no id is another error") else INVALID)
        task = self.tasks.get(id)
        if task is None:
            if wrong("a refusal forgets everything"):
                self.tasks.clear()
            raise Refused(INTERNAL if wrong("an unknown id is another error") else INVALID)
        if task.ttl is not None and self.age(task) > task.ttl / 1000:
            if wrong("what has expired is half there"):
                return task if method == "tasks/result" else self.find({"taskId": "gone"}, method)
            raise Refused(INVALID)
        return task

    def age(self, task):
        if wrong("times are no times"):
            return 0
        return (datetime.now(UTC) - datetime.fromisoformat(task.created)).total_seconds()

    # Methods
    async def answer(self, method, params):
        if wrong("anything becomes a task") and "task" in params and method in ("ping", "tools/list"):
            return {"task": Task(params, "t").view()}
        found = getattr(self, "do_" + method.replace("/", "_"), None)
        if found is None:
            raise Refused(NOT_FOUND)
        result = await found(params)
        if wrong("answers name the task") and method in ("tasks/get", "tasks/cancel", "tasks/list"):
            result = {**result, "_meta": {RELATED: {"taskId": params.get("taskId", "")}}}
        return result

    async def do_initialize(self, params):
        tasks = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
        if wrong("nothing is declared"):
            tasks = {"list": {}, "cancel": {}}
        info = {"name": "faulty", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "tasks": tasks}, "serverInfo": info}

    async def do_ping(self, params):
        return {}

    async def do_tools_list(self, params):
        schema = {"type": "object"}
        tools = [
            {"name": name, "inputSchema": schema, "execution": {"taskSupport": what}} for name, what in SUPPORT.items()
        ]
        return {"tools": tools}

    async def do_tools_call(self, params):
        support, augmented = SUPPORT[params["name"]], "task" in params
        if support == "forbidden" and augmented and not wrong("what forbids tasks becomes one"):
            raise Refused(NOT_FOUND)
        if support == "forbidden" and wrong("what forbids tasks cannot be called"):
            raise Refused(NOT_FOUND)
        if support == "required" and not augmented and not wrong("what requires a task runs without"):
            raise Refused(NOT_FOUND)
        if wrong("every call becomes a task") and support == "optional":
            params.setdefault("task", {})
        if "task" not in params or wrong("no call becomes a task"):
            return await self.work(params["name"], params.get("arguments", {}), None)
        task = self.begin(params)
        if wrong("a task is given at its end"):
            await task.ended.wait()
        return {"task": task.view()}

    async def do_tasks_get(self, params):
        task = self.find(params, "tasks/get")
        view = task.view()
        task.polls += 1
        if wrong("the end is not the end") and task.status in TERMINAL and task.polls % 2 == 0:
            view["status"] = "working"
        return view

    async def do_tasks_result(self, params):
        task = self.find(params, "tasks/result")
        if wrong("a result does not wait") and not task.ended.is_set():
            return {"content": [], **task.related()}
        if wrong("only one waits") and getattr(task, "awaited", False) and not task.ended.is_set():
            await asyncio.Event().wait()
        task.awaited = True
        await task.ended.wait()
        if task.status == "cancelled":
            if wrong("a cancel leaves waiters alone"):
                await asyncio.Event().wait()
            raise Refused(-32000, "cancelled")
        if wrong("a task is gone once its result was taken"):
            del self.tasks[task.id]
        if "error" in task.outcome or (wrong("a failure is an error") and task.status == "failed"):
            raise Refused(**task.outcome.get("error", {"code": INTERNAL}))
        result = task.outcome["result"] | ({"n": secrets.token_hex(2)} if wrong("results differ each time") else {})
        return {**result, **task.related()}

    async def do_tasks_list(self, params):
        tasks = list(self.tasks.values())
        if wrong("a task that works is not listed"):
            tasks = [task for task in tasks if task.status in TERMINAL]
        if wrong("everything is on one page"):
            return {"tasks": [task.view() for task in tasks]}
        cursor = params.get("cursor", "0")
        if not cursor.isdecimal():
            if not wrong("a cursor may be anything"):
                raise Refused(INVALID)
            cursor = "0"
        start = int(cursor)
        page = {"tasks": [task.view() for task in tasks[start : start + PAGE]]}
        step = PAGE + 1 if wrong("pages have gaps") else PAGE
        return page | ({"nextCursor": str(start + step)} if start + PAGE < len(tasks) else {})

    async def do_tasks_cancel(self, params):
        task = self.find(params, "tasks/cancel")
        if task.status in TERMINAL and not wrong("what has ended can be cancelled"):
            raise Refused(INVALID)
        if wrong("a cancel comes later"):
            self.soon(self.later(task))
            return task.view()
        task.moved("cancelled", "it was cancelled")
        if MISTAKE not in GOES_ON:
            task.work.cancel()
        if wrong("a late answer undoes a cancel"):
            self.soon(self.revived(task))
        if wrong("progress goes on after a cancel"):
            self.soon(self.progressed(task))
        return task.view()

    async def later(self, task):
        await asyncio.sleep(0.1)
        task.moved("cancelled")

    async def revived(self, task):
        with contextlib.suppress(IndexError):
            await list(self.asked.values())[-1]
            task.status = "working"

    async def progressed(self, task):
        await asyncio.sleep(0.1)
        task.report(5)

    # The wire
    async def take(self, message):
        if "method" not in message:
            self.asked[message["id"]].set_result(message)
        elif "id" in message:
            await self.reply(message)
        elif message["method"] == "notifications/cancelled" and wrong("a notification cancels a task"):
            for task in self.tasks.values():
                task.moved("cancelled")

    async def reply(self, message):
        try:
            send(id=message["id"], result=await self.answer(message["method"], message.get("params") or {}))
        except Refused as error:
            send(id=message["id"], error=error.error)

    async def serve(self):
        while line := await asyncio.to_thread(sys.stdin.readline):
            self.soon(self.take(json.loads(line)))


asyncio.run(Server().serve())
