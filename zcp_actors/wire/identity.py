"""
Who somebody is and what they look like: names, icons, implementations.

Owns the shapes that name and decorate things. Refuses to fetch an icon or to judge a name.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from zcp_actors.wire.model import Model


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Icon(Model):
    """A picture for display. `src` is an https or data URI; `sizes` are like "48x48" or "any"."""

    src: str
    mime_type: str | None = None
    sizes: list[str] | None = None
    theme: Literal["dark", "light"] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class BaseMetadata(Model):
    """A name for programs, and a title for people where it differs."""

    name: str
    title: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Icons(Model):
    """A thing with icons."""

    icons: list[Icon] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Decorated(BaseMetadata):
    """A named thing with icons. (Slotted classes have one base, so this is not `BaseMetadata` and `Icons`.)"""

    icons: list[Icon] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Listed(Decorated):
    """A named thing of which a server lists many."""

    description: str | None = None
    meta: dict[str, Any] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Implementation(Decorated):
    """A client or a server: the software, not the person."""

    version: str
    description: str | None = None
    website_url: str | None = None
