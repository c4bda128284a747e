"""Every definition of the specification's schemas, read into models and written back."""

from __future__ import annotations

import json
from typing import Any

import attrs
import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire.instances import EXTENSION, V2025, V2026, definitions, instances, validator

from zcp_actors import wire
from zcp_actors.wire import Model, Notification, Request, Response, tasks_extension, v2025_11_25
from zcp_actors.wire.converter import structure
from zcp_actors.wire.model import ONLY, wire_name

DIALECT = {V2025: wire.DIALECTS[V2025], V2026: wire.DIALECTS[V2026], EXTENSION: wire.DIALECTS[V2026]}
NAMESPACES = {V2025: [v2025_11_25, wire], V2026: [wire], EXTENSION: [tasks_extension, wire]}

PLAIN = {
    "Cursor": "a string",
    "Role": "a literal",
    "LoggingLevel": "a literal",
    "TaskStatus": "a literal",
    "ProgressToken": "string or integer",
    "RequestId": "string or integer",
    "ResultType": "a string",
    "MetaObject": "stays raw",
    "RequestMetaObject": "stays raw; its keys are in meta_keys",
    "ResultMetaObject": "stays raw",
    "NotificationMetaObject": "stays raw",
    "SubscriptionsListenResultMetaObject": "stays raw",
    "JSONValue": "stays raw",
    "JSONObject": "stays raw",
    "JSONArray": "stays raw",
    "Request": "abstract: the envelope has it",
    "Notification": "abstract: the envelope has it",
    "Error": "part of the envelope",
    "ParseError": "part of the envelope",
    "InvalidRequestError": "part of the envelope",
    "MethodNotFoundError": "part of the envelope",
    "InvalidParamsError": "part of the envelope",
    "InternalError": "part of the envelope",
    "TasksExtensionCapability": "stays raw",
    "TaskSubscriptionNotifications": "SubscriptionFilter has its field",
    "TaskSubscriptionAcknowledgedNotifications": "SubscriptionFilter has its field",
    "ClientResult": "a union over all methods: told apart by the method",
    "ServerResult": "a union over all methods: told apart by the method",
    "WorkingTask": "DetailedTask with its status",
    "InputRequiredTask": "DetailedTask with its status",
    "CompletedTask": "DetailedTask with its status",
    "FailedTask": "DetailedTask with its status",
    "CancelledTask": "DetailedTask with its status",
}
"""Definitions that are no model of ours, and why."""


def every_definition() -> list[Any]:
    return [
        pytest.param(name, each, id=f"{name}-{each}")
        for name in (V2025, V2026, EXTENSION)
        for each in definitions(name)
    ]


def shape_of(name: str, definition: str) -> Any:
    """Our model, or our union of models, for a definition."""
    for space in NAMESPACES[name]:
        found = getattr(space, definition, None)
        if found is not None and (not isinstance(found, type) or issubclass(found, Model)):
            return found
    return None


def method_of(name: str, definition: str) -> str | None:
    """The one method of a definition that is a request or a notification."""
    shape = definitions(name)[definition]
    parts = [shape, *shape.get("allOf", [])]
    return next(
        (method for part in parts if (method := part.get("properties", {}).get("method", {}).get("const"))), None
    )


def is_message(sample: Any) -> bool:
    return isinstance(sample, dict) and sample.get("jsonrpc") == "2.0"


def normal(value: Any) -> Any:
    """What the wire means: a form without a mode has one, and an error with null data has none."""
    if isinstance(value, dict):
        if value.get("data", value) is None and "code" in value:
            value = {key: item for key, item in value.items() if key != "data"}
        value = {key: normal(item) for key, item in value.items()}
        return {"mode": "form", **value} if "requestedSchema" in value else value
    return [normal(item) for item in value] if isinstance(value, list) else value


