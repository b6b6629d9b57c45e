"""Clips on a media timeline: exact stamps, breaks between clips, new people in each."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import SBU15
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.clip_player import clip_frames, clip_intervals


def clip(frames: int, fps: float = 15.0, label: str = "") -> Clip:
    joints = np.random.default_rng(frames).normal(size=(frames, 2, 15, 3)).astype(np.float32)
    return Clip(joints, SBU15, fps, label)


def test_frames_of_clips_are_one_source_with_breaks() -> None:
    clips = [clip(4), clip(3, 30.0)]
    clips[0].joints[1, 0, 5] = np.nan
    frames = list(clip_frames(clips, "old", start_ns=500, gap_s=1.0))
    assert [f.seq for f in frames] == list(range(7))
    second = 500 + round(4 * NS / 15) + NS
    assert [f.stamp for f in frames] == [
        *(500 + round(k * NS / 15) for k in range(4)),
        *(second + round(k * NS / 30) for k in range(3)),
    ]
    assert [f.ids for f in frames] == [("c0-0", "c0-1")] * 4 + [("c1-0", "c1-1")] * 3
    assert {(f.source, f.clock, f.layout, f.epoch) for f in frames} == {("old", "media", SBU15, 0)}
    assert np.array_equal(frames[5].joints, clips[1].joints[1])
    assert frames[1].confidence[0, 5] == 0
    assert frames[1].confidence.sum() == 29


@given(
    sizes=st.lists(st.tuples(st.integers(0, 40), st.sampled_from([10.0, 15.0, 29.97, 30.0, 120.0])), max_size=6),
    start=st.integers(0, 2**60),
    gap=st.floats(0.51, 5.0),
)
def test_intervals_tell_where_the_frames_are(sizes: list[tuple[int, float]], start: int, gap: float) -> None:
    clips = [clip(n, fps) for n, fps in sizes]
    played = list(clip_intervals(clips, start, gap))
    frames = list(clip_frames(clips, start_ns=start, gap_s=gap))
    assert [p.clip for p in played] == clips
    assert sum(p.start_ns <= f.stamp < p.end_ns and f.ids == p.ids for f in frames for p in played) == len(frames)
    stamps = [f.stamp for f in frames]
    assert stamps == sorted(set(stamps))
    for before, after in pairwise(played):
        assert after.start_ns - before.end_ns == round(gap * NS)


def test_looped_clips_go_on_with_new_ids_and_later_stamps() -> None:
    frames = list(islice(clip_frames([clip(2), clip(3)], loop=True), 12))
    assert [f.ids[0] for f in frames if f.ids] == [f"c{k}-0" for k, n in enumerate((2, 3, 2, 3, 2)) for _ in range(n)]
    assert [f.seq for f in frames] == list(range(12))
    assert np.all(np.diff([f.stamp for f in frames]) > 0)
    assert list(clip_frames([], loop=True)) == []


@pytest.mark.parametrize("gap", [0.5, -1.0, float("nan")])
def test_breaks_too_short_for_windows_to_restart_are_refused(gap: float) -> None:
    with pytest.raises(ConfigError, match=f"gap_s is {gap:g}; expected more than 0.5 s, so that no window spans two"):
        list(clip_frames([clip(2)], gap_s=gap))
