"""
Trace files, read: Jaeger's JSON, as our commands or a Jaeger UI write it, and the part files of killed programs.

Owns the checking of what stands in them. Refuses to draw and to choose. The rule that keeps it honest: a file is
somebody's word, so every field is looked at before it is believed, and what is wrong is one sentence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_BYTES = 512 * 1024 * 1024
"""A file beyond this is no trace that people look at; read as a whole, it would take all memory."""

MAX_TIME = 2**62
"""Microseconds that a time or a duration may have: sums of two of them stay whole numbers of 64 bits."""


BOM = b"\xef\xbb\xbf"
"""What some programs write before text."""


@attrs.frozen
class Link:
    """A reference that is not the parent's."""

    trace: str
    span: str
    says: str = ""
    """What the link is, where its writer said so."""


@attrs.frozen(eq=False)
class Span:
    """One span as a trace file tells of it; times in microseconds."""

    trace: str
    id: str
    name: str
    start: int
    duration: int
    parent: str | None = None
    links: tuple[Link, ...] = ()
    tags: Mapping[str, Any] = attrs.field(factory=dict)
    service: str = ""

    @property
    def end(self) -> int:
        """When it ended."""
        return self.start + self.duration

    @property
    def failed(self) -> bool:
        """It carries an error by Jaeger's measure."""
        return self.tags.get("error") in (True, "true")

    @property
    def error(self) -> str:
        """The kind of its failure, or how else it did not come to a good end; empty for one that did."""
        return str(self.tags.get("error.type") or ("error" if self.failed else ""))

    @property
    def waits(self) -> bool:
        """Nobody worked in it."""
        return self.name.startswith(("wait_for", "waiting for ")) or self.name in ("task.input_required", "task.queued")


class NoTrace(click.ClickException):
    """A file that cannot be read as traces."""


def read_spans(paths: Iterable[Path]) -> list[Span]:
    """Return the spans of all files, each once. Raises `NoTrace`."""
    spans: dict[tuple[str, str], Span] = {}
    for path in paths:
        for span in _spans_in(path):
            spans.setdefault((span.trace, span.id), span)
    return list(spans.values())


def _spans_in(path: Path) -> list[Span]:
    text = _bytes_of(path)
    try:
        return list(_spans(text))
    except _Wrong as error:
        raise NoTrace(f"{path} is no trace file of Jaeger's JSON: {error}") from None


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise NoTrace(f"{path} has more than {MAX_BYTES >> 20} MiB: too much to be looked at")
        return path.read_bytes()
    except FileNotFoundError:
        left = sorted(path.parent.glob(f"{path.name}.*.part"))
        hint = f"; a run that was killed left {left[-1]}, which can be shown too" if left else ""
        raise NoTrace(f"there is no file {path}{hint}") from None
    except OSError as error:
        raise NoTrace(f"{path} cannot be read: {error.strerror}") from None


class _Wrong(Exception):
    """What is not as it should be."""


def _spans(text: bytes) -> Iterator[Span]:
    for trace in traces_in(text):
        yield from _trace(_object(trace, "a trace"))


def traces_in(text: bytes) -> list[Any]:
    """Return what should be traces, in any of the forms that the Jaeger UI opens, or in a part file."""
    text = text.removeprefix(BOM)
    try:
        return _traces_of(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError) as error:
        found = _lines(text)
        if found is None:
            found = _documents(text)
        if found is None:
            raise _Wrong(f"not JSON: {error}") from None
        return found


def _traces_of(document: Any) -> list[Any]:
    if isinstance(document, dict) and "resourceSpans" in document:
        raise _Wrong("this is OTLP, the format of collectors")
    if isinstance(document, dict) and "process" in document:  # a part file whose only line names its process
        return []
    found = document.get("data", [document]) if isinstance(document, dict) else document
    return [found] if isinstance(found, dict) else _list(found, "data")


def _documents(text: bytes) -> list[Any] | None:
    """What stands in a file of a document a line; None for a file that is none."""
    found: list[Any] = []
    for line in text.splitlines():
        if line.strip():
            try:
                found += _traces_of(msgspec.json.decode(line))
            except (msgspec.DecodeError, RecursionError):
                return None
    return found or None


def _lines(text: bytes) -> list[Any] | None:
    """A part file as traces of one span each; None for a file that is none. The last line may have been cut off."""
    processes: dict[str, Any] = {}
    spans: list[Any] = []
    for line in text.splitlines():
        try:
            found = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            continue
        if isinstance(found, dict) and "process" in found:
            processes[str(found["process"])] = found
        elif isinstance(found, dict) and "spanID" in found:
            spans.append({"spans": [found], "processes": dict(processes)})
    return spans if processes else None


def _trace(trace: dict[str, Any]) -> Iterator[Span]:
    processes = _object(trace.get("processes") or {}, "'processes'")
    services = {name: str(_object(process, "a process").get("serviceName", "")) for name, process in processes.items()}
    for span in _list(trace.get("spans"), "'spans' of a trace"):
        yield _span(_object(span, "a span"), services)


def _span(span: dict[str, Any], services: Mapping[str, str]) -> Span:
    tags = _tags(span.get("tags") or [])
    trace, id = _text(span, "traceID").lower(), _text(span, "spanID").lower()
    parents, links = _references(span, trace, tags)
    return Span(
        trace,
        id,
        _text(span, "operationName"),
        _time(span, "startTime"),
        _time(span, "duration"),
        parents[0] if parents else None,
        tuple(links),
        tags,
        services.get(str(span.get("processID")), ""),
    )


def _references(span: dict[str, Any], trace: str, tags: Mapping[str, Any]) -> tuple[list[str], list[Link]]:
    """The parent in the same trace, if there is one, and everything else that is referred to."""
    parents: list[str] = []
    links: list[Link] = []
    for found in _list(span.get("references") or [], "'references' of a span"):
        reference = _object(found, "a reference")
        other, id = _text(reference, "traceID").lower(), _text(reference, "spanID").lower()
        if reference.get("refType") == "CHILD_OF" and other == trace and not parents:
            parents.append(id)
            continue
        links.append(Link(other, id, str(tags.get(f"link.{len(links) + 1}.zcp.link.type", ""))))
    return parents, links


def _tags(found: Any) -> dict[str, Any]:
    tags = [_object(tag, "a tag") for tag in _list(found, "'tags' of a span")]
    return {_text(tag, "key"): tag.get("value") for tag in tags}


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{what} should be an object, not {_kind(value)}")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(f"{what} should be a list, not {_kind(value)}")
    return value


def _text(found: dict[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str):
        raise _Wrong(f"{key!r} should be text, not {_kind(value)}")
    return value


def _time(found: dict[str, Any], key: str) -> int:
    value = found.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TIME:
        raise _Wrong(f"{key!r} should be a number of microseconds, not {_kind(value)}")
    return int(value)


def _kind(value: Any) -> str:
    return "missing" if value is None else f"{type(value).__name__} {str(value)[:20]!r}"
