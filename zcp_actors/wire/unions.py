"""
How the members of each union are told apart on the wire.

Owns one chooser per union: the plain value in, the member it must be out. Refuses to read the member.
The rule: a tag where there is one, else the field that only one member requires. Never by trying one after the other,
because then the message of a failure would be about the wrong member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from zcp_actors.wire.completion import CompletionReference
from zcp_actors.wire.content import ContentBlock, SamplingMessageContentBlock
from zcp_actors.wire.elicitation import (
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
)
from zcp_actors.wire.form_schemas import (
    BooleanSchema,
    ElicitRequestedSchema,
    EnumSchema,
    LegacyTitledEnumSchema,
    MultiSelectEnumSchema,
    NumberSchema,
    PrimitiveSchemaDefinition,
    SingleSelectEnumSchema,
    StringSchema,
    TitledMultiSelectEnumSchema,
    TitledSingleSelectEnumSchema,
    UntitledMultiSelectEnumSchema,
    UntitledSingleSelectEnumSchema,
)
from zcp_actors.wire.input_required import InputRequest, InputResponse
from zcp_actors.wire.mismatch import Mismatch, expected
from zcp_actors.wire.model import Model
from zcp_actors.wire.resources import AnyResourceContents, BlobResourceContents, TextResourceContents
from zcp_actors.wire.roots import ListRootsResult
from zcp_actors.wire.sampling import CreateMessageResult, SamplingContent

if TYPE_CHECKING:
    from collections.abc import Callable

    Chooser = Callable[[Any], Any]


def _members(union: Any) -> frozenset[Any]:
    return frozenset(get_args(union))


def _same(value: Any, union: Any) -> Any:
    """A member that is already read stays what it is."""
    return type(value) if type(value) in _members(union) else None


def tagged(tag: str, union: Any) -> Chooser:
    """By the default of the members' `tag` field."""
    by_tag = {cls.__attrs_attrs__[_index(cls, tag)].default: cls for cls in get_args(union)}
    choices = ", ".join(repr(choice) for choice in by_tag)

    def choose(value: Any) -> Any:
        if not isinstance(value, dict):
            if isinstance(value, Model):
                return _same(value, union) or expected_member(choices, value)
            raise expected("object", value)
        if tag not in value:
            raise Mismatch("missing", (tag,))
        kind = value[tag]
        member = by_tag.get(kind) if isinstance(kind, str) else None
        if member is None:
            raise Mismatch(f"expected one of {choices}, got {kind!r:.40}", (tag,))
        return member

    return choose


def expected_member(choices: str, value: Any) -> Any:
    """A model of another family was put here by a program."""
    raise Mismatch(f"expected one of {choices}, got {type(value).__name__}")


def _index(cls: Any, name: str) -> int:
    return [field.name for field in cls.__attrs_attrs__].index(name)


def by_field(union: Any, **members: type[Model]) -> Chooser:
    """By the one field that only this member has; a null beside it is absent, as everywhere."""
    names = " or ".join(repr(name) for name in members)

    def choose(value: Any) -> Any:
        if not isinstance(value, dict):
            if same := _same(value, union):
                return same
            raise expected("object", value)
        for name, cls in members.items():
            if value.get(name) is not None:
                return cls
        raise Mismatch(f"expected an object with {names}")

    return choose


def _sampling_content(value: Any) -> Any:
    return list[SamplingMessageContentBlock] if isinstance(value, (list, tuple)) else SamplingMessageContentBlock


def _elicitation(value: Any) -> Any:
    if not isinstance(value, dict):
        if same := _same(value, ElicitRequestParams):
            return same
        raise expected("object", value)
    mode = value.get("mode", "form")
    if mode not in ("form", "url"):
        raise Mismatch(f"expected one of 'form', 'url', got {mode!r:.40}", ("mode",))
    return ElicitRequestURLParams if mode == "url" else ElicitRequestFormParams


def _form_field(value: Any) -> Any:
    if isinstance(value, Model):
        return type(value)
    if not isinstance(value, dict):
        raise expected("object", value)
    kind = value.get("type")
    if kind in ("number", "integer"):
        return NumberSchema
    if kind == "boolean":
        return BooleanSchema
    if kind == "array":
        items = value.get("items")
        return (
            TitledMultiSelectEnumSchema
            if isinstance(items, dict) and "anyOf" in items
            else UntitledMultiSelectEnumSchema
        )
    if kind != "string":
        raise Mismatch(f"expected a primitive type, got {kind!r:.40}", ("type",))
    return _string_field(value)


def _string_field(value: dict[str, Any]) -> type[Model]:
    if "oneOf" in value:
        return TitledSingleSelectEnumSchema
    if "enumNames" in value:
        return LegacyTitledEnumSchema
    return UntitledSingleSelectEnumSchema if "enum" in value else StringSchema


TABLES: dict[frozenset[Any], Chooser] = {
    _members(ContentBlock): tagged("type", ContentBlock),
    _members(SamplingMessageContentBlock): tagged("type", SamplingMessageContentBlock),
    _members(SamplingContent): _sampling_content,
    _members(CompletionReference): tagged("type", CompletionReference),
    _members(AnyResourceContents): by_field(AnyResourceContents, text=TextResourceContents, blob=BlobResourceContents),
    _members(InputRequest): tagged("method", InputRequest),
    _members(InputResponse): by_field(
        InputResponse,
        action=ElicitResult,
        roots=ListRootsResult,
        content=CreateMessageResult,
        model=CreateMessageResult,
    ),
    _members(ElicitRequestParams): _elicitation,
    _members(dict[str, Any] | ElicitRequestedSchema): lambda _: dict[str, Any],
    _members(Model | dict[str, Any] | None): lambda value: None if value is None else dict[str, Any],
    _members(PrimitiveSchemaDefinition): _form_field,
    _members(EnumSchema): _form_field,
    _members(SingleSelectEnumSchema): _form_field,
    _members(MultiSelectEnumSchema): _form_field,
}
"""By the set of its members, so that the order in which a union is written does not matter."""


def table(kind: Any) -> Chooser | None:
    """The chooser of a union, if this is one that has one."""
    members = get_args(kind)
    return TABLES.get(frozenset(members)) if members else None
