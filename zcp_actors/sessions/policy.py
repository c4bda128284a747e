"""
What a host allows a server to ask of it.

Owns the limits and their bookkeeping: how many questions at once, how much sampling, how fast, how long.
Refuses to know providers and people: it says yes, wait, or why not. Deciding is synchronous; nothing here sleeps.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import INVALID_PARAMS, Refused, RPCError
from zcp_actors.protocol.capabilities import ELICITATION, SAMPLING
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.wire import CreateMessageResult


@attrs.frozen
class Policy:
    """Limits on one backend's questions. None means no limit."""

    max_in_flight: int = 8
    """Providers at work at once for one backend: a model account's usual concurrency, more than a person can face."""
    max_queued: int = 1000
    """Questions that may wait for their turn; more are refused."""
    sampling_calls: int | None = None
    """Sampling requests over the backend's life."""
    sampling_tokens: int | None = None
    """Sum of the requested `maxTokens` over the backend's life, corrected when a provider reports its usage."""
    sampling_calls_per_request: int | None = None
    """Sampling requests that one request of ours may cause (2026-07-28, where they can be told apart)."""
    per_minute: int | None = None
    """Questions in any sixty seconds."""
    sampling_seconds: float = 600.0
    """How long a sampling provider may take: the default total limit of a request."""
    max_human_wait: float = 24 * 3600.0
    """How long a person may take: until tomorrow at the same time."""


class Ledger:
    """What one backend has used of its policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.in_flight = 0
        self.sampling_calls = 0
        self.sampling_tokens = 0
        # Without such a limit nothing is remembered, and every session has one of these.
        self._recent: deque[float] | None = None if policy.per_minute is None else deque()

    def admit(self, question: Incoming, now: float) -> None:
        """Charge a question. Raises `Refused`, which the server can read, when it is beyond the policy."""
        self._check_rate(now)
        if question.method == ELICITATION:
            check_url(question.params)
        if question.method == SAMPLING:
            self._charge_sampling(question)

    def _check_rate(self, now: float) -> None:
        limit, recent = self.policy.per_minute, self._recent
        if limit is None or recent is None:
            return
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= limit:
            raise Refused(f"this host takes {limit} questions a minute from one server; ask later")
        recent.append(now)

    def _charge_sampling(self, question: Incoming) -> None:
        policy, tokens = self.policy, question.params.max_tokens
        if tokens < 0:
            raise RPCError(INVALID_PARAMS, f"params.maxTokens must not be negative, got {tokens}")
        if policy.sampling_calls is not None and self.sampling_calls >= policy.sampling_calls:
            raise Refused(f"the sampling budget is spent: {policy.sampling_calls} calls")
        if policy.sampling_tokens is not None and self.sampling_tokens + tokens > policy.sampling_tokens:
            left = policy.sampling_tokens - self.sampling_tokens
            raise Refused(f"the sampling budget has {left} tokens left; {tokens} were asked for")
        limit, sent = policy.sampling_calls_per_request, question.sent
        if limit is not None and sent is not None:
            sent.samplings += 1
            if sent.samplings > limit:
                raise Refused(f"one request may cause {limit} sampling calls; this one asked for more")
        self.sampling_calls += 1
        self.sampling_tokens += tokens

    def correct(self, asked: int, used: int) -> None:
        """A provider reported what it really used."""
        self.sampling_tokens += used - asked


def without_usage(result: CreateMessageResult) -> tuple[CreateMessageResult, int | None]:
    """A sampling result without the `usage` that its provider reported beside it, and the tokens that were used.

    `{"content": ..., "usage": {"outputTokens": 80}}`, in either spelling; what the host spent is not the server's.
    """
    usage = result.extra.get("usage")
    if not isinstance(usage, dict):
        return result, None
    kept = {name: value for name, value in result.extra.items() if name != "usage"}
    used = usage.get("outputTokens", usage.get("output_tokens"))
    return replaced(result, extra=kept), used if isinstance(used, int) and used >= 0 else None


def check_url(params: Any) -> None:
    """A page that a person may be sent to: a web address, nothing that runs or reads here."""
    url = getattr(params, "url", None)
    if url is None:
        return
    scheme, colon, rest = url.strip().partition(":")
    if not colon or scheme.lower() not in ("https", "http") or not rest.startswith("//"):
        raise Refused(f"this host opens only http and https addresses; the server asked for {scheme.lower()[:20]!r}")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise Refused("this host opens no address that holds blanks or control characters")
