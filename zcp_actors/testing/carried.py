"""
A connection that is carried by another one.

Owns the passing on of what no wrapper changes. Refuses to post, read and hang up: that is what wrappers are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zcp_actors.ports import Connection


class Carried:
    """The common half of `ports.Connection` wrappers."""

    transport: str
    always_replies: bool
    connection: Connection
    """The one beneath."""

    def carry_by(self, connection: Connection) -> None:
        """Set the one beneath, before anything is posted."""
        self.connection, self.transport = connection, connection.transport
        self.always_replies = getattr(connection, "always_replies", False)

    @property
    def dialect(self) -> Any:
        """See `ports.Connection`, as for all of these."""
        return self.connection.dialect

    @dialect.setter
    def dialect(self, dialect: Any) -> None:
        self.connection.dialect = dialect

    @property
    def stamp(self) -> Any:
        return self.connection.stamp

    @stamp.setter
    def stamp(self, stamp: Any) -> None:
        self.connection.stamp = stamp

    @property
    def full(self) -> bool:
        return self.connection.full

    async def room(self) -> None:
        await self.connection.room()
