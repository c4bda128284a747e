"""
Where a page of `tasks/list` ends, as an opaque text.

Owns its bytes: a position, and a digest that ties it to one principal of one app. Refuses to look anything up. It
carries no secret and needs none: whoever forges one gains a page of its own tasks.
Source: MCP, server/utilities/pagination: cursors are opaque, an invalid one SHOULD be answered with -32602.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from zcp_actors.errors import InvalidParams

if TYPE_CHECKING:
    from zcp_actors.protocol.tasks import Task

MAX_CURSOR = 256
"""Characters of a cursor that are looked at; ours have some 80."""


def cursor_after(task: Task) -> str:
    """The cursor of the page that begins after this task."""
    position = json.dumps([float(task.created), task.id], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_digest(position, task.place.app, task.place.principal) + position).decode()


def position_of(cursor: str, app: str, principal: str) -> tuple[float, str]:
    """When the task before the page was created, and its id. Raises `InvalidParams` for what is no cursor of theirs."""
    try:
        raw = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True) if len(cursor) <= MAX_CURSOR else b""
        created, id = json.loads(raw[8:])
    except (ValueError, TypeError):
        raise _refusal() from None
    if raw[:8] != _digest(raw[8:], app, principal) or not (isinstance(created, float) and isinstance(id, str)):
        raise _refusal()
    return created, id


def _digest(position: bytes, app: str, principal: str) -> bytes:
    text = json.dumps([app, principal]).encode() + position
    return hashlib.blake2b(text, digest_size=8, person=b"zcp.tasks").digest()


def _refusal() -> InvalidParams:
    return InvalidParams("params.cursor is not one that this server gave: list again from the start")
