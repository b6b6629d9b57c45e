"""From the surprise of normal recordings to the levels that raise an alarm, and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.windows import Windows
from dyadwatch.core.decision.drift import quiet_evidence
from dyadwatch.core.decision.rules import CLEAR_PART, Rule, ScorePart, Thresholds, running_means

# Spans over which each part is averaged, seconds: a blow shows in the short one, not answering in the long one. Chosen
# on edited clips of one half of the handover training clips, by models of the other half.
SPANS_S = (0.4, 1.6)
# Timing shows over seconds alone: a window by itself fits better a little earlier or later by chance.
_SPANS_OF = {ScorePart.RELATION: SPANS_S, ScorePart.UNUSUAL: SPANS_S, ScorePart.TIMING: SPANS_S[1:]}
BUDGET_PER_H = 6.0  # false events an hour that training may vouch for
# Too few hours to vouch for the budget: one recording in 25 may exceed the level, and never more than five. A level
# above the oddest of a hundred clips is blind to most of what it is for; that nothing is vouched for is said.
_UNVOUCHED, _UNVOUCHED_MOST = 0.04, 5
# Part of the recordings that exceed a rule's unit, and the fewest of them: what recordings are ranked in.
_RARE, _RARE_FEWEST = 0.01, 5
LEAST = 1.0  # surprise: no rule raises where one normal window in ten is
# Above the highest, where none may exceed, in parts of 1 / sqrt(recordings): the next of a few may well be the highest.
_MARGIN = 1.0
MARGIN = 1.05  # the same for hours of recordings
STEP = 1.002  # above the highest that may not


@dataclass(frozen=True)
class Peaks:
    """The highest mean of every rule in every recording.

    Arguments:
        rules: without levels of their own.
        values: surprise, shape (recordings, rules).
    """

    rules: tuple[Rule, ...]
    values: NDArray[np.float64]


def thresholds(
    scores: Mapping[str, NDArray[np.floating]],
    windows: Windows,
    hop_s: float,
    budget_per_h: float = BUDGET_PER_H,
    method: str = "normal recordings that no judge of them knew",
    may_exceed: int | None = None,
) -> dict[str, Any]:
    """The rules that raise an alarm, and what they rest on.

    k recordings are set aside, each time the one without which the levels fall most, as the sum of their logarithms;
    the level of every rule lies just above the highest of the others. So neither a rule whose tail is heavy nor one
    freak recording raises the levels of the rest. k is the most events whose one-sided 95 % Poisson bound stays within
    the budget over the hours there are. Where even k = 0 does not, the budget is not vouched for, and k is
    `_UNVOUCHED` of the recordings, `_UNVOUCHED_MOST` at most.

    Arguments:
        scores: surprise of normal windows by part, in the order of `windows`, each (N,); a part that is 0 everywhere
            has no say.
        hop_s: seconds from one window to the next.
        budget_per_h: false events an hour.
        may_exceed: k is no more than that; None leaves it to the budget.

    Returns:
        `raise_at`, `clear_at` in units of the rules' levels, `rules` as plain values, and `evidence`: what was
        measured.
    """
    peaks = recording_peaks(scores, windows, hop_s)
    count = len(peaks.values)
    hours = watched_h(windows, hop_s)
    allowed = events_within(budget_per_h, hours)
    certified = allowed is not None
    unvouched = min(int(_UNVOUCHED * count), _UNVOUCHED_MOST)
    most = unvouched if allowed is None else min(allowed, int(_RARE * count))
    most = most if may_exceed is None else min(most, may_exceed)
    above = STEP if most else 1 + _MARGIN / math.sqrt(count)
    levels = np.maximum(_highest_without(peaks.values, most) * above, LEAST)
    events = int((peaks.values >= levels).any(axis=1).sum())
    rules = [
        replace(rule, raise_at=round(float(level), 3)).plain for rule, level in zip(peaks.rules, levels, strict=True)
    ]
    evidence = {
        "method": method,
        "windows": len(windows),
        "recordings": count,
        "hours": round(hours, 4),
        "window_frames": int(windows.joints.shape[2]),
        "hop_s": round(hop_s, 4),
        "budget_per_hour": budget_per_h,
        "certified": certified,
        "hours_needed": round(hours_needed(budget_per_h), 2),
        "events": events,
        "events_per_hour_95": round(events_bound(events, hours), 2),
        **quiet_evidence(np.asarray(scores.get(ScorePart.SCORE, np.zeros(0)))),
    }
    return {"raise_at": 1.0, "clear_at": CLEAR_PART, "rules": rules, "evidence": evidence}


def _highest_without(peaks: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """The highest of every rule, shape (rules,), in all recordings but those `most` that are set aside."""
    kept = peaks
    for _ in range(most):
        left = [np.delete(kept, i, axis=0) for i in np.unique(kept.argmax(axis=0))]
        kept = min(left, key=lambda rest: float(np.log(np.maximum(rest.max(axis=0), LEAST)).sum()))
    return kept.max(axis=0)


def equally_rare(peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """A level for every rule that equally few recordings, or pieces of them, exceed.

    Arguments:
        peaks: the highest mean of every rule in each, shape (pieces, rules).
    """
    rare = max(_RARE, min(0.5, _RARE_FEWEST / len(peaks)))
    return np.maximum(np.quantile(peaks, 1 - rare, axis=0), LEAST)


def watched_h(windows: Windows, hop_s: float) -> float:
    """Hours that the recordings of the windows last."""
    frames = windows.joints.shape[2]
    step_s = hop_s / max(_step(windows), 1)
    recordings, first = np.unique(windows.recording, return_index=True)
    unseen = int(np.minimum(windows.start[first], 0).sum())  # frames of leads
    return (len(windows) * hop_s + len(recordings) * (frames * step_s - hop_s) + unseen * step_s) / 3600


def _step(windows: Windows) -> int:
    """Frames from one window of a recording to the next."""
    steps = np.diff(windows.start)[np.diff(windows.recording) == 0]
    return int(steps[0]) if len(steps) else windows.joints.shape[2]


def recording_peaks(scores: Mapping[str, NDArray[np.floating]], windows: Windows, hop_s: float) -> Peaks:
    """The highest mean of each part over each of its spans in each recording; of the score where no part has a say."""
    rules = rules_without_levels(lambda part: bool(np.any(scores.get(part, np.zeros(1)))))
    rows = [np.flatnonzero(windows.recording == r) for r in np.unique(windows.recording)]
    counts = [rule.windows(hop_s) for rule in rules]
    series = [np.asarray(scores[rule.part], np.float64) for rule in rules]
    values = [[float(running_means(s[mine], n).max()) for s, n in zip(series, counts, strict=True)] for mine in rows]
    return Peaks(rules, np.asarray(values))


def rules_without_levels(says: Callable[[ScorePart], bool]) -> tuple[Rule, ...]:
    """A rule for each part over each of its spans, of the score itself where no part has a say; the levels are all 1.

    Arguments:
        says: whether a part is anything but 0.
    """
    said = [Rule(part, span, 1.0) for part, spans in _SPANS_OF.items() if says(part) for span in spans]
    return tuple(said) or tuple(Rule(ScorePart.SCORE, span, 1.0) for span in SPANS_S)


def events_bound(events: int, hours: float) -> float:
    """One-sided 95 % Poisson bound on the rate of events an hour, of which so many were seen in so many hours."""
    from scipy.special import gammaincinv

    return float(gammaincinv(events + 1, 0.95)) / max(hours, 1e-9)


def events_within(budget_per_h: float, hours: float) -> int | None:
    """The most events whose 95 % bound over `hours` is within the budget; None where even none is not."""
    if events_bound(0, hours) > budget_per_h:
        return None
    low, high = 0, max(1, math.ceil(budget_per_h * hours) + 1)  # the bound lies above the count itself
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if events_bound(middle, hours) <= budget_per_h else (low, middle)
    return low


def hours_needed(budget_per_h: float) -> float:
    """Hours without any event after which the 95 % bound is within the budget."""
    return -math.log(0.05) / budget_per_h


def rules_of(values: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Rules from plain values, as a calibration keeps them."""
    return tuple(Rule(ScorePart(v["part"]), float(v["over_s"]), float(v["raise_at"])) for v in values)


def thresholds_of(values: Mapping[str, Any]) -> Thresholds:
    """What `thresholds` returns, as it is used."""
    return Thresholds(values["raise_at"], values["clear_at"], rules_of(values["rules"]))
