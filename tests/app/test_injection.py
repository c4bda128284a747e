"""Which parameters of a handler the runtime fills, and which the client."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Optional

import pytest

from zcp_actors.app.injection import is_async, name_of, read, underlying
from zcp_actors.errors import SchemaError
from zcp_actors.sessions.context import Context
from zcp_actors.tasks.context import TaskContext


class Special(Context):
    """A context of a test's own."""


def plain(a: int, ctx: Context) -> None: ...
def optional(a: int, c: Optional[Context] = None) -> None: ...  # noqa: UP045 - the old spelling is what is tested
def union(a: int, c: Context | None = None) -> None: ...
def annotated(a: int, c: Annotated[Context, "why"]) -> None: ...
def inherited(a: int, c: Special) -> None: ...
def unannotated(a, ctx=None): ...
def unannotated_context(a, context): ...
def unresolvable(a: Missing, c: Context | None = None) -> None: ...  # noqa: F821 - a name only a type checker knows


@pytest.mark.parametrize(
    "handler",
    [plain, optional, union, annotated, inherited, unannotated, unannotated_context, unresolvable],
)
def test_a_context_parameter_is_recognised(handler: Any) -> None:
    signature = read(handler)
    assert len(signature.context) == 1
    assert list(signature.client) == ["a"]


def test_a_name_that_the_written_schema_claims_stays_the_client_s() -> None:
    assert list(read(unannotated, declared={"a", "ctx"}).client) == ["a", "ctx"]


def test_a_parameter_named_context_of_another_type_stays_the_client_s() -> None:
    def handler(context: str, ctx: dict[str, Any]) -> None: ...

    assert list(read(handler).client) == ["context", "ctx"]


def test_a_task_parameter_without_annotation_or_with_default_none_is_filled_by_the_runtime() -> None:
    def bare(task): ...
    def defaulted(task: Any = None) -> None: ...
    def claimed(task: str) -> None: ...

    assert read(bare).task == "task"
    assert read(defaulted).task == "task"
    assert read(claimed).task is None
    assert read(bare, declared={"task"}).task is None


def test_a_parameter_annotated_with_the_task_s_type_is_filled_by_the_runtime_whatever_its_name() -> None:
    def required(job: TaskContext) -> None: ...
    def optional(a: int, job: TaskContext | None) -> None: ...
    def unresolvable(job: tasks.TaskContext | None, other: NoSuchName) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert read(required).task == read(optional).task == read(unresolvable).task == "job"
    assert list(read(optional).client) == ["a"]
    assert read(optional, declared={"a", "job"}).task == "job"


def test_a_parameter_by_position_only_is_refused_at_registration() -> None:
    def handler(a: int, /) -> None: ...

    with pytest.raises(SchemaError, match="by position only"):
        read(handler)


def test_a_callable_without_a_signature_is_refused_at_registration() -> None:
    with pytest.raises(SchemaError, match="wrap it in a function"):
        read(type)


class Greeter:
    """A class whose objects are handlers."""

    async def __call__(self, name: str, ctx: Context) -> str:
        """Greet somebody."""
        return name

    async def method(self, name: str, ctx: Context) -> str:
        """Greet by method."""
        return name


def test_methods_objects_and_partials_are_read_like_functions() -> None:
    for handler in (Greeter(), Greeter().method, functools.partial(Greeter().method)):
        assert list(read(handler).client) == ["name"]
        assert read(handler).context == ("ctx",)
        assert is_async(handler)
    assert not is_async(plain)
    handlers = (Greeter(), Greeter().method, functools.partial(plain, a=1))
    assert [name_of(handler) for handler in handlers] == ["Greeter", "method", "plain"]
    assert [underlying(handler).__doc__ for handler in handlers] == ["Greet somebody.", "Greet by method.", None]


def test_a_lambda_needs_a_name() -> None:
    with pytest.raises(SchemaError, match="pass name="):
        name_of(lambda: None)
