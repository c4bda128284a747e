"""
What a check has in hand: the server, a conversation with it, and the task methods under short names.

Owns the reading of tasks: which members they must have, what their times are. Refuses to hold a requirement.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import trio
from task_conformance.requirement import Inapplicable
from task_conformance.talk import RELATED, Talk, Violation, shown

if TYPE_CHECKING:
    from task_conformance.manifest import Manifest, Tool
    from task_conformance.talk import Asked
    from task_conformance.target import Target
    from task_conformance.wires import JSON

STATUSES = ("working", "input_required", "completed", "failed", "cancelled")
TERMINAL = ("completed", "failed", "cancelled")
POLL = 0.02
"""Seconds between two polls of a check: short, to see every status; a server under judgment may not mind."""
TTL = 60_000
UNKNOWN = "786512e2-9e0d-44bd-8f29-789f820fe840"


class Case:
    """One check at work."""

    def __init__(self, target: Target, talk: Talk) -> None:
        self.target, self.talk = target, talk
        self.manifest: Manifest = target.manifest

    def within(self, talk: Talk) -> Case:
        """The same in another conversation."""
        return Case(self.target, talk)

    def tool(self, role: str) -> Tool:
        """The tool that plays this role."""
        return self.manifest.tools[role]

    def some(self, *roles: str) -> str:
        """The first of these roles that is played. Raises `Inapplicable`."""
        for role in roles:
            if role in self.manifest.tools:
                return role
        raise Inapplicable(f"no tool is {' or '.join(roles)}")

    def call_params(self, role: str, **more: Any) -> JSON:
        """Params of tools/call."""
        tool = self.tool(role)
        return {"name": tool.name, "arguments": tool.arguments, **more}

    async def plain(self, role: str) -> JSON:
        """Call it without a task."""
        return await self.talk.result("tools/call", self.call_params(role))

    async def create(self, role: str, ttl: int | None = TTL, **more: Any) -> JSON:
        """Call it as a task; the task as it was made."""
        wish = {} if ttl is None else {"ttl": ttl}
        return created(await self.talk.result("tools/call", self.call_params(role, task=wish, **more)))

    async def get(self, id: str) -> JSON:
        """Poll."""
        return await self.talk.result("tasks/get", {"taskId": id})

    async def payload(self, id: str) -> JSON:
        """The result, waited for."""
        return await self.talk.result("tasks/result", {"taskId": id})

    async def asked_payload(self, id: str) -> Asked:
        """Ask for the result and do not wait."""
        return await self.talk.start("tasks/result", {"taskId": id})

    async def cancel(self, id: str) -> JSON:
        """Cancel."""
        return await self.talk.result("tasks/cancel", {"taskId": id})

    async def tidy(self, id: str) -> None:
        """Cancel what is not needed any more, if the server can."""
        if not self.manifest.fragile and "cancel" in self.talk.capabilities.get("tasks", {}) and not self.talk.lost:
            asked = await self.talk.start("tasks/cancel", {"taskId": id})
            await self.talk.until(lambda: asked.answered, "no reply to tasks/cancel")

    async def status(self, id: str, *wanted: str) -> JSON:
        """Poll until the status is one of these. Raises `Violation` when it ends otherwise, or does not come."""
        seen: list[str] = []
        with trio.move_on_after(self.talk.patience):
            while True:
                task = await self.get(id)
                if task.get("status") in wanted:
                    return task
                if not seen or seen[-1] != task.get("status"):
                    seen.append(task["status"])
                if task.get("status") in TERMINAL:
                    break
                await trio.sleep(POLL)
        raise Violation(f"expected the status {' or '.join(wanted)}, saw {', '.join(seen)}")

    async def ended(self, id: str) -> JSON:
        """Fetch the result, which also lets questions come, and see that the task has ended."""
        asked = await self.asked_payload(id)
        await self.talk.until(lambda: asked.answered, "no reply to tasks/result")
        return await self.status(id, *TERMINAL)

    async def completed(self) -> str:
        """Some task that has completed; always the same in one conversation."""
        if "completed" not in self.talk.kept:
            task = await self.create(self.some("quick", "required", "brief"))
            await self.ended(task["taskId"])
            self.talk.kept["completed"] = task["taskId"]
        id: str = self.talk.kept["completed"]
        return id

    async def all_listed(self) -> list[JSON]:
        """Every task that tasks/list tells of, page after page. Raises `Inapplicable` where it is not offered."""
        if "list" not in self.talk.capabilities.get("tasks", {}):
            raise Inapplicable("the server does not declare tasks.list")
        tasks: list[JSON] = []
        params: JSON = {}
        for _ in range(1000):
            page = await self.talk.result("tasks/list", params)
            tasks += page["tasks"]
            if (cursor := page.get("nextCursor")) is None:
                return tasks
            if not isinstance(cursor, str):
                raise Violation(f"nextCursor must be a string, is {shown(cursor)}")
            params = {"cursor": cursor}
        raise Violation("tasks/list has no end: 1000 pages, and still a nextCursor")


def created(result: JSON) -> JSON:
    """The task of a CreateTaskResult. Raises `Violation` for anything else."""
    task = result.get("task")
    if not isinstance(task, dict):
        raise Violation(f"expected a CreateTaskResult, with `task`, got {shown(result)}")
    return regular(task, "CreateTaskResult")


def whole(task: JSON, where: str) -> JSON:
    """A task that has all it must have, in the right form. Raises `Violation`."""
    regular(task, where)
    if "ttl" not in task or not (task["ttl"] is None or is_count(task["ttl"])):
        raise Violation(f"{where}: ttl must be a number of milliseconds or null, is {shown(task.get('ttl', 'absent'))}")
    return task


def regular(task: JSON, where: str) -> JSON:
    """A task that has its id, status and times; its ttl is another requirement's. Raises `Violation`."""
    if not isinstance(task.get("taskId"), str) or not task["taskId"]:
        raise Violation(f"{where}: taskId must be a string, is {shown(task.get('taskId'))}")
    if task.get("status") not in STATUSES:
        raise Violation(f"{where}: status {shown(task.get('status'))} is none of {', '.join(STATUSES)}")
    begun, updated = moment(task, "createdAt", where), moment(task, "lastUpdatedAt", where)
    if (begun.tzinfo is None) == (updated.tzinfo is None) and updated < begun:
        raise Violation(f"{where}: lastUpdatedAt {task['lastUpdatedAt']} is before createdAt {task['createdAt']}")
    if "pollInterval" in task and not is_count(task["pollInterval"]):
        raise Violation(f"{where}: pollInterval must be a number of milliseconds, is {shown(task['pollInterval'])}")
    return task


def is_count(value: Any) -> bool:
    """A whole number that is not negative."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 and value == int(value)


def moment(task: JSON, name: str, where: str) -> datetime:
    """A time of a task. Raises `Violation` for what is no ISO 8601."""
    text = task.get(name)
    try:
        return datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise Violation(f"{where}: {name} must be a time in ISO 8601, is {shown(text)}") from None


def related(message: JSON) -> Any:
    """The id in a message's related-task, or None. Takes params or a result."""
    about = (message.get("_meta") or {}).get(RELATED)
    return about.get("taskId") if isinstance(about, dict) else None


def tools_capability(capabilities: JSON) -> Any:
    """`tasks.requests.tools.call`, or None."""
    found: Any = capabilities
    for name in ("tasks", "requests", "tools", "call"):
        found = found.get(name) if isinstance(found, dict) else None
    return found
