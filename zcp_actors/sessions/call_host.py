"""
What a call needs of whoever runs it: the session that serves it, or the task that it has become.

Owns the shape only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from zcp_actors.actors import Reply
    from zcp_actors.ports import App, OnceStore
    from zcp_actors.protocol.questions import Question
    from zcp_actors.protocol.serving import Served
    from zcp_actors.sessions.call import Call
    from zcp_actors.wire import Model


class CallHost(Protocol):
    """Every method is one step and never waits, but for `handle` and `room`."""

    app: App
    principal: str
    once_store: OnceStore | None

    @property
    def runtime(self) -> Any:
        """The runtime all this lives in."""

    def handle(self, context: Any, method: str, params: Any) -> Coroutine[Any, Any, Any]:
        """Run the handler of this request; return its result model."""

    def asked(self, call: Call, question: Question, params: Model, slot: Reply[Any]) -> str:
        """The handler needs the client. Returns the question's key; raises what is refused."""

    def gave_up(self, call: Call, key: str) -> None:
        """The asker left without an answer."""

    def quiet(self, call: Call) -> None:
        """Every task of the call waits for the client."""

    def step_closes(self, call: Call) -> None:
        """The questions of a step have waited long enough for branches that are still at work."""

    def progressed(self, call: Call, progress: float, total: float | None, message: str | None) -> None:
        """The handler reports progress."""

    def logged(self, call: Call, level: str, content: Any, logger: str | None) -> None:
        """The handler logs."""

    def call_ended(self, call: Call, outcome: Any) -> None:
        """The handler has unwound, however it ended."""

    def _adopt_job(self, job: Any) -> None:
        """A job goes on below this; see `actors.host`."""

    def nonce_of(self, served: Served) -> str:
        """The call's name over all its runs."""

    async def room(self, call: Call) -> None:
        """Wait until there is room for more reports of this call."""

    def close_stream(self, call: Call) -> None:
        """Let the client's connection for this call go, where there is one."""
