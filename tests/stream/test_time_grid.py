from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyadwatch.stream.tracking.time_grid import Resampler, TimeGrid

S = 1_000_000_000
MAX_GAP = S // 2
START = 1_700_000_000 * S


def pose(*values: float) -> np.ndarray:
    """One joint."""
    return np.array([values or (0.0, 0.0, 0.0)], np.float32)


def resample(grid: TimeGrid, stamps: list[int], joints: np.ndarray) -> dict[int, np.ndarray]:
    resampler, out = Resampler(grid, MAX_GAP), {}
    for stamp, j in zip(stamps, joints, strict=True):
        k, rows = resampler.push(stamp, j)
        for i, row in enumerate(rows):
            assert k + i not in out
            out[k + i] = row
    return out


@pytest.mark.parametrize("fps", [15, 30, 29.97, 12.5, 120])
def test_points_lie_where_the_formula_says(fps: float) -> None:
    grid, exact = TimeGrid(fps), Fraction(fps).limit_denominator(1001)
    for k in (0, 1, 7, 25_500_000_000):
        assert grid.stamp(k) == int(k / exact * S)
        assert grid.at_or_after(grid.stamp(k)) == k
        assert grid.at_or_after(grid.stamp(k) + 1) == k + 1


@given(st.integers(0, 2**63 - 1), st.sampled_from([5, 15, 29.97, 30, 60]))
def test_at_or_after_is_the_first_such_point(stamp: int, fps: float) -> None:
    grid = TimeGrid(fps)
    k = grid.at_or_after(stamp)
    assert grid.stamp(k) >= stamp
    assert k == 0 or grid.stamp(k - 1) < stamp


@given(
    fps=st.floats(10, 120),
    phase=st.integers(0, S),
    jitter=st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=9),
    start=st.sampled_from([0, START]),
)
def test_linear_motion_is_exact_at_any_rate_with_jitter(
    fps: float, phase: int, jitter: list[float], start: int
) -> None:
    grid = TimeGrid(15)
    stamps = [start + phase + round((i + 1 + jitter[i % len(jitter)]) * S / fps) for i in range(120)]
    seconds = (np.array(stamps) - start - phase) / S
    joints = np.stack([2 + 0.5 * seconds, -seconds, np.ones(120)], axis=1)[:, None].astype(np.float32)
    out = resample(grid, stamps, joints)
    assert list(out) == list(range(grid.at_or_after(stamps[0]), grid.at_or_after(stamps[-1] + 1)))
    at = np.array([grid.stamp(k) - start - phase for k in out]) / S
    expected = np.stack([2 + 0.5 * at, -at, np.ones(len(at))], axis=1)[:, None]
    np.testing.assert_allclose(np.stack(list(out.values())), expected, atol=5e-6)


@given(st.integers(0, S), st.floats(10, 120))
def test_the_grid_does_not_depend_on_when_a_source_began(phase: int, fps: float) -> None:
    """Two sources that film the same from different moments on give the same rows where both have them."""
    grid = TimeGrid(15)

    def rows(first: int) -> dict[int, np.ndarray]:
        stamps = [START + first + round(i * S / fps) for i in range(round(2 * fps))]
        return resample(grid, stamps, np.array([[[(s - START) / S, 0, 0]] for s in stamps], np.float32))

    one, other = rows(0), rows(phase)
    assert one.keys() & other.keys()
    for k in one.keys() & other.keys():
        np.testing.assert_allclose(one[k], other[k], atol=1e-5)


def test_a_sample_on_a_point_is_taken_as_it_is() -> None:
    grid, resampler = TimeGrid(10), Resampler(TimeGrid(10), MAX_GAP)
    first = pose(0.1, 0.2, 0.3)
    k, rows = resampler.push(grid.stamp(50), first)
    assert k == 50
    np.testing.assert_array_equal(rows, first[None])
    hidden = pose(np.nan, np.nan, np.nan)
    k, rows = resampler.push(grid.stamp(51) - 10, hidden)
    assert (k, len(rows)) == (51, 0)
    k, rows = resampler.push(grid.stamp(51), first)
    assert k == 51
    np.testing.assert_array_equal(rows, first[None])


