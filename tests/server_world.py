"""
A host of a server automaton without tasks: it performs effects at once and keeps account of what was promised.

What a real host does later (a handler that unwinds after a cancel) is an event of its own here, so that every order of
events can be tried. The rules that hold in every order are asserted where they could be broken; `settle_all` lets
everything come to its end.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from zcp_actors.errors import CallEnding, RPCError
from zcp_actors.protocol.effects import Answer, Arm, Cancel, Open, Seal, Send, Start, Suspend
from zcp_actors.protocol.questions import Question
from zcp_actors.protocol.serving import Phase
from zcp_actors.protocol.stateful_server import StatefulServer
from zcp_actors.protocol.stateless_server import StatelessServer
from zcp_actors.wire import (
    CallToolResult,
    ElicitRequestFormParams,
    ErrorResponse,
    Implementation,
    InputRequiredResult,
    Notification,
    Request,
    Response,
    ServerCapabilities,
    TextContent,
    from_wire,
    to_wire,
)
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION

CAPABILITIES = {"tools": {"listChanged": True}, "resources": {"subscribe": True}, "logging": {}}
CAN_ANSWER = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}


class World:
    """A profile."""

    instructions = None

    def implementation(self) -> Implementation:
        return Implementation(name="world", version="1")

    def capabilities(self) -> ServerCapabilities:
        return from_wire(ServerCapabilities, CAPABILITIES)


profile = World()


def meta(**more: Any) -> dict[str, Any]:
    """What every request of 2026-07-28 says of its sender."""
    return {
        PROTOCOL_VERSION: "2026-07-28",
        CLIENT_INFO: {"name": "client", "version": "1"},
        CLIENT_CAPABILITIES: CAN_ANSWER,
        **more,
    }


def initialize(id: int | str = 0, version: str = "2025-11-25", capabilities: Any = CAN_ANSWER) -> Request:
    info = {"name": "client", "version": "1"}
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
    return Request(id, "initialize", params)


def result(text: str = "done") -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])


def form(message: str) -> ElicitRequestFormParams:
    return ElicitRequestFormParams(message=message, requested_schema={"type": "object", "properties": {}})


@attrs.define(eq=False)
class Run:
    """One run of a handler. It is told its end (`told`) before it can unwind."""

    call: Any
    script: list[str]
    told: str | None = None
    slots: dict[str, list[Any]] = attrs.Factory(dict)
    """Message -> what its asker was answered; empty while it waits."""
    keys: dict[str, str] = attrs.Factory(dict)
    progress: float = 0

    def left(self) -> list[str]:
        return [message for message in self.script if message not in self.slots]

    def waiting(self) -> list[str]:
        return [message for message, got in self.slots.items() if not got]


class ServerWorld:
    """Events in, account kept."""

    def __init__(self, server: StatefulServer | StatelessServer) -> None:
        self.server = server
        self.runs: dict[int, Run] = {}
        self.armed: list[Any] = []
        self.sent: list[Any] = []
        self.replies: dict[Any, list[Any]] = {}
        self.cancelled: set[Any] = set()
        self.questions: dict[Any, str] = {}
        """2025: id of a question in flight -> its message."""
        self.over: list[Any] = []
        """2025: ids of questions that were answered or withdrawn."""
        self.scripts: dict[Any, list[str]] = {}
        self.retries: list[tuple[Any, InputRequiredResult]] = []
        self.reported: dict[Any, list[float]] = {}
        self.closed = False
        self.numbers = 0

    # ---- the host
    def perform(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case Send(message, call):
                    self._sent(message, call)
                case Start(call):
                    assert call.number not in self.runs, "two runs of one call at once"
                    self.runs[call.number] = Run(call, self.scripts[call.id])
                case Cancel(call, _) if call.number in self.runs:
                    self.runs[call.number].told = "cancelled"
                case Suspend(call):
                    run = self.runs[call.number]
                    assert run.told is None, "a run was ended twice"
                    run.told = "suspended"
                case Answer(slot, outcome):
                    assert slot == [], "an asker was answered twice"
                    slot.append(outcome)
                case Arm(call, _):
                    self.armed.append(call)
                case Open(call, state):
                    self.perform(self.server.opened(call, json.loads(state), "nonce"))
                case Seal(call):
                    self.perform(self.server.sealed(call, json.dumps(dumped(call))))

    def _sent(self, message: Any, call: Any) -> None:
        self.sent.append(message)
        assert not self.closed, "something was sent after the end"
        if isinstance(message, Response | ErrorResponse):
            self.replies.setdefault(message.id, []).append(message)
            if isinstance(getattr(message, "result", None), InputRequiredResult):
                self.retries.append((message.id, message.result))
            return
        if isinstance(message, Request):
            assert message.id not in self.questions, "an id of a question was used twice"
            assert message.id not in self.over, "an id of a question was used twice"
            self.questions[message.id] = message.params.message
        elif message.method == "notifications/cancelled":
            assert message.params.request_id in self.questions, "a question was withdrawn that was not in flight"
            del self.questions[message.params.request_id]
            self.over.append(message.params.request_id)
            return  # what a cancelled call asked is withdrawn under its id
        elif message.method == "notifications/progress":
            reports = self.reported.setdefault(message.params.progress_token, [])
            assert not reports or message.params.progress > reports[-1], "progress did not rise"
            reports.append(message.params.progress)
        if call is not None:
            assert call not in self.cancelled, f"{message} was sent for a cancelled call"
            assert call not in self.replies, f"{message} was sent for an answered call"

    # ---- events of the client
    def call(self, script: list[str]) -> None:
        self.numbers += 1
        self._request(f"call-{self.numbers}", script, {})

    def _request(self, id: Any, script: list[str], more: dict[str, Any]) -> None:
        self.scripts[id] = script
        params = {"name": "tool", "arguments": {}, "_meta": meta(progressToken=id), **more}
        self.perform(self.server.received(Request(id, "tools/call", params)))

    def retry(self, index: int, answers: int) -> None:
        """Answer some of what an `input_required` result asks, add what nobody asked, and send it again."""
        old, asked = self.retries.pop(index)
        self.numbers += 1
        given = {key: {"action": "accept", "content": {}} for key in list(asked.input_requests)[:answers]}
        given["never-asked"] = {"action": "decline"}
        more = {"inputResponses": given, "requestState": asked.request_state}
        self._request(f"call-{self.numbers}", self.scripts[old], more)

    def duplicate(self, id: Any) -> None:
        before = len(self.replies.get(id, []))
        self.perform(self.server.received(Request(id, "tools/call", {"name": "tool", "_meta": meta()})))
        refusal = self.replies[id].pop()
        assert len(self.replies[id]) == before
        if not self.replies[id]:
            del self.replies[id]
        assert refusal.code == -32600

    def cancel(self, id: Any) -> None:
        if id in self.server.calls:
            self.cancelled.add(id)
        self.perform(self.server.received(Notification("notifications/cancelled", {"requestId": id})))

    def reply(self, id: Any, kind: int) -> None:
        """2025: answer a question, in flight or long over, well, badly or with an error."""
        if id in self.questions:
            del self.questions[id]
            self.over.append(id)
        shapes = [{"action": "accept", "content": {}}, {"action": 7}]
        message = ErrorResponse(id, -1, "no") if kind == 2 else Response(id, shapes[kind])
        self.perform(self.server.received(message))

    # ---- events of the handlers
    def ask(self, run: Run, message: str) -> None:
        slot = run.slots[message] = []
        try:
            key, effects = self.server.asked(
                run.call, Question("elicitation/create", to_wire(form(message))), form(message), slot
            )
        except CallEnding:
            assert run.call.phase is not Phase.RUNNING
            slot.append("refused")
            return
        run.keys[message] = key
        self.perform(effects)

    def give_up(self, run: Run, message: str) -> None:
        run.slots[message].append("gave up")
        self.perform(self.server.gave_up(run.call, run.keys[message]))

    def progress(self, run: Run, by: float) -> None:
        run.progress += by
        self.perform(self.server.progressed(run.call, run.progress, None, None))

    def log(self, run: Run) -> None:
        self.perform(self.server.logged(run.call, "error", "text", None))

    def finish(self, run: Run, outcome: Any) -> None:
        """The handler returns or raises, or has unwound."""
        del self.runs[run.call.number]
        for message in run.waiting():
            self.give_up(run, message)
        self.perform(self.server.finished(run.call, outcome))

    def quiet(self, call: Any, *, interrupted: bool) -> None:
        self.perform(self.server.quiet(call, interrupted=interrupted))

    def close(self) -> None:
        self.perform(self.server.closed("the end"))
        self.closed = True

    # ---- choosing
    def events(self) -> list[Any]:
        """Everything that could happen now, as functions of a small number that varies it."""
        some: list[Any] = [lambda n: self.call([f"m{i}" for i in range(n % 4)])]
        some += [lambda n, id=id: self.duplicate(id) for id in self.server.calls]
        some += [lambda n, id=id: self.cancel(id) for id in self.scripts]
        some += [lambda n, id=id: self.reply(id, n % 3) for id in [*self.questions, *self.over[:3], 999]]
        some += [lambda n, i=i: self.retry(i, n) for i in range(len(self.retries))]
        some += [lambda n, call=call: self.quiet(call, interrupted=True) for call in self.armed]
        for run in self.runs.values():
            some += self._handler_events(run)
        return [*some, lambda n: self.close()] if len(self.scripts) > 3 else some

    def _handler_events(self, run: Run) -> list[Any]:
        if run.told is not None:
            # A handler that is being ended may still ask, report or return in its `finally`.
            left = run.left()
            return [
                lambda n: self.finish(run, [result(), CallEnding("unwound")][n % 2]),
                *([lambda n: self.ask(run, left[0])] if left else []),
                lambda n: self.progress(run, 1),
            ]
        some: list[Any] = [lambda n: self.progress(run, n - 1), lambda n: self.log(run)]
        some += [lambda n, message=message: self.ask(run, message) for message in run.left()[:1]]
        some += [lambda n, message=message: self.give_up(run, message) for message in run.waiting()]
        if not run.waiting():
            outcomes = [result(), RPCError(-32050, "no"), ValueError("bug")]
            some.append(lambda n: self.finish(run, outcomes[n % 3]))
        else:
            some.append(lambda n: self.quiet(run.call, interrupted=False))
        return some

    # ---- the end
    def settle_all(self) -> None:
        """Answer every question, let every handler ask all it wants and return; retry what needs a retry."""
        for _ in range(400):
            if self.closed or not (self.runs or self.retries):
                break
            if self.retries:
                self.retry(0, 9)
            for run in list(self.runs.values()):
                self._on(run)
        for run in list(self.runs.values()):
            self.finish(run, CallEnding("unwound"))

    def _on(self, run: Run) -> None:
        if run.told is not None:
            self.finish(run, CallEnding("unwound"))
        elif run.left():
            self.ask(run, run.left()[0])
        elif run.waiting():
            self.quiet(run.call, interrupted=False)
            for id in list(self.questions):
                self.reply(id, 0)
        else:
            self.finish(run, result())

    def check(self) -> None:
        """What must be true at the end."""
        for id in self.scripts:
            replies = self.replies.get(id, [])
            assert len(replies) <= 1, f"{id} was answered twice"
            if id in self.cancelled:
                assert replies == [], f"{id} was answered after it was cancelled"
            elif not self.closed:
                assert len(replies) == 1, f"{id} was never answered"
        assert self.runs == {}
        assert self.server.calls == {}
        assert getattr(self.server, "questions", {}) == {}
        if not self.closed:
            assert self.questions == {}, "a question was neither answered nor withdrawn"


def dumped(call: Any) -> Any:
    return call.journal.dump()