def travelled(name: str, sample: dict[str, Any], method: str | None) -> dict[str, Any]:
    """A whole message, through bytes, models and bytes again."""
    dialect = DIALECT[name]
    message = wire.decode(json.dumps(sample).encode())
    if isinstance(message, Request) and method:
        sender = "client" if method in dialect.client_requests else "server"
        message = Request(message.id, method, dialect.request_params(method, message.params, sender=sender))
    elif isinstance(message, Notification) and method:
        sender = "client" if method in dialect.client_notifications else "server"
        message = Notification(method, dialect.notification_params(method, message.params, sender=sender))
    back = json.loads(wire.encode(message, dialect))
    if "error" in back and back["id"] is None:
        del back["id"]  # JSON-RPC demands the null that the schema leaves out
    return back


@pytest.mark.parametrize(("name", "definition"), every_definition())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(choice=st.data())
def test_every_definition_survives_being_read_and_written(name, definition, choice):
    """Source: the three schema files."""
    sample = choice.draw(instances(name, definition))
    if is_message(sample):
        if name == EXTENSION and "id" in sample and "params" in sample:  # its schema leaves out what 2026-07-28 demands
            sample["params"]["_meta"] = choice.draw(instances(V2026, "RequestMetaObject"))
        back = travelled(name, sample, method_of(name, definition))
        if "params" not in sample and back.get("params") == {}:
            del back["params"]  # no params and empty params say the same
    elif (shape := shape_of(name, definition)) is not None:
        back = wire.to_wire(structure(shape, sample), DIALECT[name])
    else:
        assert definition in PLAIN, f"{definition} of {name} has no model and no reason not to have one"
        return
    assert normal(back) == normal(sample)
    validator(name, definition).validate(back)


def fields_of(name: str, shape: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The properties of a definition, and those that it requires, with what it takes from others."""
    shape = definitions(name)[shape["$ref"].rsplit("/", 1)[-1]] if "$ref" in shape else shape
    found, required = set(shape.get("properties", ())), set(shape.get("required", ()))
    for part in shape.get("allOf", []):
        more, needed = fields_of(name, part)
        found, required = found | more, required | needed
    members = [fields_of(name, member) for member in shape.get("anyOf", [])]
    if members:
        found = found.union(*(more for more, _ in members))
        required |= set.intersection(*(needed for _, needed in members))
    return found, required


ENVELOPE = {"jsonrpc", "id"}
"""What the requests of 2025-11-25 have and those inside results of 2026-07-28 have not."""


@pytest.mark.parametrize(("name", "definition"), every_definition())
def test_every_field_of_a_definition_is_one_of_its_model(name, definition):
    """A field that a model lacks would survive as an unknown one, so the test above cannot miss it."""
    model = shape_of(name, definition)
    if not isinstance(model, type):
        return
    found, required = fields_of(name, definitions(name)[definition])
    fields = {wire_name(field): field for field in attrs.fields(model)}
    demanded = {wire for wire, field in fields.items() if field.default is attrs.NOTHING}
    version = DIALECT[name].version
    elsewhere = {wire for wire, field in fields.items() if field.metadata.get(ONLY, version) != version}

    assert found - ENVELOPE <= fields.keys()
    assert demanded <= required
    assert not found & elsewhere


@pytest.mark.parametrize("name", [V2025, V2026])
def test_every_method_of_the_schema_is_in_the_dialect(name):
    shapes = definitions(name)
    dialect = DIALECT[name]
    ours = {"ClientRequest": dialect.client_requests, "ServerRequest": dialect.server_requests}
    ours |= {"ClientNotification": dialect.client_notifications, "ServerNotification": dialect.server_notifications}
    for union, table in ours.items():
        members = shapes.get(union, {"anyOf": []})
        named = [member.get("$ref", union).rsplit("/", 1)[-1] for member in members.get("anyOf", [members])]
        methods = {method_of(name, each) for each in named}
        extension = (
            {*tasks_extension.CLIENT_REQUESTS, *tasks_extension.SERVER_NOTIFICATIONS} if name == V2026 else set()
        )
        assert set(table) - extension - oracle.ZCP == methods, union


@settings(max_examples=60, deadline=None)
@given(choice=st.data())
def test_a_response_survives_with_any_result(choice):
    sample = choice.draw(instances(V2026, "JSONRPCResultResponse"))
    message = wire.decode(json.dumps(sample).encode())
    assert isinstance(message, Response)
    assert json.loads(wire.encode(message))["result"] == sample["result"]
