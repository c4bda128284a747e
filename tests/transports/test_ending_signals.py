"""A signal that comes at the very moment in which serving ends for another reason."""

from __future__ import annotations

import signal

import trio

from zcp_actors.transports.signals import ENDING, noted


async def test_a_signal_that_no_receiver_took_is_noted_and_kills_nobody():
    caught: list[signal.Signals] = []
    before = signal.getsignal(signal.SIGTERM)

    async with noted(caught):
        with trio.open_signal_receiver(*ENDING):
            signal.raise_signal(signal.SIGTERM)

    assert caught == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


async def test_a_signal_that_a_receiver_took_is_noted_by_its_taker_alone():
    caught: list[signal.Signals] = []

    async with noted(caught):
        with trio.open_signal_receiver(*ENDING) as signals, trio.fail_after(30):
            signal.raise_signal(signal.SIGINT)
            taken = await anext(aiter(signals))

    assert (taken, caught) == (signal.SIGINT, [])
