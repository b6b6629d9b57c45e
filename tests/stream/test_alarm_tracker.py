from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.decision.rules import PairEvidence, Rule, ScorePart, Thresholds
from dyadwatch.core.explanation.explainer import How, LimbFinding
from dyadwatch.core.skeletons.limbs import Limb
from dyadwatch.stream.alarms.alarm_tracker import TRANSITIONS, AlarmState, AlarmTracker, Level, level_of
from dyadwatch.stream.codes import EventReason, PairEnd
from dyadwatch.stream.configuration.config import AlarmOptions
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, EventRule
from dyadwatch.stream.scoring.scorer import Score

MS = 1_000_000
PAIR = Pair(("anna", 7), (0, 1))
THRESHOLDS = Thresholds(raise_at=3.0, clear_at=2.0)
JOINTS = ("head", "left_wrist")
SCORES = {Level.LOW: 1.0, Level.BETWEEN: 2.5, Level.HIGH: 4.0}
NO_WAIT = AlarmOptions(min_duration_s=0, hold_s=0)
# Two spans: two windows of unusual, eight of relation.
BLOW, SILENCE = Rule(ScorePart.UNUSUAL, 0.4, 2.0), Rule(ScorePart.RELATION, 1.6, 1.0)
RULES = Thresholds(1.0, 0.6, (BLOW, SILENCE))
QUIET, HIT, MUTE = (0.2, 0.2), (0.2, 3.0), (1.2, 0.2)  # relation and unusual of one window


def window(end_ms: int, pair: Pair = PAIR) -> Window:
    return Window("hall", pair, (end_ms - 2000) * MS, end_ms * MS, np.zeros((2, 2, 2, 3), np.float32), "unix", 0)


def score(value: float) -> Score:
    parts = np.array([[0, 3], [1, 0]], np.float32) * value
    return Score(value, value - 1, value - 2, parts, np.array([[0, -0.4], [0.2, 0]], np.float32))


def desk(options: AlarmOptions | None = None) -> AlarmTracker:
    return AlarmTracker(
        options or AlarmOptions(min_duration_s=0.5, hold_s=1.0, update_s=1.0), THRESHOLDS, JOINTS, "m 1"
    )


def ruled(
    thresholds: Thresholds = RULES, min_duration_s: float = 0.0, hold_s: float = 1.0, update_s: float = 60.0
) -> AlarmTracker:
    options = AlarmOptions(min_duration_s=min_duration_s, hold_s=hold_s, update_s=update_s)
    return AlarmTracker(options, thresholds, JOINTS, "m 1")


def two_parts(relation: float, unusual: float) -> Score:
    return replace(score(max(relation, unusual)), relation=relation, unusual=unusual)


def watch(told_by: AlarmTracker, parts: Sequence[tuple[float, float]], start_ms: int = 10_000) -> list[EventMessage]:
    """What is told of windows 200 ms apart of which relation and unusual are given."""
    return [e for i, p in enumerate(parts) for e in told_by.scored(window(start_ms + 200 * i), two_parts(*p))]


def play(told_by: AlarmTracker, scores: Sequence[float], step_ms: int = 200) -> list[tuple[int, EventMessage]]:
    """(number of the score, event) for scores 200 ms apart from 10 s on."""
    return [
        (i, event) for i, s in enumerate(scores) for event in told_by.scored(window(10_000 + i * step_ms), score(s))
    ]


def kinds(told: list[tuple[int, EventMessage]]) -> list[tuple[int, str]]:
    return [(i, event.type) for i, event in told]


