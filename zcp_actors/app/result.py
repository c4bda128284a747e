"""
What a tool's handler returned, as a `CallToolResult`.

Owns the forms a handler may answer in: text, content blocks, JSON, objects, and the finished result. Refuses to know
how the handler was called. The rule: a result that leaves here can be written to any wire, shares nothing with the
handler's values, and is what the tool's output schema promises; otherwise it is an error result that says so.
Source: MCP, server/tools, "Structured Content": a tool with an output schema MUST give structured results that conform
to it, and SHOULD give the same as serialized JSON in a text block.
"""

from __future__ import annotations

import logging
from typing import Any

import attrs
import msgspec

from zcp_actors import schemas
from zcp_actors.app import failure, shapes
from zcp_actors.app.media import Audio, File, Image
from zcp_actors.errors import NotJSON
from zcp_actors.wire import (
    NULL,
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    plain,
)
from zcp_actors.wire.mismatch import Mismatch

logger = logging.getLogger("zcp_actors.app")

BLOCKS = (TextContent, ImageContent, AudioContent, ResourceLink, EmbeddedResource)
MEDIA = (Image, Audio, File)


@attrs.frozen
class Output:
    """What one tool promises about its results."""

    tool: str
    validator: schemas.Validator | None = None
    """Checks `structured_content`; None when nothing is promised, or nothing is to be checked."""
    structured: bool = False
    """True when an output schema was published, so that there must be structured content."""
    text_fits: bool = False
    """True when every text fits: the schema was derived from `-> str`."""
    wrapped: bool = False
    """True when the schema was derived from a type that is not (always) an object: it is about `{"result": …}`."""
    bare: bool = False
    """True when the schema is not about an object: structured content is then the value, not `{"result": value}`."""
    typed: bool = False
    """True when the schema was derived from a type: values are then written as that type's schema says."""

    def result(self, value: Any) -> CallToolResult:
        """Turn a handler's value into the call's result; never raises for what the value is."""
        if type(value) is str and (self.text_fits or not self.structured) and _writable(value):
            return CallToolResult(
                content=[TextContent(text=value)], structured_content={"result": value} if self.structured else None
            )
        try:
            return self._checked(self._converted(value))
        except NotJSON as error:
            return self._broken(f"it returned what no wire can carry: {error}")
        except (Mismatch, schemas.Mismatch) as error:
            return self._broken(error.at("result") if isinstance(error, Mismatch) else str(error))
        except Exception as error:  # noqa: BLE001 - an author's class may fail while it is turned into JSON
            return self._broken(f"what it returned could not be turned into JSON: {failure.text_of(error)}")

    def _converted(self, value: Any) -> CallToolResult:
        if isinstance(value, CallToolResult):
            return shapes.fresh(value)
        if is_content(value):
            return CallToolResult(content=[block_of(value)])
        if isinstance(value, (list, tuple)) and any(map(is_content, value)):
            return CallToolResult(content=[block_of(each) for each in value])
        return self._structured(plain(schemas.unstructure(value) if self.typed else value, "result"))

    def _structured(self, value: Any) -> CallToolResult:
        if value is None and not self.structured:
            return CallToolResult(content=[])
        if isinstance(value, str) and not self.structured:
            return CallToolResult(content=[TextContent(text=value)])
        if self.wrapped or not (self.bare or isinstance(value, dict)):
            structured: Any = {"result": value}
        else:
            structured = NULL if value is None else value
        content = [] if value is None else [TextContent(text=text_of(value))]
        return CallToolResult(content=list(content), structured_content=structured)

    def _checked(self, result: CallToolResult) -> CallToolResult:
        if self.validator is None or result.is_error:
            return result
        if result.structured_content is None:
            return self._broken("it has an output schema but returned no structured content")
        self.validator.check(None if result.structured_content is NULL else result.structured_content)
        return result

    def _broken(self, why: str) -> CallToolResult:
        logger.error("tool %r is broken: %s", self.tool, why)
        return failed(f"tool {self.tool!r} is broken, and only its author can mend it: {why}")


def failed(text: str) -> CallToolResult:
    """Return the result of a call that failed in a way the model should read."""
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def is_content(value: Any) -> bool:
    """Tell whether `value` is a content block, or a picture, sound or file that becomes one."""
    return isinstance(value, (*BLOCKS, *MEDIA))


def block_of(value: Any) -> Any:
    """Return `value` as a content block: a block as it is, text as text, other JSON as its text. Raises `NotJSON`."""
    if isinstance(value, MEDIA):
        value = value.block()
    if isinstance(value, BLOCKS):
        return shapes.fresh(value)
    return TextContent(text=text_of(plain(value)))


def text_of(value: Any) -> str:
    """Return plain JSON as text for a reader: a string as it is, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8")


def _writable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
