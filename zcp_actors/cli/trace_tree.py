"""
Spans as trees, and the choice of what to look at.

Owns who stands below whom, what is kept by a filter, and the time in which a trace only waited. Refuses to draw.
The rule that keeps it honest: what is kept is shown under all that encloses it.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from zcp_actors.cli.trace_file import Span


MAX_DEPTH = 41
"""Levels that each row tells of, one more than is drawn; a chain of calls would tell the square of its length."""


@attrs.frozen
class Row:
    """A span at its place in the tree."""

    span: Span
    last: tuple[bool, ...] = ()
    """For it and what is above it but the root, `MAX_DEPTH` at most: whether it is the last of its siblings."""
    orphan: bool = False
    """It names a parent that is not in the file."""
    encloses: bool = False
    """Others are below it."""


@attrs.frozen
class Trace:
    """One trace."""

    id: str
    rows: Sequence[Row]
    """Its spans in the order in which a tree is read."""
    hidden: int = 0
    """Spans that a filter took away."""

    @cached_property
    def spans(self) -> list[Span]:
        """Its spans."""
        return [row.span for row in self.rows]

    @cached_property
    def start(self) -> int:
        """When the first of its spans began."""
        return min(span.start for span in self.spans)

    @cached_property
    def end(self) -> int:
        """When the last of its spans ended."""
        return max(span.end for span in self.spans)

    @cached_property
    def duration(self) -> int:
        """From its first moment to its last."""
        return self.end - self.start

    @cached_property
    def waited(self) -> int:
        """The time in which at least one of its spans was a wait."""
        total, until = 0, 0
        for span in sorted((span for span in self.spans if span.waits), key=lambda span: span.start):
            total += max(0, span.end - max(span.start, until))
            until = max(until, span.end)
        return total


def traces_of(spans: Iterable[Span]) -> list[Trace]:
    """Return the traces in the order in which they began."""
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.trace].append(span)
    return sorted((Trace(id, tuple(_rows(members))) for id, members in found.items()), key=lambda trace: trace.start)


def kept(trace: Trace, wanted: Callable[[Span], bool]) -> Trace | None:
    """Return the trace with the spans that are wanted and what encloses them; None when there is none."""
    parents = {span.id: span.parent for span in trace.spans}
    keep: set[str] = set()
    for span in trace.spans:
        id: str | None = span.id if wanted(span) else None
        while id in parents and id not in keep:
            keep.add(id)
            id = parents[id]
    rows = tuple(_rows([span for span in trace.spans if span.id in keep]))
    return Trace(trace.id, rows, len(trace.rows) - len(rows)) if rows else None


def _rows(spans: Sequence[Span]) -> Iterator[Row]:
    """Walk without recursion: a file may nest as deeply as it likes. Spans in a ring of parents are all shown too."""
    ids = {span.id for span in spans}
    below: defaultdict[str | None, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.start, -span.duration)):
        below[span.parent if span.parent in ids else None].append(span)
    seen: set[str] = set()
    for first in (*below[None], *spans):
        stack = [Row(first, orphan=first.parent is not None)]
        while stack:
            row = stack.pop()
            if row.span.id in seen:
                continue
            seen.add(row.span.id)
            children = below.get(row.span.id, [])
            yield attrs.evolve(row, encloses=bool(children))
            above = row.last[-(MAX_DEPTH - 1) :]
            stack += [Row(child, (*above, child is children[-1])) for child in reversed(children)]
