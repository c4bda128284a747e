"""
What the stores of tasks do alike: who hears of changes, and how long, how many and what is said when it is too many.

Owns the callbacks of `TaskStore.watch` and the shared numbers. Refuses to know where tasks are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.errors import Overloaded, UsageError
from zcp_actors.wire import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from zcp_actors.protocol.tasks import Place, Task

    Heard = Callable[[Place, Task | None], None]

LEASE_SECONDS = 10.0
"""How long a task of a process that died waits for another one: longer than a busy machine stalls a process, shorter
than a person's patience."""

MAX_HANDLES = 10_000
"""Handles of one store: one for each task that its hosts follow elsewhere, of some hundred bytes each."""


class Audience:
    """Who watches which app. They come, go and hear in trio's thread."""

    def __init__(self) -> None:
        self._heard: dict[str, list[Heard]] = {}
        self._apps: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._heard)

    @property
    def apps(self) -> tuple[str, ...]:
        """The apps that somebody watches; any thread may read it."""
        return self._apps

    def add(self, app: str, heard: Heard, alone: Callable[[], None] = lambda: None) -> Callable[[], None]:
        """`heard` belongs to it until the returned function is called, any number of times.

        `alone` is called when the last watcher has left.
        """
        self._heard.setdefault(app, []).append(heard)
        self._apps = tuple(self._heard)
        here = [heard]

        def leave() -> None:
            if here:
                self._heard[app].remove(here.pop())
                if not self._heard[app]:
                    del self._heard[app]
                    self._apps = tuple(self._heard)
                if not self._heard:
                    alone()

        return leave

    def tell(self, place: Place, task: Task | None) -> None:
        """Tell everybody who watches its app. What a watcher raises is raised here."""
        for heard in tuple(self._heard.get(place.app, ())):
            heard(place, task)


def checked_entries(entries: Any) -> dict[str, Any]:
    """Journal entries as fresh plain JSON. Raises `NotJSON`, naming the key."""
    return {key: plain(value, f"entries[{key!r}]") for key, value in entries.items()}


def checked_handle(handle: Any) -> dict[str, Any]:
    """A handle as fresh plain JSON. Raises `NotJSON`, and `UsageError` for one without a name."""
    if not isinstance(handle.get("id"), str):
        raise UsageError(f"a task handle is kept under its 'id', a string; this one has {handle.get('id')!r}")
    copy: dict[str, Any] = plain(dict(handle), "handle")
    return copy


def too_many_open(max_open: int, app: str) -> Overloaded:
    """What is raised at a principal that has enough to do already."""
    return Overloaded(
        f"{max_open} of your tasks of {app!r} have not ended, the most there may be at once: "
        "wait for one of them, or cancel it"
    )


def too_many_kept(what: str, limit: int, setting: str) -> Overloaded:
    """What is raised when the store keeps as much as it may, and nothing of it may be forgotten yet."""
    return Overloaded(
        f"the task store keeps {limit} {what}, its limit: raise {setting}, or let tasks be forgotten sooner (ttl)"
    )


def exists_already(place: Place) -> UsageError:
    """What is raised when a new task has the name of another one."""
    return UsageError(f"there is a task {place.id!r} of {place.app!r} already: give each task an id of its own")


def not_open(store: str) -> UsageError:
    """What is raised at whoever uses a store too early or too late."""
    return UsageError(f"the {store} is not open: use it inside `async with`")


def opened_before(store: str) -> UsageError:
    """What is raised at whoever opens a store a second time."""
    return UsageError(f"the {store} was opened before: make another one")


def kept_already(owner: str) -> UsageError:
    """What is raised when the leases of one owner would be renewed twice."""
    return UsageError(f"the leases of {owner!r} are being kept already: close that first, or choose another owner")


def sought(targets: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """The (method, target) pairs as a set of what rows have."""
    return frozenset((method, target) for method, target in targets)
