"""
The journal: what one call has asked and done, so that its handler can run again and find the same outcomes.

Owns the keys of a call and their outcomes, and the judgement whether a replay repeated itself. Refuses to know who runs
the handler, how a question travels and where the journal is kept. One synchronous step per method, no clock, no chance.

The life of a key: open -> recorded, or open -> released when its asker left without an answer. A recorded outcome
stands for ever; a released key is never given to another question, and a default key never even to an equal one.

**When is a replay a mismatch?** A recorded outcome must be *consumed*, that is, asked for again, in every later run.

* A run that ended must have consumed all of them. This is strict and has one price: a handler that lets questions race
  and drops the loser fails when the client answered both before the replay.
* A run that is suspended while every branch waits for an answer must have consumed all of them too: nobody is left who
  could still ask, so somebody asked something else instead. This catches the common mistake (a clock or a random number
  in a question) before a person is asked twice. Branches that take turns at a lock or a limiter should ask outside it.
* A run that is suspended while branches are still at work (`interrupted`) proves nothing by leaving outcomes behind:
  the branch that would consume them was merely slower than before. They are carried over. But each branch has at most
  one outcome that was never consumed, so rounds that ask something new and consume nothing for the first time cannot be
  more than the call has branches: `MAX_STALLED_ROUNDS`. The end of the run is judged strictly all the same, so no wrong
  result can come of the patience.

Not seen: two branches that ask an equal question without `key=`, one after the other had its answer. Replayed, they may
take each other's number. Equal questions that are open at once are refused as `AmbiguousQuestion`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

import attrs

from zcp_actors.errors import AmbiguousQuestion, Overloaded, ReplayMismatch
from zcp_actors.protocol.questions import default_stem

if TYPE_CHECKING:
    from zcp_actors.protocol.questions import Question

Kind = Literal["question", "once"]

FORMAT = 1
"""Written into every dump. A reader that does not know it must not guess."""

MAX_ENTRIES = 1000
"""Keys of one call, given-up ones included. A person never answers so many; a loop that never ends does ask so many."""

MAX_STALLED_ROUNDS = 16
"""Rounds in a row that ask anew and consume nothing for the first time; see above. More branches than this are rare."""

SHOWN_KEYS = 5
"""Keys that an error names; the first few tell which question changed."""


class State(Enum):
    """Where a key is in its life."""

    OPEN = "open"
    RECORDED = "recorded"
    RELEASED = "released"


@attrs.frozen
class Recorded:
    """The outcome is known; nothing is to be asked or done."""

    key: str
    outcome: Any


@attrs.frozen
class Open:
    """The question is to be asked under this key, or is still being asked."""

    key: str


@attrs.frozen
class Run:
    """The side effect has no recorded outcome: run it, then report `ran` or `gave_up`."""

    key: str


@attrs.define
class Entry:
    """What is known under a key. `digest` and `method` are empty for a `once`; `used`: consumed in some run."""

    kind: Kind
    method: str = ""
    digest: str = ""
    state: State = State.OPEN
    outcome: Any = None
    used: bool = False
    run: int = 0
    """The last run that came to it, as this journal counts them."""


class Journal:
    """The journal of one call. Between `begin` (or `load`, or construction) and `finish` lies one run of its handler.

    Outcomes are `{"result": ...}` or `{"error": {"code", "message", "data"}}`, so that a refusal replays as a refusal.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._stalled = self._run = 0
        self.begin()

    def begin(self) -> None:
        """Start a run. What is open stays open: whoever asks it again waits for the same answer."""
        self._run += 1
        self._numbers: dict[str, int] | None = None
        self._progressed = False
        self._running = True

    # ---- questions
    def ask(self, question: Question) -> Recorded | Open:
        """The handler needs an answer.

        Raises `AmbiguousQuestion` when an equal question without a key is open in this run, `ReplayMismatch` when the
        key stands for something else or was used in this run, `Overloaded` at `MAX_ENTRIES`, `NotJSON` for bad params.
        """
        contents = question.digest
        key = question.key or self._number(default_stem(question.method, contents))
        entry = self._claim(key, Entry("question", question.method, contents))
        if entry.state is State.RECORDED:
            return self._consume(key, entry)
        entry.state = State.OPEN
        return Open(key)

    def answered(self, key: str, outcome: dict[str, Any]) -> bool:
        """The client answered. False when nobody waits under this key: the first outcome, and a release, stand."""
        entry = self._entries.get(key)
        if entry is None or entry.state is not State.OPEN:
            return False
        self._record(entry, key, outcome)
        return True

    def gave_up(self, key: str) -> None:
        """The asker left without an answer, or a `once` block without an outcome (which may then be tried again)."""
        entry = self._entries.get(key)
        if entry is None or entry.state is not State.OPEN:
            return
        if entry.kind == "once":
            del self._entries[key]
        else:
            entry.state = State.RELEASED

    def awaited(self) -> dict[str, str]:
        """Key -> method of every question without an answer, of this run and of earlier ones, by key."""
        return {key: entry.method for key, entry in sorted(self._entries.items()) if self._waits(entry)}

    # ---- side effects
    def once(self, key: str) -> Recorded | Run:
        """The handler comes to a side effect. Raises like `ask`."""
        entry = self._claim(key, Entry("once"))
        return self._consume(key, entry) if entry.state is State.RECORDED else Run(key)

    def ran(self, key: str, outcome: dict[str, Any]) -> None:
        """The side effect happened. Raises `KeyError` when `once` did not send anybody to run it."""
        self._record(self._entries[key], key, outcome)

    # ---- the judgement
    @property
    def replaying(self) -> bool:
        """True until this run has come to everything that an earlier run came to."""
        return any(entry.state is not State.RELEASED and entry.run != self._run for entry in self._entries.values())

    def unconsumed(self) -> list[str]:
        """Keys with an outcome that this run has not asked for, oldest first."""
        entries = self._entries.items()
        return [key for key, entry in entries if entry.state is State.RECORDED and entry.run != self._run]

    def finish(self, *, suspended: bool = False, interrupted: bool = False) -> None:
        """The run ended with a value, or was `suspended`, perhaps `interrupted` while branches were at work.

        Call it once for each run that is judged; a run that ended with an exception has judged itself.
        Raises `ReplayMismatch` when it did not repeat itself; the rules stand at the top of this module.
        """
        self._running = False
        left = self.unconsumed()
        self._stalled = self._stalled + 1 if left and not self._progressed else 0
        patient = suspended and interrupted and self._stalled <= MAX_STALLED_ROUNDS
        if left and not patient:
            asked = [key for key, entry in self._entries.items() if self._waits_now(entry)]
            raise ReplayMismatch(_mismatch(left, asked))

    # ---- keeping it
    def dump(self) -> dict[str, Any]:
        """Plain JSON of everything but the run. A `once` that is running is left out: it has no outcome yet."""
        rows = [
            self.row(key)
            for key, entry in self._entries.items()
            if entry.kind == "question" or entry.state is State.RECORDED
        ]
        return {"format": FORMAT, "stalled": self._stalled, "entries": rows}

    def row(self, key: str) -> list[Any]:
        """Plain JSON of one entry, for who keeps each by itself. Raises `KeyError` when there is none."""
        entry = self._entries[key]
        return [key, entry.kind, entry.method, entry.digest, entry.state.value, entry.outcome, entry.used]

    def load_rows(self, rows: list[list[Any]]) -> None:
        """`load` of rows that were kept each by itself."""
        self.load({"format": FORMAT, "stalled": 0, "entries": rows})

    def load(self, dumped: Any) -> None:
        """Take over a dump, and begin a run. Raises `ReplayMismatch` when another version of this library wrote it."""
        try:
            known = dumped["format"] == FORMAT
            entries = dict(map(_entry, dumped["entries"])) if known else {}
            stalled = int(dumped["stalled"]) if known else 0
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ReplayMismatch(f"the journal of this call cannot be read ({error!r}): start the call anew") from error
        if not known:
            raise ReplayMismatch("the journal of this call has a format that this version does not know: start it anew")
        self._entries, self._stalled = entries, stalled
        self.begin()

    # ---- inside
    def _number(self, stem: str) -> str:
        """The next number of an equal question. Numbers that earlier runs gave up are passed over, never used again."""
        number = self._last_number(stem)
        if number and self._is_open(f"{stem}-{number}"):
            raise AmbiguousQuestion(
                f"an equal question ({stem}-{number}) is still open, so the answers could be swapped: pass key= to both"
            )
        number += 1
        while (entry := self._entries.get(f"{stem}-{number}")) is not None and entry.state is State.RELEASED:
            number += 1
        if number > 1:
            self._numbers = self._numbers or {}
            self._numbers[stem] = number
        return f"{stem}-{number}"

    def _last_number(self, stem: str) -> int:
        """That of this run's last equal question, 0 for none. The first is known by its entry."""
        if self._numbers is not None and stem in self._numbers:
            return self._numbers[stem]
        first = self._entries.get(f"{stem}-1")
        return int(first is not None and first.run == self._run)

    def _claim(self, key: str, wanted: Entry) -> Entry:
        """The entry of this key for this run: the one that stands, if it is the same thing, else the wanted one."""
        entry = self._entries.get(key)
        if entry is not None and entry.run == self._run:
            raise ReplayMismatch(f"key {key!r} was already used in this run: every question and once needs its own")
        if entry is None:
            if len(self._entries) >= MAX_ENTRIES:
                raise Overloaded(f"this call has asked and done {MAX_ENTRIES} things: end it, and start another")
            entry = self._entries[key] = wanted
        elif (entry.kind, entry.method, entry.digest) != (wanted.kind, wanted.method, wanted.digest):
            raise ReplayMismatch(
                f"key {key!r} stood for a {_described(entry)} before and stands for a {_described(wanted)} now: "
                "a handler must repeat itself when it is run again, and two questions need two keys"
            )
        entry.run = self._run
        return entry

    def _consume(self, key: str, entry: Entry) -> Recorded:
        self._progressed |= not entry.used
        entry.used = True
        return Recorded(key, entry.outcome)

    def _record(self, entry: Entry, key: str, outcome: dict[str, Any]) -> None:
        if outcome.keys() not in ({"result"}, {"error"}):
            raise ValueError(f"an outcome has either a result or an error, not {sorted(outcome)}")
        entry.state, entry.outcome = State.RECORDED, outcome
        entry.used = self._running and entry.run == self._run

    def _is_open(self, key: str) -> bool:
        entry = self._entries.get(key)
        return entry is not None and self._waits(entry)

    def _waits_now(self, entry: Entry) -> bool:
        """A question of this run, without an answer."""
        return entry.run == self._run and self._waits(entry)

    @staticmethod
    def _waits(entry: Entry) -> bool:
        return entry.kind == "question" and entry.state is State.OPEN


def _entry(row: list[Any]) -> tuple[str, Entry]:
    key, kind, method, contents, state, outcome, used = row
    return key, Entry(kind, method, contents, State(state), outcome, used)


def _described(entry: Entry) -> str:
    return f"{entry.method} question ({entry.digest[:8]})" if entry.kind == "question" else "side effect"


def _mismatch(left: list[str], asked: list[str]) -> str:
    instead = f" and asked {_few(asked)} instead" if asked else ""
    return (
        f"the handler did not repeat itself: it was run again and left {_few(left)} unasked{instead}. "
        "Up to its new question a handler must ask the same each time: keep clocks, random numbers and other changing "
        "values out of questions, or record them with ctx.once"
    )


def _few(keys: list[str]) -> str:
    shown = ", ".join(repr(key) for key in keys[:SHOWN_KEYS])
    return shown if len(keys) <= SHOWN_KEYS else f"{shown} and {len(keys) - SHOWN_KEYS} more"
