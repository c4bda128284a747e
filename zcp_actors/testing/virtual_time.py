"""
Time that passes when nothing else can happen.

Owns one choice of trio's `MockClock`: jump at once. Every limit and timer of the package counts in
`trio.current_time()`, so under this clock ten minutes take no time, and come after everything that needs none.
"""

from __future__ import annotations

from trio.testing import MockClock


def virtual_clock() -> MockClock:
    """For `trio.run(main, clock=virtual_clock())`. Not where a process, a socket or a thread is waited for."""
    return MockClock(autojump_threshold=0)
