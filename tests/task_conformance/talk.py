"""
One conversation with a server that is judged, in plain JSON-RPC of 2025-11-25.

Owns the handshake, ids, and who gets which reply; answers what the server asks, unless a check holds it back.
Everything that came is kept in the order it came. Refuses to judge: a reply is a reply.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio
from task_conformance.wires import JSON, Sent, Unreachable, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = "2025-11-25"
RELATED = "io.modelcontextprotocol/related-task"
PATIENCE = 10.0
"""Seconds to wait for anything that must come; a server that needs longer for a poll does not work."""

START_SECONDS = 20.0
"""The same for the first reply: a process has to start, perhaps on a machine that is busy."""

CAPABILITIES: JSON = {"elicitation": {"form": {}}, "sampling": {}}
"""What the judge can do for a server. It is no receiver of tasks."""
ANSWERS: dict[str, JSON] = {
    "elicitation/create": {"action": "accept", "content": {"answer": "yes"}},
    "sampling/createMessage": {"role": "assistant", "content": {"type": "text", "text": "short"}, "model": "judge"},
    "roots/list": {"roots": []},
    "ping": {},
}


class Violation(Exception):
    """The server does not do what the requirement says; the message says what it did."""


class Refused(Exception):
    """A request was answered with an error."""

    def __init__(self, error: JSON) -> None:
        super().__init__(f"error {error.get('code')}: {error.get('message')}")
        self.code: Any = error.get("code")
        self.error = error


@attrs.define(eq=False)
class Asked:
    """A request of ours, and its reply when there is one."""

    request: JSON
    sent: Sent | None = None
    reply: JSON | None = None

    @property
    def answered(self) -> bool:
        """There is a reply."""
        return self.reply is not None


class Talk:
    """A conversation. Made by `target`."""

    def __init__(self, kind: str, patience: float = PATIENCE) -> None:
        """`patience`: seconds to wait for anything that must come."""
        self.kind, self.patience = kind, patience
        self.heard: list[JSON] = []
        """Everything that came, in order."""
        self.capabilities: JSON = {}
        """The server's."""
        self.methods: set[str] = set()
        """Of the requests that were sent."""
        self.lost = False
        self.kept: dict[str, Any] = {}
        """What checks share: tasks that have ended and are only looked at."""
        self._wire: Wire | None = None
        self._nursery: trio.Nursery | None = None
        self._ids = itertools.count(1)
        self._asked: dict[Any, Asked] = {}
        self._held: list[tuple[str, list[JSON]]] = []
        self._news = trio.Event()

    # What the wire says
    def hear(self, message: JSON) -> None:
        """Take one message."""
        self.heard.append(message)
        if "method" not in message:
            asked = self._asked.get(message.get("id"))
            if asked is not None and asked.reply is None:
                asked.reply = message
        elif "id" in message:
            self._questioned(message)
        self._wake()

    def gone(self) -> None:
        """The connection has ended."""
        self.lost = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _questioned(self, question: JSON) -> None:
        for method, questions in self._held:
            if question["method"] == method:
                questions.append(question)
                return
        if question["method"] in ANSWERS:
            self._soon({"id": question["id"], "result": ANSWERS[question["method"]]})
        else:
            self._soon({"id": question["id"], "error": {"code": -32601, "message": "the judge does not do that"}})

    def _soon(self, message: JSON) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(self._quietly, message)

    async def _quietly(self, message: JSON) -> None:
        try:
            await self._send(message)
        except Unreachable:
            self.gone()

    # What a check does
    async def begin(self, wire: Wire, nursery: trio.Nursery, capabilities: JSON) -> None:
        """Introduce ourselves."""
        self._wire, self._nursery = wire, nursery
        hello = {"protocolVersion": VERSION, "capabilities": capabilities, "clientInfo": {"name": "j", "version": "1"}}
        patience, self.patience = self.patience, max(self.patience, START_SECONDS)
        try:
            result = await self.result("initialize", hello)
        except Refused as refusal:
            raise Unreachable(f"initialize was answered with {refusal}") from refusal
        if result.get("protocolVersion") != VERSION:
            raise Unreachable(f"the server does not speak {VERSION}: {result.get('protocolVersion')}")
        self.patience = patience
        self.capabilities = result.get("capabilities", {})
        await self.notify("notifications/initialized")

    async def _send(self, message: JSON) -> Sent:
        if self.lost or self._wire is None:
            raise Unreachable("the server has closed the connection")
        return await self._wire.send({"jsonrpc": "2.0", **message})

    async def notify(self, method: str, params: JSON | None = None) -> None:
        """Send a notification."""
        await self._send({"method": method} | ({} if params is None else {"params": params}))

    async def start(self, method: str, params: JSON | None = None) -> Asked:
        """Send a request and do not wait for its reply."""
        request = {"id": next(self._ids), "method": method} | ({} if params is None else {"params": params})
        asked = self._asked[request["id"]] = Asked(request)
        self.methods.add(method)
        asked.sent = await self._send(request)
        return asked

    async def reply(self, asked: Asked) -> JSON:
        """Wait for its result. Raises `Refused` for an error, `Violation` for silence."""
        await self.until(lambda: asked.answered, f"no reply to {asked.request['method']}")
        assert asked.reply is not None
        if "error" in asked.reply:
            raise Refused(asked.reply["error"])
        result: JSON = asked.reply["result"]
        return result

    async def result(self, method: str, params: JSON | None = None) -> JSON:
        """Ask, and wait for the result. Raises `Refused`."""
        return await self.reply(await self.start(method, params))

    async def refusal(self, method: str, params: JSON | None = None) -> Refused:
        """Ask for what must be refused."""
        try:
            result = await self.result(method, params)
        except Refused as refused:
            return refused
        raise Violation(f"{method} {shown(params)} was not refused but answered with {shown(result)}")

    async def until(self, claim: Callable[[], Any], otherwise: str) -> None:
        """Wait until it holds. Raises `Violation`."""
        with trio.move_on_after(self.patience):
            while not claim():
                if self.lost:
                    raise Violation(f"{otherwise}: the server has closed the connection")
                await self._news.wait()
            return
        raise Violation(f"{otherwise} within {self.patience:g} s")

    @contextmanager
    def holding(self, method: str) -> Iterator[list[JSON]]:
        """Leave the server's requests of this method to the check; they are collected here."""
        questions: list[JSON] = []
        self._held.append((method, questions))
        try:
            yield questions
        finally:
            self._held.remove((method, questions))
            for question in questions:
                if "answered" not in question:
                    self._soon({"id": question["id"], "result": ANSWERS[method]})

    async def answer(self, question: JSON, result: JSON | None = None) -> None:
        """Answer a question that was held back."""
        question["answered"] = True
        await self._send({"id": question["id"], "result": ANSWERS[question["method"]] if result is None else result})

    def notified(self, method: str, since: int = 0) -> list[JSON]:
        """The params of all notifications of this method, from a position in `heard` on."""
        return [each.get("params", {}) for each in self.heard[since:] if each.get("method") == method]


def shown(value: Any) -> str:
    """A value in an error, not too long."""
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"
