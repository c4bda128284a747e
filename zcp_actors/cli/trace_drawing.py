"""
Traces as lines for a terminal: the tree, a bar for each span, how long it took, how it ended, what it is linked to.

Owns columns, characters and colours. Refuses to choose what is drawn. The rule that keeps it honest: nothing is told by
colour alone, so a pipe and a terminal without colours say the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs
from rich.text import Text

from zcp_actors.cli.failure import printable
from zcp_actors.cli.trace_tree import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from zcp_actors.cli.trace_file import Link, Span
    from zcp_actors.cli.trace_tree import Row, Trace

LEAST_BAR = 10
"""Cells below which a bar shows nothing; the names get them."""
MOST_NAMES = 0.5
"""Share of the width that names may take."""
LEAST_NAME = 12
"""Cells that every name has of them."""
TIME_CELLS = 9
"""Of the column of durations."""

_SHORT = 8
"""Characters of a trace id that people are shown: enough to tell traces of one file apart."""


@attrs.frozen
class Signs:
    """What things are drawn with."""

    below: str = "├─ "
    last: str = "└─ "
    beside: str = "│  "
    work: str = "█"
    wait: str = "░"
    bad: str = "✗"
    link: str = "→"
    cut: str = "…"
    dot: str = "·"
    micro: str = "µs"


ASCII = Signs("|- ", "`- ", "|  ", "#", ".", "x", "->", "~", "-", "us")
"""For a terminal that cannot print more."""


def signs_of(console: Console) -> Signs:
    """Return what this terminal can print."""
    try:
        "├─█░✗→…·µ".encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return Signs()


@attrs.frozen
class Drawing:
    """Draws traces, one after another."""

    console: Console
    names: dict[tuple[str, str], str]
    """The name of every span in the files, by trace and id, for links."""
    signs: Signs = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Look at the terminal once."""
        object.__setattr__(self, "signs", signs_of(self.console))

    def draw(self, trace: Trace) -> None:
        """Print one trace."""
        self.console.print(self._headline(trace))
        services: dict[str | None, str] = {span.id: span.service for span in trace.spans}
        several = len(set(services.values())) > 1
        labels = [self._label(row, several and row.span.service != services.get(row.span.parent)) for row in trace.rows]
        width = self.console.width
        room = min(max(label.cell_len for label in labels), int(width * MOST_NAMES))
        if width - room - TIME_CELLS - 2 < LEAST_BAR:
            room = max(1, width - TIME_CELLS - 2)
        bar = width - room - TIME_CELLS - 2
        for row, label in zip(trace.rows, labels, strict=True):
            self._row(trace, row, label, room, bar if bar >= LEAST_BAR else 0)
            self._notes(row)

    def _headline(self, trace: Trace) -> Text:
        dot = f" {self.signs.dot} "
        bad = sum(bool(span.error) for span in trace.spans)
        began = datetime.fromtimestamp(trace.start / 1e6).astimezone() if trace.start < _YEAR_3000 else None
        said = [
            f"trace {printable(trace.id)}",
            _counted(len(trace.rows), "span"),
            *([f"{_counted(bad, 'span')} not well"] if bad else []),
            self._time(trace.duration),
            *([f"waited {self._time(trace.waited)}"] if trace.waited else []),
            *([f"{began:%H:%M:%S}"] if began else []),
            *([f"{trace.hidden} hidden"] if trace.hidden else []),
        ]
        return Text(dot.join(said), style="bold")

    def _label(self, row: Row, by_another: bool) -> Text:  # noqa: FBT001 - reads as the claim it is
        label = Text().append(self._guide(row.last), style="dim")
        if row.span.error:
            label.append(f"{self.signs.bad} ", style=_style(row.span))
        label.append(_one_line(row.span.name), style=_style(row.span))
        if row.span.error:
            label.append(f" [{_one_line(row.span.error)}]", style=_style(row.span))
        if by_another:
            label.append(f" ({_one_line(row.span.service)})", style="dim")
        return label

    def _guide(self, last: tuple[bool, ...], *, inside: bool = False) -> str:
        signs, most = self.signs, self._levels
        levels = last[-most:]
        if not levels:
            return ""
        blank = " " * len(signs.beside)
        above = "".join(blank if ended else signs.beside for ended in levels[:-1])
        if len(last) > most:
            above = signs.cut + above[len(signs.cut) :]
        if inside:
            return above + (blank if levels[-1] else signs.beside)
        return above + (signs.last if levels[-1] else signs.below)

    @property
    def _levels(self) -> int:
        """How many are indented: what is deeper stands as far in, and leaves its name room to be read."""
        room = int(self.console.width * MOST_NAMES) - LEAST_NAME
        return min(max(2, room // len(self.signs.below)), MAX_DEPTH - 1)

    def _row(self, trace: Trace, row: Row, label: Text, room: int, bar: int) -> None:
        label.truncate(room, overflow="ellipsis" if self.signs is not ASCII else "crop", pad=True)
        line = label.append(" ")
        if bar:
            line.append_text(self._bar(trace, row.span, bar)).append(" ")
        line.append(self._time(row.span.duration).rjust(TIME_CELLS))
        self._line(line)

    def _notes(self, row: Row) -> None:
        """Print what is to be said of a span besides, below it."""
        guide = self._guide(row.last, inside=True) + (
            self.signs.beside if row.encloses else " " * len(self.signs.beside)
        )
        for note, style in self._notes_of(row):
            self._line(Text().append(guide, style="dim").append(note, style=style))

    def _notes_of(self, row: Row) -> Iterator[tuple[str, str]]:
        """With its style, each."""
        if why := row.span.tags.get("otel.status_description"):
            yield _one_line(str(why)), _style(row.span)
        if row.orphan:
            yield "(its parent is elsewhere)", "dim"
        for link in row.span.links:
            yield self._link(row.span, link), "dim"

    def _bar(self, trace: Trace, span: Span, width: int) -> Text:
        whole = max(1, trace.duration)
        first = min(width - 1, (span.start - trace.start) * width // whole)
        end = max(first + 1, -(-(span.end - trace.start) * width // whole))
        sign = self.signs.wait if span.waits else self.signs.work
        return Text(" " * first).append(sign * (end - first), style=_style(span)).append(" " * (width - end))

    def _link(self, span: Span, link: Link) -> str:
        name = self.names.get((link.trace, link.span), f"span {link.span[:_SHORT]}")
        where = "" if link.trace == span.trace else f" in trace {link.trace[:_SHORT]}"
        says = f"{link.says}: " if link.says else ""
        return _one_line(f"{self.signs.link} {says}{name}{where}")

    def _time(self, micro: int) -> str:
        if micro < 1000:  # noqa: PLR2004 - a thousand of a unit
            return f"{micro} {self.signs.micro}"
        if micro < 1_000_000:  # noqa: PLR2004 - as above
            return f"{micro / 1e3:.{1 if micro < 100_000 else 0}f} ms"  # noqa: PLR2004 - three digits say enough
        seconds = micro / 1e6
        return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds // 60)}m {seconds % 60:02.0f}s"  # noqa: PLR2004

    def _line(self, line: Text) -> None:
        line.rstrip()
        line.truncate(self.console.width, overflow="crop")
        self.console.print(line, no_wrap=True, overflow="crop", crop=True)


_YEAR_3000 = 32_503_680_000_000_000


def _style(span: Span) -> str:
    if span.failed:
        return "red"
    if span.error:
        return "magenta"
    return "yellow" if span.waits else "cyan"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
