from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.alarm import _TABLE, AlarmDesk, Level, State, Thresholds
from dyadwatch.stream.codes import EventReason, PairEnd
from dyadwatch.stream.config import AlarmOptions
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage
from dyadwatch.stream.scorer import Score

MS = 1_000_000
PAIR = Pair(("anna", 7), (0, 1))
THRESHOLDS = Thresholds(raise_at=3.0, clear_at=2.0)
JOINTS = ("head", "left_wrist")
SCORES = {Level.LOW: 1.0, Level.BETWEEN: 2.5, Level.HIGH: 4.0}
NO_WAIT = AlarmOptions(min_duration_s=0, hold_s=0)


def window(end_ms: int, pair: Pair = PAIR) -> Window:
    return Window("hall", pair, (end_ms - 2000) * MS, end_ms * MS, np.zeros((2, 2, 2, 3), np.float32), "unix", 0)


def score(value: float) -> Score:
    parts = np.array([[0, 3], [1, 0]], np.float32) * value
    return Score(value, value - 1, value - 2, parts, np.array([[0, -0.4], [0.2, 0]], np.float32))


def desk(options: AlarmOptions | None = None) -> AlarmDesk:
    return AlarmDesk(options or AlarmOptions(min_duration_s=0.5, hold_s=1.0, update_s=1.0), THRESHOLDS, JOINTS, "m 1")


def play(told_by: AlarmDesk, scores: Sequence[float], step_ms: int = 200) -> list[tuple[int, EventMessage]]:
    """(number of the score, event) for scores 200 ms apart from 10 s on."""
    return [
        (i, event) for i, s in enumerate(scores) for event in told_by.scored(window(10_000 + i * step_ms), score(s))
    ]


def kinds(told: list[tuple[int, EventMessage]]) -> list[tuple[int, str]]:
    return [(i, event.type) for i, event in told]


@pytest.mark.parametrize(
    ("value", "level"), [(1.999, Level.LOW), (2.0, Level.BETWEEN), (2.999, Level.BETWEEN), (3.0, Level.HIGH)]
)
def test_levels(value: float, level: Level) -> None:
    assert THRESHOLDS.level(value) is level


def test_equal_thresholds_leave_nothing_between() -> None:
    flat = Thresholds(3.0, 3.0)
    assert [flat.level(v) for v in (2.99, 3.0)] == [Level.LOW, Level.HIGH]


# What brings an alarm into each state, and what it tells by then; 600 ms pass the minimum duration, 1 s the hold.
INTO = {
    State.CALM: [1.0],
    State.RISING: [4.0],
    State.OPEN: [4.0, 4.0, 4.0, 4.0],
    State.FADING: [4.0, 4.0, 4.0, 4.0, 1.0],
}
OPENED = {State.OPEN, State.FADING}
# (state, level) -> told at once, told when the level lasts, whether an event is open in the end
EXPECTED: dict[tuple[State, Level], tuple[list[str], list[str], bool]] = {
    (State.CALM, Level.LOW): ([], [], False),
    (State.CALM, Level.BETWEEN): ([], [], False),
    (State.CALM, Level.HIGH): ([], ["open"], True),
    (State.RISING, Level.LOW): ([], [], False),
    (State.RISING, Level.BETWEEN): ([], [], False),
    (State.RISING, Level.HIGH): ([], ["open"], True),
    (State.OPEN, Level.LOW): ([], ["close"], False),
    (State.OPEN, Level.BETWEEN): ([], [], True),
    (State.OPEN, Level.HIGH): ([], [], True),
    (State.FADING, Level.LOW): ([], ["close"], False),
    (State.FADING, Level.BETWEEN): ([], [], True),
    (State.FADING, Level.HIGH): ([], [], True),
}


def test_every_state_and_level_has_a_rule() -> None:
    assert set(_TABLE) == set(product(State, Level)) == set(EXPECTED)


