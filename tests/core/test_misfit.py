"""A model that finds most of a source impossible was not made for it; a long fight is none of that."""

from __future__ import annotations

from collections.abc import Iterable

from dyadwatch.core.decision.misfit import MisfitWatch
from dyadwatch.core.sense.sense_codes import Oddity

HOP_S = 0.5


def minutes(watch: MisfitWatch, scores: Iterable[tuple[float, float]], since: float = 0.0) -> list[float]:
    """Feeds minutes of one score after the other; returns the minutes at which what is found changed."""
    changes: list[float] = []
    at, before = since * 60, watch.found is not None
    for many, score in scores:
        for _ in range(round(many * 60 / HOP_S)):
            at += HOP_S
            watch.take(round(at * 1e9), score)
            if (watch.found is not None) != before:
                before = not before
                changes.append(round(at / 60, 1))
    return changes


def test_what_is_impossible_for_a_quarter_of_an_hour_is_a_misfit_until_most_of_an_hour_fits() -> None:
    watch = MisfitWatch(HOP_S)
    (since,) = minutes(watch, [(30, 5.0)])
    assert 15 <= since <= 17
    assert watch.found is not None
    assert watch.found.code is Oddity.MODEL_MISFIT
    assert (watch.found.detail["share"], watch.found.detail["score"]) == (1.0, 3.0)
    assert watch.found.detail["minutes"] in (29.0, 30.0)  # as the last whole minute tells
    (gone,) = minutes(watch, [(100, 0.5)], since=30.0)
    assert 70 <= gone <= 75, "30 % of an hour are 18 minutes"
    assert watch.found is None


def test_a_fight_is_none() -> None:
    assert minutes(MisfitWatch(HOP_S), [(14.5, 6.0)]) == []
    assert minutes(MisfitWatch(HOP_S), [(20, 0.3), (15, 6.0), (20, 0.3), (15, 6.0)]) == []


def test_scores_below_three_are_none_however_many() -> None:
    assert minutes(MisfitWatch(HOP_S), [(200, 2.99)]) == []


def test_pauses_make_no_difference() -> None:
    watch = MisfitWatch(HOP_S)
    for day in range(20):
        minutes(watch, [(1, 5.0)], since=day * 1440.0)
    assert watch.found is not None
