"""The lowest levels at which normal hours hold no more events than a budget allows, and what that rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.decision.episodes import AlarmTimes, Episodes, episodes
from dyadwatch.core.decision.pareto_tail import FEWEST_PEAKS, Tail, fit_tail
from dyadwatch.core.decision.rules import CLEAR_PART, Rule
from dyadwatch.core.decision.score_log import ScoreLog
from dyadwatch.core.decision.thresholds import (
    LEAST,
    MARGIN,
    STEP,
    equally_rare,
    events_bound,
    events_within,
    hours_needed,
    rules_without_levels,
)
from dyadwatch.core.errors import CalibrationError, TooShortError

_BLOCK_S = 10.0  # pieces of a track that are counted when rules are made equally rare
_GRID = 60  # scales that are tried, evenly in their logarithm
_HALVINGS = 16
_TAIL_PEAKS = 40  # wanted for a fit of the tail

Grouping = Callable[[ScoreLog, Episodes], int]


def each_alone(log: ScoreLog, found: Episodes) -> int:
    """How many a person is notified of: every event by itself. Where events are grouped into incidents, those count."""
    return len(found)


@dataclass(frozen=True)
class Choice:
    """Levels, and what they rest on.

    Arguments:
        rules: at their levels.
        scale: of the levels, where 1 is the level that equally few pieces exceed by each rule.
        hours: watched.
        events: that are left in the hours at these levels.
        bound: one-sided 95 % Poisson bound on events an hour.
        budget_per_h: that was asked for.
        certified: whether the bound lies within the budget.
        tail: what the scale was extrapolated with; None where it was counted.
        curve: scales and how many events each leaves.
        strongest: the events that come nearest to an alarm now, strongest first, as (window number, evidence).
    """

    rules: tuple[Rule, ...]
    scale: float
    hours: float
    events: int
    bound: float
    budget_per_h: float
    certified: bool
    tail: Tail | None
    curve: tuple[tuple[float, int], ...]
    strongest: tuple[tuple[int, float], ...]

    @property
    def values(self) -> dict[str, Any]:
        """Levels and evidence as plain values, as a calibration keeps them."""
        evidence: dict[str, Any] = {
            "hours": round(self.hours, 4),
            "events": self.events,
            "events_per_hour_95": round(self.bound, 4),
            "events_again_95": events_again(self.events),
            "budget_per_hour": round(self.budget_per_h, 6),
            "certified": self.certified,
            "hours_needed": round(hours_needed(self.budget_per_h), 2),
            "extrapolated": self.tail is not None,
            "scale": round(self.scale, 4),
        }
        if self.tail is not None:
            tail = self.tail
            evidence["tail"] = {
                "peaks": tail.peaks, "over": round(tail.over, 4), "shape": round(tail.shape, 4),
                "scale": round(tail.scale, 4),
            }  # fmt: skip
        return {"raise_at": 1.0, "clear_at": CLEAR_PART, "rules": [r.plain for r in self.rules], "evidence": evidence}


def equal_rules(log: ScoreLog) -> tuple[Rule, ...]:
    """A rule for every part that has a say and every span, at levels that equally few pieces of the log exceed."""
    rules = rules_without_levels(log.says)
    levels = equally_rare(log.block_peaks(log.means(rules), _BLOCK_S))
    return tuple(replace(rule, raise_at=float(level)) for rule, level in zip(rules, levels, strict=True))


class Counter:
    """Counts the events of a log at any scale of its levels.

    Arguments:
        log: scores of normal hours.
        rules: at the levels that count as scale 1.
        times: how long evidence must last.
        clear: part of what raises an alarm below which it may clear.
        grouping: what of the events counts.

    Attributes:
        evidence: in units of the levels, shape (N,).
    """

    def __init__(
        self,
        log: ScoreLog,
        rules: Sequence[Rule],
        times: AlarmTimes,
        clear: float = CLEAR_PART,
        grouping: Grouping = each_alone,
    ) -> None:
        self._log, self._times, self._clear, self._grouping = log, times, clear, grouping
        self.evidence: NDArray[np.float64] = log.evidence(rules)

    def episodes(self, scale: float) -> Episodes:
        """The events at a scale."""
        return episodes(self._log, self.evidence, scale, self._clear, self._times)

    def __call__(self, scale: float) -> int:
        """How many there are."""
        return self._grouping(self._log, self.episodes(scale))


def lowest_scale(
    count: Callable[[float], int], most: int, least: float, top: float
) -> tuple[float, tuple[tuple[float, int], ...]]:
    """The lowest scale at which, as at every higher one, there are at most so many events; and what was counted.

    Arguments:
        count: events at a scale; not always fewer at a higher one, where what was one event falls into two.
        most: events.
        least: scale to begin with.
        top: the most evidence there is.
    """
    grid = np.geomspace(least, max(top * MARGIN * STEP, least * STEP), _GRID)
    counts = [(float(s), count(float(s))) for s in grid]
    above = [i for i, (_, n) in enumerate(counts) if n > most]
    if not above:
        return least, tuple(counts)
    low, high = counts[above[-1]][0], counts[min(above[-1] + 1, _GRID - 1)][0]
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if count(middle) > most else (low, middle)
    return high * (STEP if most else MARGIN), tuple(counts)


def choose(
    log: ScoreLog,
    hours: float,
    budget_per_h: float,
    *,
    budget: str = "",
    rules: Sequence[Rule] = (),
    times: AlarmTimes | None = None,
    clear: float = CLEAR_PART,
    extrapolate: bool = False,
    uncertified: bool = False,
) -> Choice:
    """The lowest levels whose one-sided 95 % Poisson bound on false events lies within the budget.

    Arguments:
        log: scores of normal hours.
        hours: watched, whether there was a pair or not.
        budget_per_h: false events an hour.
        budget: the same, as people say it.
        rules: whose levels are scaled as one; by default `equal_rules`.
        times: how long evidence must last.
        clear: part of what raises an alarm below which it may clear.
        extrapolate: where the hours are too few, fit the tail of the peaks.
        uncertified: where they are too few, take levels that nothing in them reaches.

    Raises:
        TooShortError: the hours are too few, and neither was asked for.
        CalibrationError: there are no scores, or too few peaks to fit a tail.
    """
    if not len(log):
        raise CalibrationError(
            "no pair was scored, so that there is nothing to calibrate on; expected recordings of normal hours in "
            "which two people are near each other"
        )
    allowed = events_allowed(budget_per_h, hours)
    if allowed is None and not (extrapolate or uncertified):
        raise TooShortError(hours, hours_needed(budget_per_h), budget or f"{budget_per_h:g}/hour")
    units = tuple(rules) or equal_rules(log)
    times = times or AlarmTimes()
    counter = Counter(log, units, times, clear)
    least = max(LEAST / rule.raise_at for rule in units)
    scale, curve = lowest_scale(counter, allowed or 0, least, float(counter.evidence.max()))
    tail = None
    if allowed is None and extrapolate:
        tail = _tail(counter, curve, hours)
        scale = max(tail.level(budget_per_h), least)
    levels = tuple(replace(r, raise_at=round(max(r.raise_at * scale, LEAST), 3)) for r in units)
    events = Counter(log, levels, times, clear)(1.0)
    bound = events_bound(events, hours)
    return Choice(
        levels, scale, hours, events, bound, budget_per_h, bound <= budget_per_h and tail is None, tail, curve,
        _strongest(counter, scale),
    )  # fmt: skip


def _tail(counter: Counter, curve: Sequence[tuple[float, int]], hours: float) -> Tail:
    """The tail of the peaks over the highest scale that leaves enough of them."""
    most = max(n for _, n in curve)
    if most < FEWEST_PEAKS:
        raise CalibrationError(
            f"a tail cannot be fitted to {most} peaks in {hours:.2f} h; expected at least {FEWEST_PEAKS}: record more"
        )
    over = max(scale for scale, n in curve if n >= min(most, _TAIL_PEAKS))
    peaks = counter.episodes(over).peak
    return fit_tail(peaks, over, events_bound(len(peaks), hours))


def _strongest(counter: Counter, scale: float, most: int = 5) -> tuple[tuple[int, float], ...]:
    """Of what counts as normal, the nearest to an alarm."""
    near = counter.episodes(scale / 2)
    order = np.argsort(-near.peak, kind="stable")[:most]
    return tuple((int(near.opened[i]), float(near.peak[i] / scale)) for i in order)


def events_allowed(budget_per_h: float, hours: float) -> int | None:
    """The most events in hours that are to keep a budget; None where even none does not vouch for it.

    The one-sided 95 % Poisson bound must lie within the budget, and, where there are any, so must the count of as many
    hours again: levels that just leave so many events in these hours were fitted to them.
    """
    most = events_within(budget_per_h, hours)
    while most and events_again(most) > budget_per_h * hours:
        most -= 1
    return most


def events_again(events: int) -> int:
    """At most so many events, 95 % sure, come in as many hours again at the lowest levels that leave `events`.

    Their rate is known only as well as the hours tell it, so that the count is negative binomial.
    """
    from scipy.special import betainc

    most = events
    while betainc(events + 1, most + 1, 0.5) < 0.95:
        most += 1
    return most


def hours_of(sources: Mapping[str, float]) -> float:
    """Hours watched, of all sources together."""
    return float(sum(sources.values()))
