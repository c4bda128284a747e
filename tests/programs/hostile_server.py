"""
A server that introduces itself well and then misbehaves as it is told. Lines and JSON, nothing of ours.

`hostile_server.py <era>`. Its tools: `storm` sends many hostile frames before its answer; `strike` answers with what
its `kind` names; `report` tells how the client answered the requests of the storms; `echo` is a good tool.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from hostile_frames import LIMIT, SERVER_NOTIFICATIONS, Frames

ERA = sys.argv[1]
INFO = {"name": "hostile", "version": "0"}
CAPABILITIES = {"tools": {}, "logging": {}}


def write(*lines: bytes) -> None:
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
    sys.stdout.buffer.flush()


def send(message: dict[str, Any]) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}).encode())


def answer(id: Any, **result: Any) -> None:
    send({"id": id, "result": {"resultType": "complete", **result} if ERA == "2026-07-28" else result})


def say(id: Any, text: str, **more: Any) -> None:
    answer(id, content=[{"type": "text", "text": text}], **more)


class Server:
    def __init__(self) -> None:
        self.expected: set[tuple[str, Any]] = set()
        self.replies: Counter[tuple[str, Any]] = Counter()
        self.methods: Counter[str] = Counter()

    def read(self, message: dict[str, Any]) -> None:
        method, id = message.get("method"), message.get("id")
        if method is None:
            self.replies[type(id).__name__, id] += 1
        elif method == "initialize":
            answer(id, protocolVersion=ERA, capabilities=CAPABILITIES, serverInfo=INFO)
        elif method == "server/discover":
            answer(id, supportedVersions=[ERA], capabilities=CAPABILITIES, ttlMs=0, cacheScope="private")
        elif method == "tools/call":
            params = message["params"]
            getattr(self, params["name"])(id, **params.get("arguments", {}))
        elif id is not None:
            answer(id)
        else:
            self.methods[method] += 1

    def echo(self, id: Any, text: str) -> None:
        say(id, text)

    def storm(self, id: Any, seed: int, count: int, big: int, overlong: int) -> None:
        for frame in Frames(seed, ERA, notifications=SERVER_NOTIFICATIONS).draw(count, big=big, overlong=overlong):
            # To a client, what is neither is more likely a spoilt reply than a question.
            if frame.id is not None and frame.kind != "neither request nor reply":
                self.expected.add((type(frame.id).__name__, frame.id))
            write(frame.line)
        say(id, "after the storm")

    def report(self, id: Any) -> None:
        told = {
            "expected": len(self.expected),
            "answered": sum(1 for key in self.expected if self.replies[key]),
            "doubled": sum(1 for key in self.expected if self.replies[key] > 1),
            "strangers": [list(key) for key in self.replies if key not in self.expected and key[1] is not None][:5],
        }
        say(id, json.dumps(told))

    def strike(self, id: Any, kind: str) -> None:
        """Answer the call in a way that no answer should have."""
        result: dict[str, Any] = {"content": [{"type": "text", "text": "x"}]}
        head = f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"result":'.encode()
        lines = {
            "result and error": {"id": id, "result": result, "error": {"code": 1, "message": "both"}},
            "result is a list": {"id": id, "result": [result]},
            "result is null": {"id": id, "result": None},
            "error is text": {"id": id, "error": "text"},
            "error without a code": {"id": id, "error": {"message": "?"}},
            "content is missing": {"id": id, "result": {"resultType": "complete"}},
            "content is text": {"id": id, "result": {"content": "text"}},
            "block of no known type": {"id": id, "result": {"content": [{"type": "text"}]}},
            "another jsonrpc": {"jsonrpc": "1.0", "id": id, "result": result},
            "neither result nor error": {"id": id},
            "unknown result type": {"id": id, "result": {**result, "resultType": "surprise"}},
            "input required without input": {"id": id, "result": {"resultType": "input_required"}},
            "input required by an unknown method": {
                "id": id,
                "result": {"resultType": "input_required", "inputRequests": {"a": {"method": "tools/call"}}},
            },
            "input required by junk": {"id": id, "result": {"resultType": "input_required", "inputRequests": [1]}},
            "its id as text": {"id": str(id), "result": result},
            "no id": {"result": result},
        }
        raw = {
            "not UTF-8": head + b'{"content":[{"type":"text","text":"\xff\xfe"}]}}',
            "duplicate key": head + b'{"content":[],"content":[]}}',
            "not a number": head + b'{"content":[],"x":NaN}}',
            "nested deeply": head + b'{"content":' + b"[" * 5000 + b"]" * 5000 + b"}}",
            "longer than the limit": head + b'{"content":[{"type":"text","text":"' + b"x" * LIMIT + b'"}]}}',
            "truncated": head,
            "noise": b"\x00\x01\x02 log line without any JSON",
            "nothing": b"",
        }
        write(raw[kind]) if kind in raw else send(lines[kind])

    def size(self, id: Any, mebibytes: int) -> None:
        say(id, "x" * (mebibytes * 1024 * 1024))

    def chatter(self, id: Any, lines: int) -> None:
        """What programs print on a wire that is not theirs."""
        for number in range(lines):
            write(f"INFO: request {number} took 3 ms".encode(), b"{'python': 'repr'}", b"  ")
        say(id, "sorry")


def main() -> None:
    server = Server()
    for line in sys.stdin.buffer:
        server.read(json.loads(line))


if __name__ == "__main__":
    main()
