"""
The state of a suspended call, sealed into what the client carries and opened when it comes back.

Owns the binding of a state to its app, request and principal, and the clock and randomness that sealing needs.
Refuses to know what a journal means. Source: MCP 2026-07-28, `requestState` is attacker-controlled input.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from zcp_actors.protocol.sealing import NONCE_LENGTH, Binding, Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zcp_actors.protocol.serving import Served

STATE_SECONDS = 24 * 3600.0
"""How long a client may take to come back: as long as a person may take to answer (`max_human_wait`)."""


_write = json.JSONEncoder(separators=(",", ":")).encode

TRACE = "trace"
"""Beside the members of the journal; a server that knows nothing of it leaves it alone."""


class CallState:
    """Seals and opens the states of one app's calls. `keys` rotate: the first seals, every one opens."""

    def __init__(
        self,
        app: str,
        keys: Sequence[bytes],
        *,
        seconds: float = STATE_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._app, self._seconds, self._now = app, seconds, now
        self._sealer = Sealer(keys)

    def seal(self, call: Served, nonce: str, principal: str) -> str:
        """The call's journal, and its trace, as text that only this app can open, for this request and principal.

        Raises `StateTooLarge`.
        """
        return self._sealer.seal(
            _write(_content(call)).encode(),
            self._binding(call, principal),
            now=self._now(),
            ttl=self._seconds,
            nonce=secrets.token_bytes(NONCE_LENGTH),
            call_nonce=nonce,
        )

    def open(self, call: Served, state: str, principal: str) -> tuple[Any, str]:
        """The journal and the call's nonce; the call gets its trace. Raises `InvalidParams` that says why it cannot."""
        opened = self._sealer.open(state, self._binding(call, principal), now=self._now())
        content = json.loads(opened.journal)
        call.trace = content.pop(TRACE, None)
        return content, opened.call_nonce

    def _binding(self, call: Served, principal: str) -> Binding:
        arguments = getattr(call.params, "arguments", None) or {}  # to leave them out says that there are none
        return Binding.of(self._app, call.method, call.target, arguments, principal or None)


def _content(call: Served) -> dict[str, Any]:
    dumped = call.journal.dump()
    return dumped if call.trace is None else {**dumped, TRACE: call.trace}
