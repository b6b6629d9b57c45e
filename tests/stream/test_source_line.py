from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.data.windows import CleanRecording, cut, led
from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Blindness
from dyadwatch.stream.configuration.config import Config, TrackOptions, WindowOptions
from dyadwatch.stream.items import Item, PairEnded, Window, WindowShape
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.windows.source_line import SourceLine

S = 1_000_000_000
SHAPE = WindowShape(UPPER11, frames=10, fps=15.0)
Person = Callable[..., NDArray[np.float32]]
Frame = Callable[..., PoseFrame]


@pytest.fixture(scope="session")
def line(Drops: Any) -> Callable[..., SourceLine]:
    def make(count: Callable[[str], None] | None = None, **sections: Any) -> SourceLine:
        return SourceLine("hall", SHAPE, Config(**sections), Drops() if count is None else count)

    return make


def windows(items: list[Item]) -> list[Window]:
    return [i for i in items if isinstance(i, Window)]


def ends(items: list[Item]) -> list[str]:
    return [i.reason for i in items if isinstance(i, PairEnded)]


def point(stamp: int) -> int:
    """The number of the grid point at `stamp`."""
    return round(stamp * 15 / S)


def test_windows_end_on_multiples_of_the_hop_and_hold_the_right_moments(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    """The first person's x is the time, so every row tells when it is."""
    source = line(windows=WindowOptions(hop=4))
    start = frame(0).stamp
    items: list[Item] = []
    for seq in range(90):
        f = frame(seq, [person(0.0), person(1.0, 1.0)], ids=["a", "b"], fps=25)
        f.joints[0, :, 0] = (f.stamp - start) / S
        items += source.push(f, seq)
    assert [point(w.end) % 4 for w in windows(items)] == [0] * len(items)
    assert np.diff([point(w.end) for w in windows(items)]).tolist() == [4] * (len(items) - 1)
    assert point(windows(items)[0].start) - point(start) < 4
    for w in windows(items):
        assert point(w.end) - point(w.start) == 9
        np.testing.assert_allclose(w.joints[0, [0, -1], 0, 0], (np.array([w.start, w.end]) - start) / S, atol=1e-5)
        assert w.pair.ids == ("a", "b")
        assert frame(w.arrived, fps=25).stamp >= w.end > frame(w.arrived - 1, fps=25).stamp


def test_the_first_windows_of_a_pair_repeat_its_first_frame_as_those_of_a_clip_do(frame: Frame, person: Person) -> None:
    """One has been there for a second before the other comes: for the pair it begins with the second person."""
    shape = WindowShape(UPPER11, frames=10, fps=15.0, lead=6)
    source = SourceLine("hall", shape, Config(windows=WindowOptions(hop=1)), lambda *_: None)
    items: list[Item] = []
    for seq in range(60):
        people = [person(0.0), person(1.0, 1.0)][: 1 + (seq >= 30)]
        f = frame(seq, people, ids=["a", "b"][: len(people)], fps=30)
        f.joints[:, :, 0] += np.float32(0.02 * seq)
        items += source.push(f, seq)
    live = windows(items)
    first = point(live[0].start)
    assert [point(w.end) - first + 1 for w in live[:8]] == [4, 5, 6, 7, 8, 9, 10, 11]
    assert [point(w.start) - first for w in live[:8]] == [0, 0, 0, 0, 0, 0, 0, 1]
    np.testing.assert_array_equal(live[0].joints[:, :6], np.repeat(live[0].joints[:, 6:7], 6, axis=1))
    seen = np.concatenate([w.joints[:, -1:] for w in live], axis=1).transpose(1, 0, 2, 3)
    seen = np.concatenate([live[0].joints[:, 6:9].transpose(1, 0, 2, 3), seen])
    learnt = cut([CleanRecording(led(seen, 6), 0, "clip", lead=6)], 10, 1)
    assert learnt.start.tolist()[:8] == [-6, -5, -4, -3, -2, -1, 0, 1]
    np.testing.assert_array_equal(learnt.joints, np.stack([w.joints for w in live]))


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0.02, 1.2)), max_size=6), st.integers(0, 9))
def test_no_window_spans_a_gap_of_more_than_half_a_second(
    line: Callable[..., SourceLine],
    frame: Frame,
    person: Person,
    gaps: list[tuple[int, float]],
    seed: int,
) -> None:
    """Person 0 or 1 goes missing for a while, again and again; jittered stamps."""
    rng, source, stamp, items, seq = np.random.default_rng(seed), line(), frame(0).stamp, [], 0
    sightings: tuple[list[int], list[int]] = ([], [])
    for who, gap_s in [*gaps, (0, 0.0)]:
        blank_until = stamp + round(gap_s * S)
        while stamp < blank_until + S * 6 // 5:
            here = [p for p in (0, 1) if p != who or stamp > blank_until]
            items += source.push(frame(seq, [person(float(p)) for p in here], ids=here, stamp=stamp), 0)
            for p in here:
                sightings[p].append(stamp)
            seq, stamp = seq + 1, stamp + int(rng.integers(S // 60, S // 20))
    for w in windows(items):
        for seen in map(np.array, sightings):
            around = seen[np.searchsorted(seen, w.start, "right") - 1 : np.searchsorted(seen, w.end) + 1]
            assert around[0] <= w.start
            assert around[-1] >= w.end
            assert np.diff(around).max() <= S // 2
    assert windows(items)


def test_a_partner_out_of_sight_for_less_than_half_a_second_delays_windows_only(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    def play(hidden: range) -> list[Item]:
        source, items = line(), []
        for seq in range(60):
            people = [person(0), person(1 + seq / 60)]
            n = 1 if seq in hidden else 2
            items += source.push(frame(seq, people[:n], ids=["a", "b"][:n]), 0)
        return items

    whole, parted = play(range(0)), play(range(30, 43))
    assert [(w.start, w.end) for w in windows(parted)] == [(w.start, w.end) for w in windows(whole)]
    for w, p in zip(windows(whole), windows(parted), strict=True):
        np.testing.assert_allclose(w.joints, p.joints, atol=1e-5)


def test_a_pair_that_meets_after_an_hour_costs_no_more_than_any_other(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    """The windows it starts with end no earlier than what the ring buffers may still hold."""
    source = line(tracks=TrackOptions(max_speed_m_s=1000.0))
    for seq in range(40):
        source.push(frame(seq, [person(0), person(20)], ids=["a", "b"]), 0)
    ring = source.windows._people[0].ring
    for each in source.windows._people.values():  # as after an unbroken hour: the run began long ago
        each.ring.first -= 3_000_000
    items = source.push(frame(40, [person(0), person(17.9)], ids=["a", "b"]), 0)
    items += source.push(frame(41, [person(0), person(3.0)], ids=["a", "b"]), 0)
    items += source.push(frame(42, [person(0), person(3.0)], ids=["a", "b"]), 0)
    assert [i for i in items if isinstance(i, PairEnded)] == []
    for seq in range(43, 80):
        items += source.push(frame(seq, [person(0), person(3.0)], ids=["a", "b"]), 0)
    assert windows(items)
    assert all(point(w.start) >= point(frame(40).stamp) for w in windows(items))
    assert source.windows._next_end[0, 1] > ring.last - 15


def test_joints_that_came_as_zeros_are_counted(
    line: Callable[..., SourceLine], frame: Frame, person: Person, Drops: Any
) -> None:
    source = line(drops := Drops())
    for seq in range(4):
        source.push(replace(frame(seq, [person(0), person(1)], ids=["a", "b"]), zeros=seq), 0)
    assert drops["zeros_unseen"] == 6


def test_ends_of_pairs_say_why(line: Callable[..., SourceLine], frame: Frame, person: Person) -> None:
    source = line()

    def steady(first: int, count: int, x: float = 1.0, ids: tuple[Any, ...] = ("a", "b"), **keys: Any) -> list[Item]:
        people = [person(0), person(x)][: len(ids)]
        return [i for seq in range(first, first + count) for i in source.push(frame(seq, people, ids=ids, **keys), 0)]

    assert ends(steady(0, 30)) == []
    assert ends(steady(30, 20, ids=("a",))) == ["lost"]
    assert ends(steady(50, 30)) == []
    assert ends(steady(80, 2, x=1.3)) == []
    assert [e for i in range(1, 20) for e in ends(steady(81 + i, 1, x=1.3 + i * 0.3))] == ["apart"]
    steady(200, 40)
    assert ends(steady(0, 30, epoch=2, stamp=None)) == ["source_restart"]
    assert ends(source.finish(0)) == ["end_of_stream"]
    assert source.finish(0) == []


def test_a_restart_joins_nothing_to_what_was_before(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    source = line()
    people = [person(0), person(1)]
    for seq in range(23):
        source.push(frame(seq, people, ids=[1, 2]), 0)
    items: list[Item] = []
    for seq in range(40):
        items += source.push(frame(seq, people, ids=[1, 2], epoch=2, stamp=frame(seq + 23).stamp), 0)
    assert ends(items) == ["source_restart"]
    assert windows(items)[0].start >= frame(23).stamp


def test_finish_parts_what_a_held_back_clock_step_parts(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    """Frames that are released only at the end restart windows like any other."""
    source, people = line(), [person(0), person(1)]
    for seq in range(30):
        source.push(frame(seq, people, ids=[1, 2]), 0)
    late = [frame(s, people, ids=[1, 2]) for s in range(31, 36)]
    for i, f in enumerate(late):
        source.push(replace(f, stamp=f.stamp + 3600 * S + i), 0)
    assert ends(source.finish(0)) == ["clock_step"], "of the pair after it no window was cut: nobody knows of it"


def test_blind_says_what_is_in_the_way(
    line: Callable[..., SourceLine], frame: Frame, person: Person, Drops: Any
) -> None:
    source = line(drops := Drops())
    assert source.blind == Finding(Blindness.NOBODY)
    source.push(frame(0, [person(0)], ids=["a"]), 0)
    assert source.blind == Finding(Blindness.ONE_PERSON)
    for seq in range(1, 15):
        source.push(frame(seq, [person(0), person(1)], ids=["a", "b"]), 0)
    assert source.blind == Finding(Blindness.FILLING)
    for seq in range(15, 40):
        source.push(frame(seq, [person(0), person(1)], ids=["a", "b"]), 0)
    assert source.blind is None
    hidden = person(1)
    hidden[5] = np.nan
    for seq in range(40, 60):
        source.push(frame(seq, [person(0), hidden], ids=["a", "b"]), 0)
    assert source.blind == Finding(Blindness.JOINTS_HIDDEN, joint="left_elbow", person="b", derived_from=())
    assert drops["joints_hidden"] > 0
    legs = Layout.custom(["left_knee", "right_knee"])
    source.push(frame(60, layout=legs), 0)
    assert source.blind is not None
    assert source.blind.detail["missing"] == UPPER11.joints
    assert text_of(source.blind) == (
        "layout does not fit the model: layout 'custom' cannot feed a model of layout 'upper11': no joint for head, "
        "neck, pelvis, left_shoulder, right_shoulder, left_elbow, right_elbow, left_wrist, right_wrist, left_hip, "
        "right_hip (it has left_knee, right_knee)"
    )
    assert drops["layout_unfit"] == 1
    for seq in range(61, 80):
        source.push(frame(seq, [person(0), person(9)], ids=["a", "c"]), 0)
    assert source.blind is None  # nobody is near anybody, and that can be seen


@pytest.mark.parametrize("fps", [24, 30, 60])
@pytest.mark.parametrize(("every", "scored"), [(5, True), (4, True), (3, True), (2, False)])
def test_the_share_of_frames_decides_whatever_their_phase_to_the_grid(
    line: Callable[..., SourceLine], frame: Frame, person: Person, fps: int, every: int, scored: bool
) -> None:
    """A head that is unseen in every n-th frame is where it would be, for it moves in a straight line."""

    def play(hidden: Callable[[int], bool]) -> tuple[list[Window], SourceLine]:
        source, items = line(windows=WindowOptions(hop=1)), []
        for seq in range(3 * fps):
            ann = person(seq / fps)
            if hidden(seq):
                ann[0] = np.nan
            items += source.push(frame(seq, [ann, person(2)], ids=["ann", "bob"], fps=fps), seq)
        return windows(items), source

    whole, _ = play(lambda seq: False)
    for phase in range(every):
        found, source = play(lambda seq, phase=phase: seq >= every and seq % every == phase)
        if not scored:
            assert found == []
            assert source.blind == Finding(Blindness.JOINTS_HIDDEN, joint="head", person="ann", derived_from=())
            continue
        assert [(w.end, w.arrived) for w in found] == [(w.end, w.arrived) for w in whole], "and no later than otherwise"
        for mine, theirs in zip(found, whole, strict=True):
            np.testing.assert_allclose(mine.joints[:, :-1], theirs.joints[:, :-1], atol=1e-5)
            # Where it was seen last, if it is unseen in the newest frame.
            np.testing.assert_allclose(mine.joints[:, -1], theirs.joints[:, -1], atol=1 / 15 + 1e-5)


def test_joints_hidden_in_turn_do_not_hide_what_is_derived_from_them(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    """Each hip is unseen in a quarter of the frames, the pelvis between them in half of them."""
    source, items = line(), []
    for seq in range(60):
        ann = person(seq / 30)
        if seq % 4 < 2:
            ann[[UPPER11.index["left_hip"], UPPER11.index["right_hip"]][seq % 2]] = np.nan
        items += source.push(frame(seq, [ann, person(2)], ids=["ann", "bob"]), seq)
    assert len(windows(items)) == 10
    assert source.hidden_joint is None


def test_of_joints_unseen_alike_the_one_that_is_sent_is_named(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    source, hidden = line(), person(1)
    hidden[UPPER11.index["left_hip"]] = np.nan
    for seq in range(40):
        source.push(frame(seq, [person(0), hidden], ids=["a", "b"]), 0)
    assert source.hidden_joint == Finding(Blindness.JOINTS_HIDDEN, joint="left_hip", person="b", derived_from=()), (
        "the pelvis is unseen as long, for want of it"
    )


def test_joints_are_mapped_onto_the_layout_of_the_model(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    source, items = line(), []
    rng = np.random.default_rng(0)
    people = [(rng.normal(size=(17, 3)) * 0.3 + [x, 1, 0]).astype(np.float32) for x in (0, 1)]
    for seq in range(40):
        items += source.push(frame(seq, people, ids=[1, 2], layout=COCO17), 0)
    window = windows(items)[0]
    assert window.joints.shape == (2, 10, 11, 3)
    hips = people[1][[COCO17.index["left_hip"], COCO17.index["right_hip"]]].mean(axis=0)
    np.testing.assert_allclose(window.joints[1, 0, UPPER11.index["pelvis"]], hips, atol=1e-6)
    np.testing.assert_array_equal(
        window.joints[0, 3, UPPER11.index["left_wrist"]], people[0][COCO17.index["left_wrist"]]
    )


def test_no_window_begins_before_the_two_were_near(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    """One comes from eight metres away at 2 m/s: with a window of ten frames, the first one begins within `leave_m`."""
    source = line(windows=WindowOptions(hop=1))
    items: list[Item] = []
    for seq in range(120):
        items += source.push(frame(seq, [person(0.0), person(8.0 - 2.0 * seq / 30)], ids=["a", "b"], fps=30), seq)
    cut = windows(items)
    assert cut
    starts = [abs(float(w.joints[1, 0, :, 0].mean() - w.joints[0, 0, :, 0].mean())) for w in cut]
    assert 3.7 < max(starts) <= 4.0


def test_the_joint_that_blinds_a_pair_is_named_with_what_it_is_derived_from(
    line: Callable[..., SourceLine], frame: Frame
) -> None:
    heights = {"nose": 1.6, "eye": 1.64, "ear": 1.62, "shoulder": 1.4, "elbow": 1.1, "wrist": 0.85, "hip": 0.95,
               "knee": 0.52, "ankle": 0.1}  # fmt: skip
    body = [
        [{"l": 0.1, "r": -0.1}.get(j[0], 0.0), heights[j.rpartition("_")[2]], 0.1 * (j == "nose")]
        for j in COCO17.joints
    ]
    people = [np.array(body, np.float32) + np.array([x, 0, 0], np.float32) for x in (0, 1)]
    people[1][[COCO17.index["left_ear"], COCO17.index["right_ear"]]] = np.nan
    source = line()
    for seq in range(40):
        source.push(frame(seq, people, ids=["ann", "bob"], layout=COCO17), 0)
    assert source.blind == Finding(
        Blindness.JOINTS_HIDDEN, joint="head", person="bob", derived_from=("left_ear", "right_ear")
    )


def test_stamps_in_a_wrong_unit_are_told_where_no_window_fills(
    line: Callable[..., SourceLine], frame: Frame, person: Person
) -> None:
    source = line()
    for seq in range(90):
        source.push(frame(seq, [person(0), person(1)], ids=["a", "b"], stamp=1_763_752_177_000 + seq * 33), 0)
    assert source.blind == Finding(Blindness.WRONG_UNIT, unit="milliseconds", stamp=1_763_752_179_937)


@pytest.mark.parametrize(
    ("fps", "sections", "said"),
    [
        (1, {}, "frames come 1.0 s apart; windows need at most 0.5 s (clock.max_gap_s)"),
        (1.5, {}, "frames come 0.7 s apart; windows need at most 0.5 s (clock.max_gap_s)"),
        (4, {"tracks": TrackOptions(max_gap_s=0.2)}, "frames come 0.2 s apart; windows need at most 0.2 s (tracks.max"),
        (2.5, {}, None),
    ],
)
def test_a_source_too_slow_for_windows_is_told_so(
    line: Callable[..., SourceLine], frame: Frame, person: Person, fps: float, sections: Any, said: str | None
) -> None:
    source = line(**sections)
    for seq in range(20):
        source.push(frame(seq, [person(0), person(1)], ids=["a", "b"], fps=fps), 0)
    assert (source.blind is None) == (said is None)
    assert source.blind is None or text_of(source.blind).startswith(said or "")


@pytest.mark.parametrize("people", [0, 1, 2])
def test_frames_that_are_not_used_are_told_before_what_the_last_one_showed(
    line: Callable[..., SourceLine], frame: Frame, person: Person, people: int
) -> None:
    source = line()
    for seq in range(60):
        source.push(frame(seq, [person(i) for i in range(people)]), 0)
    for seq in range(60, 80):
        source.push(frame(seq, [person(0), person(1)], stamp=frame(59).stamp), 0)
    assert source.blind is not None
    assert source.blind.code is Blindness.STAMPS_NOT_INCREASING
    assert source.blind.detail == {"stamp": frame(59).stamp, "last_stamp": frame(59).stamp}
    for seq in range(80, 180):
        source.push(frame(seq, [person(0), person(1)]), 0)
    assert source.blind is None
