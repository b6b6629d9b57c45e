"""Where alarms are raised, and what that rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import poisson

from dyadwatch.core.data.windows import Windows
from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.rules import PairEvidence, Rule, ScorePart, Thresholds
from dyadwatch.core.decision.thresholds import (
    SPANS_S,
    events_bound,
    events_within,
    hours_needed,
    recording_peaks,
    rules_of,
    thresholds,
    watched_h,
)

HOP_S = 0.2  # three frames
Scores = dict[str, NDArray[np.float64]]


def windows(recordings: int, each: int, frames: int = 3) -> Windows:
    """Windows of one hop unless told otherwise, so that they last as long as there are hops."""
    which = np.repeat(np.arange(recordings), each)
    joints = np.zeros((len(which), 2, frames, 1, 3), np.float32)
    return Windows(joints, which, which, np.tile(3 * np.arange(each), recordings))


def flat(heights: NDArray[np.float64], each: int) -> Scores:
    """Recording i stays at heights[i], of which only `unusual` tells."""
    unusual = np.repeat(np.asarray(heights, np.float64), each)
    return {"score": unusual, "relation": np.zeros_like(unusual), "unusual": unusual}


def made(recordings: int, each: int, seed: int) -> Scores:
    """Surprise as it is of normal windows, with stretches that are odd."""
    rng = np.random.default_rng(seed)
    parts = rng.exponential(0.43, (2, recordings, each))
    odd = rng.random((2, recordings, 1)) < 0.1
    parts = parts + odd * rng.uniform(0, 4, (2, recordings, each))
    relation, unusual = parts.reshape(2, -1)
    return {"score": np.maximum(relation, unusual), "relation": relation, "unusual": unusual}


def alarms(scores: Scores, where: Windows, raised_by: Thresholds) -> int:
    """Recordings in which the detector would raise an alarm."""
    table = np.stack([scores[part] for part in ("score", "relation", "unusual")], axis=1)
    count = 0
    for recording in np.unique(where.recording):
        pair = PairEvidence(raised_by, HOP_S)
        values = [pair.push(i, row).value for i, row in enumerate(table[where.recording == recording].tolist())]
        count += max(values) >= 1
    return count


@pytest.mark.parametrize(("may_exceed", "exceed"), [(None, 5), (9, 5), (2, 2), (0, 0)])
def test_fewer_recordings_may_exceed_the_levels_than_the_budget_allows(may_exceed: int | None, exceed: int) -> None:
    heights = np.random.default_rng(1).permutation(np.linspace(1, 5, 200))
    where = windows(200, 10)
    found = thresholds(flat(heights, 10), where, HOP_S, may_exceed=may_exceed)
    assert found["evidence"]["certified"] is False, "seven minutes vouch for nothing"
    assert found["evidence"]["events"] == exceed


def in_force(found: dict) -> Thresholds:
    return Calibration.of("0" * 64, found).thresholds


# 600 recordings of 30 windows are an hour: five false events of 10.52 an hour at most, one of six
@pytest.mark.parametrize(
    ("budget", "allowed"), [(2.9, None), (3.0, 0), (4.74, 0), (4.75, 1), (6.0, 1), (6.3, 2), (10.52, 5)]
)
def test_as_many_events_as_the_budget_allows(budget: float, allowed: int | None) -> None:
    assert events_within(budget, 1.0) == allowed
    found = thresholds(flat(np.geomspace(1.1, 22, 600), 30), windows(600, 30), HOP_S, budget)
    assert found["evidence"]["certified"] is (allowed is not None)
    if allowed is not None:
        assert found["evidence"]["events"] == allowed
        assert found["evidence"]["events_per_hour_95"] <= budget


@given(st.floats(0.2, 60), st.floats(0.01, 40))
def test_one_more_event_would_exceed_the_budget(budget: float, hours: float) -> None:
    allowed = events_within(budget, hours)
    if allowed is None:
        assert events_bound(0, hours) > budget
        assert hours < hours_needed(budget) * (1 + 1e-9)
    else:
        assert events_bound(allowed, hours) <= budget < events_bound(allowed + 1, hours)


@pytest.mark.parametrize(("events", "hours"), [(0, 1.0), (1, 0.5), (3, 2.0), (40, 7.0)])
def test_the_bound_is_poissons(events: int, hours: float) -> None:
    # with so many expected, as few as were seen happen once in twenty times
    assert poisson.cdf(events, events_bound(events, hours) * hours) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(("budget", "hours"), [(6.0, 0.4993), (1.0, 2.9957), (0.1, 29.957)])
def test_hours_without_an_event_that_vouch_for_a_budget(budget: float, hours: float) -> None:
    assert hours_needed(budget) == pytest.approx(hours, rel=1e-4)
    assert events_within(budget, hours * 1.001) == 0
    assert events_within(budget, hours * 0.999) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 130), st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0.5, 400))
def test_the_detector_raises_as_many_alarms_as_are_told_of(
    recordings: int, each: int, seed: int, budget: float
) -> None:
    scores, where = made(recordings, each, seed), windows(recordings, each)
    found = thresholds(scores, where, HOP_S, budget)
    evidence = found["evidence"]
    assert alarms(scores, where, in_force(found)) == evidence["events"]
    assert min(rule["raise_at"] for rule in found["rules"]) >= 1.0
    allowed = events_within(budget, recordings * each * HOP_S / 3600)
    if evidence["certified"]:
        assert allowed is not None
        assert evidence["events"] <= allowed
        assert events_bound(evidence["events"], recordings * each * HOP_S / 3600) <= budget
    else:
        assert allowed is None
        assert evidence["events"] <= min(math.floor(0.04 * recordings), 5)


@pytest.mark.parametrize(
    ("recordings", "above"), [(1, 0), (10, 0), (24, 0), (25, 1), (50, 2), (100, 4), (125, 5), (400, 5)]
)
def test_where_nothing_is_vouched_for_one_recording_in_25_may_exceed_and_five_at_most(
    recordings: int, above: int
) -> None:
    heights = np.linspace(2, 10, recordings)
    found = thresholds(flat(heights, 8), windows(recordings, 8), HOP_S)  # 400 of them are ten minutes
    evidence = found["evidence"]
    assert evidence["certified"] is False
    assert evidence["events"] == above
    levels = [rule["raise_at"] for rule in found["rules"]]
    assert levels[1] == pytest.approx(
        heights[-1 - above] * (1.002 if above else 1 + 1 / np.sqrt(len(heights))), abs=0.001
    )
    assert evidence["events_per_hour_95"] > evidence["budget_per_hour"]


def test_levels_of_all_rules_are_equally_rare() -> None:
    """A part that is always twice as high has levels twice as high."""
    scores = made(200, 20, 3)
    scores["relation"] = 2 * scores["unusual"] + 2
    scores["unusual"] = scores["unusual"] + 1
    by_part = {(r.part, r.over_s): r.raise_at for r in rules_of(thresholds(scores, windows(200, 20), HOP_S)["rules"])}
    for span in SPANS_S:
        assert by_part[ScorePart.RELATION, span] == pytest.approx(2 * by_part[ScorePart.UNUSUAL, span], rel=0.002)


def test_one_freak_recording_raises_no_level_though_others_are_as_odd_in_another_part() -> None:
    """Of two that may be set aside one is that whose absence lowers a level most, not the third of many alike."""
    relation, unusual = np.linspace(1, 2, 600), np.linspace(1, 2, 600)
    relation[[0, 1, 2, 3]] = 4.0, 3.99, 3.98, 3.97
    unusual[9] = 3.2
    scores = {"score": relation, "relation": relation, "unusual": unusual}
    scores = {part: np.repeat(heights, 30) for part, heights in scores.items()}
    found = rules_of(thresholds(scores, windows(600, 30), HOP_S, 6.3)["rules"])
    levels = {(r.part, r.over_s): r.raise_at for r in found}
    assert levels[ScorePart.UNUSUAL, 0.4] == pytest.approx(2.0, abs=0.01)
    assert levels[ScorePart.RELATION, 0.4] == pytest.approx(4.0, abs=0.02)


@pytest.mark.parametrize(("recordings", "each"), [(10, 10), (600, 30)], ids=["too few hours", "an hour"])
def test_no_rule_is_ever_below_one(recordings: int, each: int) -> None:
    found = thresholds(flat(np.linspace(0.1, 0.6, recordings), each), windows(recordings, each), HOP_S)
    assert [rule["raise_at"] for rule in found["rules"]] == [1.0, 1.0]
    assert found["evidence"]["events"] == 0


def test_levels_sink_no_further_than_what_is_rare_however_large_the_budget() -> None:
    found = thresholds(flat(np.linspace(1, 9, 600), 30), windows(600, 30), HOP_S, 500.0)
    assert found["evidence"]["certified"] is True
    assert found["evidence"]["events"] in (5, 6)  # one of a hundred, where 463 would be allowed
    assert found["evidence"]["events_per_hour_95"] <= 11.84


def test_a_larger_budget_never_raises_a_level() -> None:
    scores, where = made(600, 30, 1), windows(600, 30)
    levels = [
        [r["raise_at"] for r in thresholds(scores, where, HOP_S, b)["rules"]] for b in (3.0, 5.0, 8.0, 20.0, 99.0)
    ]
    assert all(np.all(np.diff(rule) <= 0) for rule in np.array(levels).T)
    assert levels[0] != levels[-1]


def test_what_is_told_of_where_the_levels_come_from() -> None:
    found = thresholds(flat(np.linspace(2, 3, 50), 9), windows(50, 9), HOP_S, 4.0, "clips of a hall")
    assert (found["raise_at"], found["clear_at"]) == (1.0, 0.6)
    assert found["evidence"] == {
        "method": "clips of a hall",
        "windows": 450,
        "recordings": 50,
        "hours": 0.025,
        "window_frames": 3,
        "hop_s": 0.2,
        "budget_per_hour": 4.0,
        "certified": False,
        "hours_needed": 0.75,
        "events": 2,
        "events_per_hour_95": 251.83,
        "quiet": {"median": 2.5, "decile": 2.9, "above_median": 0.5, "above_decile": 0.1},
    }


def test_the_rules_are_the_parts_over_the_spans() -> None:
    found = thresholds(made(30, 9, 0), windows(30, 9), HOP_S)
    expected = [(part, span) for part in (ScorePart.RELATION, ScorePart.UNUSUAL) for span in SPANS_S]
    assert [(r.part, r.over_s) for r in rules_of(found["rules"])] == expected
    assert in_force(found).rules == rules_of(found["rules"])


@pytest.mark.parametrize(
    ("silent", "parts"),
    [
        (("relation",), {ScorePart.UNUSUAL}),
        (("unusual",), {ScorePart.RELATION}),
        (("relation", "unusual"), {ScorePart.SCORE}),
    ],
)
def test_a_part_that_is_zero_everywhere_has_no_say(silent: tuple[str, ...], parts: set[ScorePart]) -> None:
    scores = made(30, 9, 0)
    zeros = np.zeros(270)
    for scored in (scores | dict.fromkeys(silent, zeros), {k: v for k, v in scores.items() if k not in silent}):
        assert {r.part for r in rules_of(thresholds(scored, windows(30, 9), HOP_S)["rules"])} == parts


def test_means_never_reach_from_one_recording_into_the_next() -> None:
    """The end of one and the beginning of the other: a mean of both would be twice as high."""
    scores = flat(np.zeros(10), 20)
    scores["unusual"][19:21] = 5.0
    peaks = recording_peaks(scores, windows(10, 20), HOP_S)
    assert [(r.part, r.over_s) for r in peaks.rules] == [(ScorePart.UNUSUAL, span) for span in SPANS_S]
    np.testing.assert_allclose(peaks.values[:2], [[2.5, 0.625]] * 2)
    assert not peaks.values[2:].any()


def test_recordings_need_not_lie_in_order() -> None:
    where, scores = windows(10, 20), made(10, 20, 2)
    mixed = np.random.default_rng(0).permutation(10)
    rows = np.concatenate([np.flatnonzero(where.recording == r) for r in mixed])
    again = thresholds({k: v[rows] for k, v in scores.items()}, where.take(rows), HOP_S)
    assert again == thresholds(scores, where, HOP_S)


def test_a_recording_shorter_than_a_span_counts_as_far_as_it_goes() -> None:
    peaks = recording_peaks(flat(np.array([8.0]), 1), windows(1, 1), HOP_S)
    np.testing.assert_allclose(peaks.values, [[4.0, 1.0]])


@pytest.mark.parametrize(
    ("recordings", "each", "frames", "seconds"),
    [(10, 20, 3, 40.0), (10, 20, 15, 48.0), (4, 1, 15, 0.8)],  # of single windows no more than their hop is believed
)
def test_time_watched_is_that_of_the_recordings(recordings: int, each: int, frames: int, seconds: float) -> None:
    assert 3600 * watched_h(windows(recordings, each, frames), HOP_S) == pytest.approx(seconds)


def test_plain_values_become_rules() -> None:
    assert rules_of([{"part": "relation", "over_s": 1.6, "raise_at": 2}]) == (Rule(ScorePart.RELATION, 1.6, 2.0),)