@pytest.mark.parametrize(("state", "level"), sorted(EXPECTED, key=str))
def test_transitions(state: State, level: Level) -> None:
    at_once, later, is_open = EXPECTED[state, level]
    told_by = desk(AlarmOptions(min_duration_s=0.5, hold_s=1.0, update_s=60))
    before = play(told_by, INTO[state])
    assert [e.type for _, e in before] == (["open"] if state in OPENED else [])
    assert told_by.open_events == (state in OPENED)
    end = 10_000 + 200 * len(INTO[state])
    lasting = [[e.type for e in told_by.scored(window(end + 200 * i), score(SCORES[level]))] for i in range(7)]
    assert lasting[0] == at_once
    assert [kind for told in lasting for kind in told] == later
    assert told_by.open_events == is_open


def test_an_event_opens_after_the_minimum_duration_and_starts_where_the_score_rose() -> None:
    told = play(desk(), [1, 4, 4, 5, 4, 4])
    assert kinds(told) == [(4, "open")]
    event = told[0][1]
    assert event.start == 10_200 * MS
    assert event.stamp == 10_800 * MS
    assert event.end is None
    assert (event.peak_score, event.peak_stamp, event.score) == (5, 10_600 * MS, 4)
    assert (event.relation, event.unusual) == (4, 3)


def test_a_short_rise_is_no_event() -> None:
    assert play(desk(), [1, 4, 4, 4, 2.5, 4, 4, 4, 1, 4]) == []


def test_an_event_closes_after_the_hold_and_ends_where_the_score_was_last_up() -> None:
    told = play(desk(), [4] * 4 + [2.5] + [1] * 6)
    assert kinds(told) == [(3, "open"), (8, "update"), (10, "close")]
    close = told[2][1]
    assert close.end == 10_800 * MS
    assert close.stamp == 12_000 * MS
    assert (close.reason, close.text) == (EventReason.CALM_AGAIN, "calm again")
    assert close.score == 1


def test_a_dip_shorter_than_the_hold_does_not_split_an_event() -> None:
    told = play(desk(), ([4] * 4 + [1] * 5) * 3 + [1])
    assert [k for _, k in kinds(told) if k != "update"] == ["open", "close"]
    assert len({e.id for _, e in told}) == 1


def test_without_waiting_times_an_event_opens_and_closes_at_once() -> None:
    told = play(desk(NO_WAIT), [1, 4, 1, 4, 2.5, 1])
    assert kinds(told) == [(1, "open"), (2, "close"), (3, "open"), (5, "close")]
    assert len({e.id for _, e in told}) == 2


def test_an_open_event_is_told_again_once_a_period() -> None:
    told = play(desk(), [4] * 16)
    assert kinds(told) == [(3, "open"), (8, "update"), (13, "update")]
    assert [e.stamp - told[0][1].stamp for _, e in told] == [0, 1000 * MS, 2000 * MS]


def test_the_peak_is_that_of_the_event_and_never_of_one_before() -> None:
    told = play(desk(), [4, 9, 4, 4] + [1] * 6 + [4, 5, 4, 4])
    assert [(e.type, e.peak_score) for _, e in told if e.type != "update"] == [("open", 9), ("close", 9), ("open", 5)]


@pytest.mark.parametrize("reason", PairEnd)
def test_an_open_event_closes_with_the_end_of_its_pair(reason: PairEnd) -> None:
    told_by = desk()
    play(told_by, [4, 4, 4, 4, 1])
    end = PairEnded("hall", PAIR, 11_000 * MS, "unix", reason)
    (close,) = told_by.ended(end)
    assert (close.type, close.reason, close.end, close.stamp) == ("close", reason, 10_600 * MS, 11_000 * MS)
    assert told_by.ended(end) == []
    assert told_by.open_events == 0


def test_the_end_of_a_calm_or_unknown_pair_tells_nothing() -> None:
    told_by = desk()
    play(told_by, [4])
    assert told_by.ended(PairEnded("hall", PAIR, 0, "unix", PairEnd.LOST)) == []
    assert told_by.ended(PairEnded("hall", Pair((1, 2), (5, 6)), 0, "unix", PairEnd.LOST)) == []
    assert kinds(play(told_by, [4, 4, 4])) == []  # the rise before the end does not count


