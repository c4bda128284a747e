"""
A server that keeps to a script: which era it admits to, and how it behaves in a call. Lines and JSON, nothing of ours.

`scripted_server.py <manner> [<file>]`: every start and every method that comes is noted in the file, one to a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

OLD, NEW = "2025-11-25", "2026-07-28"
INFO = {"name": "scripted", "version": "0"}
CAPABILITIES: dict[str, Any] = {"tools": {}}
SLEEPER = "import time; time.sleep(600)"


def note(word: str) -> None:
    if sys.argv[2:]:
        with Path(sys.argv[2]).open("a") as file:
            file.write(word + "\n")


def starts() -> int:
    return Path(sys.argv[2]).read_text().splitlines().count("start")


def write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def send(**members: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **members}).encode())


def grandchild() -> int:
    """A process that inherits every pipe of ours and, from its first moment, the deafness to SIGTERM."""
    heeded = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pid = subprocess.Popen([sys.executable, "-S", "-c", SLEEPER]).pid
    signal.signal(signal.SIGTERM, heeded)
    return pid


class Server:
    """Admits to both eras and answers."""

    version, supported = OLD, (NEW,)

    def __init__(self) -> None:
        self.heir: int | None = None
        self.cancelled = 0

    def read(self, message: dict[str, Any]) -> None:
        method = message.get("method", "reply")
        note(method)
        handler = getattr(self, method.replace("/", "_"), None)
        if handler is not None:
            handler(message.get("id"), message.get("params", {}))
        elif "id" in message and "method" in message:
            send(id=message["id"], error={"code": -32601, "message": "method not found"})

    def initialize(self, id: Any, params: dict[str, Any]) -> None:
        send(
            id=id,
            result={"protocolVersion": self.version, "capabilities": CAPABILITIES, "serverInfo": INFO},
        )

    def server_discover(self, id: Any, params: dict[str, Any]) -> None:
        result = {"supportedVersions": list(self.supported), "capabilities": CAPABILITIES, "ttlMs": 0}
        send(id=id, result={"resultType": "complete", "cacheScope": "private", **result})

    def notifications_cancelled(self, id: Any, params: dict[str, Any]) -> None:
        self.cancelled += 1

    def tools_call(self, id: Any, params: dict[str, Any]) -> None:
        tool = getattr(self, params["name"])
        tool(id, params.get("_meta", {}).get("progressToken"), **params.get("arguments", {}))

    def say(self, id: Any, value: Any) -> None:
        send(id=id, result={"resultType": "complete", "content": [{"type": "text", "text": json.dumps(value)}]})

    # Tools
    def pids(self, id: Any, token: Any) -> None:
        self.say(id, [os.getpid(), self.heir])

    def cancels(self, id: Any, token: Any) -> None:
        self.say(id, self.cancelled)

    def silence(self, id: Any, token: Any) -> None:
        """Never answers."""

    def adopt(self, id: Any, token: Any) -> None:
        """From now on a grandchild holds our pipes."""
        self.heir = grandchild()
        self.say(id, self.heir)

    def die(self, id: Any, token: Any, code: int = 7) -> None:
        print("out of cheese", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(code)

    def be_killed(self, id: Any, token: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def report_for_ever(self, id: Any, token: Any) -> None:
        """Progress every 20 ms, and no result."""
        threading.Thread(target=self._report, args=(token,), daemon=True).start()

    def _report(self, token: Any) -> None:
        for progress in range(1, 1000):
            send(method="notifications/progress", params={"progressToken": token, "progress": progress})
            time.sleep(0.02)


class Refuses(Server):
    """Knows nothing of `server/discover`."""

    def server_discover(self, id: Any, params: dict[str, Any]) -> None:
        send(id=id, error={"code": -32601, "message": "method not found"})


class Ignores(Server):
    """Leaves `server/discover` unanswered until it has been initialized; then the answer comes after all."""

    asked: Any = None

    def server_discover(self, id: Any, params: dict[str, Any]) -> None:
        self.asked = id

    def notifications_initialized(self, id: Any, params: dict[str, Any]) -> None:
        super().server_discover(self.asked, {})


class Dies(Server):
    """Ends at a question it does not know."""

    def server_discover(self, id: Any, params: dict[str, Any]) -> None:
        print("unknown method", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(3)


class Future(Server):
    """Speaks only a revision of the future."""

    def server_discover(self, id: Any, params: dict[str, Any]) -> None:
        data = {"supported": ["2099-01-01"], "requested": NEW}
        send(id=id, error={"code": -32022, "message": "unsupported protocol version", "data": data})


class FutureResult(Server):
    """Says the same in a result."""

    supported = ("2099-01-01",)


class Handshakes(Server):
    """Knows the newer way, and names the older revision."""

    def server_discover(self, id: Any, params: dict[str, Any]) -> None:
        send(id=id, error={"code": -32022, "message": "unsupported protocol version", "data": {"supported": [OLD]}})


class Ancient(Refuses):
    """Insists on a revision of the past."""

    version = "1999-12-31"


class Mute(Server):
    """Reads, and never answers anything."""

    def read(self, message: dict[str, Any]) -> None:
        note(message.get("method", "reply"))


class Deaf(Server):
    """Heeds neither the end of its input nor SIGTERM, and has a grandchild like itself."""

    def __init__(self) -> None:
        super().__init__()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.heir = grandchild()


class Once(Server):
    """Serves at its first start; every later one fails."""

    def __init__(self) -> None:
        super().__init__()
        if starts() > 1:
            print("the disk is full", file=sys.stderr, flush=True)  # noqa: T201
            os._exit(9)


class Fails(Server):
    """Ends before it reads anything."""

    def __init__(self) -> None:
        print("API_KEY is not set", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(1)


def main() -> None:
    note("start")
    manner = globals()[sys.argv[1]]
    server = manner()
    for line in sys.stdin.buffer:
        server.read(json.loads(line))
    if manner is Deaf:
        while True:
            time.sleep(600)


if __name__ == "__main__":
    main()
