"""
How 2026-07-28 uses HTTP: every request says all of itself, and closing its stream takes it back.

Owns the headers of requests and the one retry after a header was wrong. Refuses to know sessions: there are none.
Source: 2026-07-28 basic/transports/streamable-http: no GET, no DELETE, no resumption, no notifications from clients.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import HEADER_MISMATCH, ConnectionLost, ZCPError
from zcp_actors.transports.http.client import EVENT_STREAM, JSON, Exchange
from zcp_actors.transports.http.client_cursor import Cursor
from zcp_actors.transports.http.client_headers import standard_headers
from zcp_actors.transports.http.client_tools import AnnotatedTools
from zcp_actors.wire import ErrorResponse, Request, Response, encode
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION

if TYPE_CHECKING:
    from zcp_actors.transports.http.client import HTTPChannel
    from zcp_actors.wire import Message

MAX_PAGES = 100
"""Pages of tools that are looked through for the headers of one call."""

ALWAYS = {"accept": f"{JSON}, {EVENT_STREAM}", "content-type": JSON}
CALL, LIST = "tools/call", "tools/list"
IDENTITY = (PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES)

log = logging.getLogger("zcp_actors.transports")


class StatelessManner:
    """One request, one POST."""

    id = None

    def __init__(self, channel: HTTPChannel) -> None:
        self._channel = channel
        self._version = channel.dialect.version
        self._tools = AnnotatedTools(channel.shown)

    async def converse(self, exchange: Exchange) -> None:
        """See `Manner`. A call whose headers were wrong is sent again, once, after another look at the tools."""
        mismatches: list[ErrorResponse] = []
        request = exchange.request
        if request.method == LIST:
            exchange.on_reply = self._admit
        elif request.method == CALL:
            exchange.on_reply = lambda reply: mismatched(reply, mismatches)
        headers = self._tools.headers(request)
        await self._post(exchange, headers)
        if mismatches:
            again = await self._headers_now(request)
            exchange.answered, exchange.on_reply = False, None
            if again == headers:
                exchange.answered = True
                self._channel.session.feed(mismatches[0])
            else:
                await self._post(exchange, again)

    async def _post(self, exchange: Exchange, more: dict[str, str]) -> None:
        headers = {**ALWAYS, **standard_headers(exchange.request, self._version), **more}
        async with self._channel.ask("POST", headers, exchange.body, exchange.sent) as reply:
            await self._channel.hear(reply, exchange, Cursor())
        if not exchange.answered:
            raise ConnectionLost(f"the stream of {exchange.request.method} ended before its response")

    def _admit(self, reply: Response | ErrorResponse) -> Message:
        return attrs.evolve(reply, result=self._tools.admit(reply.result)) if isinstance(reply, Response) else reply

    async def _headers_now(self, call: Request) -> dict[str, str]:
        """The headers of a call, after the server has been asked for its tools."""
        page: list[Any] = []  # the newest alone: a hundred of the largest would be gigabytes
        cursor: str | None = None
        meta = getattr(call.params, "meta", None) or {}
        for number in range(MAX_PAGES):
            params = {"_meta": {key: meta[key] for key in IDENTITY if key in meta}}
            request = Request(
                f"tools-of-{call.id}-{number}", LIST, params if cursor is None else {**params, "cursor": cursor}
            )
            try:
                await self._post(self._aside(request, page), {})
            except ZCPError as error:
                log.info("%s: the tools could not be looked at again: %s", self._channel.shown, error)
                break
            cursor = page[0].get("nextCursor") if page else None
            if not isinstance(cursor, str):
                break
        return self._tools.headers(call)

    def _aside(self, request: Request, results: list[Any]) -> Exchange:
        """An exchange of our own, of which the session hears nothing."""

        def keep(reply: Response | ErrorResponse) -> None:
            results[:] = [self._tools.admit(reply.result) if isinstance(reply, Response) else {}]

        return Exchange(request, encode(request, self._channel.dialect), on_reply=keep)

    def notify(self, message: Message, body: bytes) -> None:
        """See `Manner`. A cancel closes the stream of what it cancels; nothing else is ever sent."""
        exchange = self._channel.taken_back(message)
        if exchange is not None:
            exchange.scope.cancel("the request was cancelled")

    async def leave(self) -> None:
        """See `Manner`. The server holds nothing."""


def mismatched(reply: Response | ErrorResponse, mismatches: list[ErrorResponse]) -> Message | None:
    """A response as it is, except for the error that another look at the tools may cure."""
    if isinstance(reply, ErrorResponse) and reply.code == HEADER_MISMATCH:
        mismatches.append(reply)
        return None
    return reply
