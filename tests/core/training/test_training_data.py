"""Clips become clean recordings; bad ones are skipped and counted."""

from dataclasses import replace

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import LayoutError, TrainingError
from dyadwatch.core.readers.dataset import Dataset, Skipped
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25, UPPER11
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.training_data import cut, prepare
from dyadwatch.core.words import of_clips

NAN = np.float32("nan")
OPTIONS = TrainOptions(window_s=1.0, least_s=1.0)


def still(frames: int = 20, fps: float = 15.0, layout: Layout = UPPER11, **told) -> Clip:
    rng = np.random.default_rng(0)
    body = rng.uniform(-0.5, 0.5, (1, 2, len(layout), 3)).astype(np.float32)
    return Clip(body.repeat(frames, axis=0), layout, fps, **told)


def some(*clips: Clip) -> ClipSet:
    return ClipSet(clips, clips[0].layout, "made")


def good(count: int = 5) -> list[Clip]:
    return [still(clip_id=f"good{i}", label="talk") for i in range(count)]


def spoilt(change, layout: Layout = UPPER11) -> Clip:
    clip = still(clip_id="bad", layout=layout)
    joints = clip.joints.copy()
    change(joints)
    return replace(clip, joints=joints)


def told(prepared):
    return {of_clips(why): list(names) for why, names in prepared.skipped}


def lose_person(joints):
    joints[:, 1] = NAN


def lose_joint(joints):
    joints[:, 0, UPPER11.index["left_wrist"]] = NAN


def lose_knee(joints):
    joints[:, 0, KINECT25.index["left_knee"]] = NAN


def blink(joints):
    joints[10, 0, 3] = NAN
    joints[1::2, 1] = NAN
    joints[:10, 0] = NAN


def millimetres(joints):
    joints *= 1000


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (still(0, clip_id="bad"), "of zero length"),
        (still(9, clip_id="bad"), "shorter than 1 s (--window-s 0.6 would use them)"),
        (still(7, clip_id="bad"), "shorter than 1 s"),
        (spoilt(lose_person), "without person 1"),
        (spoilt(lose_joint), "that never show left_wrist"),
        (spoilt(blink), "without 1 s in which all joints are seen"),
        (spoilt(millimetres), "with joints more than 100 m away (not in metres?)"),
    ],
)
def test_a_bad_clip_is_skipped_and_counted(bad, reason):
    prepared = prepare([some(*good(), bad)], OPTIONS)
    assert told(prepared) == {reason: ["bad"]}
    assert [r.name for r in prepared.recordings] == [f"good{i}" for i in range(5)]


def test_infinities_count_as_unseen() -> None:
    bad = spoilt(lambda joints: joints.__setitem__((slice(None), 1), np.inf))
    assert told(prepare([some(*good(), bad)], OPTIONS)) == {"without person 1": ["bad"]}


@pytest.mark.parametrize(
    ("lost", "layout", "text"),
    [
        (
            [still(4, clip_id="bad")],
            None,
            "(skipped: 1 shorter than 1 s, such as bad); record more normal behaviour",
        ),
        (
            [still(4, clip_id="bad"), still(9), still(12)],
            None,
            "(skipped: 3 shorter than 1 s (--window-s 0.6 would use 2 of them), such as bad); record more "
            "normal behaviour, or shorten the window",
        ),
        (
            [spoilt(lose_joint)] * 2,
            None,
            "(skipped: 2 that never show left_wrist, such as bad); record with left_wrist in view: no smaller --layout "
            "does without",
        ),
        (
            [spoilt(lose_knee, KINECT25)] * 2,
            "kinect25",
            "(skipped: 2 that never show left_knee, such as bad); choose a --layout without left_knee, such as upper11",
        ),
    ],
)
def test_too_few_says_how_many_and_what_helps(lost, layout, text):
    enough = [still(clip_id=f"good{i}", layout=lost[0].layout) for i in range(3)]
    with pytest.raises(TrainingError) as caught:
        prepare([some(*enough, *lost)], replace(OPTIONS, layout=layout))
    assert str(caught.value) == (
        f"3 usable clips; expected at least 5 clips of 1 s or longer, or 100 s of one recording {text}"
    )


