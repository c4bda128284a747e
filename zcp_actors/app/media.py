"""
Pictures, sounds and files as values that a handler returns.

Owns their reading and their MIME types. Refuses to look into the bytes. The rule: a file is read when the value is
made, in the handler's own time (and thread), never later in the session's.
"""

from __future__ import annotations

import base64
import contextlib
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

from zcp_actors.errors import UsageError
from zcp_actors.wire import AudioContent, BlobResourceContents, EmbeddedResource, ImageContent, TextResourceContents

if TYPE_CHECKING:
    import os

    from zcp_actors.wire import Annotations

_TEXTUAL = frozenset(
    {"application/json", "application/xml", "application/javascript", "application/yaml", "application/toml"}
)


class Image:
    """A picture: bytes, or the path of a file. `format` ("png", "jpeg", "svg+xml", …) is needed only for bytes.

    Raises `OSError` when the file cannot be read, `UsageError` when it is not clear what the picture is.
    """

    def __init__(
        self,
        data: bytes | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        format: str | None = None,
        annotations: Annotations | None = None,
    ) -> None:
        self.data, self.mime_type = _read("image", data, path, format)
        self.annotations = annotations

    def block(self) -> ImageContent:
        """Return the content block."""
        return ImageContent(data=_base64(self.data), mime_type=self.mime_type, annotations=self.annotations)


class Audio:
    """A sound: bytes, or the path of a file. `format` ("wav", "mpeg", …) is needed only for bytes.

    Raises `OSError` when the file cannot be read, `UsageError` when it is not clear what the sound is.
    """

    def __init__(
        self,
        data: bytes | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        format: str | None = None,
        annotations: Annotations | None = None,
    ) -> None:
        self.data, self.mime_type = _read("audio", data, path, format)
        self.annotations = annotations

    def block(self) -> AudioContent:
        """Return the content block."""
        return AudioContent(data=_base64(self.data), mime_type=self.mime_type, annotations=self.annotations)


class File:
    """A file's contents, embedded: text where its type is textual and it is UTF-8, else bytes.

    Give `data` with a `name`, or a `path`. `uri` defaults to the path's `file://` URI, or `file:///` and the name.
    Raises `OSError` when the file cannot be read, `UsageError` when there is nothing to embed.
    """

    def __init__(
        self,
        data: bytes | str | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        name: str | None = None,
        uri: str | None = None,
        mime_type: str | None = None,
        annotations: Annotations | None = None,
    ) -> None:
        if path is not None:
            data = Path(path).read_bytes() if data is None else data
            uri = uri or Path(path).absolute().as_uri()
        if data is None or not (uri or name):
            raise UsageError("a File needs a path, or data with a name or a uri")
        self.data = data
        self.uri = uri or f"file:///{name}"
        self.mime_type = mime_type or mimetypes.guess_type(name or self.uri)[0]
        self.annotations = annotations

    def block(self) -> EmbeddedResource:
        """Return the content block."""
        return EmbeddedResource(
            resource=contents_of(self.data, uri=self.uri, mime_type=self.mime_type), annotations=self.annotations
        )


def contents_of(data: bytes | str, *, uri: str, mime_type: str | None) -> TextResourceContents | BlobResourceContents:
    """Return `data` as resource contents: text stays text, and so do bytes of a textual type that are UTF-8."""
    if isinstance(data, bytes) and _is_textual(mime_type):
        with contextlib.suppress(UnicodeDecodeError):
            data = data.decode("utf-8")
    if isinstance(data, str):
        return TextResourceContents(uri=uri, mime_type=mime_type, text=data)
    return blob_of(data, uri=uri, mime_type=mime_type)


def blob_of(data: bytes, *, uri: str, mime_type: str | None) -> BlobResourceContents:
    """Return `data` as resource contents that are bytes, whatever their type."""
    return BlobResourceContents(uri=uri, mime_type=mime_type, blob=_base64(data))


def _is_textual(mime_type: str | None) -> bool:
    kind = (mime_type or "").partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTUAL or kind.endswith(("+json", "+xml"))


def _read(kind: str, data: bytes | None, path: str | os.PathLike[str] | None, format_: str | None) -> tuple[bytes, str]:
    if (data is None) == (path is None):
        raise UsageError(f"{kind}: give either the bytes or the path of a file")
    guessed = mimetypes.guess_type(path)[0] if path is not None else None
    mime_type = f"{kind}/{format_}" if format_ else guessed
    if mime_type is None or not mime_type.startswith(f"{kind}/"):
        example = "png" if kind == "image" else "wav"
        raise UsageError(f"{kind}: its type is not known (found {mime_type!r}); say it, for example format={example!r}")
    return Path(path).read_bytes() if path is not None else data or b"", mime_type


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
