"""
Forms: the flat, primitive schemas of elicitation, and the answers to them.

Owns the restriction and the way from an answer to the author's type. Refuses to know who asks and who answers.
The rule: what `form_of` returns every client of the protocol can draw; what it cannot say is an error where the
question is written, not a surprise where it is answered.
Source: MCP 2025-11-25 and 2026-07-28, `ElicitRequestFormParams.requestedSchema` and `PrimitiveSchemaDefinition`.
"""

from __future__ import annotations

from collections import abc
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import SchemaError
from zcp_actors.schemas.derive import Deriver, schema_of
from zcp_actors.schemas.form_field import form_field
from zcp_actors.schemas.mismatch import Mismatch
from zcp_actors.schemas.plain import is_pydantic_model
from zcp_actors.schemas.record import is_record
from zcp_actors.schemas.structure import structurer
from zcp_actors.schemas.validator import compile as compile_schema

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable

    from zcp_actors.schemas.validator import Validator

MAX_FIELDS = 100
"""Most fields of one form. A person fills in a dozen; a hundred is a mistake or an attack."""
MAX_FORMS = 256
"""Types whose form is kept: more than a program has questions; classes that are made in a function come and go."""
VALUE = "value"
"""The single field of a form that was asked for as a bare primitive (`elicit("How many?", int)`)."""
APPROVAL = "approval"
"""The name of the form without fields: accepting it is the answer."""

_CONSTRAINTS_ON_TOP = (
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
)


@attrs.frozen(eq=False)
class Form:
    """What a question asks for: settled once for each type, however often it is asked."""

    schema: dict[str, Any]
    """The restricted schema. Shared by every question of this type: do not write to it."""
    _validator: Validator
    _wrapped: bool
    _nones: tuple[str, ...]
    """Members that must be given and may be None: left out, they are None to the author, not missing."""
    _build: Callable[[Any], Any] | None

    def answers(self, content: abc.Mapping[str, Any] | None) -> dict[str, Any]:
        """An answer with its defaults, checked; undeclared fields are left out. Raises `Mismatch`."""
        answers = apply_defaults(self.schema, content)
        self._validator.check(answers, "answers")
        return answers

    def value(self, answers: dict[str, Any]) -> Any:
        """Checked answers as the author's type: an instance, the bare value, or the answers themselves.

        Raises `Mismatch` where only the type can tell that they do not fit (an impossible date).
        """
        if self._build is None:
            return answers.get(VALUE) if self._wrapped else self._complete(answers)
        try:
            return self._build(answers.get(VALUE) if self._wrapped else self._complete(answers))
        except Mismatch as error:
            raise Mismatch("answers", error.problems) from error

    def _complete(self, answers: dict[str, Any]) -> dict[str, Any]:
        return {**{name: None for name in self._nones if name not in answers}, **answers} if self._nones else answers


def form_of(form: Any) -> Form:
    """The form that `form` stands for.

    `form` is a record class (attrs, dataclass, TypedDict, NamedTuple, pydantic), a JSON Schema of an object,
    a bare primitive type, which becomes one field named "value", or None or "approval" for no fields.
    Optional fields, and fields with defaults, are not required. Raises `SchemaError` naming the field and
    what is allowed.
    """
    if isinstance(form, abc.Hashable) and not isinstance(form, str):
        return _settled(form)
    return _form(form)


def _form(form: Any) -> Form:
    schema = _schema(form)
    validator = compile_schema(schema, formats=True)
    if _is_approval(form) or isinstance(form, abc.Mapping):
        return Form(schema, validator, False, (), None)
    wrapped = _is_wrapped(form)
    required = () if wrapped else schema_of(form).get("required", ())
    return Form(schema, validator, wrapped, tuple(required), structurer(form))


_settled = lru_cache(maxsize=MAX_FORMS)(_form)


def _schema(form: Any) -> dict[str, Any]:
    if _is_approval(form):
        return {"type": "object", "properties": {}}
    if isinstance(form, abc.Mapping):
        return _restricted(dict(form), "the form")
    deriver = _FormDeriver()
    name = getattr(form, "__name__", None) or repr(form)
    if _is_wrapped(form):
        bare = {"type": "object", "properties": {VALUE: deriver.of(form, "the form")}, "required": [VALUE]}
        return _restricted(deriver.finished(bare), "the form")
    return _restricted(deriver.finished(deriver.of(form, f"form {name}")), f"form {name}")


def apply_defaults(schema: abc.Mapping[str, Any], content: abc.Mapping[str, Any] | None) -> dict[str, Any]:
    """The content with missing defaults filled in, without undeclared fields and nulls for optional ones.

    A default of null, which other servers write for what may be left out, leaves it out.
    """
    given = content or {}
    required = schema.get("required", ())
    result: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        if name in given and (given[name] is not None or name in required):
            result[name] = given[name]
        elif isinstance(field, abc.Mapping) and field.get("default") is not None:
            result[name] = field["default"]
    return result


def check_form(schema: abc.Mapping[str, Any], content: abc.Mapping[str, Any] | None) -> None:
    """Raise `Mismatch` when the content is no answer to the form. Formats are asserted: a person typed them.

    Raises `SchemaError` when the schema itself is unusable.
    """
    compile_schema(dict(schema), formats=True).check(dict(content or {}), "answers")


class _FormDeriver(Deriver):
    """Derives Enums with a title per choice, since people read titles."""

    def enum(self, cls: type[enum.Enum], place: str) -> dict[str, Any]:
        """`oneOf` of constants with titles, unless the values say it all."""
        schema = super().enum(cls, place)
        values = schema["enum"]
        if schema.get("type") != "string" or all(member.name.lower() == member.value.lower() for member in cls):
            return schema
        titles = [member.name.replace("_", " ").capitalize() for member in cls]
        return {"type": "string", "oneOf": [{"const": v, "title": t} for v, t in zip(values, titles, strict=True)]}


def _is_approval(form: Any) -> bool:
    return form is None or (isinstance(form, str) and form == APPROVAL)


def _is_wrapped(form: Any) -> bool:
    return not is_record(form) and not is_pydantic_model(form)


def _restricted(schema: dict[str, Any], place: str) -> dict[str, Any]:
    properties = schema.get("properties", {})
    forbidden = [word for word in _CONSTRAINTS_ON_TOP if word in schema]
    if schema.get("type", "object") != "object" or not isinstance(properties, dict) or forbidden:
        came = forbidden[0] if forbidden else f"type {schema.get('type')!r}"
        message = (
            f"{place}: a form is an object of primitive properties, without {came}: ask with a record of plain fields"
        )
        raise SchemaError(message)
    if len(properties) > MAX_FIELDS:
        message = f"{place}: {len(properties)} fields, the limit is {MAX_FIELDS}: ask in several steps"
        raise SchemaError(message)
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    fields = {name: form_field(field, f"{place}, field {name!r}", definitions) for name, field in properties.items()}
    result = {"$schema": schema["$schema"]} if "$schema" in schema else {}
    result |= {"type": "object", "properties": {name: field.schema for name, field in fields.items()}}
    required = [name for name in schema.get("required", ()) if name in fields and not fields[name].optional]
    return {**result, "required": required} if required else result


__all__ = ["APPROVAL", "VALUE", "Form", "apply_defaults", "check_form", "form_of"]
