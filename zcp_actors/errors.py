"""
Every exception of the runtime, grouped by who can do something about it:

* ZCPError
  x ActorError                      the actor kernel, raised at whoever used a reference
    - ActorStopped                  the actor ended before it answered
    - MailboxFull                   `tell` found no room
    - AskTimeout                    no answer before the deadline (also a `TimeoutError`)
    - AskCycle                      the asked actor waits, however indirectly, for the asker
    - NameTaken                     a sibling of that name is alive
    - TooManyChildren               the supervisor's limit is reached
    - RestartLimitReached           children kept failing: escalation
  x UsageError                      the calling program made a mistake: fix the code
    - NotOpened                     a client was used before `async with`
    - NoRuntime                     there is no `open_runtime()` around this
    - SchemaError                   a tool, prompt or question has a schema that cannot work
    - NotJSON                       a value that no wire can carry
  x RPCError                        a JSON-RPC error: the peer's answer to us, or ours to the peer
    - InvalidMessage                bytes or a message that cannot be accepted as they are
      · MessageTooLarge             longer than the limit
    - InvalidParams                 the method is known, its params are not right
    - MethodNotFound                the method is not served here
    - CapabilityMissing             the peer did not declare what this needs
    - UnsupportedVersion            no protocol version in common
    - Overloaded                    a limit on calls, questions or subscriptions is reached
    - Refused                       policy, or the person, said no
    - HTTPRefused                   a request of HTTP that is refused for what it is, not for what it says
  x SessionError                    the conversation, not one message of it
    - SessionClosed                 it was closed on this side
    - RequestTimeout                the peer was silent for too long (also a `TimeoutError`)
    - RequestCancelled              somebody cancelled the request; says who and why
    - InvalidResult                 the peer's result does not have the promised shape
  x TransportError                  the way to the peer
    - ConnectionLost                it was there and is gone
      · ServerExited                the child process ended; exit code and last stderr lines
    - StartFailed                   it never came up
    - UnexpectedStatus              the server answered with an HTTP status instead of a message
  x HandlerError                    raised inside a handler, for its author
    - ToolError                     the tool failed in a way the model should read
    - AmbiguousQuestion             two open questions look the same: pass `key=`
    - ReplayMismatch                a handler did not repeat itself when replayed
    - OnceUncertain                 a side effect may or may not have happened
    - StateTooLarge                 what a suspended call must remember does not fit into its sealed state
    - CallEnding                    the call is being suspended or has ended: it can ask nothing more

This module owns the tree and the messages' facts. It refuses to know layers: it imports nothing of the project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
OVERLOADED = -32000
REFUSED = -1
"""The code the specification lists for "the user rejected the sampling request" (client/sampling, Error Handling)."""
RESOURCE_NOT_FOUND_2025 = -32002
"""2025-11-25 only; 2026-07-28 answers -32602 instead."""
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022

SHOWN = 200
"""Characters of a peer's own text that an error's message repeats: a name is shorter, and a reply is no echo."""


class ZCPError(Exception):
    """Base of every error this package raises."""


# ------------------------------------------------------------------------------------------------ actors
class ActorError(ZCPError):
    """Something about an actor, seen by whoever holds its reference."""


class ActorStopped(ActorError):
    """The actor ended before it answered. `path` names it, `exit` says how it ended."""

    def __init__(self, path: str, exit: object) -> None:
        super().__init__(f"{path} ended ({exit}) before it answered")
        self.path, self.exit = path, exit


class MailboxFull(ActorError):
    """`tell` found no room. Use `send` to wait for room, or shed the message."""


class AskTimeout(ActorError, TimeoutError):
    """The answer did not come before the deadline. The actor may still do the work."""


class AskCycle(ActorError):
    """The asked actor is itself waiting, however indirectly, for the asker: the answer could never come."""


class NameTaken(ActorError):
    """A living sibling already has this name. Choose another, or stop the first one and wait for its end."""


class TooManyChildren(ActorError):
    """The supervisor's `max_children` is reached. Raise it, or wait for children to end."""


class RestartLimitReached(ActorError):
    """Children kept failing; the supervisor gives up and its own supervisor decides."""


# ------------------------------------------------------------------------------------------------ usage
class UsageError(ZCPError):
    """The calling program made a mistake that only its author can mend."""


class NotOpened(UsageError):
    """A client was used outside of its `async with` block."""


class NoRuntime(UsageError):
    """Nothing around this call opened a runtime."""


class SchemaError(UsageError):
    """A schema that cannot work: not JSON Schema, or not one that the place allows."""


class NotJSON(UsageError, TypeError):
    """A value that no wire can carry; the message names its place and type."""


# ------------------------------------------------------------------------------------------------ JSON-RPC
class RPCError(ZCPError):
    """A JSON-RPC error object: what a peer answered, or what we answer.

    Raise it in a handler to answer a request with exactly this error.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def __str__(self) -> str:
        return f"{self.message} (JSON-RPC error {self.code})"


class InvalidMessage(RPCError):
    """Bytes or a message that cannot be accepted. `id` is the message's id where one could be read, else None.

    `kind` is what it seems to be: "request" (answer it with this error), "response" (`id` is that of our own request,
    which this ends), "notification" (drop it), or None when even that could not be read.
    """

    def __init__(
        self, message: str, *, code: int = INVALID_REQUEST, id: int | str | None = None, kind: str | None = None
    ) -> None:
        super().__init__(code, message)
        self.id, self.kind = id, kind


class MessageTooLarge(InvalidMessage):
    """A message longer than the limit. Whoever sent it must send less; whoever reads may raise the limit."""


class InvalidParams(RPCError):
    """The method is known; what came with it is not right."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(INVALID_PARAMS, message, data)


