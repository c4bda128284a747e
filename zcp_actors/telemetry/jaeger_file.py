"""
Traces in a file that any Jaeger UI opens by drag and drop.

Owns two forms. While the program runs, spans are lines of a *part* file, each complete by itself: what was written
survives a program that is killed, and memory stays small. At the end the lines become one document, written beside its
name and moved there in one step. Refuses to know who makes spans. The rule that keeps it honest: a part is removed only
when the document that holds its spans is in place.
"""

from __future__ import annotations

import errno
import os
import threading
from array import array
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import attrs
import msgspec
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from zcp_actors.telemetry.conventions import clean
from zcp_actors.telemetry.jaeger_span import process_of, to_jaeger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

MAX_SPANS = 100_000
"""Spans in one file. With 600 bytes each they are 60 MB, about what a browser still opens; a program that runs for long
sends its spans to a collector instead. The first ones are kept, and the file says how many are missing."""

PART = ".part"
"""How the name of a part file ends."""

_WHERE = 48
"""Bits of an offset in an index entry; above them is the number of the file. 2**48 bytes are more than any disk."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class SpanLines(SpanExporter):
    """Writes spans to a part file as they end, up to `max_spans`. Raises `OSError` when the file cannot be made.

    A disk that fails later is noted in `failure`, and the spans are lost; the program goes on.
    """

    def __init__(self, path: Path, *, max_spans: int = MAX_SPANS) -> None:
        self.path, self.max_spans = path, max_spans
        self.written = self.lost = 0
        self.failure: OSError | None = None
        self._file: IO[bytes] | None = path.open("wb", buffering=0)
        self._resource: Resource | None = None
        self._processes = 0
        self._torn = False
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans in one piece."""
        with self._lock:
            if self._file is None:
                return SpanExportResult.FAILURE
            kept = spans[: max(0, self.max_spans - self.written)]
            self.lost += len(spans) - len(kept)
            try:
                self._write(b"".join(line for span in kept for line in self._lines(span)))
            except OSError as error:
                self.lost += len(kept)
                self.failure = self.failure or error
                return SpanExportResult.FAILURE
            self.written += len(kept)
            return SpanExportResult.SUCCESS

    def _lines(self, span: ReadableSpan) -> Iterator[bytes]:
        if span.resource is not self._resource:
            self._resource = span.resource
            self._processes += 1
            yield _line({"process": f"p{self._processes}", **process_of(span.resource)})
        yield _line(to_jaeger(span, f"p{self._processes}"))

    def _write(self, piece: bytes) -> None:
        """Write all of it, or raise; what was torn off by a full disk must not spoil the line after it."""
        assert self._file is not None
        piece, self._torn = b"\n" * self._torn + piece, True
        if self._file.write(piece) < len(piece):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is held back."""
        return True

    def shutdown(self) -> None:
        """Close the part file, which stays."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()


class JaegerFile(SpanExporter):
    """Writes every span it is given to `path`, as Jaeger's JSON, when it is shut down.

    `also` are folders with part files of other processes, put into the same document. Raises `OSError` at once when
    the folder of `path` cannot be written to. An error at the end is left in `failure`, and the part file stays.
    """

    def __init__(self, path: Path, *, also: Iterable[Path] = (), max_spans: int = MAX_SPANS) -> None:
        self.path, self.also = path, tuple(also)
        self.failure: OSError | None = None
        self.written = 0
        """Spans in the document, once it is there."""
        # The process id keeps apart what two servers started by the same command line write at the same time.
        self._lines = SpanLines(path.with_name(f"{path.name}.{os.getpid()}{PART}"), max_spans=max_spans)
        self._ended = False

    @property
    def part(self) -> Path:
        """Where the spans are until the end."""
        return self._lines.path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep the spans on disk."""
        return self._lines.export(spans)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is held back."""
        return True

    def shutdown(self) -> None:
        """Write the document, once."""
        if self._ended:
            return
        self._ended = True
        self._lines.shutdown()
        try:
            parts = [self.part, *(part for folder in self.also for part in sorted(folder.glob(f"*{PART}")))]
            self.written = join_parts(parts, self.path, lost=self._lines.lost)
            self.part.unlink()
        except OSError as error:
            self.failure = error
        self.failure = self.failure or self._lines.failure


def join_parts(parts: Sequence[Path], path: Path, *, lost: int = 0) -> int:
    """Write the spans of all parts as one document at `path`, in one step; return how many there are.

    A line that was cut off by a kill is left out, and so is a span that is there twice. `lost` spans are said to be
    missing, in the warnings of each trace. Raises `OSError`; then whatever was at `path` is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(part.open("rb")) for part in parts]
            document = _Document(stack.enter_context(beside.open("wb")), files, lost)
            document.write()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return document.written


def read_line(line: bytes) -> dict[str, Any] | None:
    """Return what a line of a part file holds; None for one that was cut off."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = _decode(line)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None


@attrs.define
class _Document:
    """The writing of one document from several files of lines, with an index in memory and the spans on disk."""

    out: IO[bytes]
    files: Sequence[IO[bytes]]
    lost: int
    written: int = 0
    _processes: dict[tuple[int, str], dict[str, Any]] = attrs.field(factory=dict)
    _traces: dict[str, array[int]] = attrs.field(factory=dict)

    def write(self) -> None:
        """Write everything."""
        for number in range(len(self.files)):
            self._index(number)
        self.out.write(b'{"data":[')
        for count, (trace, places) in enumerate(self._traces.items()):
            self.out.write(b",\n" if count else b"\n")
            self._trace(trace, places)
        self.out.write(b'\n],"total":0,"limit":0,"offset":0,"errors":null}\n')

    def _index(self, number: int) -> None:
        file = self.files[number]
        place = file.tell()
        for line in file:
            found = read_line(line)
            if found is not None and "process" in found:
                self._processes[number, found.pop("process")] = found
            elif found is not None and "traceID" in found:
                self._traces.setdefault(found["traceID"], array("Q")).append(number << _WHERE | place)
            place += len(line)

    def _trace(self, trace: str, places: array[int]) -> None:
        seen: set[str] = set()
        names: dict[bytes, str] = {}
        self.out.write(b'{"traceID":' + _encode(trace) + b',"spans":[')
        for place in places:
            number, offset = place >> _WHERE, place & ((1 << _WHERE) - 1)
            self.files[number].seek(offset)
            span = _decode(self.files[number].readline())
            if span["spanID"] in seen:
                continue
            process = _encode(self._processes.get((number, span["processID"]), _NOBODY))
            span["processID"] = names.setdefault(process, f"p{len(names) + 1}")
            self.out.write((b",\n" if seen else b"\n") + _encode(span))
            seen.add(span["spanID"])
        self.written += len(seen)
        processes = b",".join(_encode(name) + b":" + process for process, name in names.items())
        self.out.write(b'],"processes":{' + processes + b'},"warnings":' + _encode(self._warnings()) + b"}")

    def _warnings(self) -> list[str] | None:
        return [f"{self.lost} spans are missing: this file holds no more"] if self.lost else None


def _line(found: dict[str, Any]) -> bytes:
    try:
        return _encode(found) + b"\n"
    except UnicodeEncodeError:  # half a character is no JSON; it must not cost the other spans
        return _encode(_clean(found)) + b"\n"


def _clean(value: Any) -> Any:
    """The same without halves of characters."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(key): _clean(each) for key, each in value.items()}
        case list():
            return [_clean(each) for each in value]
        case _:
            return value


_NOBODY = {"serviceName": "unknown_service", "tags": []}
