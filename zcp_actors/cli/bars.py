"""
Progress bars on standard error.

Owns the drawing of progress reports. Refuses to know calls: each bar is a listener.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from zcp_actors.cli.failure import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType


class Bars:
    """Bars that are drawn for the time of a `with` block; none appears before the first report."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[name]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}"),
            console=console or Console(stderr=True),
        )
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._progress.stop()

    def listener(self, name: str) -> Callable[[Any], None]:
        """Return what a call's `on_progress` takes; it draws a bar of its own."""
        bar: list[Any] = []

        def heard(report: Any) -> None:
            if not bar:
                self._draw()
                bar.append(self._progress.add_task("", name=_safe(name), message="", total=None))
            self._progress.update(
                bar[0], completed=report.progress, total=report.total, message=_safe(report.message or "")
            )

        return heard

    def say(self, text: str) -> None:
        """Print a line, above the bars if any are drawn."""
        self._progress.console.print(Text(printable(text)), soft_wrap=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Step aside while a person is asked something on the same terminal."""
        drawn, self._drawn = self._drawn, False
        if drawn:
            self._progress.stop()
        try:
            yield
        finally:
            if drawn:
                self._draw()

    def _draw(self) -> None:
        if not self._drawn:
            self._drawn = True
            self._progress.start()


def _safe(text: str) -> str:
    """Text for a column, which would read [brackets] as its markup."""
    return Text(printable(text)).markup
