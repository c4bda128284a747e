"""
A task as the JSON text that a file keeps, and back.

Owns the format and its number. Refuses to know tables.
The rule that keeps it honest: every field is named here, so a renamed attribute cannot change what is on the disk.
When a new version needs another shape it raises `FORMAT` and says in `from_json` how an older one reads; it never
stops reading an older one, because a task may wait for years. A newer one is refused: nobody here knows what it means.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zcp_actors.errors import NotJSON, UsageError
from zcp_actors.protocol.tasks import OpenQuestion, Origin, Place, Status, Task

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""The format that is written."""

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def origin_to_json(task: Task) -> str:
    """What made the task; it is written once."""
    origin = task.origin
    return encoded(
        {
            "method": origin.method,
            "target": origin.target,
            "params": origin.params,
            "version": origin.version,
            "capabilities": origin.capabilities,
            "clientInfo": origin.client_info,
            "logLevel": origin.log_level,
        }
    )


def to_json(task: Task) -> str:
    """What may change, without place and revision, which are columns. Raises `NotJSON`."""
    return encoded(
        {
            "status": task.status.value,
            "created": task.created,
            "updated": task.updated,
            "ttl": task.ttl,
            "poll": task.poll,
            "onRestart": task.on_restart,
            "message": task.message,
            "questions": {key: [asked.method, asked.params] for key, asked in task.questions.items()},
            "answers": task.answers,
            "outcome": task.outcome,
        }
    )


def from_json(place: Place, revision: int, record: str, origin: str) -> Task:
    """The task of these texts, which are of `FORMAT`."""
    known, made = json.loads(record), json.loads(origin)
    return Task(
        place=place,
        origin=Origin(
            method=made["method"],
            target=made["target"],
            params=made["params"],
            version=made["version"],
            capabilities=made["capabilities"],
            client_info=made["clientInfo"],
            log_level=made["logLevel"],
        ),
        status=Status(known["status"]),
        created=known["created"],
        updated=known["updated"],
        ttl=known["ttl"],
        poll=known["poll"],
        on_restart=known["onRestart"],
        message=known["message"],
        questions={
            key: OpenQuestion(method=method, params=params) for key, (method, params) in known["questions"].items()
        },
        answers=known["answers"],
        outcome=known["outcome"],
        revision=revision,
    )


def encoded(value: Any) -> str:
    """Plain JSON as a text. Raises `NotJSON`."""
    try:
        return _encode(value)
    except (TypeError, ValueError) as error:
        raise NotJSON(f"a task holds plain JSON only, so that it can be kept: {error}") from error


def unknown_format(format: int, place: Place, file: Path) -> UsageError:
    """What is raised for a task that cannot be read here."""
    return UsageError(
        f"the task {place.id!r} of {place.app!r} in {file} has format {format}, this version reads up to {FORMAT}: "
        "a newer version wrote it; run that version, or give this one a file of its own"
    )


def damaged(place: Place, file: Path, error: Exception) -> UsageError:
    """What is raised for a task whose texts are not what was written."""
    return UsageError(
        f"the task {place.id!r} of {place.app!r} in {file} is damaged ({error!r}): "
        "restore the file from a copy, or delete that task's row"
    )