@settings(max_examples=60)
@given(
    fps=st.floats(10, 120),
    phase=st.integers(0, S),
    unseen=st.lists(st.booleans(), min_size=2, max_size=60),
    seed=st.integers(0, 9),
)
def test_a_joint_moves_between_its_own_sightings(fps: float, phase: int, unseen: list[bool], seed: int) -> None:
    """Whenever the source does not see it, and whatever the phase of that to the grid: as `np.interp` has it."""
    grid, resampler = TimeGrid(15), Resampler(TimeGrid(15), MAX_GAP)
    rng, rows = np.random.default_rng(seed), dict[int, np.ndarray]()
    stamps = [START + phase + round(i * S / fps) for i in range(len(unseen))]
    places = rng.normal(size=(len(unseen), 2, 3)).astype(np.float32)
    places[np.array(unseen), 1] = np.nan
    for stamp, joints in zip(stamps, places, strict=True):
        kept = joints.copy()
        k, new = resampler.push(stamp, joints)
        rows.update({k + i: row.copy() for i, row in enumerate(new)})
        for joint, first, values in resampler.mended:
            for n, value in enumerate(values, first):
                assert np.isnan(rows[n][joint]).all(), "nothing that was seen is changed"
                rows[n][joint] = value
        np.testing.assert_array_equal(joints, kept)
        assert (resampler.unseen is None) == np.isfinite(joints).all()
    seen = [i for i, gone in enumerate(unseen) if not gone]
    for k, row in rows.items():
        at = grid.stamp(k)
        before, after = (
            max((stamps[i] for i in seen if stamps[i] <= at), default=None),
            min((stamps[i] for i in seen if stamps[i] >= at), default=None),
        )
        if before is None or after is None or (after - before > MAX_GAP):
            assert np.isnan(row[1]).all()
        else:
            x = [(stamps[i] - START) / S for i in seen]
            expected = [np.interp((at - START) / S, x, places[seen, 1, axis]) for axis in range(3)]
            np.testing.assert_allclose(row[1], expected, atol=1e-5)
        x = [(stamp - START) / S for stamp in stamps]
        expected = [np.interp((at - START) / S, x, places[:, 0, axis]) for axis in range(3)]
        np.testing.assert_allclose(row[0], expected, atol=1e-5)


def test_between_a_seen_and_an_unseen_joint_it_is_unseen() -> None:
    resampler = Resampler(TimeGrid(10), MAX_GAP)
    resampler.push(50 * S, np.zeros((2, 3), np.float32))
    _, rows = resampler.push(50 * S + S // 5, np.array([[1, 1, 1], [np.nan] * 3], np.float32))
    np.testing.assert_allclose(rows[0, 0], 0.5)
    assert np.isnan(rows[0, 1]).all()


@pytest.mark.parametrize(("gap", "bridged"), [(MAX_GAP, True), (MAX_GAP + 1, False)])
def test_only_gaps_up_to_the_longest_are_bridged(gap: int, bridged: bool) -> None:
    grid = TimeGrid(10)
    last = START + S // 20
    out = resample(grid, [START, last, last + gap, last + gap + S // 10], np.zeros((4, 1, 3), np.float32))
    k = grid.at_or_after(START)
    inside = {k for k in range(k, k + 20) if last < grid.stamp(k) < last + gap}
    assert inside
    assert (inside <= out.keys()) is bridged
    assert inside.isdisjoint(out) is not bridged


@given(st.lists(st.integers(S // 200, S), min_size=2, max_size=40), st.sampled_from([5.0, 15.0, 30.0]))
def test_no_row_lies_inside_a_gap_and_no_row_is_missing_elsewhere(steps: list[int], fps: float) -> None:
    grid = TimeGrid(fps)
    stamps = [START + int(s) for s in np.cumsum(steps)]
    out = resample(grid, stamps, np.zeros((len(stamps), 1, 3), np.float32))
    expected = {k for k in [grid.at_or_after(stamps[0])] if grid.stamp(k) == stamps[0]}
    for before, after in pairwise(stamps):
        between = range(grid.at_or_after(before + 1), grid.at_or_after(after + 1))
        expected |= {k for k in between if after - before <= MAX_GAP or grid.stamp(k) == after}
    assert set(out) == expected
