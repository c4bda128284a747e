"""
stdio: a session over the standard streams of a process, ours or a child's.

Owns the turning of lines into messages and back. Refuses to know processes (`child`) and what messages mean.
Source: MCP basic/transports, stdio, of either revision: one message a line, UTF-8, no newline inside.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import InvalidMessage
from zcp_actors.transports.child import open_child
from zcp_actors.wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from zcp_actors.ports import Session
    from zcp_actors.transports.child import Child
    from zcp_actors.transports.command import Command
    from zcp_actors.transports.inlet import Inlet
    from zcp_actors.transports.pipe import Pipe
    from zcp_actors.wire import Message

    Tap = Callable[[str, bytes], None]


class LineConnection:
    """Messages as lines, over anything that posts lines."""

    transport = "pipe"
    always_replies = False

    def __init__(self, pipe: Pipe, max_message: int, tap: Tap | None = None) -> None:
        self._pipe, self._max, self._tap = pipe, max_message, tap
        self.dialect: Any = None
        self.stamp: Any = None

    def post(self, message: Message, call: int | str | None = None) -> None:
        """See `ports.Connection`. Raises `NotJSON` for what no wire carries."""
        line = encode(message, self.dialect, self.stamp)
        if self._tap is not None:
            self._tap("out", line)
        self._pipe.post(line)

    @property
    def full(self) -> bool:
        """See `ports.Connection`."""
        return self._pipe.full

    async def room(self) -> None:
        """See `ports.Connection`."""
        await self._pipe.room()

    def hang_up(self) -> None:
        """The end of the pipe says it."""

    async def feed(self, session: Session, inlet: Inlet, *, wait_for_room: bool = False) -> None:
        """Feed the session until the lines end. A line that is no message is refused, and the next one is read.

        `wait_for_room` reads no more than can be answered: for the serving side only, or two full pipes wait for each
        other.
        """
        while lines := await inlet.receive():
            self._pipe.heard()
            for line in lines:
                if wait_for_room and self._pipe.full:
                    await self._pipe.room()
                if self._tap is not None and isinstance(line, bytes):
                    self._tap("in", line)
                try:
                    session.feed(self._message(line))
                except InvalidMessage as error:
                    session.refuse(error)

    def _message(self, line: bytes | InvalidMessage) -> Message:
        if isinstance(line, InvalidMessage):
            raise line
        return decode(line, max_bytes=self._max)


class ChildChannel(LineConnection):
    """The connection to a server that is our child process."""

    def __init__(self, child: Child, tap: Tap | None = None) -> None:
        super().__init__(child, child.command.max_message, tap)
        self._child = child
        self.pid = child.pid
        """What a client shows of its server's process."""

    async def read(self, session: Session) -> None:
        """See `ports.Channel`: raises `ServerExited` with exit code and last stderr lines when the server ends."""
        await self.feed(session, self._child.lines())
        raise await self._child.lost()


@attrs.frozen
class ChildWay:
    """The way to a server that is started as a child process."""

    command: Command
    on_stderr: Callable[[str], None] | None = None
    tap: Tap | None = None
    at_once = False

    @property
    def name(self) -> str:
        """A short name: the program, or the module or script it runs."""
        return short_name(self.command.argv)

    @property
    def identity(self) -> str:
        """The command and where it runs."""
        return f"{self.command.cwd or ''}\0{self.command}"

    @asynccontextmanager
    async def open(self, runtime: Any) -> AsyncIterator[ChildChannel]:
        """See `ports.Way`."""
        async with open_child(self.command, on_stderr=self.on_stderr) as child:
            yield ChildChannel(child, self.tap)

    def join(self, runtime: Any, session: Session) -> Any:
        """Never asked for: this way is opened."""
        raise NotImplementedError


def short_name(argv: Sequence[str]) -> str:
    """What people call a command: "mcp-server-git" for `python -m mcp_server_git -r .`."""
    words = [word for word in argv[1:] if not word.startswith("-")]
    program = str(argv[0]).rsplit("/", 1)[-1]
    if program.startswith(("python", "node", "npx", "uvx")) and words:
        return words[0].rsplit("/", 1)[-1]
    return program
