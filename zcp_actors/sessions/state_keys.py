"""
Where the keys of sealed states come from.

Owns the order of the sources (the author, the environment, a key file, chance) and the key file: made once, by
whichever process is first, readable by its owner alone. Refuses to know what is sealed. It reads and writes a small
file without the help of trio, so it is called while an app starts and never while it serves.
The rule that keeps it honest: a key that others could read, or that is too short, is refused, never quietly replaced;
replacing it would make every state in flight unreadable and nobody would know why.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from zcp_actors.errors import StartFailed, UsageError
from zcp_actors.protocol.sealing import MIN_KEY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATE_KEYS = "ZCP_ACTORS_STATE_KEYS"
"""Environment: keys separated by commas, the sealing one first; any text of at least 32 bytes each."""

STATE_DIR = "ZCP_ACTORS_STATE_DIR"
"""Environment: where served apps keep state, instead of the platform's directory."""

MAX_FILE_LENGTH = 64 * 1024
"""Bytes of a key file that are read: a thousand keys. What is longer is some other file."""

MAKE_ONE = """python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"""

INSTEAD = f"Set {STATE_DIR} to a directory that can be written, or {STATE_KEYS} to a key of your own"


def state_keys(
    app_name: str, given: Sequence[bytes | str] | None, environ: Mapping[str, str], *, served: bool
) -> list[bytes]:
    """The keys to seal states with: the first seals, all open.

    From `given` (the author's `state_keys=`), else `ZCP_ACTORS_STATE_KEYS`, else, for a `served` app, its key file,
    else one random key, which ends with the process as the sessions do.
    Text counts as its UTF-8 bytes, whatever it encodes, so one text is one key in all three places.

    Raises `UsageError` for a list that cannot be used, `StartFailed` for a key file that cannot.
    """
    if given is not None:
        return _checked(given, "state_keys=")
    if environ.get(STATE_KEYS):
        return _checked(environ[STATE_KEYS].split(","), STATE_KEYS)
    return file_keys(key_file(app_name, environ)) if served else [secrets.token_bytes(MIN_KEY_LENGTH)]


def key_file(app_name: str, environ: Mapping[str, str]) -> Path:
    """Where the key file of this app is: one folder for each name, whatever characters the name has."""
    root = environ.get(STATE_DIR)
    return (Path(root) if root else platformdirs.user_state_path("zcp-actors")) / _slug(app_name) / "state.keys"


def file_keys(path: Path) -> list[bytes]:
    """The keys of this file, one on a line, the sealing one first. The file is made if it is not there."""
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)


def _checked(keys: Sequence[bytes | str], source: str) -> list[bytes]:
    """Keys as bytes. An error names the place of a key, never the key."""
    if isinstance(keys, bytes | str):
        raise UsageError(f"{source} is a list of keys, not one key: put it in brackets")
    found = [key.strip().encode() if isinstance(key, str) else bytes(key) for key in keys]
    if not found:
        raise UsageError(f"{source} holds no key; make one with: {MAKE_ONE}")
    for place, key in enumerate(found, 1):
        if len(key) < MIN_KEY_LENGTH:
            raise UsageError(
                f"key {place} of {source} has {len(key)} bytes, at least {MIN_KEY_LENGTH} are needed: {MAKE_ONE}"
            )
    return found


def _slug(name: str) -> str:
    """A folder name: what can be read of `name`, and a digest, because two names may read the same."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "app"
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _read(path: Path) -> list[bytes]:
    try:
        # O_NONBLOCK: a pipe put in its place must not hold the start up; the check below refuses it.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StartFailed(f"the key file {path} cannot be read: {error}. {INSTEAD}") from error
    with os.fdopen(file, "rb") as opened:
        _refuse_shared(path, os.fstat(file))
        keys = opened.read(MAX_FILE_LENGTH).split()
    if not keys or any(len(key) < MIN_KEY_LENGTH for key in keys):
        raise StartFailed(
            f"the key file {path} is damaged; delete it to begin with a new key (states in flight are lost)"
        )
    return keys


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    """Only its owner may read a key, and its owner is us. Windows keeps a user's state directory to the user."""
    if not stat.S_ISREG(status.st_mode):
        raise StartFailed(f"the key file {path} is not a regular file")
    if os.name != "posix":
        return
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StartFailed(f"others can read the key file {path}; if none has: chmod 600 {path}; else delete it")
    if status.st_uid != os.geteuid():
        raise StartFailed(f"the key file {path} belongs to user {status.st_uid}, not to us ({os.geteuid()}): chown it")


def _make(path: Path) -> None:
    """Write a new key aside, whole, then link it into place: whoever is first wins, and nobody reads half a file."""
    key = f"{secrets.token_urlsafe(MIN_KEY_LENGTH)}\n".encode()
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write(aside, key)
            os.link(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except FileExistsError:
        return  # another process was first, and its key is as good
    except OSError as error:
        raise StartFailed(f"no key file can be made at {path}: {error}. {INSTEAD}") from error


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
