from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.windows.ring import TrackRing, fill_hidden


def rows(first: int, count: int) -> np.ndarray:
    """Rows whose every number is their k."""
    return np.broadcast_to(np.arange(first, first + count, dtype=np.float32)[:, None, None], (count, 2, 3))


def first_end(ring: TrackRing, frames: int = 6) -> int:
    """The earliest point up to which a window of rows that were all written is still there."""
    return max(ring.first + frames - 1, ring.oldest_end)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=30), st.integers(0, 5))
def test_a_ring_gives_the_last_unbroken_rows(pieces: list[tuple[int, int]], slack: int) -> None:
    """Against a plain list: pieces of n rows, each after a break of so many points."""
    frames = 6
    ring, kept, k = TrackRing(2, frames, slack), [], 1000
    assert first_end(ring) > ring.last
    for skip, count in pieces:
        k += skip
        if count:
            kept = [] if skip else kept
            kept += range(k, k + count)
        ring.extend(k, rows(k, count))
        k += count
        if not count:
            k -= skip
        ends = [e for e in kept if e - frames + 1 >= kept[0] and e - frames + 1 > kept[-1] - frames - slack]
        assert list(range(first_end(ring), ring.last + 1)) == ends
        for end in ends:
            np.testing.assert_array_equal(ring.window(end)[:, 0, 0], np.arange(end - frames + 1, end + 1))


def test_a_window_is_a_view() -> None:
    ring = TrackRing(2, 4, 2)
    for k in range(20):
        ring.extend(k, rows(k, 1))
    window = ring.window(19)
    assert window.flags.c_contiguous
    assert not window.flags.owndata


def moving(frames: int = 12) -> np.ndarray:
    """Two persons, three joints, each on its own straight line; (2, T, 3, 3)."""
    rng = np.random.default_rng(1)
    start, step = rng.normal(size=(2, 2, 1, 3, 3))
    return (start + step * np.arange(frames)[None, :, None, None] / frames).astype(np.float32)


@given(st.data())
def test_linear_motion_is_filled_exactly(data: st.DataObject) -> None:
    window = moving()
    filled = window.copy()
    for person in range(2):
        for joint in range(3):
            gone = data.draw(st.lists(st.integers(1, 10), max_size=4))
            filled[person, gone, joint] = np.nan
    assert fill_hidden(filled)
    np.testing.assert_allclose(filled, window, atol=1e-6)


def test_before_the_first_and_after_the_last_sighting_a_joint_stays() -> None:
    window = moving()
    filled = window.copy()
    filled[0, :2, 1] = np.nan
    filled[0, -2:, 1] = np.nan
    assert fill_hidden(filled)
    np.testing.assert_array_equal(filled[0, :2, 1], np.broadcast_to(window[0, 2, 1], (2, 3)))
    np.testing.assert_array_equal(filled[0, -2:, 1], np.broadcast_to(window[0, -3, 1], (2, 3)))
    np.testing.assert_array_equal(filled[1], window[1])


@pytest.mark.parametrize(("hidden", "usable"), [(1, True), (11, True), (12, False)])
def test_a_joint_that_is_never_seen_makes_a_window_unusable(hidden: int, usable: bool) -> None:
    window = moving()
    window[1, :hidden, 2] = np.nan
    assert fill_hidden(window) is usable
    assert np.isnan(window).any() is np.bool_(not usable)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), min_size=1, max_size=12), st.integers(-3, 30))
def test_only_rows_that_are_still_there_are_mended(pieces: list[tuple[int, int]], first: int) -> None:
    ring, k = TrackRing(2, 6, 2), 1000
    for skip, count in pieces:
        k += skip
        ring.extend(k, rows(k, count))
        k += count
    first += 1000
    ring.mend(1, first, np.full((9, 3), -1, np.float32))
    for end in range(first_end(ring), ring.last + 1):
        at = np.arange(end - 5, end + 1)
        np.testing.assert_array_equal(ring.window(end)[:, 0, 0], at)
        np.testing.assert_array_equal(ring.window(end)[:, 1, 0], np.where((at >= first) & (at < first + 9), -1, at))


def test_a_whole_window_is_left_alone() -> None:
    window = moving()
    window.flags.writeable = False
    assert fill_hidden(window)
