"""
What hypercorn does anew for every request of a connection, done once, or not at all.

Owns the wait for the next request and the joining of a response's head with its body. Refuses to know the application.
The rule: a client sees the same bytes and the same deadlines as from hypercorn alone, in fewer pieces.
Written against hypercorn 0.17 and 0.18. A later one without these parts does it in its own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zcp_actors.transports.http.patience import PatientStream


HTTP_2 = b"2.0"
"""What h11 reads in the preface of RFC 9113, 3.4."""


class Idleness:
    """Hypercorn's task that ends an idle connection, as a deadline of its stream: no task, no scope, no nursery."""

    def __init__(self, server: Any, stream: PatientStream, seconds: float, ending: Callable[[], bool]) -> None:
        self._server, self._stream, self._seconds, self._ending = server, stream, seconds, ending

    async def restart(self, *_: Any) -> None:
        """A request has been answered, or the connection is new: the next head must be there in time.

        While the server is ending there is no next one.
        """
        if self._ending():
            self._stream.abort()
        else:
            self._stream.ask_within(self._seconds)

    async def stop(self) -> None:
        """A head was read. That with which HTTP/2 begins is no request: the first one must still come in time."""
        connection = getattr(self._server.protocol.protocol, "connection", None)
        if getattr(connection, "their_http_version", None) != HTTP_2:
            self._stream.asked()


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
