"""
Opening a client as a person at a terminal needs it: within a time, and with an error that says what to do.

Owns what is said of a server that cannot be spoken with. Refuses to call anything.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import trio

from zcp_actors.cli.failure import printable
from zcp_actors.errors import RequestTimeout, RPCError, StartFailed, UnsupportedVersion

if TYPE_CHECKING:
    from zcp_actors.sessions import ZCPClientSession

SHOWN = 60
"""Characters of a stray line in an error: enough to recognise whose it is."""


@attrs.define
class Strays:
    """The tap of a command: keeps the first line that it wrote and that can be no message."""

    first: str | None = None

    def __call__(self, way: str, line: bytes) -> None:
        """See `stdio_client`."""
        if way == "in" and self.first is None and not line.lstrip().startswith(b"{"):
            self.first = printable(line.decode(errors="replace"))[:SHOWN]


async def connect(client: ZCPClientSession, strays: Strays, limit: float | None = None) -> None:
    """Open the client, which ends with the runtime.

    Raises `RequestTimeout` when the server is not there in time, `StartFailed` when it does not speak the protocol, and
    what opening raises.
    """
    try:
        await _open(client, limit)
    except UnsupportedVersion:
        raise
    except RequestTimeout as error:
        if strays.first is None:
            raise
        raise StartFailed(
            f"{client.name} does not seem to be an MCP server: it answers nothing, and writes {strays.first!r}"
        ) from error
    except RPCError as error:
        raise StartFailed(f"{client.name} opens no session (did you pass --era?): {error.message}") from error


async def _open(client: ZCPClientSession, limit: float | None) -> None:
    with trio.move_on_after(math.inf if limit is None else limit) as patience:
        await client.__aenter__()
    if patience.cancelled_caught:
        assert limit is not None
        raise RequestTimeout("connecting", limit, "total")
