"""
An independent reader of what we write: the models of the `mcp` package.

`check` reads one wire message with them and fails with a clear text when they refuse it.
Known gaps of the oracle: it has no tasks in its tables of 2025-11-25, so its public task models are put in; it does not
know the tasks extension of 2026-07-28 and the methods of ZCP at all, so of those messages only the envelope is checked.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp_types import methods
from mcp_types.jsonrpc import jsonrpc_message_adapter
from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

V2025, V2026 = "2025-11-25", "2026-07-28"

_TASK_REQUESTS = {
    "tasks/get": (types.GetTaskRequest, types.GetTaskResult),
    "tasks/list": (types.ListTasksRequest, types.ListTasksResult),
    "tasks/cancel": (types.CancelTaskRequest, types.CancelTaskResult),
    "tasks/result": (types.GetTaskPayloadRequest, types.GetTaskPayloadResult),
}
_TASK_STATUS = {("notifications/tasks/status", V2025): types.TaskStatusNotification}
_REQUESTS = {
    "client": {**methods.CLIENT_REQUESTS, **{(name, V2025): both[0] for name, both in _TASK_REQUESTS.items()}},
    "server": {**methods.SERVER_REQUESTS, **{(name, V2025): both[0] for name, both in _TASK_REQUESTS.items()}},
}
_NOTIFICATIONS = {
    "client": {**methods.CLIENT_NOTIFICATIONS, **_TASK_STATUS},
    "server": {**methods.SERVER_NOTIFICATIONS, **_TASK_STATUS},
}
_RESULTS = {
    "server": {**methods.SERVER_RESULTS, **{(name, V2025): both[1] for name, both in _TASK_REQUESTS.items()}},
    "client": {**methods.CLIENT_RESULTS, **{(name, V2025): both[1] for name, both in _TASK_REQUESTS.items()}},
}
_AUGMENTED = {"tools/call", "sampling/createMessage", "elicitation/create"}
_EXTENSION = {"tasks/get", "tasks/update", "tasks/cancel", "notifications/tasks"}
ZCP = {"tasks/create"}
"""Methods that only ZCP has, in either era."""


def check(message: dict[str, Any], *, era: str, sender: str, method: str | None = None) -> None:
    """Read a wire message as the oracle does.

    `era` is a version string, `sender` is "client" or "server", whoever sent this message; `method` is that of the
    request a response belongs to, without which only the response's envelope can be read.
    Raises `AssertionError` with what the oracle has against it.
    """
    _read(message, "envelope", lambda: jsonrpc_message_adapter.validate_python(message))
    name = message.get("method", method)
    if "error" in message or name is None or name in ZCP or (era == V2026 and name in _EXTENSION):
        return
    if "result" in message:
        _result(message, name, era, sender)
    elif "id" in message:
        model = _row(_REQUESTS[sender], name, era, message)
        body = {"jsonrpc": "2.0", "id": message["id"], "method": name, **_params(message)}
        _read(message, "request", lambda: _adapter(model).validate_python(body, by_name=False))
    else:
        model = _row(_NOTIFICATIONS[sender], name, era, message)
        body = {"jsonrpc": "2.0", "method": name, **_params(message)}
        _read(message, "notification", lambda: _adapter(model).validate_python(body, by_name=False))


def _result(message: dict[str, Any], name: str, era: str, sender: str) -> None:
    result = message["result"]
    if era == V2026 and result.get("resultType") == "task":
        return
    if era == V2025 and name in _AUGMENTED and "task" in result:
        _read(message, "result", lambda: types.CreateTaskResult.model_validate(result, by_name=False))
        return
    model = _row(_RESULTS[sender], name, era, message)
    _read(message, "result", lambda: _adapter(model).validate_python(result, by_name=False))


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _params(message: dict[str, Any]) -> dict[str, Any]:
    return {"params": message["params"]} if "params" in message else {}


def _row(table: Mapping[tuple[str, str], Any], name: str, era: str, message: dict[str, Any]) -> Any:
    row = table.get((name, era))
    assert row is not None, f"the oracle knows no {name} of this direction in {era}: {message}"
    return row


def _read(message: dict[str, Any], part: str, read: Callable[[], Any]) -> None:
    try:
        read()
    except ValidationError as refusal:
        raise AssertionError(f"the oracle refuses this {part}: {refusal}\n{message}") from None
