"""
Keys to references.

Owns who is found under a key. Refuses to keep anybody alive, and to know where keys come from: they may come from
a peer, so their length and their number are bounded.
The rule that keeps it honest: an entry is removed in the step in which its actor ends, and never overwritten before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.errors import NameTaken, TooManyChildren, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.actors.actor import Actor
    from zcp_actors.actors.cell import Cell
    from zcp_actors.actors.ref import Ref
    from zcp_actors.actors.runtime import Runtime

MAX_KEYS = 100_000
"""Entries: as many as a supervisor may have children."""
MAX_KEY = 256
"""Characters of a key: a session id has some tens; what is longer is an attack or a mistake."""


class Registry:
    """A directory of the living. A reference found here may end before it is used: every verb can cope."""

    def __init__(self, runtime: Runtime, *, max_keys: int = MAX_KEYS, max_key: int = MAX_KEY) -> None:
        self._runtime = runtime
        self._refs: dict[str, Ref[Any]] = {}
        self.max_keys, self.max_key = max_keys, max_key

    def __len__(self) -> int:
        return len(self._refs)

    def __contains__(self, key: object) -> bool:
        return key in self._refs

    def lookup(self, key: str) -> Ref[Any] | None:
        """Who is registered under `key` and has not ended."""
        return self._refs.get(key)

    def register(self, key: str, ref: Ref[Any]) -> None:
        """Register a living actor. Raises `NameTaken`, `TooManyChildren` and, for a bad key, `UsageError`."""
        self._check(key)
        if key in self._refs:
            msg = f"the key {key!r} is registered for {self._refs[key].path}, which has not ended"
            raise NameTaken(msg)
        self._refs[key] = ref
        ref._watch((self, key), lambda _: self._forget(key, ref))

    def unregister(self, key: str) -> None:
        """Forget a key whose actor goes on living."""
        ref = self._refs.pop(key, None)
        if ref is not None:
            ref._unwatch((self, key))

    async def get_or_start(self, key: str, make: Callable[[], Actor[Any]], **options: Any) -> Ref[Any]:
        """Who is registered under `key`, started first if there is nobody (`options` as for `Runtime.start`).

        Callers that come at once get the same actor, each when it has begun. One that is ending is waited for.
        Raises what its `on_start` raises.
        """
        while (ref := self._refs.get(key)) is not None and ref.status == "stopping":
            await ref._past()
        if ref is None:
            self._check(key)
            ref = self._runtime.start_soon(make, **options)
            self.register(key, ref)
        await self._runtime.begun(ref)
        return ref

    def get_or_host(self, key: str, make: Callable[[], Cell[Any]], **options: Any) -> Ref[Any]:
        """The same for a cell (`options` as for `Runtime.host`), in one step. One that is ending is returned, too."""
        ref = self._refs.get(key)
        if ref is None:
            self._check(key)
            ref = self._runtime.host(make(), **options)
            self.register(key, ref)
        return ref

    def _check(self, key: str) -> None:
        if not key or len(key) > self.max_key:
            msg = f"a registry key has 1 to {self.max_key} characters; got {len(key)}"
            raise UsageError(msg)
        if key not in self._refs and len(self._refs) >= self.max_keys:
            msg = f"the registry holds {len(self._refs)} keys, its max_keys: raise it, or wait for some to end"
            raise TooManyChildren(msg)

    def _forget(self, key: str, ref: Ref[Any]) -> None:
        if self._refs.get(key) is ref:
            del self._refs[key]
