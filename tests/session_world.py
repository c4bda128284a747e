"""A runtime with one app and one client, and the check that both leave nothing behind."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors import ServerHandle, memory_client, open_runtime
from zcp_actors.wire import Request
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])
strictly_or_not = pytest.mark.parametrize("strict", [False, True], ids=["objects", "bytes"])


@asynccontextmanager
async def opened(app: Any, era: str | None = None, *, runtime: Any = None, **options: Any) -> AsyncIterator[Any]:
    """An open client of `app`; when the block ends well, so has everything that it began.

    `runtime` holds the keywords of `open_runtime`. The client knows its runtime as `client.runtime`.
    """
    async with open_runtime(grace=1.0, **(runtime or {})) as hosting:
        async with memory_client(app, era=era, **options) as client:
            client.runtime = hosting
            yield client
        await assert_empty(hosting)


async def assert_empty(runtime: Any) -> None:
    """No session, question, job, timer or dead letter is left; idle workers may be."""
    await wait_all_tasks_blocked()
    assert [node.path for node in runtime.tree().walk()] == [runtime.tree().path]
    assert runtime.pending() == ()
    assert list(runtime.sessions) == []
    assert runtime.workers.running == 0
    assert len(runtime.timers) == 0
    assert [letter.message for letter in runtime.dead_letters] == []


class Line:
    """A connection to a server session whose client is the test: it keeps what the server posts."""

    transport = "memory"
    full = False

    def __init__(self, app: Any, **options: Any) -> None:
        self.dialect: Any = None
        self.stamp: Any = None
        self.posted: list[Any] = []
        self.ended = False
        self._handle = ServerHandle(app, **options)
        self._ids = 0
        self.session: Any = None

    def host(self, runtime: Any) -> Line:
        self.session = self._handle.host(runtime, self)
        return self

    def post(self, message: Any, call: Any = None) -> None:
        self.posted.append(message)

    def hang_up(self) -> None:
        self.ended = True

    async def room(self) -> None:
        await trio.lowlevel.checkpoint()

    async def ask(self, method: str, params: Mapping[str, Any], *, capabilities: Any = None) -> Any:
        """One request of 2026-07-28 and its reply."""
        return await self.reply_to(self.send(method, params, capabilities=capabilities))

    def send(self, method: str, params: Mapping[str, Any], *, capabilities: Any = None) -> int:
        self._ids += 1
        declared = {"elicitation": {}, "sampling": {}, "roots": {}} if capabilities is None else capabilities
        _meta = {PROTOCOL_VERSION: STATELESS, CLIENT_INFO: {"name": "test", "version": "1"}}
        _meta[CLIENT_CAPABILITIES] = declared
        self.session.feed(Request(self._ids, method, {**params, "_meta": {**_meta, **params.get("_meta", {})}}))
        return self._ids

    async def reply_to(self, id: int) -> Any:
        while not (replies := [message for message in self.posted if getattr(message, "id", None) == id]):
            await wait_all_tasks_blocked(0.001)
            await trio.sleep(0.01)  # virtual
        assert len(replies) == 1
        return replies[0]
