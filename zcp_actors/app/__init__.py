"""
What a server author writes: `FastZCP`, and the values a handler may return that JSON has no form for.

Owns everything between a served method and the author's function. Refuses to know wires, sessions and clients.
"""

from zcp_actors.app.fastzcp import FastZCP
from zcp_actors.app.media import Audio, File, Image

__all__ = ["Audio", "FastZCP", "File", "Image"]
