"""The assignment of least total cost, beside all that there are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from dyadwatch.core.assignment import assign

SIDES = st.integers(1, 4)


@given(st.data(), SIDES, SIDES, st.floats(0.1, 5.0))
def test_as_many_as_may_and_then_at_the_least_cost(data: st.DataObject, rows: int, columns: int, limit: float) -> None:
    values = st.floats(0, 10, width=16) | st.just(np.inf)
    cost = data.draw(arrays(np.float64, (rows, columns), elements=values))
    found = assign(cost, limit)
    assert all(cost[r, c] <= limit for r, c in found.items())
    assert len(set(found.values())) == len(found)
    wide = np.pad(cost, ((0, columns), (0, rows)), constant_values=np.inf)  # so that everybody may have nobody
    best = min(
        (-sum(kept := [cost <= limit for cost in chosen]), sum(c for c, k in zip(chosen, kept, strict=True) if k))
        for order in permutations(range(columns), min(rows, columns))
        for chosen in choices(wide, rows, columns, order)
    )
    assert (-len(found), sum(cost[r, c] for r, c in found.items())) == (best[0], pytest.approx(best[1]))


def choices(cost: np.ndarray, rows: int, columns: int, order: tuple[int, ...]) -> list[list[float]]:
    """Costs of every way to give the columns of `order` to as many rows in turn."""
    return [
        [float(cost[r, c]) for r, c in zip(mine, order, strict=True)] for mine in permutations(range(rows), len(order))
    ]


@given(st.integers(0, 99), st.integers(1, 7), st.integers(1, 7), st.integers(1, 9))
def test_a_crowd_costs_what_scipy_finds(seed: int, rows: int, columns: int, worths: int) -> None:
    """Few worths: many are nearest to the same one, and there is more than one best way."""
    cost = np.random.default_rng(seed).integers(0, worths, (rows, columns)).astype(np.float64)
    found = assign(cost)
    assert len(found) == len(set(found.values())) == min(rows, columns)
    assert sum(cost[r, c] for r, c in found.items()) == cost[linear_sum_assignment(cost)].sum()


def test_nobody_and_limits_of_each() -> None:
    assert assign(np.zeros((0, 3))) == {}
    assert assign(np.full((2, 2), np.inf)) == {}
    near = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert assign(near, np.array([[0.5], [1.5]])) == {1: 1}
    assert assign(near, np.array([[1.5, 0.5]])) == {0: 0}
