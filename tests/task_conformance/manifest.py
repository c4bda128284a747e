"""
What a server says of itself, so that it can be judged: which of its tools can play which role.

Owns the roles and the reading of a manifest file. Refuses to know how the server is reached.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from pathlib import Path

ROLES = {
    "quick": "task support optional; ends at once, always with the same result",
    "slow": "task support optional or required; runs for 20 seconds or longer, unless it is cancelled",
    "brief": "task support optional or required; runs for 0.2 to 5 seconds, then ends",
    "asks": "task support optional or required; elicits once, then ends",
    "samples": "task support optional or required; samples once, then ends",
    "fails": "task support optional or required; its result has isError",
    "raises": "task support optional; a plain call of it is answered with a JSON-RPC error",
    "forbidden": "task support forbidden, or not said",
    "required": "task support required; ends within 5 seconds",
    "reports": "task support optional or required; reports progress three times or more, then ends",
    "running": "task support forbidden; says as text how many calls of `slow` run now",
}


class BadManifest(Exception):
    """A manifest cannot be used; the message says why."""


@attrs.frozen
class Tool:
    """A tool, and the arguments with which it plays its role."""

    name: str
    arguments: dict[str, Any] = attrs.Factory(dict)


@attrs.frozen(kw_only=True)
class Manifest:
    """What is known of one server."""

    tools: dict[str, Tool]
    """By role."""
    page: int = 25
    """So many tasks fill more than one page of tasks/list, if the server has pages at all."""
    most: int | None = None
    """So many tasks of one requestor may run; one more is refused. None: not known."""
    fragile: bool = False
    """It does not survive the end of the work of a cancelled task, or of another session: it is reached anew after each
    check that cancels or opens one, and nothing is cancelled only to be tidy."""
    identities: tuple[dict[str, str], ...] = ()
    """HTTP headers that identify a requestor, for two or more requestors; empty for a server that asks nobody."""

    def any_task(self) -> Tool | None:
        """A tool that runs as a task and ends soon."""
        return next((self.tools[role] for role in ("quick", "required", "brief") if role in self.tools), None)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest: `{"tools": {ROLE: {"name": ..., "arguments": {...}}}, ...}`. Raises `BadManifest`."""
    try:
        found = json.loads(path.read_text())
        tools = {role: Tool(each["name"], each.get("arguments", {})) for role, each in found.pop("tools").items()}
        identities = tuple(found.pop("identities", ()))
        manifest = Manifest(tools=tools, identities=identities, **found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadManifest(f"{path} is no manifest: {error!r}") from error
    if unknown := sorted(set(tools) - set(ROLES)):
        raise BadManifest(f"{path}: there is no role {', '.join(unknown)}; the roles are {', '.join(ROLES)}")
    return manifest
