"""
Frames that a peer should never send, and a few that it should, drawn from a seed.

Owns the frames and what each of them deserves: exactly one reply under its id, or at most one under a null id, or none.
Knows no session of ours: only JSON-RPC and the method names. Source of the kinds: fuzzing of the other SDKs, which lost
30 % of the replies to requests whose id was usable.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_ID = 1_000_000
"""Ids of frames begin here, far from those that a client of ours gives its own requests."""
MEBIBYTE = 1024 * 1024
LIMIT = 16 * MEBIBYTE
"""The longest line that a peer must accept; a longer one must be refused and the next one read."""
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "0"},
}
METHODS = (
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "tasks/get",
    "server/discover",
    "ping",
)
CLIENT_NOTIFICATIONS = ("notifications/cancelled", "notifications/progress", "notifications/roots/list_changed")
SERVER_NOTIFICATIONS = (
    "notifications/message",
    "notifications/progress",
    "notifications/tools/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
    "notifications/cancelled",
)
JUNK = (None, True, 0, -1, 1.5, "", "text", [], [1], {}, {"x": {}}, 2**53, "\u0000", "\U0001f600")
BAD_IDS = (None, 1.5, True, [], [1], {}, {"id": 1}, 2**80, -(2**80), 1e30)
"""What no reply can name: not a string, and not an integer that fits 64 bits."""


class Frame(NamedTuple):
    """One line, without its newline, and what it deserves."""

    line: bytes
    kind: str
    id: Any = None
    """The id under which exactly one reply must come; None where there must be none, or one under null."""


class Frames:
    """The frames of one seed, for a peer of one era."""

    def __init__(self, seed: int, era: str, *, notifications: tuple[str, ...] = CLIENT_NOTIFICATIONS) -> None:
        self._random = random.Random(seed)
        self._era, self._notifications = era, notifications
        # Where there is a session, this one question would begin another era.
        self._methods = METHODS if era == "2026-07-28" else [name for name in METHODS if name != "server/discover"]
        self._ids = iter(range(FIRST_ID, FIRST_ID + 10_000_000))
        self._kinds: list[Callable[[], Frame]] = [
            self.valid_call,
            self.valid_call,
            self.valid_list,
            self.junk_arguments,
            self.params_not_an_object,
            self.unknown_method,
            self.method_not_a_string,
            self.bad_id,
            self.bad_version,
            self.neither_nor,
            self.batch,
            self.deep,
            self.huge_number,
            self.not_utf8,
            self.duplicate_key,
            self.duplicate_id,
            self.result_and_error,
            self.unasked_reply,
            self.error_reply,
            self.notification,
            self.notification_with_junk,
            self.not_an_object,
            self.truncated,
            self.not_a_number,
            self.empty,
            self.carriage_return,
            self.noise,
            self.control_character,
            self.half_surrogate,
        ]

    def draw(self, count: int, *, big: int = 0, overlong: int = 0) -> Iterator[Frame]:
        """`count` frames in all; `big` of them carry 1 MiB, `overlong` are longer than the limit."""
        for number in range(count - big - overlong):
            yield self._random.choice(self._kinds)()
            if big and number % (count // (big + 1)) == 0 and number:
                yield self.big()
                big -= 1
        yield from (self.big() for _ in range(big))
        yield from (self.overlong() for _ in range(overlong))

    # -------------------------------------------------------------------------------------------- parts
    def new_id(self) -> int | str:
        number = next(self._ids)
        return number if self._random.random() < 0.6 else f"id-{number}"

    def params(self, **content: Any) -> dict[str, Any]:
        return {**content, "_meta": META} if self._era == "2026-07-28" else content

    def message(self, kind: str, id: Any, **members: Any) -> Frame:
        value = {"jsonrpc": "2.0", "id": id, **members}
        return Frame(json.dumps(value).encode(), kind, id)

    def junk(self) -> Any:
        return self._random.choice(JUNK)

    # -------------------------------------------------------------------------------------------- requests
    def valid_call(self) -> Frame:
        params = self.params(name="echo", arguments={"text": f"{self._random.random()}"})
        return self.message("valid call", self.new_id(), method="tools/call", params=params)

    def valid_list(self) -> Frame:
        return self.message("valid list", self.new_id(), method="tools/list", params=self.params())

    def junk_arguments(self) -> Frame:
        method = self._random.choice(self._methods)
        names = ("name", "arguments", "uri", "cursor", "ref", "argument", "level", "requestState", "task")
        params = self.params(**{self._random.choice(names): self.junk() for _ in range(self._random.randint(0, 3))})
        if self._random.random() < 0.2:
            params["_meta"] = self.junk()
        return self.message(f"junk for {method}", self.new_id(), method=method, params=params)

    def params_not_an_object(self) -> Frame:
        params = self._random.choice(([], "x", 3, None, True, [{}], 1.5))
        return self.message(
            "params are no object", self.new_id(), method=self._random.choice(self._methods), params=params
        )

    def unknown_method(self) -> Frame:
        method = self._random.choice(("no/such", "", "tools/call ", "rpc.discover", "notifications/initialized"))
        return self.message("unknown method", self.new_id(), method=method, params=self.params())

    def method_not_a_string(self) -> Frame:
        method = self._random.choice((None, 3, [], {}, True))
        return self.message("method is no string", self.new_id(), method=method, params={})

    def bad_id(self) -> Frame:
        id = self._random.choice(BAD_IDS)
        frame = self.message("bad id", id, method="tools/list", params=self.params())
        return frame._replace(id=None)

    def bad_version(self) -> Frame:
        id = self.new_id()
        value = {"jsonrpc": self._random.choice(("1.0", 2, None)), "id": id, "method": "tools/list"}
        return Frame(json.dumps(value).encode(), "bad version", id)

    def neither_nor(self) -> Frame:
        return self.message("neither request nor reply", self.new_id())

    def deep(self) -> Frame:
        depth, id = self._random.choice((150, 5000)), self.new_id()
        nested = "[" * depth + "]" * depth
        text = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"method":"tools/call","params":{{"x":{nested}}}}}'
        return Frame(text.encode(), "nested deeply", id)

    def huge_number(self) -> Frame:
        id, number = self.new_id(), self._random.choice(("1e999", "9" * 400, "-1e400", "9" * 5000))
        text = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"method":"tools/call","params":{{"x":{number}}}}}'
        return Frame(text.encode(), "huge number", id)

    def not_utf8(self) -> Frame:
        frame = self.valid_call()
        bad = self._random.choice((b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80"))
        return Frame(frame.line.replace(b'"text": "', b'"text": "' + bad), "not UTF-8", frame.id)

    def duplicate_key(self) -> Frame:
        id = self.new_id()
        text = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"method":"ping","method":"tools/list","params":{{}}}}'
        return Frame(text.encode(), "duplicate key", id)

    def duplicate_id(self) -> Frame:
        id, other = self.new_id(), self.new_id()
        text = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"id":{json.dumps(other)},"method":"tools/list"}}'
        return Frame(text.encode(), "duplicate id")

    def not_a_number(self) -> Frame:
        id, number = self.new_id(), self._random.choice(("NaN", "Infinity", "-Infinity"))
        text = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"method":"tools/call","params":{{"x":{number}}}}}'
        return Frame(text.encode(), "not a number", id)

    def control_character(self) -> Frame:
        id = self.new_id()
        text = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"method":"tools/call","params":{{"name":"\x01"}}}}'
        return Frame(text.encode(), "control character", id)

    def half_surrogate(self) -> Frame:
        id = self.new_id()
        text = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"method":"tools/call","params":{{"name":"\\ud800"}}}}'
        return Frame(text.encode(), "half a surrogate", id)

    def carriage_return(self) -> Frame:
        frame = self.valid_call()
        return Frame(frame.line + b"\r", "carriage return", frame.id)

    def big(self) -> Frame:
        params = self.params(name="echo", arguments={"text": "x" * MEBIBYTE})
        return self.message("1 MiB", self.new_id(), method="tools/call", params=params)

    def overlong(self) -> Frame:
        params = self.params(name="echo", arguments={"text": "x" * (LIMIT + 1)})
        return self.message("longer than the limit", self.new_id(), method="tools/call", params=params)

    # -------------------------------------------------------------------------------------------- no requests
    def batch(self) -> Frame:
        calls = [json.loads(self.valid_call().line) for _ in range(self._random.randint(0, 3))]
        return Frame(json.dumps(calls).encode(), "batch")

    def result_and_error(self) -> Frame:
        value = {"jsonrpc": "2.0", "id": self.new_id(), "result": {}, "error": {"code": 1, "message": "both"}}
        return Frame(json.dumps(value).encode(), "result and error")

    def unasked_reply(self) -> Frame:
        value = {"jsonrpc": "2.0", "id": self._random.choice((self.new_id(), *BAD_IDS)), "result": self.junk()}
        return Frame(json.dumps(value).encode(), "reply nobody asked for")

    def error_reply(self) -> Frame:
        value = {"jsonrpc": "2.0", "id": self.new_id(), "error": self.junk()}
        return Frame(json.dumps(value).encode(), "error nobody asked for")

    def notification(self) -> Frame:
        method = self._random.choice((*self._notifications, "notifications/no_such", "tools/call"))
        return Frame(json.dumps({"jsonrpc": "2.0", "method": method}).encode(), "notification")

    def notification_with_junk(self) -> Frame:
        params = {"requestId": self.junk(), "progressToken": self.junk(), "progress": self.junk(), "uri": self.junk()}
        value = {"jsonrpc": "2.0", "method": self._random.choice(self._notifications), "params": params}
        return Frame(json.dumps(value).encode(), "notification with junk")

    def not_an_object(self) -> Frame:
        return Frame(self._random.choice((b"null", b"42", b'"text"', b"true", b"1e400")), "not an object")

    def truncated(self) -> Frame:
        line = self.valid_call().line
        return Frame(line[: self._random.randint(1, len(line) - 1)], "truncated")

    def empty(self) -> Frame:
        return Frame(self._random.choice((b"", b" ", b"\r", b"\t")), "empty")

    def noise(self) -> Frame:
        return Frame(self._random.randbytes(self._random.randint(1, 200)).replace(b"\n", b" "), "noise")
