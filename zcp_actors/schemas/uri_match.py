"""
Matching a URI against a template: the inverse of expansion.

Owns the search and the rules of what a variable may take. Refuses to know the grammar: it is given parsed parts.
The rule: time is the number of parts times the length of the URI, for every template and every URI. Nothing backtracks:
from the last part to the first, the places from which the rest can match are found in one pass each;
then one walk from the left takes the longest piece that keeps the rest possible.

What a variable takes is stricter than the RFC where a server would otherwise be fooled:
- `{var}`, `{.var}`, `{/var}` and `{;var}` take no "/", "?" or "#". Decoded, they never hold "/", a backslash or NUL,
  and are never "." or "..": `{name}` cannot leave its directory, however it is escaped.
- `{+var}` and `{#var}` take anything, but no ".." segment: a normalised URI has none (RFC 3986 5.2.4).
- `{?a,b}` takes the declared names in any order, each once unless exploded, or nothing at all; no other names.
- `{var}` and `{+var}` are never empty. A literal matches as it is written.

Values are percent-decoded once, as UTF-8; what is not UTF-8 does not match. Exploded variables give lists of strings,
others strings; variables that are not there are not in the result. A variable that occurs twice must agree with itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcp_actors.schemas.uri_template import Expression, Variable

MAX_URI_CHARS = 64 * 1024
"""Longest URI that is matched at all. Longer ones exist as `data:` URIs, which nobody routes by template."""

_ASCII = "".join(map(chr, range(128)))
_ANY = re.compile(r"[\x00-\x7f]+")
_SEGMENT = re.compile(r"[^/?#]+")
_PATH = re.compile(r"[^?#]+")
_QUERY = re.compile(r"[^#]+")
_TAKES = {"+": _ANY, "#": _ANY, "?": _QUERY, "&": _QUERY}
_OPENED = frozenset("#./;?&")
"""Operators with a sign of their own in the URI: without the sign their variables are simply not there."""
_LAST_SIGN = frozenset("./")
"""`{name}{.ext}` gives "a.tar.gz" the extension "gz"; `{+path}{?q}` has its query after the first "?"."""
_LEAVES_SEGMENT = re.compile(r"[/\\\x00]|^\.\.?$")
_CLIMBS = re.compile(r"\x00|(?:^|[/\\])\.\.(?:$|[/\\])")


class Matcher:
    """The parts of one template, ready to match."""

    def __init__(self, parts: Sequence[str | Expression]) -> None:
        self._parts = [part if isinstance(part, str) else _Slot(part) for part in _with_joined_queries(parts)]
        self._prefix = parts[0] if parts and isinstance(parts[0], str) else ""

    def match(self, uri: str) -> dict[str, str | list[str]] | None:
        """The variables, or None."""
        if len(uri) > MAX_URI_CHARS:
            return None
        try:
            uri = quote(uri, safe=_ASCII)
        except UnicodeEncodeError:
            return None
        return self._walk(uri) if uri.startswith(self._prefix) else None

    def _walk(self, uri: str) -> dict[str, str | list[str]] | None:
        flags = self._possible(uri)
        if not flags[0][0]:
            return None
        reading, at = _Reading(), 0
        for part, after, following in zip(self._parts, flags[1:], [*self._parts[1:], ""], strict=True):
            if isinstance(part, str):
                at += len(part)
                continue
            stop = part.stop(uri, at, after, following)
            if not part.read(uri[at:stop], reading):
                return None
            at = stop
        return reading.values

    def _possible(self, uri: str) -> list[bytearray]:
        """For each part, a flag per position: can it and all after it match from there to the end?"""
        flags = [bytearray(len(uri)) + b"\x01"]
        for part in reversed(self._parts):
            flags.append(
                _before_literal(uri, part, flags[-1]) if isinstance(part, str) else part.before(uri, flags[-1])
            )
        return flags[::-1]


def _with_joined_queries(parts: Sequence[str | Expression]) -> list[str | Expression]:
    """The parts with `{?a}{&b}` as the one query that they are."""
    found: list[str | Expression] = []
    for part in parts:
        last = found[-1] if found else ""
        if (
            not isinstance(part, str)
            and not isinstance(last, str)
            and part.operator.sign == "&"
            and last.operator.named
        ):
            found[-1] = attrs.evolve(last, variables=(*last.variables, *part.variables))
        else:
            found.append(part)
    return found


def _before_literal(uri: str, literal: str, after: bytearray) -> bytearray:
    before = bytearray(len(after))
    at = uri.find(literal)
    while at >= 0:
        before[at] = after[at + len(literal)]
        at = uri.find(literal, at + 1)
    return before


class _Slot:
    """An expression as the search sees it: what it takes, and where it may stop."""

    def __init__(self, expression: Expression) -> None:
        operator = expression.operator
        self.sign = operator.sign
        self.variables = expression.variables
        self._separator = operator.separator
        self._named = operator.named
        self._single = len(self.variables) == 1 and not self.variables[0].explode
        wide = self.sign == "/" and not self._single
        self._takes = _TAKES.get(self.sign, _PATH if wide else _SEGMENT)
        self._refused = {"?": None, "&": None, "+": _CLIMBS, "#": _CLIMBS}.get(self.sign, _LEAVES_SEGMENT)

    def before(self, uri: str, after: bytearray) -> bytearray:
        """Flags of the places where this may begin, given those where it may end."""
        before = bytearray(len(after))
        for run in self._takes.finditer(uri):
            last = after.rfind(1, run.start() + 1, run.end() + 1)
            if last > 0:  # within a run, every place left of a possible end is a possible start
                before[run.start() : last] = b"\x01" * (last - run.start())
        return self._with_sign(uri, before, after) if self.sign in _OPENED else before

    def _with_sign(self, uri: str, inside: bytearray, after: bytearray) -> bytearray:
        before = bytearray(after)  # without its sign it is not there, and the rest begins here
        at = uri.find(self.sign)
        while at >= 0:
            before[at] |= inside[at + 1] | after[at + 1]
            at = uri.find(self.sign, at + 1)
        return before

    def stop(self, uri: str, at: int, after: bytearray, following: str | _Slot) -> int:
        """The end of the longest piece from `at` that leaves the rest possible, or that leaves the next its sign."""
        first = at
        if self.sign in _OPENED:
            if not uri.startswith(self.sign, at):
                return at
            first = at + 1
        run = self._takes.match(uri, first)
        limit = run.end() if run else first
        lowest = first if self.sign in _OPENED else first + 1
        if not isinstance(following, str) and following.sign in _OPENED:
            found = _sign_within(uri, following.sign, lowest, limit, after)
            if found >= 0:
                return found
        return max(after.rfind(1, lowest, limit + 1), at)

    def read(self, piece: str, reading: _Reading) -> bool:
        """Take the variables out of a piece; False when this expression never gives that piece."""
        if self.sign in _OPENED:
            if not piece:
                return True
            piece = piece[1:]
        return self._read_named(piece, reading) if self._named else self._read_listed(piece, reading)

    def _read_listed(self, piece: str, reading: _Reading) -> bool:
        items = [piece] if self._single else piece.split(self._separator)
        for number, variable in enumerate(self.variables, 1):
            if not items:
                break
            taken = len(items) if variable.explode and number == len(self.variables) else 1
            if not reading.keep(variable, items[:taken], self._refused):
                return False
            items = items[taken:]
        return not items

    def _read_named(self, piece: str, reading: _Reading) -> bool:
        declared = {variable.name: variable for variable in self.variables}
        found: dict[str, list[str]] = {}
        for item in piece.split(self._separator):
            name, _, text = item.partition("=")
            found.setdefault(name, []).append(text)
        return all(
            name in declared
            and (len(texts) == 1 or declared[name].explode)
            and reading.keep(declared[name], texts, self._refused)
            for name, texts in found.items()
        )


def _sign_within(uri: str, sign: str, start: int, limit: int, after: bytearray) -> int:
    """Where the next expression's sign stands in what this one could take, if the rest can match from there."""
    places = (found.start() for found in re.finditer(re.escape(sign), uri[: limit + 1]) if found.start() >= start)
    possible = [place for place in places if after[place]]
    if not possible:
        return -1
    return possible[-1] if sign in _LAST_SIGN else possible[0]


