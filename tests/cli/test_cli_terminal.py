"""The person at a terminal is asked what a server asks: over a real pseudo-terminal."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX")

PROGRAMS = Path(__file__).parent.parent / "programs"
SECONDS = 30


class Person:
    """Types answers to prompts. Standard output is a pipe, so that the result can be told from the conversation."""

    def __init__(self, *words: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zcp_actors.cli", *words],
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            cwd=PROGRAMS,
            start_new_session=True,
            preexec_fn=self._own_the_terminal,  # noqa: PLW1509 - no other thread runs here
        )
        os.close(slave)
        self.read = ""

    @staticmethod
    def _own_the_terminal() -> None:
        """Without it the terminal sends no SIGINT for Ctrl-C; and tests may run where that is ignored."""
        import fcntl
        import termios

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def sees(self, text: str) -> str:
        """Read until `text` is there; return all that stood before it since the last time."""
        while text not in self.read:
            ready, _, _ = select.select([self._master], [], [], SECONDS)
            assert ready, f"{text!r} did not come; came: {self.read!r}"
            self.read += os.read(self._master, 4096).decode(errors="replace")
        before, _, self.read = self.read.partition(text)
        return before

    def types(self, prompt: str, answer: str) -> str:
        """Wait for the prompt, answer it, and return what stood before it."""
        before = self.sees(prompt)
        os.write(self._master, answer.encode())
        return before

    def ends(self) -> tuple[int, str]:
        """The exit code and standard output."""
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out.decode().removeprefix("printed at import\n")

    def leave(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._master)


@pytest.fixture
def person():
    people: list[Person] = []

    def sit_down(*words: str) -> Person:
        people.append(Person(*words))
        return people[-1]

    yield sit_down
    for each in people:
        each.leave()


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_a_form_is_filled_in_field_by_field(person, era):
    at_desk = person("call", "asking_app.py:app", "fill", "--era", era)

    asked = at_desk.types("[c]ancel: ", "y\n")
    named = at_desk.types("name: ", "\n")
    at_desk.sees("this needs an answer")
    at_desk.types("name: ", "Bo\n")
    chosen = at_desk.types("size: ", "huge\n")
    at_desk.sees("'huge' is none of the choices")
    at_desk.types("size: ", "2\n")
    at_desk.types("age [3]: ", "old\n")
    at_desk.sees("must be an integer, not 'old'")
    at_desk.types("age [3]: ", "\n")
    shown = at_desk.types("Send this?", "y\n")
    code, out = at_desk.ends()

    assert "asker asks: Who \N{REPLACEMENT CHARACTER}[31mare you?" in asked
    assert "(Your name)" in named
    assert "1. small" in chosen
    assert "size = large" in shown
    assert code == 0
    assert json.loads(out) == {"action": "accept", "content": {"name": "Bo", "size": "large", "age": 3}}


def test_a_form_can_be_filled_in_again_before_it_is_sent(person):
    at_desk = person("call", "asking_app.py:app", "fill")

    at_desk.types("[c]ancel: ", "y\n")
    for name, end in (("Bo", "a\n"), ("Bob", "y\n")):
        at_desk.types("name: ", f"{name}\n")
        at_desk.types("size: ", "small\n")
        at_desk.types("age [3]: ", "\n")
        at_desk.types("Send this?", end)

    assert json.loads(at_desk.ends()[1])["content"]["name"] == "Bob"


@pytest.mark.parametrize(("answer", "action"), [("n\n", "decline"), ("c\n", "cancel"), ("what?\nn\n", "decline")])
def test_a_form_can_be_declined_and_dismissed(person, answer, action):
    at_desk = person("call", "asking_app.py:app", "fill")

    at_desk.types("[c]ancel: ", answer)

    assert json.loads(at_desk.ends()[1])["action"] == action


def test_the_end_of_the_input_dismisses_a_question(person):
    at_desk = person("call", "asking_app.py:app", "fill")

    at_desk.types("[c]ancel: ", "\x04")

    assert json.loads(at_desk.ends()[1])["action"] == "cancel"


def test_a_page_is_shown_in_full_with_its_punycode_host_and_is_never_opened(person):
    """MCP client/elicitation, Safe URL Handling: the whole URL, punycode warned of, explicit consent."""
    at_desk = person("call", "asking_app.py:app", "visit")

    asked = at_desk.types("[c]ancel: ", "y\n")

    assert "https://ex\u0430mple.com/login?x=1" in asked
    assert "xn--exmple-4nf.com" in asked
    assert at_desk.ends() == (0, "accept\n")


def test_a_person_can_play_the_model(person):
    at_desk = person("call", "asking_app.py:app", "model")

    asked = at_desk.types("(nothing: refuse): ", "hello there\n")

    assert "user: Say hello" in asked
    assert at_desk.ends() == (0, "hello there\n")


def test_a_person_who_writes_nothing_refuses_the_sampling(person):
    at_desk = person("call", "asking_app.py:app", "model")

    at_desk.types("(nothing: refuse): ", "\n")
    at_desk.sees("zcp-actors: error: the person at the terminal refused the sampling request")

    assert at_desk.ends()[0] == 1


def test_who_serves_at_a_terminal_is_told_that_it_waits_and_can_leave(person):
    at_desk = person("serve", "asking_app.py:app")

    at_desk.types("serving asker to whoever types JSON-RPC here, as a host would; Ctrl-C ends it", "\x03")

    assert at_desk.ends() == (130, "")


def test_ctrl_c_at_a_question_ends_the_command_with_130(person):
    at_desk = person("call", "asking_app.py:app", "fill")

    at_desk.types("[c]ancel: ", "\x03")

    assert at_desk.ends() == (130, "")
