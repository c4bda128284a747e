"""
The host's callables, looked at once.

Owns how a provider or a handler is called: sync or async, with or without the second argument.
Refuses to know what they answer.
"""

from __future__ import annotations

import inspect
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.protocol.capabilities import ELICITATION, ROOTS, SAMPLING
from zcp_actors.wire import (
    ClientCapabilities,
    ClientTasksCapability,
    ClientTasksRequestsCapability,
    ElicitationCapability,
    RootsCapability,
    SamplingCapability,
    TasksElicitationCapability,
    TasksSamplingCapability,
    copied,
)
from zcp_actors.wire.meta_keys import TASKS_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.sessions.pending import PendingRequest


class Inbox:
    """The provider that leaves every question to `runtime.answer(id, ...)`: a web handler, a command line, a test."""


@attrs.frozen
class Providers:
    """Who answers what a server asks, and who hears what it reports. What has no provider is not advertised."""

    sampling: Any = None
    elicitation: Any = None
    roots: Any = None
    log: Callable[..., Any] | None = None
    progress: Callable[..., Any] | None = None
    changed: Callable[..., Any] | None = None
    """Hears `ports.Changed` when a list or a subscribed resource of the server changed."""
    sampling_tools: bool = False
    """Advertise `sampling.tools`: the sampling provider understands `tools` and `toolChoice`."""
    url_elicitation: bool = True
    """Advertise `elicitation.url` beside the form mode."""
    _takes: dict[str, int] = attrs.field(factory=dict, init=False)

    def capabilities(self, *, tasks: bool = False) -> ClientCapabilities:
        """What is advertised: only what has a provider. With `tasks`: also that it is answered as a task (2025-11-25).

        Without: also that a call may become a task of the server's (2026-07-28).
        """
        sampling = elicitation = None
        if self.sampling is not None:
            sampling = SamplingCapability(tools={} if self.sampling_tools else None)
        if self.elicitation is not None:
            elicitation = ElicitationCapability(form={}, url={} if self.url_elicitation else None)
        return ClientCapabilities(
            roots=None if self.roots is None else RootsCapability(list_changed=True),
            sampling=sampling,
            elicitation=elicitation,
            tasks=self._receives() if tasks and (sampling or elicitation) else None,
            extensions=None if tasks else {TASKS_EXTENSION: {}},
        )

    def _receives(self) -> ClientTasksCapability:
        # On one session whoever asks is that session's server, so a list can show each server its own tasks only.
        sampling = None if self.sampling is None else TasksSamplingCapability(create_message={})
        elicitation = None if self.elicitation is None else TasksElicitationCapability(create={})
        requests = ClientTasksRequestsCapability(sampling=sampling, elicitation=elicitation)
        return ClientTasksCapability(list={}, cancel={}, requests=requests)

    def takes(self, method: str, provider: Any, most: int) -> int:
        """How many of `most` arguments this provider takes; looked up once."""
        if method not in self._takes:
            self._takes[method] = _takes(provider, most)
        return self._takes[method]

    def of(self, method: str) -> Any:
        """The provider for a question, or None."""
        if method == ELICITATION:
            return self.elicitation
        return self.sampling if method == SAMPLING else self.roots


async def call_provider(provider: Any, question: Incoming, pending: PendingRequest) -> Any:
    """Ask a provider. It gets the request, and the pending request as well when it takes two arguments."""
    # A copy: the provider's answer is checked against what was asked, whatever the provider does to its request.
    arguments = (copied(question.params), pending) if question.method != ROOTS else (pending,)
    returned = provider(*arguments[: pending.session.providers.takes(question.method, provider, len(arguments))])
    return await returned if isawaitable(returned) else returned


def _takes(provider: Any, most: int) -> int:
    """How many of `most` positional arguments a callable takes."""
    try:
        parameters = inspect.signature(provider).parameters.values()
    except (TypeError, ValueError):
        return most
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return most
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return min(most, len(positional))
