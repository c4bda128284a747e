"""
A tool's result for people.

Owns the choice of what is shown: text as text, structured content as JSON, the rest by kind and size. Refuses to
colour: standard output may be a pipe.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from zcp_actors.cli.failure import printable
from zcp_actors.wire import to_wire


def print_result(result: Any, *, raw: bool) -> None:
    """Print the result on standard output; one that says it is an error on standard error."""
    text = as_json(to_wire(result)) if raw else readable(result)
    stream = sys.stderr if result.is_error and not raw else sys.stdout
    if text:
        # What goes on into a pipe goes as it came; only a terminal obeys control characters.
        print(printable(text) if stream.isatty() else text, file=stream)


def readable(result: Any) -> str:
    """Return the result's blocks as lines, and its structured content where no text says the same."""
    blocks = [dict(to_wire(block)) for block in result.content]
    structured = result.structured_content
    if structured is not None:
        blocks = [block for block in blocks if not _says(block, structured)]
    lines = [_block(block) for block in blocks]
    said = [structured["result"]] if _is_wrapped(structured) else [structured]
    if structured is not None and not (_is_wrapped(structured) and said[0] in lines):
        lines.append(said[0] if isinstance(said[0], str) else as_json(_plain(said[0])))
    return "\n".join(lines)


def _is_wrapped(structured: Any) -> bool:
    """Tell whether a value that is no object was put into one to travel."""
    return structured is not None and list(structured) == ["result"]


def _says(block: dict[str, Any], structured: Any) -> bool:
    """Tell whether the block is the structured content once more, as text for models of the older kind."""
    try:
        return block["type"] == "text" and json.loads(block["text"]) in (structured, structured.get("result", ...))
    except (ValueError, AttributeError):
        return False


def _block(block: dict[str, Any]) -> str:
    match block:
        case {"type": "text", "text": text}:
            return str(text)
        case {"type": "image" | "audio" as kind, "data": encoded, "mimeType": mime}:
            return f"[{kind}, {mime}, {len(encoded) * 3 // 4} bytes]"
        case {"type": "resource", "resource": {"text": text}}:
            return str(text)
        case {"type": "resource", "resource": {"uri": uri}}:
            return f"[resource {uri}]"
        case {"type": "resource_link", "uri": uri}:
            return f"[link to {uri}]"
        case _:
            return as_json(block)


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else value


def as_json(value: Any) -> str:
    """Return it as JSON whose letters standard output can write: its own way to escape them is no JSON."""
    letters = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    return json.dumps(value, indent=2, ensure_ascii=not letters, default=_plain)