def test_pairs_do_not_disturb_each_other() -> None:
    alone, mixed, other = desk(), desk(), Pair(("anna", 8), (0, 2))
    scores = [1, 4, 4, 4, 4, 2.5, 1, 1, 1, 1, 1, 1]
    expected = play(alone, scores)
    told = []
    for i, s in enumerate(scores):
        mixed.scored(window(10_000 + i * 200, other), score(5 - s))
        told += [(i, e) for e in mixed.scored(window(10_000 + i * 200), score(s))]
    assert told == expected


def test_what_an_event_says() -> None:
    event = play(desk(), [4] * 4)[0][1]
    assert event == EventMessage(
        type="open",
        id="9171cfcd731ebb70",
        source="hall",
        pair=("anna", 7),
        clock="unix",
        start=10_000 * MS,
        end=None,
        stamp=10_600 * MS,
        score=4.0,
        relation=3.0,
        unusual=2.0,
        peak_score=4.0,
        peak_stamp=10_000 * MS,
        threshold=3.0,
        reason=EventReason.ABOVE_RAISE_AT,
        text="score above raise_at",
        joints=event.joints,
        explanation="anna's head is 0.40 m closer to 7's left wrist; "
        "anna's left wrist is 0.20 m farther from 7's head; rarer than 1 normal window in 10,000",
        model="m 1",
    )
    assert [(p.first, p.second, p.share, p.shift_m) for p in event.joints] == [
        ("head", "left_wrist", 0.75, -0.4),
        ("left_wrist", "head", 0.25, 0.2),
    ]


def test_ids_tell_source_pair_and_start_apart() -> None:
    def event_id(source: str, pair: Pair, at_ms: int) -> str:
        (event,) = desk(NO_WAIT).scored(replace(window(at_ms, pair), source=source), score(4))
        return event.id

    base = ("hall", PAIR, 10_000)
    others = [("yard", PAIR, 10_000), ("hall", Pair(("anna", 8), (0, 1)), 10_000), ("hall", PAIR, 10_001)]
    assert event_id(*base) == event_id(*base)
    assert len({event_id(*b) for b in [base, *others]}) == 4


@given(st.lists(st.sampled_from([1.0, 2.5, 4.0, 6.0]), max_size=60), st.sampled_from([100, 200, 700]))
def test_events_never_overlap_and_always_end(scores: Sequence[float], step_ms: int) -> None:
    told_by = desk()
    told = [e for _, e in play(told_by, scores, step_ms)]
    told += told_by.ended(PairEnded("hall", PAIR, (10_000 + len(scores) * step_ms) * MS, "unix", PairEnd.LOST))
    now: EventMessage | None = None
    last_end = -1
    for e in told:
        if e.type == "open":
            assert now is None
            assert e.start > last_end
            assert e.stamp - e.start >= 500 * MS
            now = e
        else:
            assert now is not None
            assert (e.id, e.start) == (now.id, now.start)
            assert e.peak_score >= e.threshold
            if e.type == "close":
                assert e.end is not None
                assert now.start <= e.end <= e.stamp
                now, last_end = None, e.end
    assert now is None


def test_a_pause_without_windows_does_not_count_as_time_above_the_threshold() -> None:
    told_by = desk()
    assert told_by.scored(window(10_000), score(4.0)) == []
    assert told_by.scored(window(20_000), score(4.0)) == []  # ten seconds in which nobody saw the score
    assert told_by.scored(window(20_200), score(4.0)) == []
    (opened,) = told_by.scored(window(20_600), score(4.0))
    assert (opened.type, opened.start) == ("open", 20_000 * MS)


def test_an_open_event_lasts_through_a_pause() -> None:
    told_by = desk()
    play(told_by, [4.0] * 4)
    assert [e.type for e in told_by.scored(window(20_000), score(4.0))] == ["update"]
