"""
Questions as handlers write them, turned into the params of the wire, and answers turned back.

Owns the forms that a handler may use: typed arguments, a mapping in camelCase or snake_case, the kind-and-prompt form.
Refuses to know calls and sessions: everything here is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import attrs

from zcp_actors import schemas
from zcp_actors.errors import InvalidParams, InvalidResult, UsageError
from zcp_actors.wire import (
    CreateMessageRequestParams,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    Model,
    from_wire,
    plain,
)
from zcp_actors.wire.model import attributes_by_wire, wire_name

T = TypeVar("T")
P = TypeVar("P", bound=Model)

DEFAULT_MAX_TOKENS = 1024
"""What `sample` asks for when the handler does not say: the wire demands a number, and this is a page of text."""


@attrs.frozen
class Elicited(Generic[T]):
    """The person's answer. `action` is "accept", "decline" or "cancel"; only an accepted one has `data`."""

    action: str
    data: T | None = None
    """The accepted content: an instance of the type that was asked for, or a dict where a schema was given."""
    content: dict[str, Any] | None = None
    """The accepted content as plain JSON."""

    @property
    def accepted(self) -> bool:
        """True only when the person agreed."""
        return self.action == "accept"

    def __getitem__(self, name: str) -> Any:
        """The answer by name, as the wire and the guide spell it."""
        return {"action": self.action, "accepted": self.accepted, "data": self.data, "content": self.content}[name]

    def __plain__(self) -> dict[str, Any]:
        """The answer as JSON; an accepted one has its content by both of its names."""
        said: dict[str, Any] = {"action": self.action, "accepted": self.accepted}
        return said if self.content is None else {**said, "content": self.content, "data": self.content}


@attrs.frozen
class FormQuestion(Generic[T]):
    """An elicitation by form: what travels, and how its answer is read."""

    message: str
    form: schemas.Form

    @property
    def params(self) -> ElicitRequestFormParams:
        """What travels."""
        return ElicitRequestFormParams(message=self.message, requested_schema=self.form.schema)

    @property
    def content(self) -> dict[str, Any]:
        """The wire form of that."""
        return {"mode": "form", "message": self.message, "requestedSchema": self.form.schema}


def form_question(message: str | Mapping[str, Any], schema: Any = None) -> FormQuestion[Any]:
    """A form elicitation from its typed or its mapping form. Raises `SchemaError` for a schema no form can show."""
    if isinstance(message, Mapping):
        message, schema = _read_mapping(message, schema)
    return FormQuestion(message, schemas.form_of(schema))


def _read_mapping(asked: Mapping[str, Any], schema: Any) -> tuple[str, Any]:
    """`{"message", "requestedSchema"}`, its snake_case, or the guide's `{"kind", "prompt", "fields"}`."""
    message = asked.get("message", asked.get("prompt"))
    if not isinstance(message, str):
        raise UsageError(f"an elicitation needs a 'message' (or 'prompt') text; got the keys {sorted(asked)}")
    found = asked.get("requestedSchema", asked.get("requested_schema", asked.get("schema", schema)))
    if found is None and isinstance(asked.get("fields"), Sequence):
        found = _schema_of_fields(asked["fields"])
    return message, found


_FIELD_TYPES = {"text": "string", "string": "string", "int": "integer", "bool": "boolean"}


def _schema_of_fields(fields: Sequence[Any]) -> dict[str, Any]:
    """The guide's list of fields (name, type, label, required, options) as a form's schema."""
    properties: dict[str, Any] = {}
    for field in fields:
        kind = _FIELD_TYPES.get(field.get("type", "string"), field.get("type", "string"))
        shape = {"type": kind, "title": field.get("label"), "enum": field.get("options") or None}
        properties[field["name"]] = {key: value for key, value in shape.items() if value is not None}
    required = [field["name"] for field in fields if field.get("required")]
    return {"type": "object", "properties": properties, "required": required}


def read_answer(question: FormQuestion[T], answer: ElicitResult) -> Elicited[T]:
    """The client's answer, checked against what was asked. Raises `InvalidResult` when its content does not match."""
    if answer.action != "accept":
        return Elicited(answer.action)
    try:
        content = question.form.answers(answer.content)
        return Elicited("accept", question.form.value(content), content)
    except schemas.Mismatch as error:
        raise InvalidResult(f"the client's answer to {question.message!r} does not match its form: {error}") from None


def url_question(message: str, url: str, elicitation_id: str) -> ElicitRequestURLParams:
    """An elicitation that sends the person to a page."""
    return ElicitRequestURLParams(message=message, url=url, elicitation_id=elicitation_id)


def sampling_question(messages: Any, options: Mapping[str, Any]) -> CreateMessageRequestParams:
    """A sampling request from typed arguments or from a mapping of the wire's shape (camelCase or snake_case)."""
    if isinstance(messages, CreateMessageRequestParams):
        return messages
    if isinstance(messages, Mapping):
        options = {**options, **snake_keys(CreateMessageRequestParams, messages)}
        messages = options.get("messages", ())
    given = {key: value for key, value in options.items() if value is not None}
    given["messages"] = [sampling_message(each) for each in as_list(messages)]
    given.setdefault("max_tokens", DEFAULT_MAX_TOKENS)
    return model_from(CreateMessageRequestParams, given)


def sampling_message(given: Any) -> Any:
    """One message of a conversation: a text is the user's."""
    if isinstance(given, str):
        return {"role": "user", "content": {"type": "text", "text": given}}
    if isinstance(given, Mapping) and isinstance(given.get("content"), str):
        return {**given, "content": {"type": "text", "text": given["content"]}}
    return given


def as_list(messages: Any) -> list[Any]:
    """One message, or several."""
    return list(messages) if isinstance(messages, Sequence) and not isinstance(messages, str) else [messages]


def snake_keys(cls: type[Model], given: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with the wire names it uses replaced by the model's attribute names; others stay."""
    names: Mapping[str, str] = attributes_by_wire(cls)  # type: ignore[arg-type]  # attrs classes are hashable
    return {names.get(key, key): value for key, value in given.items()}


def model_from(cls: type[P], given: Mapping[str, Any]) -> P:
    """A model from attribute names; nested values may be models or mappings. Raises `InvalidParams`."""
    fields = _wire_names(cls)  # type: ignore[arg-type]  # attrs classes are hashable
    if not given.keys() <= fields.keys():
        unknown = sorted(given.keys() - fields.keys())
        raise InvalidParams(f"{cls.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(fields))}")
    return from_wire(cls, {fields[name]: plain(value, name) for name, value in given.items() if value is not None})


@cache
def _wire_names(cls: Any) -> Mapping[str, str]:
    return {field.name: wire_name(field) for field in attrs.fields(cls)}
