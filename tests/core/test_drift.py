"""Whether quiet times still score as those of the calibration, and for how long that must last."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.decision.drift import Drift, DriftWatch, QuietScores

HOUR = 3600
HOP_S = 2.0  # coarse, so that hours are few windows
Scores = NDArray[np.float64]


def normal(count: int, seed: int = 0) -> Scores:
    """Surprise of normal windows: one in ten above 1."""
    return -np.log10(np.random.default_rng(seed).uniform(size=count))


QUIET = QuietScores.of(normal(20_000))
assert QUIET is not None


def watch(scores: Scores, watched: DriftWatch | None = None, since: float = 0.0) -> tuple[DriftWatch, list[float]]:
    """A watch that took a window every HOP_S, and the hours at which what it says changed."""
    assert QUIET is not None
    watched = watched or DriftWatch(QUIET, HOP_S)
    changes: list[float] = []
    before = watched.found is None
    for i, score in enumerate(scores):
        at = since + i * HOP_S
        watched.take(round(at * 1e9), float(score))
        if (watched.found is None) != before:
            before = not before
            changes.append(round(at / HOUR, 2))
    return watched, changes


def hours(count: float) -> int:
    return round(count * HOUR / HOP_S)


def test_the_quantiles_of_a_calibration_are_kept_and_read_back() -> None:
    assert QUIET is not None
    assert (QUIET.median, QUIET.decile) == (pytest.approx(0.301, abs=0.01), pytest.approx(1.0, abs=0.02))
    assert (QUIET.above_median, QUIET.above_decile) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.1, abs=0.01))
    assert QuietScores.from_evidence({"quiet": QUIET.plain}) == QUIET
    assert QuietScores.of(normal(99)) is None
    assert QuietScores.of(np.zeros(1000)) is None
    mostly = QuietScores.of(np.r_[np.zeros(600), normal(400) + 0.01])
    assert mostly is not None
    assert (mostly.median, mostly.above_median) == (0.0, 0.4)


@pytest.mark.parametrize("quiet", [None, {}, {"median": 1}, 3, {**dict.fromkeys(("median", "decile"), "x")},
                                   {"median": 0, "decile": 1, "above_median": 0.1, "above_decile": 0.5}])  # fmt: skip
def test_calibrations_without_them_are_not_watched(quiet: object) -> None:
    assert QuietScores.from_evidence({"quiet": quiet}) is None


def test_the_same_as_before_is_never_stale() -> None:
    for seed in range(1, 11):
        watched, changes = watch(normal(hours(48), seed))
        assert (watched.found, changes) == (None, [])


@pytest.mark.parametrize(("change", "drift"), [(lambda s: s + 0.8, Drift.HIGHER), (lambda s: s * 0.2, Drift.LOWER)])
def test_another_scale_is_stale_after_an_hour_and_a_quarter_and_fresh_again_later(
    change: Callable[[Scores], Scores], drift: Drift
) -> None:
    watched, changes = watch(change(normal(hours(3), 1)))
    assert changes == [pytest.approx(1.17, abs=0.1)]
    assert watched.found is not None
    assert watched.found.drift is drift
    assert watched.found.hours == pytest.approx(3, abs=0.1)
    assert (watched.found.share > 2.5 * watched.found.expected) == (drift is Drift.HIGHER)
    watched, changes = watch(normal(hours(48), 2), watched, 3 * HOUR)
    assert watched.found is None
    assert len(changes) == 1, "it does not come and go"


def test_an_odd_quarter_of_an_hour_is_nothing() -> None:
    calm, odd = normal(hours(4), 3), normal(hours(0.25), 4) + 3
    assert watch(np.r_[calm, odd, calm])[1] == []


def test_less_than_an_hour_of_pairs_says_nothing() -> None:
    assert watch(normal(hours(0.9)) + 5)[0].found is None


def test_what_is_a_day_old_does_not_count_and_a_clock_set_back_begins_afresh() -> None:
    watched, _ = watch(normal(hours(2)) + 3)
    assert watched.found is not None
    for i in range(4):
        watched.take(round((30 * HOUR + i * 300) * 1e9), 0.3)
    assert watched.found is None
    watched, _ = watch(normal(hours(2)) + 3, since=100 * HOUR)
    for i in range(4):
        watched.take(round(i * 300 * 1e9), 0.3)
    assert watched.found is None