@attrs.define
class _Reading:
    """The variables read so far, and which of them are known by a prefix only."""

    values: dict[str, str | list[str]] = attrs.field(factory=dict)
    _partial: set[str] = attrs.field(factory=set)

    def keep(self, variable: Variable, texts: list[str], refused: re.Pattern[str] | None) -> bool:
        """Decode and remember; False when a text is refused, or contradicts what the variable was before."""
        try:
            decoded = [unquote(text, errors="strict") for text in texts]
        except UnicodeDecodeError:
            return False
        if refused and any(refused.search(text) for text in decoded):
            return False
        value = decoded if variable.explode else decoded[0]
        known = self.values.get(variable.name)
        if isinstance(value, str) and (known is None or isinstance(known, str)):
            return self._keep_text(variable, value, known)
        if known is None:
            self.values[variable.name] = value
        return known in (None, value)

    def _keep_text(self, variable: Variable, text: str, known: str | None) -> bool:
        name = variable.name
        if variable.prefix and len(text) > variable.prefix:
            return False
        if known is not None and (known == text or (variable.prefix and known.startswith(text))):
            return True
        if known is not None and not (name in self._partial and text.startswith(known)):
            return False
        self.values[name] = text
        (self._partial.add if variable.prefix else self._partial.discard)(name)
        return True
