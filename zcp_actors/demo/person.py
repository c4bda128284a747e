"""
Who answers the servers' questions in the demo: always the same answers, or the person at the terminal.

Owns the answers and the count of what was asked. Refuses to know steps: one that wants a question to stay open says
that the person is away, and answers it through the runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.cli.terminal import say
from zcp_actors.errors import Refused

if TYPE_CHECKING:
    from zcp_actors.cli.terminal import Terminal


@attrs.define
class Person:
    """The providers of the demo."""

    terminal: Terminal | None = None
    """Asked instead, where there is one."""
    away: bool = False
    """While it is true, questions stay open."""
    sampled: int = 0
    """Sampling requests that came."""
    asked: int = 0
    """Elicitations that came."""
    action: str = ""
    """What the last answer to an elicitation was."""

    async def sample(self, request: Any, pending: Any) -> str:
        """Play the model."""
        self.sampled += 1
        if self.terminal is not None and not self.away:
            try:
                return await self.terminal.sample(request, pending)
            except Refused:
                say("(you wrote nothing, so the demo's own model answers)")
        topic = request.messages[-1].content.text.removeprefix("Summarise ").removesuffix(" in one line.")
        return f"All that need be said about {topic}."

    async def elicit(self, request: Any, pending: Any) -> dict[str, Any]:
        """Play the editor: fill in the form as they do."""
        self.asked += 1
        if self.away:
            await trio.sleep_forever()
        if self.terminal is not None:
            answer = await self.terminal.elicit(request, pending)
        else:
            answer = {"action": "accept", "content": {"headline": "Read all about it", "tone": "playful"}}
        self.action = answer["action"]
        return answer
