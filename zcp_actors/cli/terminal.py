"""
The person at the terminal: reads what they type, and asks them what a server asks.

Owns the conversation with one person, one question at a time. Refuses to open pages and to know sessions: it is a
provider as any host could pass. The rules: whose question it is is always said, nothing of a server reaches the
terminal as a control character, and the end of the input means "cancel", never "yes".
Source: MCP client/elicitation, "Safe URL Handling": show the whole address, warn of punycode, ask for consent.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.cli.failure import printable
from zcp_actors.cli.form import Field, fields_of
from zcp_actors.cli.host_name import shown_host
from zcp_actors.errors import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LINE_BYTES = 4096
"""What one read takes: the longest line that a terminal in its usual mode hands over."""


class Lines:
    """Lines of the terminal, read without a thread: one left by a withdrawn question would swallow the next answer."""

    def __init__(self, fd: int = 0) -> None:
        self._fd = fd
        self._kept = b""

    async def read(self, prompt: str) -> str | None:
        """Show the prompt and return the next line; None at the end of the input."""
        print(prompt, end="", file=sys.stderr, flush=True)
        while b"\n" not in self._kept:
            await trio.lowlevel.wait_readable(self._fd)
            chunk = os.read(self._fd, LINE_BYTES)
            if not chunk:
                return None
            self._kept += chunk
        line, _, self._kept = self._kept.partition(b"\n")
        return line.decode(errors="replace").strip()


class Terminal:
    """The two providers of a person: `elicit` and `sample`."""

    def __init__(
        self, lines: Lines | None = None, paused: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        """`paused` is entered around each question: a progress bar steps aside."""
        self._lines, self._paused = lines or Lines(), paused
        self._turn = trio.Lock()

    async def elicit(self, request: Any, pending: Any) -> dict[str, Any]:
        """Ask the person a server's question."""
        async with self._asking():
            say(f"\n{pending.backend} asks: {request.message}")
            try:
                return await (self._url(request) if request.mode == "url" else self._form(request))
            except EOFError:
                say("")
                return {"action": "cancel"}

    async def sample(self, request: Any, pending: Any) -> str:
        """Let the person play the model. Raises `Refused` when they write nothing."""
        async with self._asking():
            say(f"\n{pending.backend} asks a model:")
            for message in request.messages:
                say(f"  {message.role}: {getattr(message.content, 'text', message.content)}")
            answer = await self._lines.read("Answer as the model (nothing: refuse): ")
        if not answer:
            raise Refused("the person at the terminal refused the sampling request")
        return answer

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Have the person to oneself; a question that is withdrawn while they think tells them so."""
        async with self._turn:
            with self._paused():
                try:
                    yield
                except trio.Cancelled:
                    say("\n(the question was withdrawn)")
                    raise

    # -------------------------------------------------------------------------------------------- forms
    async def _form(self, request: Any) -> dict[str, Any]:
        fields = fields_of(request.requested_schema)
        word = "Fill in its form?" if fields else "Agree?"
        action = await self._choice(f"{word} [y]es, [n]o, [c]ancel: ", {"y": "accept", "n": "decline", "c": "cancel"})
        if action != "accept" or not fields:
            return {"action": action, "content": {}}
        while True:
            content = {field.name: value for field in fields if (value := await self._field(field)) is not None}
            for name, value in content.items():
                say(f"  {name} = {value}")
            sent = await self._choice("Send this? [y]es, [a]gain, [c]ancel: ", {"y": "accept", "a": "", "c": "cancel"})
            if sent:
                return {"action": sent, "content": content}

    async def _field(self, field: Field) -> Any:
        """Return what the person gives the field, None where they leave an optional one out."""
        for line in field.introduction():
            say(line)
        while True:
            word = await self._read(field.prompt())
            try:
                return field.read(word)
            except ValueError as error:
                say(f"  {error}")

    # -------------------------------------------------------------------------------------------- pages
    async def _url(self, request: Any) -> dict[str, Any]:
        say(f"  It wants you to visit: {request.url}")
        for line in shown_host(request.url):
            say(f"  {line}")
        say("  Nothing is opened for you: copy the address if you trust it.")
        choices = {"y": "accept", "n": "decline", "c": "cancel"}
        return {"action": await self._choice("Will you visit it? [y]es, [n]o, [c]ancel: ", choices)}

    # -------------------------------------------------------------------------------------------- words
    async def _choice(self, prompt: str, choices: dict[str, str]) -> str:
        while True:
            word = (await self._read(prompt)).lower()[:1]
            if word in choices:
                return choices[word]

    async def _read(self, prompt: str) -> str:
        line = await self._lines.read(printable(prompt))
        if line is None:
            raise EOFError
        return line


def say(text: str) -> None:
    """Print a line to the person, harmless to the terminal."""
    print(printable(text), file=sys.stderr, flush=True)