@pytest.mark.parametrize(
    ("thresholds", "value", "level"),
    [
        (THRESHOLDS, 1.999, Level.LOW),
        (THRESHOLDS, 2.0, Level.BETWEEN),
        (THRESHOLDS, 2.999, Level.BETWEEN),
        (THRESHOLDS, 3.0, Level.HIGH),
        (Thresholds(3.0, 3.0), 2.99, Level.LOW),  # equal thresholds leave nothing between
        (Thresholds(3.0, 3.0), 3.0, Level.HIGH),
        (Thresholds(1.0, 0.6, (Rule(ScorePart.SCORE, 0.0, 2.0),)), 1.19, Level.LOW),
        (Thresholds(1.0, 0.6, (Rule(ScorePart.SCORE, 0.0, 2.0),)), 1.2, Level.BETWEEN),
        (Thresholds(1.0, 0.6, (Rule(ScorePart.SCORE, 0.0, 2.0),)), 2.0, Level.HIGH),
        (Thresholds(2.0, 0.6, (Rule(ScorePart.SCORE, 0.0, 2.0),)), 3.99, Level.BETWEEN),  # twice what was calibrated
        (Thresholds(2.0, 0.6, (Rule(ScorePart.SCORE, 0.0, 2.0),)), 4.0, Level.HIGH),
        (Thresholds(2.0, 0.6, (Rule(ScorePart.SCORE, 0.0, 2.0),)), 1.19, Level.LOW),
    ],
)
def test_levels(thresholds: Thresholds, value: float, level: Level) -> None:
    assert level_of(PairEvidence(thresholds, 0.2).push(1, (value, 0, 0)), thresholds) is level


# What brings an alarm into each state, and what it tells by then; 600 ms pass the minimum duration, 1 s the hold.
INTO = {
    AlarmState.CALM: [1.0],
    AlarmState.RISING: [4.0],
    AlarmState.OPEN: [4.0, 4.0, 4.0, 4.0],
    AlarmState.FADING: [4.0, 4.0, 4.0, 4.0, 1.0],
}
OPENED = {AlarmState.OPEN, AlarmState.FADING}
# (state, level) -> told at once, told when the level lasts, whether an event is open in the end
EXPECTED: dict[tuple[AlarmState, Level], tuple[list[str], list[str], bool]] = {
    (AlarmState.CALM, Level.LOW): ([], [], False),
    (AlarmState.CALM, Level.BETWEEN): ([], [], False),
    (AlarmState.CALM, Level.HIGH): ([], ["open"], True),
    (AlarmState.RISING, Level.LOW): ([], [], False),
    (AlarmState.RISING, Level.BETWEEN): ([], [], False),
    (AlarmState.RISING, Level.HIGH): ([], ["open"], True),
    (AlarmState.OPEN, Level.LOW): ([], ["close"], False),
    (AlarmState.OPEN, Level.BETWEEN): ([], [], True),
    (AlarmState.OPEN, Level.HIGH): ([], [], True),
    (AlarmState.FADING, Level.LOW): ([], ["close"], False),
    (AlarmState.FADING, Level.BETWEEN): ([], [], True),
    (AlarmState.FADING, Level.HIGH): ([], [], True),
}


def test_every_state_and_level_has_a_rule() -> None:
    assert set(TRANSITIONS) == set(product(AlarmState, Level)) == set(EXPECTED)


@pytest.mark.parametrize(("state", "level"), sorted(EXPECTED, key=str))
def test_transitions(state: AlarmState, level: Level) -> None:
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


def test_an_event_opens_after_a_minimum_duration_and_starts_where_the_score_rose() -> None:
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
        evidence=1.3333,
        rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=4.0),
        reason=EventReason.ENOUGH_EVIDENCE,
        text="enough evidence",
        joints=event.joints,
        explanation="anna and 7 did not answer each other's movements as normal pairs do; "
        "rarer than 1 normal window in 10,000",
        model="m 1",
    )
    assert [(p.first, p.second, p.share, p.shift_m) for p in event.joints] == [
        ("head", "left_wrist", 0.75, -0.4),
        ("left_wrist", "head", 0.25, 0.2),
    ]


def test_what_raised_the_alarm_is_what_it_is_explained_by() -> None:
    blow, silence = (watch(ruled(), [QUIET] * 8 + [part] * 10)[0] for part in (HIT, MUTE))
    assert blow.rule.part is ScorePart.UNUSUAL
    assert blow.explanation.startswith("anna's head is 0.40 m closer to 7's left wrist; ")
    assert silence.rule.part is ScorePart.RELATION
    assert silence.explanation.startswith("anna and 7 did not answer each other's movements as normal pairs do; rarer")


