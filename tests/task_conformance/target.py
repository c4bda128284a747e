"""
The server that is judged: how conversations with it are opened.

Owns the conversation that checks share, and opens another where one is asked for, or the shared one has died. Refuses
to know whose server it is. The rule: a conversation lives in a task of its own, so that a check which fails inside of
it fails with its own exception.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from task_conformance.talk import CAPABILITIES, PATIENCE, Talk
from task_conformance.wires import Unreachable, http_wire, stdio_wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from task_conformance.manifest import Manifest
    from task_conformance.wires import JSON


class Target:
    """A server and its manifest. Made by `open_target`."""

    def __init__(self, manifest: Manifest, nursery: trio.Nursery) -> None:
        self.manifest = manifest
        self.command: Sequence[str] = ()
        self.environment: Mapping[str, str] | None = None
        self.url: str | None = None
        self.patience = PATIENCE
        self._nursery = nursery
        self._shared: _Owner | None = None
        self._others = False

    @property
    def kind(self) -> str:
        """ "stdio" or "http"."""
        return "stdio" if self.url is None else "http"

    async def talk(self) -> Talk:
        """The conversation that checks share; a new one when it has died."""
        if self._shared is None or self._shared.talk.lost:
            await self.close()
            self._others = False
            self._shared = await self._open(None, None)
        return self._shared.talk

    @asynccontextmanager
    async def another(
        self, capabilities: JSON | None = None, identity: Mapping[str, str] | None = None
    ) -> AsyncIterator[Talk]:
        """A conversation of one's own; with a server of one's own where it is reached by stdio."""
        self._others = True
        owner = await self._open(capabilities, identity)
        try:
            yield owner.talk
        finally:
            await owner.close()

    @property
    def is_worn(self) -> bool:
        """What a fragile server does not survive was done: a task was cancelled, or another conversation opened."""
        return self._others or (self._shared is not None and "tasks/cancel" in self._shared.talk.methods)

    def lane(self) -> Target:
        """The same server for checks that run beside these: what they share, they share among themselves."""
        lane = Target(self.manifest, self._nursery)
        lane.command, lane.environment, lane.url = self.command, self.environment, self.url
        lane.patience = self.patience
        return lane

    async def close(self) -> None:
        """End the conversation that is shared."""
        if self._shared is not None:
            shared, self._shared = self._shared, None
            await shared.close()

    async def _open(self, capabilities: JSON | None, identity: Mapping[str, str] | None) -> _Owner:
        owner = _Owner(self, CAPABILITIES if capabilities is None else capabilities, identity)
        self._nursery.start_soon(owner.run)
        await owner.opened.wait()
        if owner.failure is not None:
            raise owner.failure
        return owner


class _Owner:
    """The task in which one conversation lives."""

    def __init__(self, target: Target, capabilities: JSON, identity: Mapping[str, str] | None) -> None:
        self.target, self.capabilities = target, capabilities
        self.headers = identity if identity is not None else next(iter(target.manifest.identities), {})
        self.talk = Talk(target.kind, target.patience)
        self.failure: Unreachable | None = None
        self.opened, self.closing, self.closed = trio.Event(), trio.Event(), trio.Event()

    async def run(self) -> None:
        try:
            async with self._wire() as wire, trio.open_nursery() as nursery:
                await self.talk.begin(wire, nursery, self.capabilities)
                self.opened.set()
                await self.closing.wait()
                nursery.cancel_scope.cancel()
        except* Exception as errors:  # noqa: BLE001 - whatever the server did ends this conversation only
            self.failure = Unreachable(f"no conversation with the server: {first_of(errors)!r}")
        finally:
            self.talk.gone()
            self.opened.set()
            self.closed.set()

    def _wire(self):
        target, talk = self.target, self.talk
        if target.url is not None:
            return http_wire(target.url, self.headers, talk.hear)
        return stdio_wire(target.command, target.environment, talk.hear, talk.gone)

    async def close(self) -> None:
        self.closing.set()
        with trio.CancelScope(shield=True):
            await self.closed.wait()


def first_of(error: BaseException) -> BaseException:
    """The first exception of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def open_target(
    manifest: Manifest,
    *,
    command: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    url: str | None = None,
    patience: float = PATIENCE,
) -> AsyncIterator[Target]:
    """Reach a server by a command, which is run for each conversation, or at a URL; `patience` as in `Talk`."""
    async with trio.open_nursery() as nursery:
        target = Target(manifest, nursery)
        target.command, target.environment, target.url = command, environment, url
        target.patience = patience
        try:
            yield target
        finally:
            await target.close()
