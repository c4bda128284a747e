"""
The small schemas a form may ask with: flat, primitive, and all of them JSON Schema.

Owns the nine shapes of a field. A form's `requestedSchema` may be built from these, or be given as the plain dict it
becomes. `from_wire(PrimitiveSchemaDefinition, raw)` tells them apart: by `type`, then by how the choices are written.
"""

from __future__ import annotations

from typing import Literal

import attrs

from zcp_actors.wire.model import Model, named


@attrs.frozen(kw_only=True, eq=False, repr=False)
class _Field(Model):
    """What all fields have."""

    title: str | None = None
    description: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StringSchema(_Field):
    """Text."""

    type: Literal["string"] = "string"
    format: Literal["date", "date-time", "email", "uri"] | None = None
    min_length: int | None = None
    max_length: int | None = None
    default: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class NumberSchema(_Field):
    """A number, whole or not."""

    type: Literal["integer", "number"]
    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class BooleanSchema(_Field):
    """Yes or no."""

    type: Literal["boolean"] = "boolean"
    default: bool | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TitledChoice(Model):
    """A value and what a person sees for it."""

    const: str
    title: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UntitledSingleSelectEnumSchema(_Field):
    """One of these values."""

    type: Literal["string"] = "string"
    enum: list[str]
    default: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TitledSingleSelectEnumSchema(_Field):
    """One of these values, each with a title."""

    type: Literal["string"] = "string"
    one_of: list[TitledChoice]
    default: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class LegacyTitledEnumSchema(_Field):
    """One of these values, with titles in a list beside them. Kept for older peers."""

    type: Literal["string"] = "string"
    enum: list[str]
    enum_names: list[str] | None = None
    default: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UntitledItems(Model):
    """What a list may hold."""

    type: Literal["string"] = "string"
    enum: list[str]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TitledItems(Model):
    """What a list may hold, with titles."""

    any_of: list[TitledChoice]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UntitledMultiSelectEnumSchema(_Field):
    """Some of these values."""

    type: Literal["array"] = "array"
    items: UntitledItems
    min_items: int | None = None
    max_items: int | None = None
    default: list[str] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TitledMultiSelectEnumSchema(_Field):
    """Some of these values, each with a title."""

    type: Literal["array"] = "array"
    items: TitledItems
    min_items: int | None = None
    max_items: int | None = None
    default: list[str] | None = None


SingleSelectEnumSchema = UntitledSingleSelectEnumSchema | TitledSingleSelectEnumSchema
MultiSelectEnumSchema = UntitledMultiSelectEnumSchema | TitledMultiSelectEnumSchema
EnumSchema = SingleSelectEnumSchema | MultiSelectEnumSchema | LegacyTitledEnumSchema
PrimitiveSchemaDefinition = StringSchema | NumberSchema | BooleanSchema | EnumSchema


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ElicitRequestedSchema(Model):
    """The whole form: an object of primitive fields."""

    schema_: str | None = named("$schema")
    type: Literal["object"] = "object"
    properties: dict[str, PrimitiveSchemaDefinition]
    required: list[str] | None = None