def test_what_a_reader_skipped_is_counted_too() -> None:
    lost = (Skipped("empty", "0 frames; expected at least 2"), Skipped("a: eve", "a third person", whole=False))
    data = Dataset(tuple(good()), UPPER11, "made", "shared", lost)
    assert told(prepare([data], OPTIONS)) == {"that cannot be used: 0 frames; expected at least 2": ["empty"]}


def test_no_clips_at_all() -> None:
    with pytest.raises(TrainingError, match=r"^no clips given; expected at least one clip file$"):
        prepare([], OPTIONS)


def test_unknown_layout_is_named() -> None:
    with pytest.raises(TrainingError, match=r"^training option layout = 'stickman': expected one of .*upper11"):
        prepare([some(*good())], replace(OPTIONS, layout="stickman"))


def test_sets_of_several_layouts_are_mapped_by_name() -> None:
    kinect = [still(layout=KINECT25, fps=30, frames=60) for _ in range(2)]
    prepared = prepare([some(*good(3)), some(*kinect)], OPTIONS)
    assert prepared.layout == UPPER11
    assert {r.joints.shape[1:] for r in prepared.recordings} == {(2, 11, 3)}
    assert [len(r.joints) for r in prepared.recordings] == [20, 20, 20, 30, 30]


def test_joints_that_do_not_map_are_named() -> None:
    with pytest.raises(LayoutError, match=r"no joint for .*left_knee"):
        prepare([some(*good())], replace(OPTIONS, layout="kinect25"))


def test_short_gaps_are_closed_and_long_ones_cut_a_clip() -> None:
    clip = still(80, clip_id="holes")
    clip.joints[20:24, 0] = NAN
    clip.joints[40:60, 1] = NAN
    prepared = prepare([some(*good(), clip)], OPTIONS)
    assert [(r.name, len(r.joints)) for r in prepared.recordings[5:]] == [("holes", 40), ("holes from 4.0 s", 20)]
    assert prepared.recordings[5].unit == prepared.recordings[6].unit


def test_one_long_recording_is_cut_into_pieces_that_can_be_held_back() -> None:
    prepared = prepare([some(still(15 * 120, clip_id="long"))], OPTIONS)
    assert len(prepared.recordings) == prepared.units == 6
    assert prepared.frames == 15 * 120


def test_many_sessions_are_held_back_whole() -> None:
    clips = [still(session=f"s{i // 2}") for i in range(24)]
    assert [r.unit for r in prepare([some(*clips)], OPTIONS).recordings] == [
        sorted(f"s{k}" for k in range(12)).index(f"s{i // 2}") for i in range(24)
    ]


def test_windows_know_where_they_are_from() -> None:
    prepared = prepare([some(*good(), still(30))], OPTIONS)
    windows = cut(prepared.recordings, 15, 4)
    assert windows.joints.shape == (5 * 2 + 4, 2, 15, 11, 3)
    assert windows.start[-4:].tolist() == [0, 4, 8, 12]
    assert windows.recording.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5]
    np.testing.assert_array_equal(windows.joints[-1, 1], prepared.recordings[5].joints[12:27, 1])
    assert len(windows.take(windows.unit == 5)) == 4


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fps": 0.0}, "training option fps = 0.0: expected 1 to 240 frames per second"),
        ({"window_s": 0.2}, "training option window_s = 0.2: expected 8 to 240 frames, 0.53 to 16 s at 15 fps"),
        ({"steps": 0}, "training option steps = 0: expected at least 1"),
        ({"recipe": "magic"}, "training option recipe = 'magic': expected default or paper"),
        ({"noise_m": 5.0}, "training option noise_m = 5.0: expected 0 to 0.1 m"),
        ({"max_minutes": 0.0}, "training option max_minutes = 0.0: expected more than 0"),
    ],
)
def test_options_name_key_value_and_expectation(change, text):
    with pytest.raises(TrainingError) as caught:
        TrainOptions(**change)
    assert str(caught.value) == text
