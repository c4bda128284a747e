"""
A handler as a call uses it: what to fill in, and where to run it.

Owns the running of the author's code: coroutines in place, plain functions in a worker thread. Refuses to know what
the handler serves. The rule: whatever is slow (signatures, annotations, coroutine or not) was settled when the handler
was registered.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.app import injection
from zcp_actors.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@attrs.frozen
class Handler:
    """The author's function with what its calls need to know."""

    function: Callable[..., Any]
    signature: injection.Signature
    asynchronous: bool
    limiter: trio.CapacityLimiter
    _context: tuple[str, ...]
    _task: str | None

    @classmethod
    def of(
        cls, function: Callable[..., Any], limiter: trio.CapacityLimiter, *, declared: frozenset[str] = frozenset()
    ) -> Handler:
        """Read `function`; `declared` are names that a written schema claims for the client. Raises `SchemaError`."""
        if not callable(function):
            raise SchemaError(
                f"{function!r} cannot be called; register a function, a method or an object with __call__"
            )
        signature = injection.read(function, declared=declared)
        return cls(function, signature, injection.is_async(function), limiter, signature.context, signature.task)

    def run(self, context: Any, arguments: dict[str, Any]) -> Awaitable[Any]:
        """Call the handler with `arguments`, which become its own. A cancel leaves a worker thread to end unheard."""
        for name in self._context:
            arguments[name] = context
        if self._task is not None:
            arguments[self._task] = getattr(context, "task", None)
        if self.asynchronous:
            awaitable: Awaitable[Any] = self.function(**arguments)
            return awaitable
        return self._run_in_thread(arguments)

    async def _run_in_thread(self, arguments: dict[str, Any]) -> Any:
        (value,) = await trio.to_thread.run_sync(
            self._in_thread, arguments, abandon_on_cancel=True, limiter=self.limiter
        )
        return await value if inspect.isawaitable(value) else value

    def _in_thread(self, arguments: dict[str, Any]) -> tuple[Any]:
        # Boxed, because trio takes a bare coroutine that comes out of a thread for a mistake. Here it is none: a plain
        # function may build a coroutine, which then runs where coroutines do.
        return (self.function(**arguments),)