def test_an_alarm_of_timing_says_so() -> None:
    told_by = ruled(Thresholds(1.0, 0.6, (BLOW, SILENCE, Rule(ScorePart.TIMING, 1.6, 1.5))))
    late = replace(two_parts(0.2, 0.2), timing=2.0)
    event = next(e for i in range(10) for e in told_by.scored(window(10_000 + 200 * i), late))
    assert (event.rule.part, event.stamp) == (ScorePart.TIMING, 11_000 * MS)
    assert event.explanation == (
        "anna and 7 were out of step: a fifth of a second earlier or later one would fit the other"
    )


def test_the_limb_is_that_of_the_window_with_the_highest_score() -> None:
    asked: list[int] = []

    def explain(joints: np.ndarray) -> LimbFinding:
        asked.append(int(joints[0, 0, 0, 0]))
        return LimbFinding(1, Limb.RIGHT_ARM, "right_hand", "head", How.FAST, 0.9, 3.14, 0.21, 0.3, 1.2)

    options = AlarmOptions(min_duration_s=0.5, hold_s=1.0, update_s=0.2)
    told_by = AlarmTracker(options, Thresholds(3.0, 2.0, ()), JOINTS, "m 1", explain=explain)
    told: list[EventMessage] = []
    for i, value in enumerate([1, 4, 5, 4, 4, 4, 6, 4]):
        joints = np.full((2, 2, 2, 3), i, np.float32)
        seen = replace(score(value), unusual=float(value), relation=0.0)
        told += told_by.scored(replace(window(10_000 + 200 * i), joints=joints), seen)
    assert asked == [2, 6]  # once for the first peak, which three messages tell of, once for the second
    assert told[0].limb is not None
    assert (told[0].limb.person, told[0].limb.limb, told[0].limb.usual) == (7, Limb.RIGHT_ARM, 1.2)
    assert told[0].explanation == (
        "right hand of 7 moved at 3.1 m/s, 0.2 m from the head of anna; in normal pairs it stays below 1.2 m/s; "
        "rarer than 1 normal window in 10,000"
    )


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
            assert e.evidence >= 1
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


def test_nothing_is_waited_for_unless_asked() -> None:
    assert AlarmOptions().min_duration_s == 0
    (opened,) = watch(ruled(), [QUIET] * 4 + [HIT] * 2)
    assert (opened.type, opened.stamp) == ("open", 11_000 * MS)
    assert (opened.reason, opened.text) == (EventReason.ENOUGH_EVIDENCE, "enough evidence")


def test_a_minimum_duration_holds_back_what_is_shorter() -> None:
    """The mean of two windows of 3, a half and a half, is up for one window, of three for two."""
    assert watch(ruled(min_duration_s=0.2), [QUIET] * 4 + [HIT] * 2 + [QUIET] * 4) == []
    (opened,) = watch(ruled(min_duration_s=0.2), [QUIET] * 4 + [HIT] * 3)
    assert (opened.start, opened.stamp) == (10_800 * MS, 11_200 * MS)


def test_a_blow_raises_by_its_short_mean_and_silence_by_its_long_one() -> None:
    (blow,) = watch(ruled(), [QUIET] * 8 + [HIT] * 2)
    assert blow.rule == EventRule(part=ScorePart.UNUSUAL, over_s=0.4, mean=3.0)
    assert (blow.threshold, blow.evidence) == (2.0, 1.5)
    (silence,) = watch(ruled(), [MUTE] * 7)
    assert silence.rule == EventRule(part=ScorePart.RELATION, over_s=1.6, mean=1.05)
    assert (silence.threshold, silence.evidence, silence.stamp) == (1.0, 1.05, 11_200 * MS)
    assert watch(ruled(), [MUTE] * 6) == []


def test_the_rule_of_an_event_is_the_one_that_said_most() -> None:
    told = watch(ruled(update_s=0.2), [MUTE] * 7 + [HIT] * 2)
    assert [(e.type, e.rule.part, e.evidence) for e in told] == [
        ("open", ScorePart.RELATION, 1.05),
        ("update", ScorePart.RELATION, 1.075),
        ("update", ScorePart.UNUSUAL, 1.5),
    ]


def test_levels_that_are_scaled_are_told_as_they_are() -> None:
    (opened,) = watch(ruled(replace(RULES, raise_at=1.2)), [QUIET] * 8 + [HIT] * 2)
    assert (opened.threshold, opened.evidence) == (2.4, 1.25)


