"""
Sealing: what a suspended call must remember, given to the client to carry, readable and changeable by nobody else.

Owns the form of `requestState`. Refuses to know what is inside, where keys come from (`sessions.state_keys`) and what
time it is. The rule that keeps it honest: whatever decides for whom and for what a state counts is authenticated with
it, so a state opens only for the same app, method, target, arguments and principal, and only until it expires.
A request's id, `_meta` and `inputResponses` change from round to round and are bound to nothing.

A state may be opened more than once until it expires: single use needs a memory, and a sealed state exists to need
none. A `once` block with a store is how a side effect survives that. The client cannot read a state, but it sees its
length, and some of what is compressed is its own: a secret that it must not learn does not belong into a `once` result.

Form: base64url, without padding, of a header (version, key id, expiry, nonce, fingerprint of the binding) and an
AES-256-GCM ciphertext. Source: MCP 2026-07-28, multi-round-trip requests: the state is attacker-controlled, its
integrity MUST be protected, and it SHOULD be bound to principal, expiry and request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zcp_actors.errors import InvalidParams, NotJSON, StateTooLarge, UsageError
from zcp_actors.protocol.questions import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1

MAX_STATE_LENGTH = 256 * 1024
"""Characters of a sealed state. It travels twice in every round, inside messages that proxies cut at about 1 MiB."""

MAX_CONTENT_LENGTH = 16 * MAX_STATE_LENGTH
"""Bytes before compression. JSON of answers shrinks to a third; sixteen times is either a mistake or a bomb."""

COMPRESS_FROM = 1024
"""Bytes below which compression saves less than it costs, and below which its length would tell most about a secret."""

DEFAULT_TTL = 24 * 3600.0
"""Seconds that a state can be opened: as long as a person may take to answer (`max_human_wait`)."""

MIN_KEY_LENGTH = 32
"""Bytes of key material: as much as AES-256 takes."""

NONCE_LENGTH = 12
"""Bytes, as GCM wants them. Random ones are safe for 2^32 states under one key (NIST SP 800-38D, 8.3)."""

MAX_CALL_NONCE_LENGTH = 255
"""Bytes: its length is written in one."""

HEADER = struct.Struct(f">B4sQ{NONCE_LENGTH}s8s")
PLAIN, COMPRESSED = 0, 1


@attrs.frozen
class Binding:
    """What a state counts for. `arguments` is a digest of the canonical arguments; `principal` None is nobody known."""

    app: str
    method: str
    target: str
    arguments: str
    principal: str | None

    @classmethod
    def of(cls, app: str, method: str, target: str, arguments: Any, principal: str | None) -> Binding:
        """Bind to these plain JSON arguments; `target` is a tool's or prompt's name or a resource's URI.

        Raises `InvalidParams` for arguments that have no canonical form: nested too deeply, say.
        """
        try:
            written = canonical(arguments)
        except NotJSON as error:
            raise InvalidParams(f"params.arguments cannot be bound to a request state: {error}") from None
        return cls(app, method, target, hashlib.sha256(written).hexdigest(), principal)

    def __bytes__(self) -> bytes:
        return canonical([self.app, self.method, self.target, self.arguments, self.principal])


@attrs.frozen
class Opened:
    """What was sealed: the journal's bytes, and the nonce that names the call over all its rounds."""

    journal: bytes
    call_nonce: str


@attrs.frozen
class Key:
    """One key of the list, with what is derived from it."""

    id: bytes
    cipher: AESGCM
    marker: bytes

    @classmethod
    def of(cls, material: bytes) -> Key:
        """Derive it. The id tells which key sealed a state and nothing about the key."""
        if len(material) < MIN_KEY_LENGTH:
            raise UsageError(f"a state key needs at least {MIN_KEY_LENGTH} bytes, not {len(material)}")
        derived = HKDF(SHA256(), length=68, salt=None, info=b"zcp-actors request state 1").derive(material)
        return cls(derived[:4], AESGCM(derived[4:36]), derived[36:])

    def fingerprint(self, binding: bytes) -> bytes:
        """Tells a state of another request from a damaged one; keyed, so that it says nothing about who sealed."""
        return hmac.digest(self.marker, binding, "sha256")[:8]


