"""
Roots: the places a client lets a server work in.

Owns the root and its list.
"""

from __future__ import annotations

import attrs

from zcp_actors.wire.params import WithMeta
from zcp_actors.wire.results import Result


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Root(WithMeta):
    """A place; a `file://` URI for now."""

    uri: str
    name: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ListRootsResult(Result):
    """All roots."""

    roots: list[Root]
