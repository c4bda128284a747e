"""
The other end of a session under test, played by the test itself in plain JSON-RPC messages.

Owns the joint: what the session posts is encoded as a wire would carry it and recorded; what the test sends is
encoded, decoded and fed to the session in the same step. Refuses to be a protocol: it sends what it is told to.
The rule that keeps it honest: whatever a peer does by itself stands in `automatic`, where a test can change it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from zcp_actors.errors import ConnectionLost, InvalidMessage, RPCError, UsageError
from zcp_actors.testing.record import TIMEOUT, Record
from zcp_actors.testing.transcript import Transcript
from zcp_actors.wire import decode, encode
from zcp_actors.wire.meta_keys import STATEFUL_VERSIONS, SUBSCRIPTION_ID, V2026_07_28

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcp_actors.ports import Session
    from zcp_actors.wire import Message

JSON = dict[str, Any]
Automatic = JSON | RPCError | Callable[[JSON], "JSON | RPCError | None"] | None
"""A result, an error, a function of the request that returns either, or None: say nothing, leave it unrecorded."""


class ScriptedPeer:
    """What `ScriptedServer` and `ScriptedClient` share. Every message is a dict as it stands on the wire."""

    side: str
    """Which side it plays: "client" or "server"."""
    transport = "memory"
    _comes_back = False
    """After a loss there may be another connection, so an expectation goes on waiting."""

    def __init__(self, era: str, automatic: Mapping[str, Automatic] | None = None) -> None:
        if era not in (*STATEFUL_VERSIONS, V2026_07_28):
            raise UsageError(f"era must be one of {', '.join((V2026_07_28, *STATEFUL_VERSIONS))}, not {era!r}")
        self.era = era
        self.automatic: dict[str, Automatic] = {**self._usual(), **(automatic or {})}
        """By method: how a request is answered without the script, and which notifications are not recorded as news."""
        self.transcript = Transcript()
        """All that crossed, both ways, automatic or not."""
        self.dialect: Any = None
        self.stamp: Any = None
        self._session: Session | None = None
        self._came: Record[JSON] = Record(show=lambda each: msgspec.json.encode(each).decode())
        self._ids = itertools.count(1)
        self._ended = trio.Event()

    @property
    def stateless(self) -> bool:
        """It speaks 2026-07-28."""
        return self.era == V2026_07_28

    def _usual(self) -> dict[str, Automatic]:
        return {}

    # What the session under test sees: see `ports.Connection`
    def post(self, message: Message, call: int | str | None = None) -> None:
        """A message of the session under test."""
        if self._session is None:
            raise ConnectionLost(f"the scripted {self.side} has hung up")
        wire: JSON = msgspec.json.decode(encode(message, self.dialect, self.stamp))
        self.transcript("server" if self.side == "client" else "client", wire)
        self._arrived(wire)

    def _arrived(self, wire: JSON) -> None:
        method = wire.get("method")
        if method not in self.automatic:
            self._came.add(wire)
            return
        answer = self.automatic[method]
        if callable(answer):
            answer = answer(wire)
        if "id" not in wire or answer is None:
            return
        if isinstance(answer, RPCError):
            self.error(wire, answer.code, answer.message, answer.data)
        else:
            self.reply(wire, answer)

    full = False

    async def room(self) -> None:
        """There is always room."""
        await trio.lowlevel.checkpoint()

    def hang_up(self) -> None:
        """The session under test has ended."""
        self._left("the session under test has hung up")

    def _left(self, why: str) -> None:
        self._session = None
        if not self._comes_back:
            self._came.close(why)
        self._ended.set()

    # What the script sends
    def send(self, message: JSON | bytes) -> None:
        """Send exactly this: a dict as it is, or bytes, which need not be a message."""
        raw = message if isinstance(message, bytes) else msgspec.json.encode(message)
        if isinstance(message, dict):
            self.transcript(self.side, message)
        session = self._session
        if session is None:
            raise AssertionError(f"the scripted {self.side} cannot send {raw[:200]!r}: the connection has ended")
        try:
            read = decode(raw)
        except InvalidMessage as error:
            session.refuse(error)
        else:
            session.feed(read)

    def reply(self, request: JSON | int | str, result: JSON) -> None:
        """Answer a request, given as it came or by its id."""
        self.send({"jsonrpc": "2.0", "id": _id(request), "result": self._completed(result)})

    def _completed(self, result: JSON) -> JSON:
        return result

    def error(self, request: JSON | int | str | None, code: int, message: str, data: Any = None) -> None:
        """Answer a request with an error; None for a request whose id could not be read."""
        error = {"code": code, "message": message} | ({} if data is None else {"data": data})
        self.send({"jsonrpc": "2.0", "id": _id(request), "error": error})

    def notify(self, method: str, params: JSON | None = None, *, stream: int | str | None = None) -> None:
        """Send a notification; `stream` marks it as belonging to a listen stream (2026-07-28)."""
        if stream is not None:
            params = {**(params or {}), "_meta": {**(params or {}).get("_meta", {}), SUBSCRIPTION_ID: stream}}
        self.send({"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params}))

    def progress(self, request: JSON, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress of a request that came with a progress token."""
        token = request.get("params", {}).get("_meta", {}).get("progressToken")
        if token is None:
            raise AssertionError(f"request {request.get('id')!r} carries no progressToken")
        facts = {"progressToken": token, "progress": progress, "total": total, "message": message}
        self.notify("notifications/progress", {name: value for name, value in facts.items() if value is not None})

    def cancel(self, request: JSON | int | str, reason: str = "cancelled by the script") -> None:
        """Give up a request of one's own."""
        self.notify("notifications/cancelled", {"requestId": _id(request), "reason": reason})

    def start(self, method: str, params: JSON | None = None, *, id: int | str | None = None) -> int | str:
        """Send a request without waiting; returns its id, for `answer_to` or `cancel`."""
        number = next(self._ids) if id is None else id
        body = self._params(method, params)
        self.send({"jsonrpc": "2.0", "id": number, "method": method} | ({} if body is None else {"params": body}))
        return number

    def _params(self, method: str, params: JSON | None) -> JSON | None:
        return params

    async def ask(self, method: str, params: JSON | None = None, *, timeout: float = TIMEOUT) -> JSON:
        """Send a request and wait for its result. Raises `RPCError` for an error, `AssertionError` for silence.

        On cancel the other side is told, as an honest peer would.
        """
        id = self.start(method, params)
        try:
            reply = await self.answer_to(id, timeout=timeout)
        except trio.Cancelled:
            if self._session is not None:
                self.cancel(id, "the script was cancelled")
            raise
        return result_of(reply)

    # What the script waits for
    async def request(self, method: str | None = None, *, timeout: float = TIMEOUT) -> JSON:
        """The oldest request not yet taken, of that method if one is given. Raises `AssertionError` if none comes."""
        wanted = f"the {self._other} to send {'a request' if method is None else f'the request {method}'}"
        return await self._came.take(lambda each: "id" in each and _is(each, method), wanted, timeout)

    async def notification(self, method: str | None = None, *, timeout: float = TIMEOUT) -> JSON:
        """The oldest notification not yet taken, of that method if one is given. Raises `AssertionError`."""
        wanted = f"the {self._other} to send {'a notification' if method is None else f'the notification {method}'}"
        return await self._came.take(lambda each: "id" not in each and _is(each, method), wanted, timeout)

    async def answer_to(self, id: int | str | None, *, timeout: float = TIMEOUT) -> JSON:
        """The reply, result or error, to a request of one's own. Raises `AssertionError` if none comes."""
        wanted = f"the {self._other} to answer request {id!r}"
        return await self._came.take(
            lambda each: "method" not in each and (each.get("id"), type(each.get("id"))) == (id, type(id)),
            wanted,
            timeout,
        )

    async def expect_none(self) -> None:
        """Let all tasks come to rest. Raises `AssertionError` when a message came that was not taken."""
        await self._came.nothing(f"the scripted {self.side}")

    async def gone(self, *, timeout: float = TIMEOUT) -> None:
        """Wait until the session under test has hung up. Raises `AssertionError` when it does not."""
        with trio.move_on_after(timeout):
            await self._ended.wait()
            return
        raise AssertionError(f"expected the {self._other} to hang up within {timeout:g} s")

    @property
    def untaken(self) -> tuple[JSON, ...]:
        """Messages that came and were not taken yet."""
        return self._came.untaken

    @property
    def _other(self) -> str:
        return "client" if self.side == "server" else "server"

    # The connection
    def close(self) -> None:
        """Close the connection in good order, as a peer that has finished."""
        session = self._session
        self._left(f"the scripted {self.side} has closed the connection")
        if session is not None:
            session.lost(None)

    def drop(self, reason: str = "the scripted connection broke") -> None:
        """Break the connection: the session under test sees `ConnectionLost`."""
        session = self._session
        self._left(f"the connection broke: {reason}")
        if session is not None:
            session.lost(ConnectionLost(reason))


def result_of(reply: JSON) -> JSON:
    """The result of a reply. Raises the error it holds as an `RPCError`."""
    if "error" in reply:
        raise RPCError(**reply["error"])
    result: JSON = reply["result"]
    return result


def _id(request: JSON | int | str | None) -> int | str | None:
    return request["id"] if isinstance(request, dict) else request


def _is(message: JSON, method: str | None) -> bool:
    return "method" in message and method in (None, message["method"])
