"""
The tools of the everything-server that ask nobody anything.

Owns their names, arguments and results, which the conformance suite prescribes. Refuses to know transports and
revisions: each is one function for both.
"""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import trio

from zcp_actors import Audio, Context, File, Image
from zcp_actors.errors import ToolError

RED_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""

STEP_SECONDS = 0.05
"""Between two reports: enough for them to be separate events, little enough for the suite's patience of 200 ms."""

AWAY_SECONDS = 0.5
"""How long `test_reconnection` goes on without its client: the suite waits five seconds for the answer."""

JSON_SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Composition, condition, reference and anchor: the tool list must carry it unchanged."""

MIRRORED: dict[str, Any] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "count": {"type": "integer", "default": 0}},
    "required": ["region"],
}
"""`region` is repeated in the header `Mcp-Param-Region`."""


def silence() -> bytes:
    """A WAV file of ten milliseconds."""
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return written.getvalue()


async def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


async def test_image_content() -> Image:
    """Return a picture."""
    return Image(RED_DOT, format="png")


async def test_audio_content() -> Audio:
    """Return a sound."""
    return Audio(silence(), format="wav")


async def test_embedded_resource() -> File:
    """Return a resource within the result."""
    return File("This is an embedded resource content.", uri="test://embedded-resource", mime_type="text/plain")


async def test_multiple_content_types() -> list[str | Image | File]:
    """Return a text, a picture and a resource."""
    return [
        "Multiple content types test:",
        Image(RED_DOT, format="png"),
        File('{"test": "data", "value": 123}', uri="test://mixed-content-resource", mime_type="application/json"),
    ]


async def test_tool_with_logging(ctx: Context) -> str:
    """Send three log messages while it runs."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(message)
        await trio.sleep(STEP_SECONDS)
    return "Three messages were logged."


async def test_logging_tool(ctx: Context) -> str:
    """Log something, which only a client that asked for it hears."""
    await ctx.info("A message for those who asked")
    return "One message was logged."


async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.progress(done, 100)
        await trio.sleep(STEP_SECONDS)
    return "Progress was reported three times."


async def test_error_handling() -> str:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


async def test_reconnection(ctx: Context) -> str:
    """Let the client go while it runs, so that the answer is fetched by resuming the stream."""
    await trio.sleep(STEP_SECONDS)
    ctx.close_stream()
    await trio.sleep(AWAY_SECONDS)
    return "Reconnection test completed."


async def json_schema_2020_12_tool(**fields: Any) -> str:
    """Take arguments that only JSON Schema 2020-12 can describe."""
    return f"Got {', '.join(sorted(fields)) or 'nothing'}."


async def mirrored_argument(region: str, count: int = 0) -> str:
    """Have arguments of which one is repeated in an HTTP header."""
    return f"{region}: {count}"


CONTENT_TOOLS = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_tool_with_logging,
    test_logging_tool,
    test_tool_with_progress,
    test_error_handling,
    test_reconnection,
)
"""In the order they are listed in. The first one must take no arguments: the suite calls whichever stands first."""
