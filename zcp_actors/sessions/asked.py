"""
Questions as handlers write them, turned into the params of the wire, and answers turned back.

Owns the forms that a handler may use: typed arguments, a mapping in camelCase or snake_case, the kind-and-prompt form.
Refuses to know calls and sessions: everything here is a function of its arguments.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs

from zcp_actors import schemas
from zcp_actors.errors import InvalidResult, UsageError
from zcp_actors.sessions.spelling import model_from, snake_keys
from zcp_actors.wire import (
    CreateMessageRequestParams,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    Model,
)

T = TypeVar("T")

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
    message = _message_of(asked)
    found = asked.get("requestedSchema", asked.get("requested_schema", asked.get("schema", schema)))
    if found is None and isinstance(asked.get("fields"), Sequence):
        found = _schema_of_fields(asked["fields"])
    return message, found


def _message_of(asked: Mapping[str, Any]) -> str:
    message = asked.get("message", asked.get("prompt"))
    if not isinstance(message, str):
        raise UsageError(f"an elicitation needs a 'message' (or 'prompt') text; got the keys {sorted(asked)}")
    return message


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


def elicitation(asked: Any, schema: Any = None) -> FormQuestion[Any] | ElicitRequestURLParams:
    """What is asked of the person, from its typed form, its params, or a mapping: a form, or a page to visit.

    Raises `UsageError` for what is no question, `SchemaError` for a schema that no form can show.
    """
    if isinstance(asked, str):
        return form_question(asked, schema)
    if isinstance(asked, Model):
        asked = asked.to_dict()
    if not isinstance(asked, Mapping):
        raise UsageError(f"an elicitation's message is a text, or a mapping with one, not {type(asked).__name__}")
    if "url" not in (asked.get("mode"), asked.get("kind")):
        return form_question(asked, schema)
    if not isinstance(asked.get("url"), str):
        raise UsageError(f"an elicitation of a page needs its 'url'; got the keys {sorted(asked)}")
    named = asked.get("elicitationId", asked.get("elicitation_id"))
    return url_question(_message_of(asked), asked["url"], named)


def url_question(message: str, url: str, elicitation_id: str | None = None) -> ElicitRequestURLParams:
    """An elicitation that sends the person to a page; without an id of the author's it gets a fresh one."""
    return ElicitRequestURLParams(message=message, url=url, elicitation_id=elicitation_id or secrets.token_urlsafe(16))


def sampling_question(messages: Any, options: Mapping[str, Any]) -> CreateMessageRequestParams:
    """A sampling request from typed arguments or from a mapping of the wire's shape (camelCase or snake_case).

    Raises `UsageError` for what is none.
    """
    if isinstance(messages, CreateMessageRequestParams):
        return messages
    options = snake_keys(CreateMessageRequestParams, options)
    if isinstance(messages, Mapping) and "messages" in messages:
        options |= snake_keys(CreateMessageRequestParams, messages)
        messages = options["messages"]
    given = {key: value for key, value in options.items() if value is not None}
    given["messages"] = [sampling_message(each) for each in as_list(messages)]
    given.setdefault("max_tokens", DEFAULT_MAX_TOKENS)
    if isinstance(choice := given.get("tool_choice"), str):
        given["tool_choice"] = {"mode": choice}
    return model_from(CreateMessageRequestParams, given)


def sampling_message(given: Any) -> Any:
    """One message of a conversation: a text, or a block of content, is the user's."""
    if isinstance(given, str) or (isinstance(given, Mapping | Model) and "role" not in given and "type" in given):
        return {"role": "user", "content": content_block(given)}
    if isinstance(given, Mapping) and "content" in given:
        return {**given, "content": content_blocks(given["content"])}
    return given


def content_blocks(given: Any) -> Any:
    """The content of a message, one block or several."""
    return [content_block(each) for each in given] if isinstance(given, list | tuple) else content_block(given)


def content_block(given: Any) -> Any:
    """A block of content; a text is one."""
    return {"type": "text", "text": given} if isinstance(given, str) else given


def as_list(messages: Any) -> list[Any]:
    """One message, or several."""
    return list(messages) if isinstance(messages, Sequence) and not isinstance(messages, str) else [messages]
