"""
What a person means by a server: an app to import, a command to start, or an address.

Owns the reading of `module:app` and `file.py:app` and the importing. Refuses to open anything.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import shutil
import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zcp_actors.sessions import ServerHandle
from zcp_actors.transports import Command, stdio_client, streamable_http_client, websocket_client

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from zcp_actors.sessions import ZCPClientSession

_APP = re.compile(r"(?P<source>[^:\s]*\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_][\w.]*)")
_FILE = re.compile(r"(?P<source>.+\.py):(?P<name>[A-Za-z_][\w.]*)")
"""A file's path may hold blanks, where an app is all that can be meant."""

_CLIENTS: dict[str, Callable[..., ZCPClientSession]] = {
    "http": streamable_http_client,
    "https": streamable_http_client,
    "ws": websocket_client,
    "wss": websocket_client,
}


def client_of(text: str, *, tap: Any = None, **options: Any) -> ZCPClientSession:
    """Return an unopened client of the server that `text` means: an app, a URL, or a command to start.

    `tap` sees what a command writes and reads; `options` are those of `ZCPClientSession`. Raises
    `click.ClickException`, and `UsageError` for a bad command line.
    """
    if _APP.fullmatch(text) or _names_a_file(text):
        return stdio_client(load_app(text), **options)
    scheme, separator, _ = text.partition(" ")[0].partition("://")
    if not separator:
        return stdio_client(_command(text), tap=tap, **options)
    if scheme.lower() not in _CLIENTS:
        raise click.ClickException(  # without what follows: there may be a password in it
            f"{scheme + separator!r}: expected a command, an app, or an address that begins with http(s):// or ws(s)://"
        )
    return _CLIENTS[scheme.lower()](text, **options)


def _names_a_file(text: str) -> bool:
    """Tell whether this is `path to/file.py:app`, where only the file being there tells it from a command."""
    match = _FILE.fullmatch(text)
    return match is not None and Path(match["source"]).is_file()


def _command(text: str) -> Command:
    """The command to start. Raises `click.ClickException` for a single word that is none: an app may be meant."""
    command = Command.parse(text)
    word = command.argv[0]
    if len(command.argv) == 1 and "/" not in word and shutil.which(word) is None:
        raise click.ClickException(
            f"there is no program {word!r}; expected a command line, an app as module:app or path/to/file.py:app, "
            "or an address"
        )
    return command


def load_app(text: str) -> Any:
    """Import the app or server handle of `module:app` or `file.py:app`; a function without arguments is called for it.

    The current directory is looked into first, as `python` would. Raises `click.ClickException`.
    """
    match = _APP.fullmatch(text) or _FILE.fullmatch(text)
    if match is None:
        raise click.ClickException(f"{text!r} does not name an app; expected module:app or path/to/file.py:app")
    sys.path.insert(0, str(Path.cwd()))
    module = _imported(match["source"])
    try:
        found = attrgetter(match["name"])(module)
    except AttributeError:
        raise click.ClickException(f"{match['source']} has no {match['name']!r}{_apps_in(module)}") from None
    return _app(text, found)


def _app(text: str, found: Any) -> Any:
    if callable(found) and not _serves(found):
        if inspect.iscoroutinefunction(found):
            raise click.ClickException(f"{text} is a coroutine function; expected a plain one that returns a FastZCP")
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise click.ClickException(f"{text}() failed: {_said(error)}") from error
    if not _serves(found):
        raise click.ClickException(
            f"{text} is no app but of type {type(found).__name__}; expected a FastZCP, or a function without arguments "
            "that returns one"
        )
    return found


def _serves(thing: Any) -> bool:
    return isinstance(thing, ServerHandle) or (hasattr(thing, "handle") and hasattr(thing, "capabilities"))


def _apps_in(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if _serves(value) and not isinstance(value, type)]
    return f"; apps in it: {', '.join(names)}" if names else ""


def _imported(source: str) -> ModuleType:
    try:
        return _imported_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except click.ClickException:
        raise
    except ModuleNotFoundError as error:
        raise click.ClickException(f"cannot import {source}: {error.msg} (looked in {Path.cwd()} first)") from error
    except (Exception, SystemExit) as error:
        # Whatever an author's module raises is the author's to read, with --debug from its traceback.
        raise click.ClickException(f"importing {source} failed: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """The error's name, and its words if it has some."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _imported_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise click.ClickException(f"there is no file {path}")
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_the_command_line"
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Annotations are looked up in the module that `sys.modules` holds under the function's `__module__`.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
