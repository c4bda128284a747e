"""
How 2025-11-25 uses HTTP: a session with an id, a stream for what belongs to no request, streams that can be resumed.

Owns the session's id and its renewal. Refuses to judge messages. The rules: what the server forgot is introduced again
once, by whoever notices first, while the others wait; a lost stream is resumed from its last event, not asked anew.
Source: 2025-11-25 basic/transports, "Streamable HTTP": session management, resumability, protocol version header.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import (
    ConnectionLost,
    InvalidResult,
    MessageTooLarge,
    StartFailed,
    TransportError,
    UnexpectedStatus,
    ZCPError,
)
from zcp_actors.transports.http.client import CANCELLED, EVENT_STREAM, JSON, OK, Exchange
from zcp_actors.transports.http.client_cursor import Cursor
from zcp_actors.transports.http.client_headers import VERSION_HEADER
from zcp_actors.wire import ErrorResponse, Notification, Request, Response, encode

if TYPE_CHECKING:
    from zcp_actors.transports.http.client import HTTPChannel
    from zcp_actors.transports.http.client_request import Reply
    from zcp_actors.wire import Message

SESSION_HEADER = "mcp-session-id"
RESUME_HEADER = "last-event-id"

MAX_SESSION_ID = 1024
"""Characters: room for a signed token, which some servers make of it."""

NOTICE_SECONDS = 30.0
"""What a message without a response may take to be accepted; it is accepted before it is handled."""

NOTICE_TRIES = 3
"""How often an answer or a notification is sent when connections break: a second one of the same id does no harm."""

NOTICES_AT_ONCE = 32
"""Answers and notifications under way: each holds a socket, and a server may ask faster than it listens. Four times the
questions that are answered at once by default."""

MAX_NOTICES = 4096
"""Those under way and those that wait for it, eight for each request that may be in flight; who leaves more lying is
sent no more."""

UNWIND_SECONDS = 5.0
"""What a cancelled call has to take back its own questions; most servers end its stream then."""

STANDING_SECONDS = 0.5
"""What a server has to answer the GET for what belongs to no request before anything is asked of it. Most answer at
once, and what they say on a stream that is not there yet is lost; a few answer only when they have something to say."""

RENEW_SECONDS = 30.0
"""To be introduced again: the server just answered, so it is there."""

DELETE_SECONDS = 2.0
"""To end a session at the server, when a program leaves; the server would end it by itself, later."""

NOT_FOUND, ACCEPTED_BELOW, TROUBLE = 404, 300, 500
FOR_NOW = frozenset({429, 500, 502, 503, 504})
"""What servers, and the proxies before them, say while they cannot; anything else about a stream is for good."""

OLD_TRANSPORT = frozenset({400, 404, 405})
"""What a server of the transport before this one says to a POST at its URL."""

log = logging.getLogger("zcp_actors.transports")


class Expired(TransportError):
    """The server does not know the session any more. Never leaves this module."""


class StatefulManner:
    """One session."""

    def __init__(self, channel: HTTPChannel) -> None:
        self._channel = channel
        self._id: str | None = None
        self._version: str | None = None
        self._opening: Request | None = None
        self._generation = 0
        """Counts sessions: who failed in an older one need not renew it again."""
        self._introduced = trio.Event()
        self._renewing = trio.Lock()
        self._standing: trio.CancelScope | None = None
        self._notices, self._left_out = 0, False
        self._sending = trio.Semaphore(NOTICES_AT_ONCE)

    @property
    def id(self) -> str | None:
        """See `Manner`."""
        return self._id

    def _headers(self, accept: str = f"{JSON}, {EVENT_STREAM}") -> dict[str, str | bytes]:
        headers: dict[str, str | bytes] = {"accept": accept}
        if self._id is not None:
            headers[SESSION_HEADER] = self._id
        if self._version is not None:
            headers[VERSION_HEADER] = self._version
        return headers

    # -------------------------------------------------------------------------------------------- requests
    async def converse(self, exchange: Exchange) -> None:
        """See `Manner`."""
        if exchange.request.method == "initialize":
            await self._open(exchange)
            return
        await self._introduced.wait()
        generation = self._generation
        try:
            await self._carry(exchange)
        except Expired:
            exchange.posted = False
            await self._renew(generation)
            try:
                await self._carry(exchange)
            except Expired as error:
                raise ConnectionLost(f"{self._channel.shown} forgot its new session at once") from error

    async def _open(self, exchange: Exchange) -> None:
        self._opening, self._id, self._version = exchange.request, None, None
        exchange.on_reply = self._opened
        try:
            await self._carry(exchange)
        except UnexpectedStatus as error:
            if error.status in OLD_TRANSPORT:
                hint = "to initialize; if it speaks the older HTTP+SSE transport, use sse_client(url)"
                raise UnexpectedStatus(self._channel.shown, error.status, hint) from error
            raise

    def _opened(self, reply: Response | ErrorResponse) -> Message:
        if isinstance(reply, Response) and isinstance(reply.result, dict):
            version = reply.result.get("protocolVersion")
            self._version = version if isinstance(version, str) and visible(version) else None
        return reply

    async def _carry(self, exchange: Exchange) -> None:
        """POST a request and read to its response, over as many connections as the stream takes."""
        cursor = Cursor()
        try:
            headers = {**self._headers(), "content-type": JSON}
            exchange.posted = True
            async with self._channel.ask("POST", headers, exchange.body, exchange.sent) as reply:
                if reply.status == NOT_FOUND and SESSION_HEADER in headers:
                    raise Expired(f"{self._channel.shown} has forgotten the session")
                if exchange.request.method == "initialize":
                    self._know(reply)
                await self._channel.hear(reply, exchange, cursor)
        except ConnectionLost:
            if cursor.last_id is None:
                raise
        while not exchange.answered:
            if cursor.last_id is None:
                raise ConnectionLost(f"the stream of {exchange.request.method} ended before its response")
            await trio.sleep(cursor.pause())
            await self._resume(exchange, cursor)

    def _know(self, reply: Reply) -> None:
        """Take the id of the session that begins, before anything else is sent."""
        id = reply.header(SESSION_HEADER)
        if id and (not visible(id) or len(id) > MAX_SESSION_ID):
            raise InvalidResult("initialize: the server's session id is too long, or not of visible characters")
        self._id = id or None

    async def _resume(self, exchange: Exchange, cursor: Cursor) -> None:
        try:
            async with self._channel.ask("GET", self._resuming(cursor)) as reply:
                require_stream(reply, exchange.request.method)
                await self._channel.hear(reply, exchange, cursor)
        except (ConnectionLost, StartFailed) as error:
            log.debug("%s: %s", self._channel.shown, error)

    def _resuming(self, cursor: Cursor) -> dict[str, str | bytes]:
        headers = self._headers(EVENT_STREAM)
        return headers if cursor.last_id is None else {**headers, RESUME_HEADER: cursor.last_id.encode()}

    # -------------------------------------------------------------------------------------------- the session
    async def _renew(self, generation: int) -> None:
        """Introduce ourselves again, unless somebody did meanwhile. Raises `ConnectionLost` when that fails."""
        async with self._renewing:
            if generation != self._generation:
                return
            assert self._opening is not None
            forgotten, self._introduced = self._id, trio.Event()
            try:
                result = await self._initialize_again(self._opening)
                self._generation, forgotten = self._generation + 1, None
                await self._introduce()
                self._channel.session.renewed(result)
            except ZCPError as error:
                raise ConnectionLost(f"the session expired, and could not be renewed: {error}") from error
            finally:
                self._id = forgotten or self._id  # so that after a failure the next request finds out again
                self._introduced.set()

    async def _initialize_again(self, opening: Request) -> Any:
        replies: list[Response | ErrorResponse] = []

        def keep(reply: Response | ErrorResponse) -> None:
            self._opened(reply)
            replies.append(reply)

        request = Request(f"initialize-{self._generation + 1}", opening.method, opening.params)
        self._id = self._version = None
        with trio.move_on_after(RENEW_SECONDS):
            await self._carry(Exchange(request, encode(request, self._channel.dialect), on_reply=keep))
        if not replies or not isinstance(replies[0], Response):
            raise ConnectionLost(f"the server does not answer initialize: {replies or 'silence'}")
        return replies[0].result

    async def _introduce(self) -> None:
        """Say that we are ready, then listen to what belongs to no request."""
        message = Notification("notifications/initialized")
        await self._deliver(message, encode(message, self._channel.dialect))
        await self._begin_standing()
        self._introduced.set()

    async def _begin_standing(self) -> None:
        """Open the stream for what belongs to no request, and wait until it stands, but not for long."""
        if self._standing is not None:
            self._standing.cancel("another session has begun")
        self._standing, answered = trio.CancelScope(), trio.Event()
        self._channel.start(self._stand, self._standing, self._generation, answered)
        with trio.move_on_after(STANDING_SECONDS):
            await answered.wait()

    async def _stand(self, scope: trio.CancelScope, generation: int, answered: trio.Event) -> None:
        """The stream for what belongs to no request; a server need not have one."""
        cursor = Cursor()
        with scope:
            while await self._stand_once(cursor, generation, answered):
                try:
                    pause = cursor.pause()
                except ConnectionLost as error:
                    log.warning("%s: notifications are not heard any more: %s", self._channel.shown, error)
                    return
                await trio.sleep(pause)

    async def _stand_once(self, cursor: Cursor, generation: int, answered: trio.Event) -> bool:
        """One connection of that stream. False when there shall be no other."""
        try:
            async with self._channel.ask("GET", self._resuming(cursor)) as reply:
                answered.set()
                if reply.status == OK and reply.media_type == EVENT_STREAM:
                    await self._channel.hear(reply, None, cursor)
                    return True
                if reply.status in FOR_NOW:
                    return True
                expired = reply.status == NOT_FOUND and cursor.last_id is not None
            if expired:
                self._channel.start(self._renew_quietly, generation)
        except (ConnectionLost, StartFailed) as error:
            log.debug("%s: %s", self._channel.shown, error)
            answered.set()
            return True
        except MessageTooLarge as error:
            log.warning("%s: a notification is lost: %s", self._channel.shown, error)
            return True
        return False

    async def _renew_quietly(self, generation: int) -> None:
        try:
            await self._renew(generation)
        except ConnectionLost as error:
            log.warning("%s: %s", self._channel.shown, error)

    # -------------------------------------------------------------------------------------------- what is not asked
    def notify(self, message: Message, body: bytes) -> None:
        """See `Manner`."""
        method = message.method if isinstance(message, Notification) else ""
        if method == "notifications/initialized":
            self._channel.start(self._introduce)
        elif method == CANCELLED:
            exchange = self._channel.taken_back(message)
            if exchange is not None:
                self._channel.start(self._take_back, exchange, message, body)
        else:
            self._later(message, body)

    def _later(self, message: Message, body: bytes) -> None:
        """Deliver it when there is room; beyond a limit it is left out."""
        if self._notices < MAX_NOTICES:
            self._notices += 1
            self._channel.start(self._deliver_later, message, body)
        elif not self._left_out:
            self._left_out = True
            log.warning(
                "%s asks and does not take the answers: those beyond %d are not sent", self._channel.shown, MAX_NOTICES
            )

    async def _take_back(self, exchange: Exchange, message: Message, body: bytes) -> None:
        """Tell the server, and leave the stream later: by it come the cancels of what the call itself had asked."""
        if not exchange.posted:
            exchange.scope.cancel("the request was cancelled before it was sent")
            return
        with trio.move_on_after(NOTICE_SECONDS):
            await exchange.sent.wait()
            await self._deliver(message, body)
        exchange.scope.deadline = trio.current_time() + UNWIND_SECONDS

    async def _deliver_later(self, message: Message, body: bytes) -> None:
        try:
            await self._introduced.wait()
            async with self._sending:
                await self._deliver(message, body)
        finally:
            self._notices -= 1

    async def _deliver(self, message: Message, body: bytes) -> None:
        """POST what wants no response. A failure is nobody's exception: it is logged."""
        why: object = f"it was not accepted within {NOTICE_SECONDS:g} s"
        with trio.move_on_after(NOTICE_SECONDS):
            for _ in range(NOTICE_TRIES):
                try:
                    async with self._channel.ask("POST", {**self._headers(), "content-type": JSON}, body) as reply:
                        if reply.status < ACCEPTED_BELOW:
                            return
                        why = f"HTTP status {reply.status}"
                        break
                except TransportError as error:
                    why = error
        log.warning("%s did not take a %s: %s", self._channel.shown, kind_of(message), why)

    async def leave(self) -> None:
        """See `Manner`."""
        if self._id is None:
            return
        with trio.move_on_after(DELETE_SECONDS, shield=True):
            try:
                async with self._channel.ask("DELETE", self._headers()):
                    return
            except TransportError as error:
                log.debug("%s: the session was not ended: %s", self._channel.shown, error)


def require_stream(reply: Reply, method: str) -> None:
    """Raises `UnexpectedStatus` when a stream cannot be resumed, `ConnectionLost` when it cannot just now."""
    if reply.status >= TROUBLE:
        raise ConnectionLost(f"resuming the stream of {method} failed with HTTP status {reply.status}")
    if reply.status != OK or reply.media_type != EVENT_STREAM:
        raise UnexpectedStatus(reply.url, reply.status, f"to resuming the stream of {method}, which broke")


def visible(text: str) -> bool:
    """Whether a text consists of visible ASCII characters only, as a session id must."""
    return all("!" <= character <= "~" for character in text)


def kind_of(message: Message) -> str:
    """What to call a message in a log: no contents."""
    return message.method if isinstance(message, Notification) else "response"
