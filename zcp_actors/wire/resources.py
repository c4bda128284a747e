"""
Resources: what a server can show, and the contents it shows.

Owns the things. Refuses to know how they are asked for: `resource_requests` has that.
"""

from __future__ import annotations

from typing import Literal

import attrs

from zcp_actors.wire.identity import Listed
from zcp_actors.wire.model import Model
from zcp_actors.wire.params import WithMeta

Role = Literal["assistant", "user"]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Annotations(Model):
    """Hints on who something is for and how much it matters; `priority` from 0 to 1, `last_modified` ISO 8601."""

    audience: list[Role] | None = None
    last_modified: str | None = None
    priority: float | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Resource(Listed):
    """Something a server can read out. `size` in bytes, before any encoding."""

    uri: str
    mime_type: str | None = None
    annotations: Annotations | None = None
    size: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ResourceTemplate(Listed):
    """A family of resources, as a URI template (RFC 6570)."""

    uri_template: str
    mime_type: str | None = None
    annotations: Annotations | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ResourceContents(WithMeta):
    """What a resource, or a part of one, contains."""

    uri: str
    mime_type: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TextResourceContents(ResourceContents):
    """Contents that are text."""

    text: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class BlobResourceContents(ResourceContents):
    """Contents that are bytes, in base64."""

    blob: str


AnyResourceContents = TextResourceContents | BlobResourceContents
