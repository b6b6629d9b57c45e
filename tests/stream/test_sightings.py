from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.windows.sightings import Sightings, Unseen

S = 1_000_000_000


def mask(*joints: int) -> np.ndarray:
    out = np.zeros(3, np.bool_)
    out[list(joints)] = True
    return out


def push(sightings: Sightings, stamp: int, gone: set[int]) -> None:
    sightings.stamps.append(stamp)
    if gone:
        sightings.hidden(mask(*gone))


@given(
    st.lists(st.tuples(st.integers(S // 100, S // 4), st.sets(st.integers(0, 2))), min_size=2, max_size=60),
    st.integers(0, 3 * S),
)
def test_frames_are_counted_against_a_plain_list(frames: list[tuple[int, set[int]]], window: int) -> None:
    sightings, kept, stamp = Sightings(4.0), [], S
    for step, gone in frames:
        stamp += step
        push(sightings, stamp, gone)
        kept.append((stamp, gone))
    start, end = stamp - window, stamp
    inside = [f for f in kept if start <= f[0] <= end]
    before = [f for f in kept if f[0] < start]
    if before and (not inside or inside[0][0] > start):
        inside = [before[-1], *inside]
    counts = [sum(j in gone for _, gone in inside) for j in range(3)]
    found = sightings.within(start, end)
    if sum(counts):
        assert found is not None
        assert (found.frames.tolist(), found.of) == (counts, len(inside))
    else:
        assert found is None


@pytest.mark.parametrize(
    ("unseen", "most", "too_much"),
    [(20, 0.34, False), (21, 0.34, True), (1, 0.0, True), (0, 0.0, False), (58, 1.0, False), (17, 17 / 58, False)],
)
def test_the_share_of_the_frames_decides(unseen: int, most: float, too_much: bool) -> None:
    assert Unseen(np.array([0, unseen]), 58).too_much(most) is too_much


def test_what_no_window_reaches_is_forgotten() -> None:
    sightings = Sightings(1.0)
    for k in range(10_000):
        push(sightings, k * S // 100, {1} if k % 3 == 0 else set())
    assert len(sightings.stamps) <= 250
    assert len(sightings._unseen) <= 35
    for k in range(10_000, 10_200):
        push(sightings, k * S // 100, set())
    assert sightings.within(99 * S, 101 * S) is None
    assert not sightings._unseen
