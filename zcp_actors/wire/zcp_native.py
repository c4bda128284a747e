"""
The methods that ZCP adds to both revisions: `tasks/create`, which starts a task of a kind that is no tool.

Owns their params. Refuses to know their results, which are the tasks of each revision. The rule: a peer that does not
know these methods never sees one; it is `experimental["zcp/tasks"]` of a server's capabilities that says they are
served.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from zcp_actors.wire.params import RequestParams, TaskMetadata

TASKS: Final = "zcp/tasks"
"""The key under `capabilities.experimental`: `{"create": {"kinds": [...]}}`, the kinds in alphabetical order."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CreateTaskRequestParams(RequestParams):
    """Start a task of this kind."""

    kind: str
    input: dict[str, Any] | None = None
    """What the kind's handler works on; None is an empty object."""
    task: TaskMetadata | None = None
    """In both revisions: whoever asks for a task may say how long it shall be kept."""
