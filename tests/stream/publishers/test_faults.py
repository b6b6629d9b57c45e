"""The saboteur: each fault as often as asked, nothing else touched, the same again for the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25, UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults, parse_faults

FPS = 30


def stream(seconds: float = 200.0, people: int = 3, layout: Layout = KINECT25, ids: bool = True) -> list[PoseFrame]:
    joints = np.linspace(0, 2, people * len(layout) * 3).astype(np.float32).reshape(people, -1, 3)
    confidence = np.ones(joints.shape[:2], np.float32)
    names = tuple(range(1, people + 1)) if ids else None
    n = round(seconds * FPS)
    return [PoseFrame("a", 1, k, NS + k * NS // FPS, "unix", layout, joints, confidence, names) for k in range(n)]


def spoil(frames: Sequence[PoseFrame], seed: int = 1, **faults: float | bool) -> list[PoseFrame]:
    return list(apply_faults(frames, msgspec.convert(faults, Faults), seed))


def same(a: PoseFrame, b: PoseFrame) -> bool:
    return (
        (a.seq, a.stamp, a.ids, a.epoch, a.source, a.clock) == (b.seq, b.stamp, b.ids, b.epoch, b.source, b.clock)
        and a.joints.tobytes() == b.joints.tobytes()
        and a.confidence.tobytes() == b.confidence.tobytes()
    )


def test_without_faults_nothing_changes() -> None:
    frames = stream(5)
    assert all(same(a, b) for a, b in zip(frames, spoil(frames), strict=True))


def test_dropped_frames_leave_gaps_in_the_numbers() -> None:
    frames = stream()
    left = spoil(frames, drop=0.1)
    assert len(left) / len(frames) == pytest.approx(0.9, abs=0.015)
    numbers = [f.seq for f in left]
    assert numbers == sorted(set(numbers))
    assert all(same(f, frames[f.seq]) for f in left)


def test_doubled_frames_come_twice() -> None:
    frames = stream()
    counts = Counter(f.seq for f in spoil(frames, double=0.2))
    assert set(counts) == set(range(len(frames)))
    assert sum(c == 2 for c in counts.values()) / len(frames) == pytest.approx(0.2, abs=0.02)


def test_late_frames_come_after_their_turn_but_not_too_late() -> None:
    frames = stream()
    order = [f.seq for f in spoil(frames, late=0.1, late_s=0.2)]
    assert sorted(order) == list(range(len(frames)))
    newest, behind = -1, []
    for seq in order:
        if seq < newest:
            behind.append(newest - seq)
        newest = max(newest, seq)
    assert len(behind) / len(frames) == pytest.approx(0.1, abs=0.02)
    assert max(behind) <= round(0.2 * FPS) + 1
    assert np.mean(behind) > 2


def test_reordered_frames_change_places_with_the_next() -> None:
    frames = stream()
    order = [f.seq for f in spoil(frames, reorder=0.1)]
    assert sorted(order) == list(range(len(frames)))
    assert max(abs(k - seq) for k, seq in enumerate(order)) <= 3
    assert sum(b < a for a, b in pairwise(order)) / len(order) == pytest.approx(0.09, abs=0.02)


def test_jittered_stamps_spread_as_asked() -> None:
    frames = stream()
    error = np.asarray([f.stamp - frames[f.seq].stamp for f in spoil(frames, jitter_ms=4.0)]) / 1e6
    assert error.std() == pytest.approx(4.0, rel=0.05)
    assert np.abs(error).max() <= 12.0


def test_hidden_limbs_are_unseen_or_guessed_with_low_confidence() -> None:
    frames = stream()
    before = frames[0]
    hidden, guessed = Counter[tuple[int, ...]](), 0
    for f in spoil(frames, occlude=0.2, occlude_s=0.5):
        gone = np.isnan(f.joints[..., 0])
        assert np.array_equal(gone, f.confidence == 0)
        low = np.isclose(f.confidence, 0.1)
        assert np.array_equal(f.joints[~gone & ~low], before.joints[~gone & ~low])
        guessed += int(low.any(axis=1).sum())
        for person in np.flatnonzero(gone.any(axis=1)):
            hidden[tuple(np.flatnonzero(gone[person]).tolist())] += 1
    wanted = 0.2 * 0.5 * len(frames) * 3 / 2
    assert hidden.total() == pytest.approx(wanted, rel=0.25)
    assert guessed == pytest.approx(wanted, rel=0.25)
    named = {frozenset(KINECT25.joints[j] for j in limb) for limb in hidden}
    assert {"left_elbow", "left_wrist", "left_hand", "left_handtip", "left_thumb"} in named
    assert not np.isnan(before.joints).any(), "the frames that came in stay as they were"


def test_layouts_without_known_limbs_lose_a_third_of_their_joints() -> None:
    frames = stream(60, layout=Layout.custom([f"p{k}" for k in range(9)]))
    worst = max(np.isnan(f.joints[..., 0]).sum(axis=1).max() for f in spoil(frames, occlude=0.5))
    assert worst == 3


def test_people_vanish_for_a_while_and_come_back() -> None:
    frames = stream(people=2)
    there = np.asarray([[i in (f.ids or ()) for i in (1, 2)] for f in spoil(frames, vanish=0.1, vanish_s=0.4)])
    assert 1 - there.mean() == pytest.approx(0.04, abs=0.015)
    assert there[-1].any()
    edges = np.diff(there[:, 0].astype(int))
    assert (edges == -1).sum() > 5, "many short absences"


def test_ids_switch_and_renew() -> None:
    frames = stream()
    switched = [f.ids for f in spoil(frames, id_switch=0.1)]
    changes = sum(a != b for a, b in pairwise(switched))
    assert changes == pytest.approx(0.1 * 200, abs=12)
    assert all(sorted(ids or ()) == [1, 2, 3] for ids in switched)
    renewed = [f.ids or () for f in spoil(frames, id_new=0.05)]
    assert all(len(set(ids)) == 3 for ids in renewed)
    assert len({i for ids in renewed for i in ids}) == pytest.approx(3 + 0.05 * 200 * 3, abs=15)
    assert all(f.ids is None for f in spoil(frames[:30], no_ids=True))
    assert all(f.ids is None for f in spoil(stream(2, ids=False), id_switch=5.0))


def test_clocks_run_fast_and_jump() -> None:
    frames = stream(60)
    fast = spoil(frames, skew_ppm=1000.0)
    assert fast[-1].stamp - frames[-1].stamp == pytest.approx(0.001 * (frames[-1].stamp - NS), rel=1e-6)
    jumped = spoil(frames, step_s=-0.5, step_at_s=20.0)
    assert [f.stamp - frames[f.seq].stamp for f in (jumped[599], jumped[600])] == [0, -NS // 2]


def test_a_silent_source_says_nothing() -> None:
    left = [f.seq for f in spoil(stream(60), silent_s=5.0, silent_at_s=20.0)]
    assert left == [*range(600), *range(750, 1800)]


def test_stamps_never_fall_below_zero() -> None:
    assert min(f.stamp for f in spoil(stream(20), step_s=-1e6, step_at_s=0.0)) == 0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    share=st.fixed_dictionaries({k: st.floats(0, 1) for k in ("drop", "double", "late", "reorder")}),
    rate=st.fixed_dictionaries({k: st.floats(0, 20) for k in ("occlude", "vanish", "id_switch", "id_new")}),
)
def test_any_faults_give_valid_frames_and_the_same_again(
    seed: int, share: dict[str, float], rate: dict[str, float]
) -> None:
    frames = stream(2, layout=UPPER11)
    faults = msgspec.convert({**share, **rate, "jitter_ms": 3.0}, Faults)
    first, second = (list(apply_faults(frames, faults, seed)) for _ in range(2))
    assert len(first) == len(second)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    assert all(n <= 2 for n in Counter(f.seq for f in first).values())
    for f in first:
        assert f.joints.dtype == f.confidence.dtype == np.float32
        assert f.joints.shape == (f.people, 11, 3)
        assert f.confidence.shape == (f.people, 11)
        assert f.ids is not None
        assert len(set(f.ids)) == f.people


def test_faults_are_read_from_text() -> None:
    assert parse_faults("") == Faults()
    assert parse_faults(" drop=0.05, jitter_ms = 4,no_ids=true") == Faults(drop=0.05, jitter_ms=4.0, no_ids=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "drip=1",
            "faults are 'drip=1': Object contains unknown field `drip`; expected key=value pairs of drop,",
        ),
        ("drop=2", r"faults are 'drop=2': Expected `float` <= 1.0 - at `\$.drop`"),
        ("drop", r"faults are 'drop': Expected `float`, got `str` - at `\$.drop`"),
        ("late=-1", r"faults are 'late=-1': Expected `float` >= 0.0 - at `\$.late`"),
    ],
)
def test_wrong_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_faults(text)


def test_wrong_values_are_refused_before_the_first_frame() -> None:
    with pytest.raises(ConfigError, match=r"faults: Expected `float` <= 1.0 - at `\$.drop`"):
        apply_faults([], Faults(drop=1.5), 0)
