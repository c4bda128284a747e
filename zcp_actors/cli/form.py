"""
A form, field by field, as a person at a terminal can fill it in.

Owns what is said of a field and how a typed word becomes its value. Refuses to read from or write to anything.
Source: MCP client/elicitation, "Supported Schema Types".
"""

from __future__ import annotations

from typing import Any

import attrs
import click

from zcp_actors import schemas
from zcp_actors.cli.arguments import kinds_of, read_word


@attrs.frozen
class Field:
    """One field of a form."""

    name: str
    schema: dict[str, Any]
    required: bool

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What can be chosen, as (value, title); empty for a field that is typed."""
        source = self.schema.get("items", {}) if self.schema.get("type") == "array" else self.schema
        titled = source.get("oneOf") or source.get("anyOf")
        if titled:
            return [(one["const"], one.get("title", one["const"])) for one in titled]
        values = source.get("enum") or []
        return list(zip(values, source.get("enumNames") or values, strict=False))

    def introduction(self) -> list[str]:
        """Lines before the prompt: what it is, and what can be chosen."""
        said = self.schema.get("description")
        lines = [f"  ({said})"] if said else []
        for number, (value, title) in enumerate(self.choices, 1):
            lines.append(f"  {number}. {title}" + (f" ({value})" if title != value else ""))
        return lines

    def prompt(self) -> str:
        """Return what stands before the cursor."""
        default = self.schema.get("default")
        shown = ", ".join(map(str, default)) if isinstance(default, list) else default
        hint = f" [{shown}]" if default is not None else "" if self.required else " (may stay empty)"
        several = ", several with commas" if self.schema.get("type") == "array" else ""
        return f"  {self.schema.get('title') or self.name}{several}{hint}: "

    def read(self, word: str) -> Any:
        """Return the value of a typed word; None for an optional field left empty. Raises `ValueError`."""
        if not word and "default" in self.schema:
            return self.schema["default"]
        if not word and not self.required:
            return None
        if not word:
            raise ValueError("this needs an answer")
        value = self._value(word)
        form = {"type": "object", "properties": {self.name: self.schema}, "required": [self.name]}
        schemas.check_form(form, {self.name: value})
        return value

    def _value(self, word: str) -> Any:
        if self.schema.get("type") == "array":
            return [self._chosen(each.strip()) for each in word.split(",") if each.strip()]
        if self.choices:
            return self._chosen(word)
        try:
            return read_word(f"field {self.name!r}", word, kinds_of(self.schema, {}))
        except click.ClickException as error:
            raise ValueError(error.message) from None

    def _chosen(self, word: str) -> str:
        """A choice by its number, its value or its title."""
        for number, (value, title) in enumerate(self.choices, 1):
            if word in (value, title) or word == str(number):
                return value
        raise ValueError(f"{word!r} is none of the choices")


def fields_of(schema: Any) -> list[Field]:
    """Return the fields of a form in their order."""
    found = dict(schema)
    required = found.get("required") or ()
    return [Field(name, dict(field), name in required) for name, field in (found.get("properties") or {}).items()]
