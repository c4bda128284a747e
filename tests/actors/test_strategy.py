"""The policy as values: the window of restarts at its borders, the back-off at its bounds. Claims: runtime.md §1.4."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.actors.strategy import Budget, Limit
from zcp_actors.errors import UsageError

LIMIT = Limit(restarts=2, within=5)


@pytest.mark.parametrize(
    ("third", "number"),
    [(4.0, None), (5.0, None), (math.nextafter(5.0, 6.0), 2), (6.0, 2), (6.5, 1 + 1), (7.0, 1)],
)
def test_a_restart_counts_until_its_window_is_over_and_at_its_very_end(third, number):
    budget = Budget(LIMIT)
    assert (budget.spend(0.0), budget.spend(1.5)) == (1, 2)

    assert budget.spend(third) == number


def test_no_restart_is_a_limit_as_well():
    assert Budget(Limit(restarts=0)).spend(0.0) is None


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(0, 5), st.floats(0, 10))
def test_in_no_window_are_more_restarts_than_the_limit_and_none_below_it_is_refused(gaps, restarts, within):
    budget, now, granted = Budget(Limit(restarts=restarts, within=within)), 0.0, []
    for gap in gaps:
        now += gap
        recent = sum(each >= now - within for each in granted)
        if budget.spend(now) is None:
            assert recent == restarts
            return  # its supervisor has given up
        granted.append(now)
        assert recent < restarts


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 100), st.floats(0, 100))
def test_the_wait_is_from_half_to_all_of_a_step_that_doubles_up_to_its_maximum(attempt, chance, backoff, most):
    delay = Limit(backoff=backoff, backoff_max=most).delay(attempt, chance)
    step = min(most, backoff * 2.0 ** min(attempt - 1, 64))

    assert 0.5 * step <= delay <= step


@pytest.mark.parametrize(
    "wrong",
    [
        {"restarts": -1},
        {"restarts": 2.5},
        {"restarts": math.inf},
        {"within": -0.1},
        {"within": math.nan},
        {"backoff": -1},
        {"backoff_max": "5"},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_where_it_is_written(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Limit(**wrong)


def test_a_limit_may_forgive_for_ever_or_never():
    assert Budget(Limit(within=math.inf)).spend(0.0) == 1
    assert Limit(backoff_max=math.inf).delay(1, 1.0) == 0.1
