"""A sealed state opens for the one request it was made for, and for nothing else (MCP 2026-07-28, requestState)."""

from __future__ import annotations

import base64
import random
import zlib

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import INVALID_PARAMS, InvalidParams, StateTooLarge, UsageError
from zcp_actors.protocol.sealing import (
    COMPRESSED,
    HEADER,
    MAX_CONTENT_LENGTH,
    MAX_STATE_LENGTH,
    NONCE_LENGTH,
    VERSION,
    Binding,
    Key,
    Opened,
    Sealer,
)

OLD, NEW = b"o" * 32, b"n" * 32
NONCE = bytes(range(NONCE_LENGTH))
NOW = 1_800_000_000.0
BINDING = Binding.of("shop", "tools/call", "publish", {"topic": "tea", "copies": 1}, "ada")
SECRET = b'{"entries":["a secret of the server"]}'


def sealed(journal: bytes = SECRET, *, keys=(NEW,), binding=BINDING, ttl: float = 60.0) -> str:
    return Sealer(keys).seal(journal, binding, call_nonce="c-1", now=NOW, ttl=ttl, nonce=NONCE)


def refusal(text: str, *, keys=(NEW,), binding=BINDING, now: float = NOW) -> str:
    with pytest.raises(InvalidParams) as caught:
        Sealer(keys).open(text, binding, now=now)
    assert caught.value.code == INVALID_PARAMS
    assert caught.value.data is None
    return caught.value.message


@given(
    journal=st.binary(max_size=4000),
    call_nonce=st.text(max_size=40),
    fields=st.tuples(*[st.text(max_size=10)] * 4),
    principal=st.none() | st.text(max_size=10),
    nonce=st.binary(min_size=NONCE_LENGTH, max_size=NONCE_LENGTH),
)
def test_what_was_sealed_comes_out_again(journal, call_nonce, fields, principal, nonce):
    binding, sealer = Binding(*fields, principal), Sealer([NEW])
    text = sealer.seal(journal, binding, call_nonce=call_nonce, now=NOW, nonce=nonce)

    assert sealer.open(text, binding, now=NOW) == Opened(journal, call_nonce)


def test_a_state_travels_as_url_safe_text_and_shows_nothing():
    text = sealed()

    assert text.isascii()
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert b"secret" not in base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("journal", [SECRET, SECRET * 100], ids=["plain", "compressed"])
def test_no_character_of_a_state_can_be_changed(journal):
    text = sealed(journal)
    for place, character in enumerate(text):
        for other in {"A", "B", "_", "=", " ", "é"} - {character}:
            assert refusal(text[:place] + other + text[place + 1 :]).startswith("params.requestState cannot be used")


def test_no_bit_of_a_state_can_be_changed():
    raw = base64.urlsafe_b64decode((text := sealed()) + "=" * (-len(text) % 4))
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        refusal(base64.urlsafe_b64encode(bytes(flipped)).rstrip(b"=").decode())


@pytest.mark.parametrize("text", ["", "A", "AAAA", "é" * 200, "\ud800" * 200, "A" * 200, "A" * (MAX_STATE_LENGTH + 1)])
def test_what_was_never_a_state_is_refused(text):
    refusal(text)


def test_a_state_cut_short_or_lengthened_is_damaged():
    text = sealed()

    assert all("it is damaged" in refusal(text[:length]) for length in range(len(text)))
    assert "it is damaged" in refusal(text + "AAAA")


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(BINDING, app="another"),
        attrs.evolve(BINDING, method="prompts/get"),
        attrs.evolve(BINDING, target="delete"),
        attrs.evolve(BINDING, principal="eve"),
        attrs.evolve(BINDING, principal=None),
        attrs.evolve(BINDING, app="shoptools/call", method=""),
        Binding.of("shop", "tools/call", "publish", {"topic": "tea", "copies": 2}, "ada"),
        Binding.of("shop", "tools/call", "publish", None, "ada"),
    ],
    ids=["app", "method", "target", "principal", "nobody", "shifted fields", "arguments", "no arguments"],
)
def test_a_state_does_not_open_for_another_request(other):
    message = refusal(sealed(), binding=other)

    assert "sealed for another request" in message
    assert "secret" not in message


