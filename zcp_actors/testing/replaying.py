"""
Forcing a replay at every question, so that handlers that must not be replayed are found in tests.

Owns the switch and how far it reaches. Refuses to know journals.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from zcp_actors.sessions.handle import ALWAYS_REPLAY, ALWAYS_REPLAY_VARIABLE
from zcp_actors.testing.ambient import runtime_around

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ALWAYS_REPLAY_VARIABLE", "always_replay"]


@contextmanager
def always_replay() -> Iterator[None]:
    """Server sessions opened in this block end a handler's run at every question and replay it with the answer.

    It reaches sessions of this process in both eras: those this task opens, those of tasks it starts meanwhile, and
    those that actors of the runtime around open. Sessions that are open already go on as they were. A child process has
    a switch of its own: `Command(argv, env={ALWAYS_REPLAY_VARIABLE: "1"})`.
    """
    runtime = runtime_around()
    token = ALWAYS_REPLAY.set(True)
    # Actors do not inherit the context of whoever starts them, only that of the runtime.
    below = None if runtime is None else runtime.context.run(ALWAYS_REPLAY.set, True)
    try:
        yield
    finally:
        ALWAYS_REPLAY.reset(token)
        if runtime is not None and below is not None:
            runtime.context.run(ALWAYS_REPLAY.reset, below)
