"""
One HTTP request and its reply, by whatever client was passed.

Owns redirects, limits of what is read, and the turning of a client's own exceptions into ours.
Refuses to know MCP. The rules: a redirect is followed within the origin only, so what we say and who we say we are
goes nowhere else; a body is read to its end or cut off by a cancel, never left half read; compression is not asked for,
because an answer of a few bytes may unpack to gigabytes.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import trio

from zcp_actors.errors import ConnectionLost, MessageTooLarge, StartFailed
from zcp_actors.transports.http.client_address import bare, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from zcp_actors.transports.http.client_factory import HTTPClient

MAX_REDIRECTS = 5
"""Browsers follow twenty, for the sake of pages; an endpoint that moved, moved once or twice."""

LINGER_SECONDS = 1.0
"""What a server has to end a stream after its last message, so that the connection can be used again."""

CLOSE_SECONDS = 1.0
"""To close one response: it takes no round trip, unless TLS wants to say goodbye to somebody who is gone."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEP_METHOD = frozenset({307, 308})

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a redirect must not leave."""
    parts = urlsplit(url)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower())


class Reply:
    """The head of a response, and its body while it comes. `url` is for errors, as `shown` has it."""

    def __init__(self, response: Any, url: str) -> None:
        self._response, self.url = response, shown(url)
        self.status: int = response.status_code
        self.media_type: str = self.header("content-type").partition(";")[0].strip().lower()

    def header(self, name: str) -> str:
        """A header's value, or ""."""
        value: str = self._response.headers.get(name, "")
        return value

    async def pour(self, take: Callable[[bytes], bool]) -> None:
        """Hand the body to `take`, piece by piece, until it wants no more or the body ends.

        Raises `ConnectionLost` when the connection breaks before, and what `take` raises.
        """
        failure: Exception | None = None
        wanted = True
        with trio.CancelScope() as reading, Spoken(self.url):
            self._refuse_packed()
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    if not wanted:
                        continue
                    try:
                        wanted = take(piece)
                    except Exception as error:  # noqa: BLE001 - raised below, when the generators have ended
                        failure, wanted = error, False
                        reading.cancel("what came is refused")
                    if not wanted and not reading.cancel_called:
                        reading.deadline = trio.current_time() + LINGER_SECONDS
            # Before anybody is told what came: who hears it and asks again shall find this connection free.
            await self._response.aclose()
        if failure is not None:
            raise failure

    def _pieces(self) -> Any:
        """The body as it comes; where a hook of the client's, or its authentication, has read it, as it was kept.

        Whoever read it once more from the connection would hear the answer of whoever has that connection now.
        """
        response = self._response
        return response.aiter_bytes() if response.is_stream_consumed else aiter(response.stream)

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises `MessageTooLarge`, `ConnectionLost`."""
        whole = bytearray()

        def take(piece: bytes) -> bool:
            if len(whole) + len(piece) > limit:
                raise MessageTooLarge(f"{self.url} answers with more than {limit} bytes (max_message)")
            whole.extend(piece)
            return True

        await self.pour(take)
        return bytes(whole)

    def _refuse_packed(self) -> None:
        packed = self.header("content-encoding").strip().lower()
        if packed not in ("", "identity"):
            raise ConnectionLost(f"{self.url} answers with content-encoding {packed!r}, which was not asked for")


@asynccontextmanager
async def ask(
    client: HTTPClient,
    method: str,
    url: str,
    headers: Mapping[str, str | bytes],
    *,
    body: bytes | None = None,
    sent: trio.Event | None = None,
    parsed: dict[str, Any] | None = None,
) -> AsyncIterator[Reply]:
    """Send a request; the block runs when the head of the reply is there. `sent` is set when the body has left.

    `parsed` keeps the URL as this client has it, which is not parsed again.
    Raises `StartFailed` when nobody could be reached, `ConnectionLost` when a connection broke or a redirect leaves the
    origin. A cancel closes the connection.
    """
    target = url
    if parsed is None:
        parsed = {}
    for _ in range(MAX_REDIRECTS + 1):
        with Spoken(target):
            where = parsed.get(target, target)
            request = client.build_request(method, where, headers=framed(headers, body), content=paced(body, sent))
            if target is url:
                parsed[url] = request.url
            response = await client.send(request, stream=True, follow_redirects=False)
        try:
            location = response.headers.get("location") if response.status_code in REDIRECTS else None
            if location is None:
                yield Reply(response, target)
                return
            target = next_target(method, target, location, response.status_code)
        finally:
            if not response.is_closed:
                with trio.move_on_after(CLOSE_SECONDS, shield=True), suppress(ConnectionLost), Spoken(target):
                    await response.aclose()
    raise ConnectionLost(f"{shown(url)} redirects more than {MAX_REDIRECTS} times")


def next_target(method: str, url: str, location: str, status: int) -> str:
    """Where a redirect leads. Raises `ConnectionLost` where it must not be followed."""
    target = within(url, location, "redirects to")
    if method != "GET" and status not in KEEP_METHOD:
        raise ConnectionLost(f"{shown(url)} redirects a {method} with status {status}, which would turn it into a GET")
    return target


def within(url: str, reference: str, does: str) -> str:
    """Where a reference of a server's leads, who has no say in our credentials.

    Raises `ConnectionLost` for another origin, and for what is no URL.
    """
    try:
        target = urljoin(url, reference)
        stays = origin(target) == origin(url)
    except ValueError as error:
        raise ConnectionLost(f"{shown(url)} {does} {reference!r:.200}, which is no URL: {error}") from error
    if not stays:
        raise ConnectionLost(
            f"{shown(url)} {does} another origin, {shown(target)!r}: it is not followed; use that URL if you trust it"
        )
    return bare(target)


def framed(headers: Mapping[str, str | bytes], body: bytes | None) -> dict[str, str | bytes]:
    """The headers with those of the body's form."""
    plain = {**headers, "accept-encoding": "identity"}
    return plain if body is None else {**plain, "content-length": str(len(body))}


def paced(body: bytes | None, sent: trio.Event | None) -> Any:
    """The body as the client takes it: asked for more, it has sent what it got."""
    if body is None or sent is None:
        return body

    async def pieces() -> AsyncIterator[bytes]:
        yield body
        sent.set()

    return pieces()


class Spoken:
    """A block in which a client's own exceptions, whichever client it is, become ours."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, ConnectionLost | StartFailed):
            return
        names = {each.__name__ for each in type(error).__mro__}
        said = reason(error)
        why = f"{type(error).__name__}{f': {said}' if said else ''}"
        if names & {"ConnectError", "ConnectTimeout"}:
            raise StartFailed(f"{shown(self._url)} cannot be reached: {why}") from error
        raise ConnectionLost(f"the connection to {shown(self._url)} broke: {why}") from error


def reason(error: BaseException) -> str:
    """What an exception says, or the first that says anything of those before it, as where TLS failed."""
    at: BaseException | None = error
    while at is not None and not str(at):
        at = at.__cause__ or at.__context__
    return "" if at is None else str(at)
