"""
What hypercorn does anew for every request of a connection, done once, or not at all.

Owns the wait for the next request, the joining of a response's head with its body, and whose fault an exception of the
protocol is. Refuses to know the application.
The rule: a client sees the same bytes and the same deadlines as from hypercorn alone, in fewer pieces.
Written against hypercorn 0.17 and 0.18. A later one without these parts does it in its own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zcp_actors.transports.http.patience import PatientStream


PROTOCOL_PARTS = frozenset({"h11", "h2", "hpack", "hyperframe", "wsproto", "binascii"})
"""Whose exceptions tell of what a peer sent, where hypercorn does not answer it otherwise."""


def is_of_the_peer(error: BaseException) -> bool:
    """Bytes that are no HTTP are their sender's fault, and anybody can send them: they must not fill the log."""
    return type(error).__module__.partition(".")[0] in PROTOCOL_PARTS


class Idleness:
    """Hypercorn's task that ends an idle connection, as a deadline of its stream: no task, no scope, no nursery."""

    def __init__(self, stream: PatientStream, seconds: float, ending: Callable[[], bool]) -> None:
        self._stream, self._seconds, self._ending = stream, seconds, ending

    async def restart(self, *_: Any) -> None:
        """A request has been answered, or the connection is new: the next one must be there in time.

        While the server is ending there is no next one.
        """
        if self._ending():
            self._stream.abort()
        else:
            self._stream.ask_within(self._seconds)

    async def stop(self) -> None:
        """A head was read. That may be the greeting of HTTP/2, or an upgrade that hypercorn has refused and forgotten.

        It is a request when it has come to the application: see `Attended`.
        """


def joined(send: Any, stream: PatientStream) -> Any:
    """Like `send`, but a head that announces a whole body leaves together with it: one write, one packet."""

    async def send_joined(message: Any) -> None:
        if message["type"] != "http.response.start" or not _announces(message["headers"]):
            await send(message)
            return
        stream.hold()
        try:
            await send(message)
        finally:
            stream.release()

    return send_joined


def _announces(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-length" for name, _ in headers)
