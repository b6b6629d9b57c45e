"""The lowest levels within a budget of false events, and what is said where the hours are too few."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.decision.episodes import AlarmTimes
from dyadwatch.core.decision.pareto_tail import fit_tail
from dyadwatch.core.decision.rules import Rule, ScorePart
from dyadwatch.core.decision.score_log import PairScores, ScoreLog
from dyadwatch.core.decision.site_calibration import (
    Counter,
    choose,
    equal_rules,
    events_again,
    events_allowed,
    lowest_scale,
)
from dyadwatch.core.decision.thresholds import events_bound
from dyadwatch.core.errors import CalibrationError, TooShortError
from dyadwatch.core.units import NS

HOP_S = 0.2


def calm_log(seed: int, bumps: int, hours: float = 1.0) -> ScoreLog:
    """Pairs that are calm but for some moments a minute apart, whose heights are exponential."""
    rng = np.random.default_rng(seed)
    windows = round(hours * 3600 / HOP_S)
    parts = np.pad(np.abs(rng.normal(0, 0.2, (windows, 3))), ((0, 0), (0, 1)))  # no timing, as of a model without
    for at in rng.choice(np.arange(50, windows - 50, 60), bumps, replace=False):
        parts[at : at + 8, 1:3] += 1.5 + rng.exponential(0.5)
    stamps = np.arange(windows, dtype=np.int64) * round(HOP_S * NS)
    return ScoreLog((PairScores("hall", (1, 2), "unix", stamps, parts),), HOP_S, 1.0)


def test_one_event_more_would_break_the_budget() -> None:
    log, hours, budget = calm_log(0, 80), 1.0, 20.0
    choice = choose(log, hours, budget)
    assert choice.certified
    assert choice.tail is None
    assert events_bound(choice.events, hours) == choice.bound <= budget
    allowed = events_allowed(budget, hours)
    assert allowed is not None
    assert allowed - 1 <= choice.events <= allowed
    lower = [Rule(r.part, r.over_s, r.raise_at * 0.98) for r in choice.rules]
    assert Counter(log, lower, AlarmTimes())(1.0) > allowed
    assert choice.values["evidence"]["events_per_hour_95"] == round(choice.bound, 4)


def test_rules_are_equally_rare_and_of_the_parts_that_have_a_say() -> None:
    log = calm_log(1, 40)
    rules = equal_rules(log)
    assert {r.part for r in rules} == {ScorePart.RELATION, ScorePart.UNUSUAL}
    peaks = log.block_peaks(log.means(rules), 10.0)
    assert len(peaks) == 360
    over = (peaks > [r.raise_at for r in rules]).mean(axis=0)
    assert over == pytest.approx([5 / 360] * 4, abs=0.003)
    parts = log.parts.copy()
    parts[:, 1:] = 0
    alone = ScoreLog((PairScores("hall", (1, 2), "unix", log.stamps, parts),), HOP_S, 1.0)
    assert {r.part for r in equal_rules(alone)} == {ScorePart.SCORE}


def test_a_scale_is_low_enough_only_where_no_higher_one_has_more_events() -> None:
    """One long event can fall into two at a higher level."""
    counts = {1.0: 5, 1.2: 1, 1.4: 3, 1.6: 1}

    def count(scale: float) -> int:
        return next(n for s, n in sorted(counts.items(), reverse=True) if scale >= s)

    scale, _ = lowest_scale(count, 2, 1.0, 2.0)
    assert scale == pytest.approx(1.6, rel=0.005)


def test_too_few_hours_are_refused_with_how_many_are_missing() -> None:
    with pytest.raises(
        TooShortError, match=r"^1\.00 h were watched, and 1/day takes 71\.90 h without an event: 70\.90 h are missing$"
    ) as caught:
        choose(calm_log(2, 10), 1.0, 1 / 24, budget="1/day")
    assert caught.value.hours == 1.0
    assert caught.value.needed == pytest.approx(71.9, abs=0.01)


def test_uncertified_levels_lie_above_all_that_was_seen_and_vouch_for_nothing() -> None:
    choice = choose(calm_log(2, 10), 1.0, 1 / 24, uncertified=True)
    assert not choice.certified
    assert choice.events == 0
    evidence = choice.values["evidence"]
    assert (evidence["certified"], evidence["extrapolated"]) == (False, False)
    assert 0.9 < choice.strongest[0][1] < 1


def test_an_extrapolation_says_so_and_lies_above_what_was_seen_most_of_the_time() -> None:
    log = calm_log(4, 150)
    choice = choose(log, 1.0, 1.0, extrapolate=True)
    evidence = choice.values["evidence"]
    assert (evidence["extrapolated"], evidence["certified"]) == (True, False)
    assert evidence["tail"]["peaks"] >= 20
    assert choice.tail is not None
    assert choice.tail.level(1.0) == choice.scale
    assert choice.events <= 3
    strict = choose(log, 1.0, 0.01, extrapolate=True)
    assert strict.scale > choice.scale


def test_a_tail_needs_peaks() -> None:
    with pytest.raises(CalibrationError, match=r"^a tail cannot be fitted to \d+ peaks in 1\.00 h; expected at least"):
        choose(calm_log(5, 2), 1.0, 1 / 24, extrapolate=True)


@pytest.mark.parametrize("shape", [0.0, 0.3])
def test_the_tail_of_known_peaks_is_found(shape: float) -> None:
    u = np.random.default_rng(1).random(4000)
    excess = -np.log(u) * 0.5 if shape == 0 else 0.5 * (u**-shape - 1) / shape
    tail = fit_tail(2.0 + excess, 2.0, rate=10.0)
    assert tail.shape == pytest.approx(shape, abs=0.06)
    assert tail.scale == pytest.approx(0.5, abs=0.05)
    wanted = 2.0 + (0.5 * np.log(100) if shape == 0 else 0.5 * (100**shape - 1) / shape)
    assert tail.level(0.1) == pytest.approx(wanted, rel=0.12)
    assert tail.level(20.0) == 2.0


def test_nothing_to_calibrate_on() -> None:
    with pytest.raises(CalibrationError, match=r"^no pair was scored, so that there is nothing to calibrate on"):
        choose(ScoreLog((), HOP_S, 1.0), 5.0, 6.0)


def test_how_many_events_hours_may_hold() -> None:
    """Three hours without one vouch for one an hour; of three the next hours may hold more by chance."""
    assert [events_allowed(1.0, h) for h in (2.9, 3.0, 5.9, 6.0, 36.0)] == [None, 0, 0, 1, 23]
    assert all(events_bound(k, h) <= 1.0 for h in (6.0, 36.0) if (k := events_allowed(1.0, h)) is not None)


@pytest.mark.parametrize("budget", [5.0, 20.0])
def test_the_bound_holds_in_hours_that_were_not_calibrated_on(budget: float) -> None:
    """Of 40 hours of an endless site, each calibrated on by itself; the rate is that of ten hours of it."""
    rng = np.random.default_rng(0)
    endless = calm_log(999, 60 * 10, 10.0)
    held = again = 0
    for seed in range(40):
        choice = choose(calm_log(seed, int(rng.poisson(60))), 1.0, budget)
        held += Counter(endless, choice.rules, AlarmTimes())(1.0) / 10 <= choice.bound
        another = Counter(calm_log(1000 + seed, int(rng.poisson(60))), choice.rules, AlarmTimes())(1.0)
        again += another <= budget
    assert held >= 38
    assert again >= 38


@pytest.mark.parametrize(("events", "again"), [(0, 4), (1, 6), (10, 19)])
def test_as_many_hours_again_hold_more_than_was_seen(events: int, again: int) -> None:
    rng = np.random.default_rng(events)
    rates = rng.gamma(events + 1, size=200_000)
    counts = rng.poisson(rates)
    assert events_again(events) == again
    assert (counts <= again).mean() >= 0.95 > (counts <= again - 1).mean()
