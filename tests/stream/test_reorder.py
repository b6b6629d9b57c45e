from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Blindness, PairEnd
from dyadwatch.stream.configuration.config import ClockOptions
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.tracking.reorder import ReorderBuffer

S = 1_000_000_000
OPTIONS = ClockOptions()


def run(clock: ReorderBuffer, frames: Iterable[PoseFrame]) -> list[tuple[PoseFrame, PairEnd | None]]:
    out = [(o.frame, o.restart) for f in frames for o in clock.push(f)]
    return out + [(o.frame, o.restart) for o in clock.finish()]


def seqs(released: list[tuple[PoseFrame, PairEnd | None]]) -> list[int]:
    return [f.seq for f, _ in released]


def restarts(released: list[tuple[PoseFrame, PairEnd | None]]) -> dict[int, str]:
    return {f.seq: r for f, r in released if r is not None}


def test_a_clean_source_waits_for_nothing(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    clock = ReorderBuffer(OPTIONS, drops)
    for seq in range(50):
        assert [o.frame.seq for o in clock.push(frame(seq))] == [seq]
    assert drops == {}


def test_a_missing_frame_is_waited_for_in_event_time(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    clock = ReorderBuffer(OPTIONS, drops)
    out = [[o.frame.seq for o in clock.push(frame(seq))] for seq in (0, 1, 3, 4, 5, 6, 7, 8, 9)]
    # 3 came at 0.1 s; 0.15 s later it is frame 8's turn to give up on 2
    assert out == [[0], [1], [], [], [], [], [], [3, 4, 5, 6, 7, 8], [9]]
    assert drops == {"seq_gap": 1}


def test_a_frame_that_comes_in_time_takes_its_place(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    clock = ReorderBuffer(OPTIONS, drops)
    out = [[o.frame.seq for o in clock.push(frame(seq))] for seq in (0, 2, 3, 1, 4)]
    assert out == [[0], [], [], [1, 2, 3], [4]]
    assert drops == {}


def test_a_frame_that_comes_too_late_is_counted(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    out = run(ReorderBuffer(OPTIONS, drops), [frame(s) for s in (0, 2, 3, 4, 5, 6, 7, 1, 8)])
    assert seqs(out) == [0, 2, 3, 4, 5, 6, 7, 8]
    assert drops == {"seq_gap": 1, "late": 1}


def test_the_first_frames_of_a_run_may_be_out_of_order(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    out = run(ReorderBuffer(OPTIONS, drops), [frame(s) for s in (9, 8, 11, 10, 12, 13, 14, 15, 16)])
    assert seqs(out) == list(range(8, 17))
    assert drops == {}


def shuffled(count: int, shifts: list[float], copies: list[int], reorder_s: float, fps: float) -> list[int]:
    """Numbers in order of arrival when each is delayed by less than `reorder_s`, some sent more than once."""
    due = [(i / fps + shifts[i % len(shifts)] * reorder_s, i) for i in range(count)]
    due += [(t + 0.5, i) for (t, i), n in zip(due, copies * count, strict=False) for _ in range(n)]
    return [i for _, i in sorted(due)]


@given(
    fps=st.sampled_from([10.0, 25.0, 30.0, 120.0]),
    first=st.sampled_from([0, 1, 5000]),
    shifts=st.lists(st.floats(0, 0.95), min_size=1, max_size=12),
    copies=st.lists(st.integers(0, 2), min_size=1, max_size=7),
)
def test_any_order_within_reorder_s_is_the_clean_order(
    frame: Callable[..., PoseFrame],
    Drops: Any,
    fps: float,
    first: int,
    shifts: list[float],
    copies: list[int],
) -> None:
    drops = Drops()
    arrival = [first + i for i in shuffled(80, shifts, copies, OPTIONS.reorder_s, fps)]
    out = run(ReorderBuffer(OPTIONS, drops), [frame(i, fps=fps) for i in arrival])
    assert seqs(out) == list(range(first, first + 80))
    assert restarts(out) == {}
    assert drops == ({"duplicate": len(arrival) - 80} if len(arrival) > 80 else {})


@given(st.data())
def test_released_stamps_only_rise_between_restarts(
    frame: Callable[..., PoseFrame], Drops: Any, data: st.DataObject
) -> None:
    """Whatever numbers, stamps and epochs come in, and every frame is released once or counted."""
    numbers = st.integers(0, 40) | st.sampled_from([10**6, 2**62])
    stamps = st.integers(0, 2 * S) | st.sampled_from([20 * S, 3600 * S, 2**62])
    sent = [
        frame(seq, stamp=stamp, epoch=epoch)
        for seq, stamp, epoch in data.draw(st.lists(st.tuples(numbers, stamps, st.integers(1, 2)), max_size=40))
    ]
    drops = Drops()
    out = run(ReorderBuffer(OPTIONS, drops), sent)
    last = -1
    for released, restart in out:
        assert restart is not None or released.stamp > last
        last = released.stamp
    beside = ("seq_gap", "source_restart", "restart_without_epoch", "epoch_returned", "wrong_unit")
    lost = sum(n for r, n in drops.items() if r not in beside)
    assert len(out) + lost == len(sent)


@pytest.mark.parametrize("step_s", [-20, 20, -11, 3600, -3600, -2])
def test_a_step_of_the_clock_is_believed_once_five_frames_agree(
    frame: Callable[..., PoseFrame], Drops: Any, step_s: int
) -> None:
    drops = Drops()
    before = [frame(i) for i in range(60)]
    after = [replace(f, stamp=f.stamp + step_s * S) for f in (frame(i) for i in range(60, 120))]
    out = run(ReorderBuffer(OPTIONS, drops), before + after)
    assert restarts(out) == {64: "clock_step"}
    assert seqs(out) == [*range(60), *range(64, 120)]
    assert drops == {"stamp_jump_ahead" if step_s > 0 else "stamp_jump_back": 5}


def test_a_short_pause_is_no_step(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    out = run(ReorderBuffer(OPTIONS, drops), [frame(i) for i in range(30)] + [frame(i, fps=10) for i in range(30, 40)])
    assert restarts(out) == {}
    assert seqs(out) == list(range(40))
    assert drops == {}


@pytest.mark.parametrize("off_s", [7200, -7200, 2**33])
def test_one_stamp_hours_off_costs_one_frame(frame: Callable[..., PoseFrame], Drops: Any, off_s: int) -> None:
    drops = Drops()
    frames = [frame(i) for i in range(60)]
    frames[30] = replace(frames[30], stamp=frames[30].stamp + min(off_s, 2**62 // S) * S)
    out = run(ReorderBuffer(OPTIONS, drops), frames)
    assert seqs(out) == [i for i in range(60) if i != 30]
    assert restarts(out) == {}
    assert drops == {"stamp_jump_ahead" if off_s > 0 else "stamp_jump_back": 1}


def test_a_stamp_hours_ahead_behind_a_lost_frame_does_not_hold_the_source(
    frame: Callable[..., PoseFrame], Drops: Any
) -> None:
    drops = Drops()
    frames = [frame(i) for i in range(40) if i != 10]
    frames[10] = replace(frames[10], stamp=frames[10].stamp + 7200 * S)
    out = run(ReorderBuffer(OPTIONS, drops), frames)
    assert seqs(out) == [i for i in range(40) if i not in (10, 11)]
    assert drops == {"seq_gap": 1, "stamp_jump_ahead": 1}


def test_stamps_that_stand_still_do_not_fill_the_memory(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    clock = ReorderBuffer(OPTIONS, drops)
    sent = [0, *range(2, 2000)]
    released = sum(len(clock.push(frame(i, stamp=5))) for i in sent)
    assert released == 1
    assert drops["stamp_not_increasing"] > 1700
    assert drops["seq_gap"] == 1


def test_stamps_that_step_back_a_little_are_dropped_one_by_one(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    frames = [frame(i) for i in range(20)] + [
        replace(f, stamp=f.stamp - S // 10) for f in (frame(i) for i in range(20, 40))
    ]
    out = run(ReorderBuffer(OPTIONS, drops), frames)
    assert seqs(out) == [*range(20), *range(23, 40)]
    assert restarts(out) == {}
    assert drops == {"stamp_not_increasing": 3}


def test_a_restart_with_a_new_epoch_counts_at_once(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    frames = [frame(i) for i in range(30)] + [frame(i, epoch=2, stamp=frame(40 + i).stamp) for i in range(30)]
    out = run(ReorderBuffer(OPTIONS, drops), frames)
    assert seqs(out) == [*range(30), *range(30)]
    assert restarts(out) == {0: "source_restart"}
    assert drops == {"source_restart": 1}


def test_a_restart_releases_what_was_held(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    clock = ReorderBuffer(OPTIONS, drops)
    for i in (0, 2):
        clock.push(frame(i))
    out = clock.push(frame(0, epoch=2, stamp=frame(9).stamp))
    assert [(o.frame.epoch, o.frame.seq, o.restart) for o in out] == [(1, 2, None), (2, 0, "source_restart")]


@pytest.mark.parametrize("ran", [20, 400])
@pytest.mark.parametrize("goes_back", [False, True])
def test_a_restart_without_a_new_epoch_is_found_out(
    frame: Callable[..., PoseFrame], Drops: Any, ran: int, goes_back: bool
) -> None:
    """Numbers begin again at 0; the stamps go on, or begin again as well."""
    drops = Drops()
    origin = 0 if goes_back else frame(ran + 60).stamp
    frames = [frame(i) for i in range(ran)] + [frame(i, stamp=origin + i * S // 30) for i in range(30)]
    out = run(ReorderBuffer(OPTIONS, drops), frames)
    assert seqs(out) == [*range(ran), *range(4, 30)]
    assert restarts(out[ran:]) == {4: "source_restart"}
    assert drops == {"late": 5, "restart_without_epoch": 1}


def test_two_publishers_of_one_name_do_not_mix(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    """The later epoch has the name; the other is counted and changes nothing."""
    drops = Drops()
    mixed = [f for i in range(60) for f in (frame(i, epoch=7), frame(i * 4, epoch=3, fps=120))]
    out = run(ReorderBuffer(OPTIONS, drops), mixed)
    assert [(f.epoch, f.seq) for f, _ in out] == [(7, i) for i in range(60)]
    assert restarts(out) == {}
    assert drops == {"old_epoch": 60}


def test_the_later_of_two_publishers_takes_over(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    frames = [f for i in range(30) for f in (frame(i, epoch=3), *([frame(i, epoch=7)] if i >= 10 else []))]
    out = run(ReorderBuffer(OPTIONS, drops), frames)
    assert [f.epoch for f, _ in out] == [3] * 11 + [7] * 20
    assert drops == {"source_restart": 1, "old_epoch": 19}


def test_a_jump_of_the_numbers_is_not_waited_out(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    """A single wild number is found out like a restart: five frames are lost, not the source."""
    drops = Drops()
    wild = [frame(i) for i in range(40)]
    wild[20] = replace(wild[20], seq=10**12)
    out = run(ReorderBuffer(OPTIONS, drops), wild)
    assert [f.stamp for f, _ in out] == [f.stamp for f in wild[:21] + wild[25:]]
    assert drops == {"seq_gap": 1, "late": 5, "restart_without_epoch": 1}


@pytest.mark.parametrize("behind", [0, 20, 1000])
def test_two_publishers_of_one_name_and_epoch_are_told(
    frame: Callable[..., PoseFrame], Drops: Any, behind: int
) -> None:
    """Their numbers mean different moments; frames of today with the numbers of long ago are no restart either."""
    drops = Drops()
    ours = [frame(behind + i) for i in range(200)]
    theirs = [frame(i, stamp=f.stamp + S // 100) for i, f in enumerate(ours)]
    out = run(ReorderBuffer(OPTIONS, drops), [f for pair in zip(ours, theirs, strict=True) for f in pair])
    assert [f for f, _ in out][-150:] == ours[-150:]  # the first frames of a run may be waited for, from either
    assert restarts(out) == {}
    assert drops["two_publishers"] > 150
    assert drops["late"] <= 200 - drops["two_publishers"]


def test_one_late_frame_after_the_other_is_no_second_publisher(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    order = [s for k in range(0, 400, 10) for s in (*range(k + 1, k + 10), k)]
    run(ReorderBuffer(ClockOptions(reorder_s=0.0), drops), [frame(s) for s in order])
    assert "two_publishers" not in drops
    assert drops["late"] > 20


@pytest.mark.parametrize(("unit", "in_a_second"), [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6)])
def test_unix_stamps_in_a_wrong_unit_are_told(
    frame: Callable[..., PoseFrame], Drops: Any, unit: str, in_a_second: int
) -> None:
    clock = ReorderBuffer(OPTIONS, Drops())
    stamp = 1_763_752_177 * in_a_second
    clock.push(frame(0, stamp=stamp))
    assert clock.wrong_unit is None  # one stamp proves nothing
    for seq in range(1, 90):
        stamp = 1_763_752_177 * in_a_second + seq * in_a_second // 30
        clock.push(frame(seq, stamp=stamp))
        assert clock.wrong_unit is not None
    assert clock.wrong_unit == Finding(Blindness.WRONG_UNIT, unit=unit, stamp=stamp)


@pytest.mark.parametrize(
    ("start", "clock"), [(1_700_000_000 * S, "unix"), (0, "unix"), (1000 * S, "unix"), (0, "media")]
)
def test_nanoseconds_of_any_beginning_are_not_taken_for_another_unit(
    frame: Callable[..., PoseFrame], Drops: Any, start: int, clock: str
) -> None:
    one = ReorderBuffer(OPTIONS, Drops())
    for seq in range(150):
        for stamp in (start + seq * S // 30,) * 2:  # the second one is dropped
            one.push(frame(2 * seq + (stamp != start), stamp=stamp, clock=clock))
            assert one.wrong_unit is None
    one = ReorderBuffer(OPTIONS, Drops())
    for seq in range(30):
        one.push(frame(seq, stamp=1_763_752_177 + seq, clock="media"))  # another clock may count as it likes
        assert one.wrong_unit is None


@pytest.mark.parametrize("huge", [2, 2**63 - 1])
@pytest.mark.parametrize("strays", [1, 7])
def test_a_source_comes_back_when_only_its_earlier_run_goes_on(
    frame: Callable[..., PoseFrame], Drops: Any, huge: int, strays: int
) -> None:
    """A frame with a huge epoch, by mistake or from somebody else; nobody could send a larger one than the largest."""
    drops = Drops()
    stray = [frame(i, epoch=huge, stamp=frame(60 + i).stamp) for i in range(strays)]
    out = run(ReorderBuffer(OPTIONS, drops), [*map(frame, range(60)), *stray, *map(frame, range(60, 160))])
    assert [(f.epoch, f.seq) for f, _ in out] == [
        *((1, i) for i in range(60)),
        *((huge, i) for i in range(strays)),
        *((1, i) for i in range(90, 160)),
    ]
    assert restarts(out) == {0: "source_restart", 90: "source_restart"}
    assert drops == {"source_restart": 1, "old_epoch": 31, "epoch_returned": 1}


@pytest.mark.parametrize(
    "old",
    [
        {"count": 30, "fps": 60},  # half a second
        {"count": 29, "fps": 10},
        {"count": 200, "stamp": 0},  # stamps that stand still
        {"count": 200, "seq": 9},
        {"count": 200, "epochs": 2},
    ],
    ids=["too short", "too few", "one stamp", "one number", "two runs at a time"],
)
def test_what_is_left_of_an_earlier_run_does_not_end_the_present_one(
    frame: Callable[..., PoseFrame], Drops: Any, old: dict[str, int]
) -> None:
    drops = Drops()
    late = [
        frame(
            old.get("seq", i),
            epoch=i % old.get("epochs", 1),
            fps=old.get("fps", 30),
            **({"stamp": old["stamp"]} if "stamp" in old else {}),
        )
        for i in range(old["count"])
    ]
    now = [frame(i, epoch=7) for i in range(20)]
    out = run(ReorderBuffer(OPTIONS, drops), [*now[:10], *late, *now[10:]])
    assert [f for f, _ in out] == now
    assert drops == {"old_epoch": old["count"]}


def test_one_frame_of_the_present_run_in_between_keeps_it(frame: Callable[..., PoseFrame], Drops: Any) -> None:
    drops = Drops()
    mixed = [f for i in range(200) for f in (frame(i, epoch=1), *([frame(i, epoch=7)] if i % 29 == 0 else []))]
    out = run(ReorderBuffer(OPTIONS, drops), mixed)
    assert "epoch_returned" not in drops
    assert {f.epoch for f, _ in out[1:]} == {7}


@pytest.mark.parametrize("key", ["epoch", "seq", "stamp"])
@pytest.mark.parametrize("at", [0, 30, 59])
def test_no_largest_value_locks_a_source_out(frame: Callable[..., PoseFrame], Drops: Any, key: str, at: int) -> None:
    frames = [*map(frame, range(200))]
    frames[at] = replace(frames[at], **{key: 2**63 - 1})
    out = run(ReorderBuffer(OPTIONS, Drops()), frames)
    assert [f for f, _ in out][-100:] == frames[-100:]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["epoch", "seq", "stamp"]),
            st.integers(0, 99),
            st.sampled_from([0, 1, 2**31, 2**62, 2**63 - 2, 2**63 - 1]),
        ),
        max_size=8,
    )
)
def test_whatever_a_few_frames_hold_the_source_comes_back(
    frame: Callable[..., PoseFrame], Drops: Any, odd: list[tuple[str, int, int]]
) -> None:
    frames = [*map(frame, range(400))]
    for key, at, value in odd:
        frames[at] = replace(frames[at], **{key: value})
    clock = ReorderBuffer(OPTIONS, Drops())
    out = run(clock, frames)
    assert [f for f, _ in out][-100:] == frames[-100:]
    assert clock.trouble is None


def ended_by(frame: Callable[..., PoseFrame], what: str) -> list[PoseFrame]:
    """Six frames that follow on frames 0 to 29 and are not used."""
    return {
        "old": [frame(30 + i, epoch=0) for i in range(6)],
        "still": [frame(30 + i, stamp=frame(29).stamp) for i in range(6)],
        "jumps": [frame(30 + i, stamp=frame(29).stamp + (3600 if i % 2 else 7200) * S) for i in range(6)],
        "same": [frame(29)] * 6,
        "numbers": [frame(29, stamp=frame(20 + i).stamp) for i in range(6)],
    }[what]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("old", "frames of an earlier run (epoch 0) are refused; the present run has epoch 1"),
        ("still", "stamps do not rise (1700000000966666667 after 1700000000966666667)"),
        ("jumps", "stamps jump (+3600.0 s from the last frame used)"),
        ("same", "the same frame comes again and again (seq 29)"),
        ("numbers", "frame numbers do not rise (seq 29)"),
    ],
)
def test_why_frames_are_not_used_is_told_for_as_long_as_it_lasts(
    frame: Callable[..., PoseFrame], Drops: Any, what: str, said: str
) -> None:
    clock = ReorderBuffer(OPTIONS, Drops())
    for i in range(30):
        clock.push(frame(i))
    told: list[str | None] = []
    for f in ended_by(frame, what):
        clock.push(f)
        told.append(clock.trouble and text_of(clock.trouble))
    assert told[:4] == [None] * 4  # a stray frame is no trouble
    assert said in told[4:]
    for i in range(36, 60):
        clock.push(frame(i))
    assert clock.trouble is None


def test_stamps_in_another_unit_are_counted_from_the_second_frame_on(
    frame: Callable[..., PoseFrame], Drops: Any
) -> None:
    drops = Drops()
    run(ReorderBuffer(OPTIONS, drops), [replace(f, stamp=f.stamp // 1000) for f in map(frame, range(50))])
    assert drops == {"wrong_unit": 49}