class Sealer:
    """Seals with the first of `keys`, opens with any of them, so that keys can be rotated: put the new one first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys`: at least one, each at least `MIN_KEY_LENGTH` random bytes. Raises `UsageError`."""
        if not keys:
            raise UsageError("sealing needs at least one key, the list is empty")
        self._keys = [Key.of(key) for key in keys]

    def seal(
        self, journal: bytes, binding: Binding, *, call_nonce: str, now: float, ttl: float = DEFAULT_TTL, nonce: bytes
    ) -> str:
        """Seal until `now + ttl` (seconds of UNIX time). `nonce`: `NONCE_LENGTH` fresh random bytes, never used twice.

        Raises `StateTooLarge` above `MAX_STATE_LENGTH` characters.
        """
        if len(nonce) != NONCE_LENGTH:
            raise ValueError(f"expected a nonce of {NONCE_LENGTH} bytes, got {len(nonce)}")
        key, bound = self._keys[0], bytes(binding)
        header = HEADER.pack(VERSION, key.id, math.ceil(now + ttl), nonce, key.fingerprint(bound))
        text = _text(header + key.cipher.encrypt(nonce, _packed(journal, call_nonce), header + bound))
        if len(text) > MAX_STATE_LENGTH:
            raise _too_large(f"{len(text)} characters sealed; the limit is {MAX_STATE_LENGTH}")
        return text

    def open(self, text: str, binding: Binding, *, now: float) -> Opened:
        """Open a state that came with the request that `binding` describes, at `now` (seconds of UNIX time).

        Raises `InvalidParams` whose message says why in words that any client may read.
        """
        raw, bound = _raw(text), bytes(binding)
        header, ciphertext = raw[: HEADER.size], raw[HEADER.size :]
        version, key_id, expiry, nonce, fingerprint = HEADER.unpack(header)
        if version != VERSION:
            raise _unusable("it has a format that this server does not know")
        keys = [key for key in self._keys if key.id == key_id]
        if not keys:
            raise _unusable("it was sealed with a key that this server does not have")
        for key in keys:
            try:
                content = key.cipher.decrypt(nonce, ciphertext, header + bound)
            except InvalidTag:
                continue
            if now > expiry:
                raise _unusable("it has expired")
            return _unpacked(content)
        if not any(hmac.compare_digest(key.fingerprint(bound), fingerprint) for key in keys):
            raise _unusable("it was sealed for another request: method, name, arguments and caller must stay the same")
        raise _unusable("it is damaged")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(text: str) -> bytes:
    """The bytes of a state. Only the text that `_text` writes is taken: a second spelling would be a second state."""
    if len(text) > MAX_STATE_LENGTH:
        raise _unusable("it is longer than any that this server makes")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _unusable("it is damaged") from None
    if len(raw) < HEADER.size or _text(raw) != text:
        raise _unusable("it is damaged")
    return raw


def _packed(journal: bytes, call_nonce: str) -> bytes:
    """What is encrypted, compressed where that helps."""
    named = call_nonce.encode()
    if len(named) > MAX_CALL_NONCE_LENGTH:
        raise ValueError(f"expected a call nonce of at most {MAX_CALL_NONCE_LENGTH} bytes, got {len(named)}")
    content = bytes([len(named)]) + named + journal
    if len(content) > MAX_CONTENT_LENGTH:
        raise _too_large(f"{len(content)} bytes to seal; the limit is {MAX_CONTENT_LENGTH}")
    if len(content) >= COMPRESS_FROM and len(smaller := zlib.compress(content)) < len(content):
        return bytes([COMPRESSED]) + smaller
    return bytes([PLAIN]) + content


def _unpacked(packed: bytes) -> Opened:
    """Read what only a holder of a key can have written: the bound is for a key shared with a program that lacks it."""
    content = packed[1:]
    if packed[0] == COMPRESSED:
        inflating = zlib.decompressobj()
        content = inflating.decompress(content, MAX_CONTENT_LENGTH + 1)
    if len(content) > MAX_CONTENT_LENGTH:
        raise _unusable("it holds more than this server takes")
    end = 1 + content[0]
    return Opened(content[end:], content[1:end].decode())


def _unusable(why: str) -> InvalidParams:
    return InvalidParams(f"params.requestState cannot be used: {why}. Send the request anew, without it")


def _too_large(found: str) -> StateTooLarge:
    return StateTooLarge(
        f"the answers and once results of this call are too large to travel with the client: {found}. "
        "Record less (a reference instead of the thing), or run it as a task, whose journal stays in the store"
    )
