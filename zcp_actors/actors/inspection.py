"""
A picture of everything that lives in a runtime.

Owns the frozen tree and how it is printed. Refuses to show payloads: an actor says about itself what `describe` says.
The rule that keeps it honest: the picture is taken in one synchronous step, so it never shows a state that never was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.actors.exit import Exit
    from zcp_actors.actors.host import Host
    from zcp_actors.actors.workers import Job


@attrs.frozen
class Node:
    """An actor, a cell or a job, as it was when the tree was taken."""

    path: str
    kind: str
    """supervisor, actor, cell or job."""
    state: str
    """starting, running, restarting, stopping or ended."""
    depth: int = 0
    """Messages waiting."""
    peak: int = 0
    """The most that ever waited."""
    oldest: float | None = None
    """Seconds that the oldest of them has waited."""
    in_flight: int = 0
    """Messages being handled, answers owed and jobs running."""
    restarts: int = 0
    exit: Exit | None = None
    """How its last incarnation ended, if there was one before."""
    description: str = ""
    children: tuple[Node, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, path: str) -> Node | None:
        """The node of that path at or below this one."""
        return next((node for node in self.walk() if node.path == path), None)

    def format(self, *, indent: int = 2) -> str:
        """Lines for people, children below their parents."""
        return "\n".join(self._lines(0, indent))

    def __str__(self) -> str:
        return self.format()

    def _lines(self, level: int, indent: int) -> Iterator[str]:
        yield " " * (level * indent) + self._line()
        for child in self.children:
            yield from child._lines(level + 1, indent)

    def _line(self) -> str:
        parts = [f"{self.name} ({self.kind}) {self.state}"]
        if self.depth or self.peak:
            parts.append(f"mail {self.depth} (peak {self.peak})")
        if self.oldest is not None:
            parts.append(f"oldest {self.oldest:.3f} s")
        if self.in_flight:
            parts.append(f"in flight {self.in_flight}")
        if self.restarts:
            parts.append(f"restarts {self.restarts}")
        if self.exit is not None:
            parts.append(f"last exit {self.exit}")
        if self.description:
            parts.append(self.description)
        return ", ".join(parts)


def picture(host: Host) -> Node:
    """The tree from `host` down."""
    depth, peak, oldest = host._mail()
    return Node(
        path=host.me.path,
        kind=host._kind(),
        state=host._status(),
        depth=depth,
        peak=peak,
        oldest=oldest,
        in_flight=host._in_flight(),
        restarts=host._restarts(),
        exit=host._last_exit(),
        description=_description(host),
        children=(
            *(picture(child) for child in (host._children or {}).values()),
            *(_picture_of_job(job) for job in host._jobs or ()),
        ),
    )


def mail_below(host: Host) -> dict[str, tuple[int, int]]:
    """Messages waiting from `host` down, by kind of actor: in all mailboxes, and in the fullest."""
    found: dict[str, tuple[int, int]] = {}
    below = [host]
    while below:
        each = below.pop()
        mailbox = getattr(each, "mailbox", None)  # a cell has none
        if mailbox is not None:
            depth, (waiting, fullest) = mailbox.depth, found.get(each._kind(), (0, 0))
            found[each._kind()] = (waiting + depth, max(fullest, depth))
        below += (each._children or {}).values()
    return found


def _picture_of_job(job: Job) -> Node:
    return Node(path=job.path, kind="job", state=job.status, description=_description(job))


def _description(thing: Host | Job) -> str:
    # Whoever looks must see the rest of the tree even if one actor cannot describe itself.
    try:
        return thing._describe()
    except Exception as error:
        return f"describe() failed: {error!r}"