def test_an_event_starts_where_the_evidence_began_to_rise() -> None:
    """Seven windows before the long mean is enough."""
    (opened,) = watch(ruled(), [QUIET] * 20 + [MUTE] * 8)
    assert (opened.start, opened.stamp) == (14_000 * MS, 15_200 * MS)


def test_the_peak_is_looked_for_from_the_start_on() -> None:
    parts = [(0.2, 1.9), *[QUIET] * 6, (1.5, 0.2), (1.9, 0.2), *[MUTE] * 5]  # the highest score led to nothing
    (opened,) = watch(ruled(), parts)
    assert (opened.start, opened.peak_stamp, opened.peak_score) == (11_400 * MS, 11_600 * MS, 1.9)
    assert (opened.relation, opened.unusual) == (1.9, 0.2)


def test_an_event_fades_with_its_mean_and_ends_where_that_was_last_up() -> None:
    told = watch(ruled(), [HIT] * 2 + [QUIET] * 8)
    assert [(e.type, e.stamp) for e in told] == [("open", 10_200 * MS), ("close", 11_600 * MS)]
    assert told[1].end == 10_400 * MS  # half a blow and half nothing: 1.6 of 2.0


def test_a_second_event_starts_after_the_first_and_has_an_id_of_its_own() -> None:
    """Scores that stay at more than half of what raises between the two."""
    told = watch(ruled(hold_s=0.2), [HIT, HIT, *[(0.2, 1.1)] * 4, HIT, HIT])
    assert [e.type for e in told] == ["open", "close", "open"]
    assert told[2].start > told[1].stamp
    assert told[2].id != told[0].id


@pytest.mark.parametrize(("pause_ms", "opens"), [(1000, True), (1001, False)])
def test_after_a_pause_the_evidence_begins_afresh(pause_ms: int, opens: bool) -> None:
    told_by = ruled()
    assert watch(told_by, [MUTE] * 6) == []
    told = watch(told_by, [MUTE], 11_000 + pause_ms)
    assert [e.type for e in told] == (["open"] if opens else [])
    assert told_by.evidence(PAIR) == pytest.approx(1.05 if opens else 0.15)
    if not opens:
        (later,) = watch(told_by, [MUTE] * 6, 12_201)
        assert (later.start, later.peak_stamp) == (12_001 * MS, 12_001 * MS)


def test_how_near_an_alarm_is_can_be_asked_of_every_pair() -> None:
    told_by = ruled()
    assert told_by.evidence(PAIR) == 0
    watch(told_by, [QUIET, HIT])
    assert told_by.evidence(PAIR) == pytest.approx(0.8)
    told_by.ended(PairEnded("hall", PAIR, 11_000 * MS, "unix", PairEnd.LOST))
    assert told_by.evidence(PAIR) == 0


LEVELS = st.sampled_from([0.0, 0.6, 1.1, 2.5, 6.0])


@given(st.lists(st.tuples(LEVELS, LEVELS), max_size=60), st.sampled_from([0.0, 0.4]), st.sampled_from([0.0, 1.0]))
def test_events_of_rules_never_overlap(parts: list[tuple[float, float]], min_duration_s: float, hold_s: float) -> None:
    told_by = ruled(min_duration_s=min_duration_s, hold_s=hold_s)
    told = watch(told_by, parts)
    told += told_by.ended(PairEnded("hall", PAIR, (10_000 + len(parts) * 200) * MS, "unix", PairEnd.LOST))
    kinds = [e.type for e in told if e.type != "update"]
    assert kinds == ["open", "close"] * (len(kinds) // 2)
    closes = [e for e in told if e.type == "close"]
    opens = [e for e in told if e.type == "open"]
    assert len({e.id for e in opens}) == len(opens)
    for opened, closed in zip(opens, closes, strict=True):
        assert closed.end is not None
        assert opened.start <= closed.peak_stamp <= closed.end <= closed.stamp
        assert opened.stamp >= opened.start + round(min_duration_s * 1000) * MS
        assert closed.evidence >= opened.evidence >= 1
        assert closed.rule.mean >= closed.threshold
    for closed, opened in zip(closes, opens[1:], strict=False):
        assert opened.start > closed.stamp
