"""
What a handler sees of its call.

Owns the handler's view: questions to the client, progress, log. Refuses to know dialects and wires:
everything goes through the call it was made for.
"""

from __future__ import annotations


class Context:
    """The call a handler serves. Made by the session, one for each call."""