def test_nobody_known_is_not_a_principal_without_a_name():
    nobody = attrs.evolve(BINDING, principal=None)

    assert "another request" in refusal(sealed(binding=nobody), binding=attrs.evolve(BINDING, principal=""))


def test_arguments_written_in_another_way_are_the_same_arguments():
    """The retry comes from another writer of JSON, perhaps: order and `1.0` are its own affair."""
    again = Binding.of("shop", "tools/call", "publish", {"copies": 1.0, "topic": "tea"}, "ada")

    assert Sealer([NEW]).open(sealed(), again, now=NOW).journal == SECRET


def test_a_state_opens_until_it_expires_and_not_after():
    text = sealed(ttl=60)

    assert Sealer([NEW]).open(text, BINDING, now=NOW + 60).journal == SECRET
    assert "it has expired" in refusal(text, now=NOW + 60.5)


def test_a_rotated_key_still_opens_what_it_sealed_and_seals_nothing_new():
    old, both = sealed(keys=[OLD]), Sealer([NEW, OLD])

    assert both.open(old, BINDING, now=NOW).journal == SECRET
    assert Sealer([NEW]).open(sealed(keys=[NEW, OLD]), BINDING, now=NOW).journal == SECRET
    assert "a key that this server does not have" in refusal(old, keys=[NEW])


def test_two_seals_of_one_journal_differ():
    again = Sealer([NEW]).seal(SECRET, BINDING, call_nonce="c-1", now=NOW, ttl=60.0, nonce=bytes(NONCE_LENGTH))

    assert again != sealed()


def test_a_repetitive_journal_is_compressed():
    assert len(sealed(b"the same again, " * 10_000)) < 4_000


def test_a_state_over_the_limit_is_an_error_that_says_what_to_do():
    noise = random.Random(7).randbytes(MAX_STATE_LENGTH)

    with pytest.raises(StateTooLarge, match="run it as a task"):
        sealed(noise)


def test_content_that_only_compression_makes_small_is_refused():
    with pytest.raises(StateTooLarge, match=f"limit is {MAX_CONTENT_LENGTH}"):
        sealed(b"0" * MAX_CONTENT_LENGTH)


def test_a_state_that_inflates_beyond_the_limit_is_refused_by_whoever_opens_it():
    """Only a holder of the key can make one: another program that shares it and lacks the limit."""
    key, bound = Key.of(NEW), bytes(BINDING)
    header = HEADER.pack(VERSION, key.id, int(NOW) + 60, NONCE, key.fingerprint(bound))
    bomb = bytes([COMPRESSED]) + zlib.compress(b"0" * (MAX_CONTENT_LENGTH + 1))
    text = base64.urlsafe_b64encode(header + key.cipher.encrypt(NONCE, bomb, header + bound)).rstrip(b"=").decode()

    assert "it holds more than this server takes" in refusal(text)


def test_a_short_key_and_an_empty_list_are_refused():
    with pytest.raises(UsageError, match="at least 32 bytes, not 31"):
        Sealer([b"k" * 31])
    with pytest.raises(UsageError, match="at least one key"):
        Sealer([])


@pytest.mark.parametrize("nonce", [b"", b"n" * 11, b"n" * 13])
def test_a_nonce_of_another_length_is_refused(nonce):
    with pytest.raises(ValueError, match="nonce of 12 bytes"):
        Sealer([NEW]).seal(SECRET, BINDING, call_nonce="c", now=NOW, nonce=nonce)


def test_a_call_nonce_longer_than_its_length_field_is_refused():
    with pytest.raises(ValueError, match="at most 255 bytes"):
        Sealer([NEW]).seal(SECRET, BINDING, call_nonce="c" * 256, now=NOW, nonce=NONCE)


def test_arguments_that_cannot_be_bound_are_the_clients_fault():
    """They came off the wire: an error of any other kind would be ours."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(InvalidParams, match=r"params\.arguments cannot be bound .* nested too deeply"):
        Binding.of("shop", "tools/call", "publish", {"deep": deep}, "ada")
