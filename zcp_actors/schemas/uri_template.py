"""
URI templates: parsing and expansion.

Owns the grammar and the expansion of RFC 6570, all four levels. Matching, the inverse, is in `uri_match`.
Refuses to know resources.
The rule: expansion follows the RFC to the letter, its examples are the tests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs

from zcp_actors.errors import SchemaError
from zcp_actors.schemas.uri_match import Matcher

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEMPLATE_CHARS = 8 * 1024
"""Longest template: that of the longest URI most servers accept."""
MAX_EXPRESSIONS = 64
"""Most expressions in a template. Matching takes time proportional to it times the URI's length."""

UNRESERVED = "-._~"
RESERVED = ":/?#[]@!$&'()*+,;=" + UNRESERVED
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VARIABLE = re.compile(r"((?:\w|%[0-9A-Fa-f]{2})+(?:\.(?:\w|%[0-9A-Fa-f]{2})+)*)(\*|:[1-9]\d{0,3})?", re.ASCII)
_ILLEGAL = re.compile(r"[\x00-\x20\x7f\"<>\\^`{|}]")


@attrs.frozen
class Operator:
    """A row of RFC 6570 appendix A: what is put first, between, whether names are written, and what stays unescaped."""

    sign: str
    first: str
    separator: str
    named: bool = False
    if_empty: str = ""
    reserved: bool = False


OPERATORS = {
    operator.sign: operator
    for operator in (
        Operator("", "", ","),
        Operator("+", "", ",", reserved=True),
        Operator("#", "#", ",", reserved=True),
        Operator(".", ".", "."),
        Operator("/", "/", "/"),
        Operator(";", ";", ";", named=True),
        Operator("?", "?", "&", named=True, if_empty="="),
        Operator("&", "&", "&", named=True, if_empty="="),
    )
}


@attrs.frozen
class Variable:
    """One variable of an expression; `prefix` 0 means all of it."""

    name: str
    explode: bool = False
    prefix: int = 0


@attrs.frozen
class Expression:
    """One `{...}`."""

    operator: Operator
    variables: tuple[Variable, ...]


class Template:
    """A parsed template. `parts` are literals (strings, already escaped) and expressions, in order.

    Raises `SchemaError` for text that is no RFC 6570 template.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts = _parse(text)
        expressions = [part for part in self.parts if isinstance(part, Expression)]
        if len(expressions) > MAX_EXPRESSIONS:
            raise _bad(text, f"more than {MAX_EXPRESSIONS} expressions")
        self.variables = tuple(dict.fromkeys(one.name for part in expressions for one in part.variables))
        self._matcher = Matcher(self.parts)

    def expand(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> str:
        """The URI for these values: strings, numbers, booleans, lists and mappings; None or absent is undefined.

        Raises `TypeError` for a value that a URI cannot carry, or a prefix of a list (RFC 6570 2.4.1).
        """
        given = {**(values or {}), **more}
        return "".join(part if isinstance(part, str) else _expanded(part, given) for part in self.parts)

    def match(self, uri: str) -> dict[str, str | list[str]] | None:
        """The variables with which this template gives that URI, or None. Takes linear time. See `uri_match`."""
        return self._matcher.match(uri)

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def _bad(text: str, why: str) -> SchemaError:
    return SchemaError(f"URI template {text!r:.200}: {why} (RFC 6570)")


def _parse(text: str) -> tuple[str | Expression, ...]:
    if len(text) > MAX_TEMPLATE_CHARS:
        raise _bad(text, f"longer than {MAX_TEMPLATE_CHARS} characters")
    parts: list[str | Expression] = []
    rest = text
    while rest:
        literal, brace, rest = rest.partition("{")
        if _ILLEGAL.search(literal):
            raise _bad(text, f"the literal {literal!r:.80} has a character that a URI cannot have")
        if literal:
            parts.append(escaped(literal, RESERVED))
        if brace:
            inside, closed, rest = rest.partition("}")
            if not closed:
                raise _bad(text, "a '{' is never closed")
            parts.append(_expression(text, inside))
    return tuple(parts)


def _expression(text: str, inside: str) -> Expression:
    sign = inside[:1] if inside[:1] in OPERATORS else ""
    if inside[:1] in set("=,!@|"):
        raise _bad(text, f"the operator {inside[0]!r} is reserved")
    return Expression(OPERATORS[sign], tuple(_variable(text, one) for one in inside[len(sign) :].split(",")))


def _variable(text: str, inside: str) -> Variable:
    found = _VARIABLE.fullmatch(inside)
    if found is None:
        raise _bad(text, f"{inside!r:.80} is no variable: write a name, 'name*' or 'name:3'")
    modifier = found[2] or ""
    return Variable(found[1], modifier == "*", int(modifier[1:]) if modifier.startswith(":") else 0)


def escaped(text: str, allowed: str) -> str:
    """Percent-encoded, but for unreserved and `allowed` characters; where reserved ones are, so are escapes."""
    if allowed != RESERVED:
        return quote(text, safe=allowed)
    return _PERCENT.sub("%25", quote(text, safe=allowed + "%"))


def _expanded(expression: Expression, values: Mapping[str, Any]) -> str:
    operator = expression.operator
    pieces = [
        piece
        for variable in expression.variables
        if (piece := _piece(operator, variable, values.get(variable.name))) is not None
    ]
    return operator.first + operator.separator.join(pieces) if pieces else ""


def _piece(operator: Operator, variable: Variable, value: Any) -> str | None:
    if value is None or (isinstance(value, (list, tuple, dict)) and not value):
        return None
    if isinstance(value, (list, tuple, dict)):
        if variable.prefix:
            message = f"variable {variable.name!r}: a prefix (:{variable.prefix}) needs a string, not a list or mapping"
            raise TypeError(message)
        return _exploded(operator, variable, value) if variable.explode else _joined(operator, variable, value)
    text = _text(variable.name, value)
    return _with_name(operator, variable.name, escaped(text[: variable.prefix or None], _allowed(operator)))


def _exploded(operator: Operator, variable: Variable, value: Any) -> str:
    allowed = _allowed(operator)
    if isinstance(value, dict):
        pairs = [(escaped(str(key), allowed), _escape(variable, one, allowed)) for key, one in value.items()]
        return operator.separator.join(
            _with_name(operator, key, one) if operator.named else f"{key}={one}" for key, one in pairs
        )
    items = [_escape(variable, one, allowed) for one in value]
    return operator.separator.join(_with_name(operator, variable.name, one) for one in items)


def _joined(operator: Operator, variable: Variable, value: Any) -> str:
    allowed = _allowed(operator)
    flat = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
    return _with_name(operator, variable.name, ",".join(_escape(variable, one, allowed) for one in flat))


def _with_name(operator: Operator, name: str, text: str) -> str:
    if not operator.named:
        return text
    return f"{name}={text}" if text else name + operator.if_empty


def _allowed(operator: Operator) -> str:
    return RESERVED if operator.reserved else UNRESERVED


def _escape(variable: Variable, value: Any, allowed: str) -> str:
    return escaped(_text(variable.name, value), allowed)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    message = f"variable {name!r}: a URI carries strings, numbers, booleans and flat lists or mappings of them"
    raise TypeError(f"{message}, not {type(value).__name__}")
