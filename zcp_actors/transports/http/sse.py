"""
Server-sent events: bytes in, events out.

Owns the line and field rules of the format. Refuses to know connections, and what an event's data means.
The rules: each byte is looked at once, whatever the chunks; an event that would grow beyond the limit is refused
before it is kept. Source: WHATWG HTML, "Server-sent events", parsing and interpreting an event stream.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from zcp_actors.errors import MessageTooLarge

FIELD_ROOM: Final = 1024
"""What a line may hold beyond the largest data: a field's name and a space. An id or a comment needs no more either."""

LONGEST_RETRY: Final = 9
"""Digits of a `retry` that is believed: eleven days in milliseconds."""

NEWLINE, RETURN = b"\n\r"

_LINE_END: Final = re.compile(rb"[\r\n]")
_BOM: Final = b"\xef\xbb\xbf"


@attrs.frozen
class Event:
    """One event. The fields that did not come are None; the id is kept by whoever may have to resume."""

    type: str = "message"
    data: bytes | None = None
    id: str | None = None
    retry: float | None = None
    """Seconds."""


class EventParser:
    """The reading end of one stream. What stands after its last blank line is no event and is forgotten with it."""

    def __init__(self, max_data: int) -> None:
        self._max = max_data
        self._rest = bytearray()
        self._scanned = 0
        self._skip_newline = False
        self._started = False
        self._data = bytearray()
        self._fields: dict[str, str] = {}

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Raises `MessageTooLarge`; the stream cannot be read on then."""
        events: list[Event] = []
        self._rest += chunk
        start = 0
        for end in self._line_ends():
            if self._skip_newline and end == start and self._rest[end] == NEWLINE:
                start, self._skip_newline = end + 1, False  # the second half of a CRLF
                continue
            self._line(bytes(self._rest[start:end]), events)
            self._skip_newline = self._rest[end] == RETURN
            start = end + 1
        del self._rest[:start]
        self._scanned = len(self._rest)
        self._refuse_long(len(self._rest) - FIELD_ROOM)
        return events

    def _line_ends(self) -> list[int]:
        return [found.start() for found in _LINE_END.finditer(self._rest, self._scanned)]

    def _line(self, line: bytes, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if not line:
            self._end_event(events)
            return
        name, _, value = line.partition(b":")
        self._field(name, value[1:] if value.startswith(b" ") else value)

    def _field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._refuse_long(len(self._data) + len(value))
            self._data += value + b"\n"
        elif name == b"id" and b"\0" not in value and len(value) <= FIELD_ROOM:
            self._fields["id"] = value.decode("utf-8", "replace")
        elif name == b"event" and len(value) <= FIELD_ROOM:
            self._fields["type"] = value.decode("utf-8", "replace") or "message"
        elif name == b"retry" and value.isdigit() and len(value) <= LONGEST_RETRY:
            self._fields["retry"] = value.decode("ascii")

    def _end_event(self, events: list[Event]) -> None:
        if self._data or self._fields:
            retry = self._fields.pop("retry", None)
            data = bytes(self._data[:-1]) if self._data else None
            events.append(Event(data=data, retry=None if retry is None else int(retry) / 1000, **self._fields))
        self._data, self._fields = bytearray(), {}

    def _refuse_long(self, size: int) -> None:
        if size > self._max:
            raise MessageTooLarge(
                f"an event of more than {self._max} bytes; the server must send less, or max_message be raised"
            )
