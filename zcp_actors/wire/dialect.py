"""
A dialect: one protocol revision as tables.

Owns the lookup from method to shapes, and the errors of what does not fit. Refuses to know whether a method is allowed
at this moment or by these capabilities: that is the session's.
The rule: no `if version` anywhere; what two revisions do differently is a row in the tables of their modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from zcp_actors.errors import InvalidParams, InvalidResult, MethodNotFound
from zcp_actors.wire.converter import Writer, structure
from zcp_actors.wire.mismatch import Mismatch, expected, word
from zcp_actors.wire.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[dict[str, Any]], None]
    Choose = Callable[[dict[str, Any]], type[Model] | None]
    Shapes = Mapping[str, tuple[type[Model], type[Model]]]
    Notices = Mapping[str, type[Model]]

Side = Literal["client", "server"]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Dialect:
    """One revision. The two instances are `v2025_11_25.DIALECT` and `v2026_07_28.DIALECT`."""

    version: str
    client_requests: Shapes
    """What a client may ask: method -> (params, result)."""
    server_requests: Shapes
    """What a server may ask: method -> (params, result)."""
    client_notifications: Notices
    server_notifications: Notices
    demands: Mapping[str, Check] = attrs.field(factory=dict)
    """By method ("*": every request): what this revision demands of params beyond their shape. Raises `Mismatch`."""
    alternatives: Mapping[str, Choose] = attrs.field(factory=dict)
    """By method (or "*"): the shape of a raw result that is not the usual one, or None. Raises `Mismatch`."""
    writer: Writer
    """Leaves out what a peer of this revision must not see, adds what it must."""

    def request_params(self, method: str, raw: Model | dict[str, Any] | None, *, sender: Side) -> Model:
        """Read the params of a request. A model passes through.

        Raises `MethodNotFound`, or `InvalidParams` with the place, what was expected and what came.
        """
        shapes = (self.client_requests if sender == "client" else self.server_requests).get(method)
        if shapes is None:
            raise MethodNotFound(method)
        if isinstance(raw, Model):
            return raw
        return self._params(shapes[0], raw, [self.demands.get("*"), self.demands.get(method)])

    def notification_params(self, method: str, raw: Model | dict[str, Any] | None, *, sender: Side) -> Model:
        """Read the params of a notification. Raises as `request_params` does; nobody is to be answered."""
        cls = (self.client_notifications if sender == "client" else self.server_notifications).get(method)
        if cls is None:
            raise MethodNotFound(method)
        return self._params(cls, raw, [self.demands.get(method)])

    def result(self, method: str, raw: Model | dict[str, Any], *, sender: Side) -> Model:
        """Read the result of a request of `method`; `sender` is whoever sent the result. A model passes through.

        Raises `InvalidResult` for a result that is not what the method promises, `MethodNotFound` for no method of this
        dialect.
        """
        if isinstance(raw, Model):
            return raw
        other: Side = "client" if sender == "server" else "server"
        shapes = self._requests(other).get(method) or self._requests(sender).get(method)
        if shapes is None:
            raise MethodNotFound(method)
        try:
            model: Model = structure(self._result_class(method, raw, shapes[1]), raw, self.version)
        except Mismatch as error:
            raise InvalidResult(f"{method}: {error.at('result')}") from None
        return model

    def to_wire(self, model: Model | dict[str, Any] | None) -> dict[str, Any]:
        """The plain JSON that a peer of this revision may see. None is an empty object."""
        wire: dict[str, Any] = {} if model is None else self.writer.write(model)
        return wire

    def _requests(self, sender: Side) -> Shapes:
        return self.client_requests if sender == "client" else self.server_requests

    def _params(self, cls: type[Model], raw: Model | dict[str, Any] | None, checks: list[Check | None]) -> Model:
        if isinstance(raw, Model):
            return raw
        try:
            if raw is None:
                raw = {}
            if not isinstance(raw, dict):
                raise expected("object", raw)
            for check in checks:
                if check is not None:
                    check(raw)
            model: Model = structure(cls, raw, self.version)
        except Mismatch as error:
            raise InvalidParams(error.at("params")) from None
        return model

    def _result_class(self, method: str, raw: dict[str, Any], usual: type[Model]) -> type[Model]:
        if not isinstance(raw, dict):
            raise expected("object", raw)
        for name in ("*", method):
            choose = self.alternatives.get(name)
            if choose is not None and (cls := choose(raw)) is not None:
                return cls
        return usual


def demand(name: str, kind: type, *path: str) -> Check:
    """A check that `name` is there and of this JSON type; `path` leads to the object that has it."""

    def check(raw: dict[str, Any]) -> None:
        value: Any = raw
        for depth, step in enumerate((*path, name)):
            here = (*path, name)[: depth + 1]
            if not isinstance(value, dict):
                raise Mismatch(f"expected object, got {word(value)}", here[:-1])
            if step not in value:
                raise Mismatch("missing", here)
            value = value[step]
        if not isinstance(value, kind):
            raise Mismatch(f"expected {word(kind())}, got {word(value)}", (*path, name))

    return check


def all_of(*checks: Check) -> Check:
    """Every check, in order."""

    def check(raw: dict[str, Any]) -> None:
        for each in checks:
            each(raw)

    return check
