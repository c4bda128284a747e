"""
Everything an automaton may ask its host to do.

Owns the vocabulary of effects, shared by both sides and both eras, so that a host does not know which one it drives.
Effects are values: an automaton returns them, its host performs them in order, in the same step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from zcp_actors.protocol.asking import Incoming, Sent
    from zcp_actors.protocol.serving import Served
    from zcp_actors.protocol.tasks import Task
    from zcp_actors.wire.jsonrpc import Message, Request, RequestId


@attrs.define
class Send:
    """Give this message to the peer.

    `call` is the id of the peer's request it belongs to, for transports that route.
    """

    message: Message
    call: RequestId | None = None


# ------------------------------------------------------------------------------------------------ serving side
@attrs.define
class Start:
    """Run the handler of this call (again, when it is a replay)."""

    call: Served


@attrs.define
class Cancel:
    """End the handler of this call; it is already forgotten and will not be answered."""

    call: Served
    reason: str


@attrs.define
class Suspend:
    """End the handler of this call for now: it will be replayed. Report `finished` when it has unwound."""

    call: Served


@attrs.define
class Answer:
    """Give this outcome (a result model, or an exception) to whoever waits at `slot`."""

    slot: Any
    outcome: Any


@attrs.define
class Open:
    """Open the sealed state of this call, then report `opened`; when that fails, `finished` with the error."""

    call: Served
    state: str


@attrs.define
class Seal:
    """Seal the state of this suspended call, then report `sealed`; when that fails, `sealing_failed`."""

    call: Served


@attrs.define
class Arm:
    """Report `quiet` for this call after `delay` seconds, unless it is no longer running."""

    call: Served
    delay: float


# ------------------------------------------------------------------------------------------------ asking side
@attrs.define
class Settle:
    """Give this outcome (a result model, or an exception) to the caller of this request."""

    sent: Sent
    outcome: Any


@attrs.define
class Progress:
    """The peer reported progress on this request."""

    sent: Sent
    params: Any


@attrs.define
class Pend:
    """Begin a pending request: somebody on this side must answer this question."""

    question: Incoming


@attrs.define
class Withdraw:
    """Nobody waits for the answer to this question any more."""

    question: Incoming
    reason: str


@attrs.define
class Deliver:
    """A notification for the application came from the peer."""

    method: str
    params: Any


@attrs.define
class Entrust:
    """The server wants a task of us, or something of one: decide it with the time of day and, for a new task, a name.

    See `StatefulClient.entrusted`.
    """

    request: Request
    params: Any


@attrs.define
class Tracked:
    """A task of which we are the receiver has changed: it is new when `old` is None, forgotten when `new` is."""

    number: int
    """That of its question."""
    old: Task | None
    new: Task | None
    reason: str = ""
    """Why it is forgotten."""


Effect = (
    Send
    | Start
    | Cancel
    | Suspend
    | Answer
    | Open
    | Seal
    | Arm
    | Settle
    | Progress
    | Pend
    | Withdraw
    | Deliver
    | Entrust
    | Tracked
)
