"""Every example of the page about the network runs, and what it says of numbers is so."""

from __future__ import annotations

import pytest
import trio
from pages import examples, text_of

from zcp_actors.sessions.state_keys import STATE_KEYS
from zcp_actors.transports.http import config, patience, replay, service

PAGE = text_of("network.md")


@pytest.mark.parametrize("name", examples("network.md"))
def test_an_example_of_the_network_page_runs(name, monkeypatch):
    monkeypatch.setenv(STATE_KEYS, "a key that only tests would ever use")

    async def run():
        with trio.fail_after(30):
            await examples("network.md")[name]()

    trio.run(run)


@pytest.mark.parametrize(
    "words",
    [
        f"`idle_seconds` ({config.IDLE_SECONDS:g})",
        f"`retry_ms` ({config.RETRY_MS})",
        f"{replay.REPLAY_BYTES // 1024} KiB and {replay.REPLAY_EVENTS} events",
        f"| a message | {config.MAX_BYTES // 1024 // 1024} MiB | 413 |",
        f"| a head, or the next one on a connection | {config.HEADER_SECONDS:g} s |",
        f"| a body | {config.BODY_SECONDS:g} s | 408 |",
        f"| `authenticate` | {config.HEADER_SECONDS:g} s | 503 |",
        f"| sessions | {config.MAX_SESSIONS // 1000} 000 |",
        f"| requests at once, streams among them | {config.MAX_REQUESTS // 1000} 000 |",
        f"| websockets | {config.MAX_WEBSOCKETS} | 503 |",
        f"| a reader that stands still | {patience.STALL_SECONDS:g} s |",
        f"the grace period ({service.GRACE_SECONDS:g} s)",
    ],
)
def test_a_number_of_the_network_page_is_the_one_of_the_code(words):
    assert words in PAGE
