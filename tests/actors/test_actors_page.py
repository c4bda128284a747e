"""Every example of the page about actors runs, and what it says of numbers is so."""

from __future__ import annotations

import re

import pytest
import trio
from pages import examples, text_of

from zcp_actors import Actor, Restart
from zcp_actors.actors import dead_letters, runtime, trace, watchdog
from zcp_actors.testing import virtual_clock

PAGE = text_of("actors.md")


@pytest.mark.parametrize("name", examples("actors.md"))
def test_an_example_of_the_actors_page_runs(name):
    trio.run(examples("actors.md")[name], clock=virtual_clock())


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("`mailbox_size` messages (64)", Actor.mailbox_size),
        ("`grace` seconds (5)", Actor.grace),
        ("`last_words` seconds (1)", Actor.last_words),
        ("`open_runtime(grace=10)` bounds", runtime.GRACE),
        ("keeps the last 1000 records", trace.KEPT),
        ("the last 1000 messages", dead_letters.KEPT),
    ],
)
def test_a_number_of_the_page_is_the_one_of_the_code(words, number):
    assert words in PAGE
    assert f"{number:g}" in re.findall(r"\d+", words)


def test_the_defaults_that_the_page_names_are_the_defaults():
    assert runtime.Runtime.start.__kwdefaults__["restart"] is Restart.ON_FAILURE
    assert watchdog.LOOK_SECONDS == 1.0
