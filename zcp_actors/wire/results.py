"""
What results have in common.

Owns the base shapes. Refuses to know any one method. A result whose `result_type` is None is complete: 2026-07-28 says
so of an absent `resultType`, and its dialect writes the word out.
"""

from __future__ import annotations

from typing import Literal

import attrs

from zcp_actors.wire.meta_keys import V2026_07_28
from zcp_actors.wire.model import only
from zcp_actors.wire.params import WithMeta

CacheScope = Literal["private", "public"]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Result(WithMeta):
    """Any result; what it says beyond this is in `extra`."""

    result_type: str | None = only(V2026_07_28)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class EmptyResult(Result):
    """A result that says only that it went well."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PaginatedResult(Result):
    """One page. No `next_cursor` means it is the last."""

    next_cursor: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CacheableResult(Result):
    """A result its receiver may keep for `ttl_ms` milliseconds, for everybody or for one principal (2026-07-28)."""

    ttl_ms: int | None = only(V2026_07_28)
    cache_scope: CacheScope | None = only(V2026_07_28)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CacheablePage(CacheableResult):
    """One page that may be kept. A slotted class has one base, so this is no `PaginatedResult`."""

    next_cursor: str | None = None
