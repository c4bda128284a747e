"""
The ordered registries of an app, and how it tells listeners that one changed.

Owns the order of registration, the uniqueness of names, and the announcement of changes to whoever listens, on that
listener's own trio run. Refuses to know what an entry is. The rule: what was registered first is listed first, and
replacing an entry keeps its place, so that a client that pages through a list sees no entry twice.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

from zcp_actors.app import cursor as cursors
from zcp_actors.errors import SchemaError, UsageError
from zcp_actors.ports import Changed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Entry = TypeVar("Entry")

NAMES_SHOWN = 5
"""How many known names an error lists: enough to notice a typing error, few enough to stay one line."""


class Listening:
    """One who is told of changes, until he is called: every session of the app has one of these."""

    __slots__ = ("home", "listener", "listeners")

    def __init__(self, listeners: Listeners, listener: Callable[[Changed], None]) -> None:
        self.listeners, self.listener, self.home = listeners, listener, _current_run()

    def __call__(self) -> None:
        """Tell him no more. Idempotent."""
        self.listeners.forget(self)


class Listeners:
    """Those who are told of changes. Safe to call from any thread."""

    def __init__(self) -> None:
        self._listeners: dict[Listening, None] = {}

    def add(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Call `listener` with every change, in this trio run, until the returned function is called."""
        listening = Listening(self, listener)
        self._listeners[listening] = None
        return listening

    def forget(self, listening: Listening) -> None:
        """Tell this one no more."""
        self._listeners.pop(listening, None)

    def announce(self, change: Changed) -> None:
        """Tell everybody. A listener of another thread's trio run hears of it there, in order."""
        here = _current_run()
        for listening in list(self._listeners):
            if listening.home is None or listening.home is here:
                listening.listener(change)
            else:
                self._pass_on(listening, listening.home, change)

    def _pass_on(self, listening: Listening, home: trio.lowlevel.TrioToken, change: Changed) -> None:
        def tell() -> None:
            if listening in self._listeners:
                listening.listener(change)

        try:
            home.run_sync_soon(tell)
        except trio.RunFinishedError:
            self.forget(listening)


class Catalogue(Generic[Entry]):
    """The entries of one kind, by name, in the order of their registration."""

    def __init__(self, noun: str, kind: str, *, app: str, listeners: Listeners) -> None:
        self.noun, self.kind = noun, kind
        self.served = False
        """True once anything was ever registered: from then on the list exists, even when it is empty again."""
        self._entries: dict[str, Entry] = {}
        self.entries: Mapping[str, Entry] = MappingProxyType(self._entries)
        self._scope = f"{app}\0{noun}"
        self._listeners = listeners

    def add(self, name: str, entry: Entry, *, replace: bool = False) -> None:
        """Put `entry` at the end, or in the place of the one it replaces. Raises `SchemaError` for a taken name."""
        if name in self._entries and not replace:
            raise SchemaError(
                f"there already is a {self.noun} {name!r}; give this one another name, or pass replace=True"
            )
        self._entries[name] = entry
        self.served = True
        self._listeners.announce(Changed(self.kind))

    def remove(self, name: str) -> Entry:
        """Take `name` out. Raises `UsageError` when it is not there."""
        try:
            entry = self._entries.pop(name)
        except KeyError:
            raise UsageError(f"there is no {self.noun} {name!r} to remove; {self.known()}") from None
        self._listeners.announce(Changed(self.kind))
        return entry

    def page(self, cursor: str | None, size: int) -> tuple[list[Entry], str | None]:
        """Return one page of entries, and the next page's cursor or None. Raises `InvalidParams` for a bad cursor."""
        names = tuple(self._entries)
        part, following = cursors.page(names, cursor, size, scope=self._scope)
        return [self._entries[name] for name in names[part]], following

    def known(self) -> str:
        """Say which names there are, for an error: the first few."""
        if not self._entries:
            return f"there are no {self.noun}s"
        names = list(self._entries)
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return f"there are: {', '.join(names[:NAMES_SHOWN])}{more}"


def _current_run() -> trio.lowlevel.TrioToken | None:
    return trio.lowlevel.current_trio_token() if trio.lowlevel.in_trio_run() else None
