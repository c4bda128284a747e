"""
Is this JSON value a message?

Owns the rules of the JSON-RPC envelope. Refuses to know methods, and to raise anything but `InvalidMessage`.
A refusal says which kind of message it seems to be, because they end differently: a request gets an error back, a
response ends our own request, a notification is dropped.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NoReturn

from zcp_actors.errors import INVALID_PARAMS, INVALID_REQUEST, InvalidMessage
from zcp_actors.wire.jsonrpc import ErrorResponse, Message, Notification, Request, RequestId, Response
from zcp_actors.wire.mismatch import word

Kind = Literal["request", "notification", "response"]

ID_LIMIT: Final = 2**63
"""Integer ids stay below this in size: the widest integer that common parsers carry without loss."""
_SHOWN: Final = 40
"""Characters of a peer's text that an error repeats."""


def read(value: Any) -> Message:
    """The message that a parsed JSON value is. Raises `InvalidMessage`."""
    if type(value) is not dict:
        raise InvalidMessage(f"expected one JSON object, got {_what(value)}")
    if value.get("jsonrpc") != "2.0":
        _refuse(value, f'jsonrpc must be "2.0", got {_shown(value, "jsonrpc")}')
    if "method" in value:
        return _call(value)
    if "result" in value or "error" in value:
        return _reply(value)
    return _refuse(value, "a message has a method, a result or an error; this has none")


def seems(value: Any) -> tuple[Kind | None, RequestId | None]:
    """What kind of message a value would be, and its id if that is usable."""
    if type(value) is not dict:
        return None, None
    id = value.get("id")
    usable: RequestId | None = id if _usable(id) else None
    if "method" in value:
        return ("request" if "id" in value else "notification"), usable
    if "result" in value or "error" in value:
        return "response", usable
    return None, usable


def _call(value: dict[str, Any]) -> Request | Notification:
    method = value["method"]
    if type(method) is not str:
        _refuse(value, f"method must be a string, got {word(method)}")
    if "result" in value or "error" in value:
        _refuse(value, "a request has no result and no error")
    if "id" in value and not _usable(value["id"]):
        _refuse(value, f"id must be a string or an integer of 64 bits, got {_shown(value, 'id')}")
    params = value.get("params")
    if "params" in value and type(params) is not dict:
        _refuse(value, f"params must be an object, got {word(params)}", INVALID_PARAMS)
    return Request(value["id"], method, params) if "id" in value else Notification(method, params)


def _reply(value: dict[str, Any]) -> Response | ErrorResponse:
    if "result" in value and "error" in value:
        _refuse(value, "a response has a result or an error, never both")
    if "error" in value:
        return _error(value)
    if not _usable(value.get("id")):
        _refuse(value, f"a response carries the id of its request, got {_shown(value, 'id')}")
    if type(value["result"]) is not dict:
        _refuse(value, f"result must be an object, got {word(value['result'])}")
    return Response(value["id"], value["result"])


def _error(value: dict[str, Any]) -> ErrorResponse:
    id, error = value.get("id"), value["error"]
    if id is not None and not _usable(id):
        _refuse(value, f"id must be a string or an integer of 64 bits, got {_shown(value, 'id')}")
    if type(error) is not dict:
        _refuse(value, f"error must be an object, got {word(error)}")
    if type(error.get("code")) is not int or type(error.get("message")) is not str:
        _refuse(value, "error must have an integer code and a string message")
    return ErrorResponse(id, error["code"], error["message"], error.get("data"))


def _usable(id: Any) -> bool:
    return type(id) is str or (type(id) is int and -ID_LIMIT <= id < ID_LIMIT)


def _refuse(value: dict[str, Any], why: str, code: int = INVALID_REQUEST) -> NoReturn:
    kind, id = seems(value)
    raise InvalidMessage(why, code=code, id=id, kind=kind)


def _shown(value: dict[str, Any], name: str) -> str:
    if name not in value:
        return "none"
    item = value[name]
    return f"{word(item)} {item!r:.{_SHOWN}}" if isinstance(item, str | float | bool) else word(item)


def _what(value: Any) -> str:
    return "an array; batches are not part of this protocol" if type(value) is list else word(value)
