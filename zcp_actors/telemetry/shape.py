"""
The attributes of requests: what all requests of a session for the same have in common, and what only one has.

Owns the sharing. A span that waits for its exporter keeps what it is given, and there may be thousands of them: each
holds an id and what it shares with the others. Refuses to be written to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from zcp_actors.telemetry import conventions as names

NO_WIRE: Final = "memory"
"""A transport whose messages arrive in their sender's own step: the context found there is the sender's."""

WHERE_NAMES: Final = (
    names.PROTOCOL_VERSION,
    names.TRANSPORT,
    names.PROTOCOL_NAME,
    names.SERVER_ADDRESS,
    names.SERVER_PORT,
)
"""Attributes that are the same for all requests of a session."""


@attrs.define(eq=False)
class Shape:
    """What all requests of a session for the same have in common."""

    name: str
    attributes: dict[str, Any]
    """Those of a span that are not of one request alone. Not to be written to."""
    measured: dict[str, Any] | None = None
    """Those of the duration of one of which nothing more was told, once there was one."""


def shape(method: str, target: str, *where: Any) -> Shape:
    """The shape of requests that have these, in the order of `WHERE_NAMES`."""
    attributes = names.about(method, target)
    for name, value in zip(WHERE_NAMES, where, strict=False):
        if value not in (None, "", NO_WIRE):
            attributes[name] = value
    return Shape(names.span_name(method, target), attributes)


class Numbered(Mapping[str, Any]):
    """The attributes of one request, of which nothing is known but its shape and its id."""

    __slots__ = ("_id", "_shared")

    def __init__(self, shared: dict[str, Any], id: int | str) -> None:
        """`shared` are those of its shape."""
        self._shared = shared
        # A text may be as long as a message, and is not kept so.
        self._id = id if type(id) is int else names.cut(str(id))

    def __getitem__(self, name: str) -> Any:
        return names.cut(str(self._id)) if name == names.REQUEST_ID else self._shared[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._shared
        yield names.REQUEST_ID

    def __len__(self) -> int:
        return len(self._shared) + 1
