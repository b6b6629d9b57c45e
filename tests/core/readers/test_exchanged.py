"""Two people whose names are exchanged in the middle of a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.readers.exchanged import put_right


def _pair(apart: float, frames: int = 60) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(3)
    body = rng.uniform(-0.3, 0.3, (11, 3))
    way = np.cumsum(rng.normal(0, 0.01, (2, frames, 1, 3)), axis=1)
    ann, bob = (body + way + np.asarray([[0.0, 0, 0], [apart, 0, 0]])[:, None, None]).astype(np.float32)
    return ann, bob


@given(st.sets(st.integers(1, 59), max_size=5), st.sampled_from([0.45, 1.0, 2.5]))
def test_each_is_who_they_were(exchanges: set[int], apart: float) -> None:
    ann, bob = _pair(apart)
    first, second = ann.copy(), bob.copy()
    for t in exchanges:
        first[t:], second[t:] = second[t:].copy(), first[t:].copy()
    assert put_right(first, second, 30.0) == tuple(sorted(exchanges))
    np.testing.assert_array_equal(first, ann)
    np.testing.assert_array_equal(second, bob)


@pytest.mark.parametrize(("fps", "apart"), [(30.0, 0.2), (5.0, 1.0)])
def test_where_people_could_walk_so_far_nothing_is_done(fps: float, apart: float) -> None:
    ann, _ = _pair(1.0)
    bob = ann + np.asarray([apart, 0, 0], np.float32)
    first = np.concatenate([ann[:30], bob[30:]])
    second = np.concatenate([bob[:30], ann[30:]])
    assert put_right(first, second, fps) == ()


def test_who_leaps_to_where_nobody_was_is_left_alone() -> None:
    ann, bob = _pair(1.0)
    ann[30:] += np.float32(3)
    bob[30:] -= np.float32(3)
    assert put_right(ann, bob, 30.0) == ()
    ann[40] = np.nan
    assert put_right(ann, bob, 30.0) == ()