class MethodNotFound(RPCError):
    """The method is not served by this peer, in this dialect."""

    def __init__(self, method: str) -> None:
        super().__init__(METHOD_NOT_FOUND, f"method not found: {method:.{SHOWN}}", {"method": method})


class CapabilityMissing(RPCError):
    """The other side did not declare a capability that this needs (2026-07-28: -32021)."""

    def __init__(self, message: str, required: dict[str, Any] | None = None) -> None:
        super().__init__(MISSING_CAPABILITY, message, {"requiredCapabilities": required or {}})


class UnsupportedVersion(RPCError):
    """There is no protocol version in common (2026-07-28: -32022)."""

    def __init__(self, requested: str, supported: Sequence[str]) -> None:
        super().__init__(
            UNSUPPORTED_VERSION,
            f"protocol version {requested!r:.{SHOWN}} is not supported; supported: {', '.join(supported)}",
            {"supported": list(supported), "requested": requested},
        )


class Overloaded(RPCError):
    """A limit on what one peer may have open at once is reached. Wait for something to end, then try again."""

    def __init__(self, message: str) -> None:
        super().__init__(OVERLOADED, message)


class Refused(RPCError):
    """Policy, or the person who was asked, said no."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(REFUSED, message, data)


class HTTPRefused(RPCError):
    """A request of HTTP that cannot be served: its status, and `headers` that say more (`WWW-Authenticate`, `Allow`).

    Raise it in `HTTPConfig.authenticate` with 401 or 403.
    """

    def __init__(
        self, status: int, message: str, *, code: int = INVALID_REQUEST, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(code, message)
        self.status, self.headers = status, tuple(headers)


# ------------------------------------------------------------------------------------------------ sessions
class SessionError(ZCPError):
    """The conversation itself, rather than one message of it."""


class SessionClosed(SessionError):
    """The session was closed on this side, or has ended."""


class RequestTimeout(SessionError, TimeoutError):
    """The peer did not answer in time. `seconds` is the limit that was reached, `kind` is "idle" or "total"."""

    def __init__(self, method: str, seconds: float, kind: str) -> None:
        super().__init__(f"{method} got no answer: {kind} limit of {seconds:g} s reached (see Timeouts)")
        self.method, self.seconds, self.kind = method, seconds, kind


class RequestCancelled(SessionError):
    """The request was cancelled by somebody other than its caller; `reason` says who and why."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"{method} was cancelled: {reason}")
        self.method, self.reason = method, reason


class InvalidResult(SessionError):
    """The peer's result does not have the shape that its method, or its own schema, promises."""


# ------------------------------------------------------------------------------------------------ transports
class TransportError(ZCPError):
    """The way to the peer."""


class ConnectionLost(TransportError):
    """The connection was there and is gone. Requests that were in flight may or may not have been carried out."""


class ServerExited(ConnectionLost):
    """The server's process ended. `returncode` is negative for a signal; `stderr` holds its last lines."""

    def __init__(self, command: str, returncode: int | None, stderr: Sequence[str] = ()) -> None:
        how = (
            "ended"
            if returncode is None
            else f"was killed by signal {-returncode}"
            if returncode < 0
            else f"exited with code {returncode}"
        )
        tail = "".join(f"\n  stderr: {line}" for line in stderr)
        super().__init__(f"server {command!r} {how}{tail}")
        self.command, self.returncode, self.stderr = command, returncode, tuple(stderr)


class StartFailed(TransportError):
    """The peer could not be started or reached at all."""


class UnexpectedStatus(TransportError):
    """The server answered one HTTP request with a status, and no message. `status` says what it thinks of it."""

    def __init__(self, url: str, status: int, more: str = "") -> None:
        super().__init__(f"{url} answered with HTTP status {status}{f' {more}' if more else ''}")
        self.url, self.status = url, status


# ------------------------------------------------------------------------------------------------ handlers
class HandlerError(ZCPError):
    """Raised inside a handler, for its author."""


class ToolError(HandlerError):
    """The tool failed in a way the model should read: the call's result is `isError` with this text."""


class AmbiguousQuestion(HandlerError):
    """Two open questions of one call look the same, so their answers could be swapped. Pass `key=`."""


class ReplayMismatch(HandlerError):
    """A replayed handler did not ask what it asked before. Handlers must repeat themselves up to the new question."""


class OnceUncertain(HandlerError):
    """A `once` block was started and never recorded an outcome: its side effect may or may not have happened."""


class StateTooLarge(HandlerError):
    """What a suspended call must remember does not fit into the sealed state that its client carries."""


class CallEnding(HandlerError):
    """The call is being suspended or has ended; nothing more can be asked through it."""
