"""Events as the alarm tracker of the live path opens and closes them, of hours of scores at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.decision.score_log import ScoreLog
from dyadwatch.core.units import NS

MIN_DURATION_S, HOLD_S = 0.0, 2.0  # by default, live and offline


@dataclass(frozen=True)
class AlarmTimes:
    """How long evidence must last.

    Arguments:
        min_duration_s: up, before an event opens.
        hold_s: down, before it closes.
    """

    min_duration_s: float = MIN_DURATION_S
    hold_s: float = HOLD_S


@dataclass(frozen=True, eq=False)
class Episodes:
    """Events, in the order of tracks and time.

    Arguments:
        opened: numbers of the windows of the log that open them, shape (E,).
        last: numbers of the last windows whose evidence was not below what clears, shape (E,).
        peak: the most evidence of each, in the units of the evidence given, shape (E,).
    """

    opened: NDArray[np.int64]
    last: NDArray[np.int64]
    peak: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of events."""
        return len(self.opened)


def episodes(log: ScoreLog, evidence: NDArray[np.float64], scale: float, clear: float, times: AlarmTimes) -> Episodes:
    """The events of evidence at levels `scale` times as high.

    Arguments:
        evidence: of the windows of the log, shape (N,).
        scale: evidence that raises an alarm.
        clear: part of that below which it may clear.
    """
    value = evidence / scale
    up = np.flatnonzero(value >= clear)
    if not len(up):
        none = np.zeros(0, np.int64)
        return Episodes(none, none, np.zeros(0))
    # What is not low falls into stretches: between two of them a pair ended, or it was low for long enough to close.
    before, after = up[:-1], up[1:]
    low = log.stamps[after - 1] - log.stamps[np.minimum(before + 1, after - 1)]
    closed = (after > before + 1) & (low >= round(times.hold_s * NS))
    breaks = np.r_[True, closed | (log.track[before] != log.track[after])]
    stretch = np.cumsum(breaks) - 1
    # An event opens in a stretch once evidence has been high for long enough without a pause.
    high = (value[up] >= 1) & ~log.doubtful[up]
    begins = high & (breaks | (log.place[up] == 0) | ~np.r_[False, high[:-1]] | np.r_[True, after > before + 1])
    rise = np.maximum.accumulate(np.where(begins, np.arange(len(up)), 0))
    lasting = high & (log.stamps[up] - log.stamps[up[rise]] >= round(times.min_duration_s * NS))
    opening = np.flatnonzero(lasting)
    which, first = np.unique(stretch[opening], return_index=True)
    ends = np.r_[np.flatnonzero(breaks)[1:], len(up)][which]
    values = np.r_[evidence[up], 0.0]
    spans = np.column_stack([rise[opening[first]], ends]).ravel()
    peak = np.maximum.reduceat(values, spans)[::2] if len(spans) else np.zeros(0)
    return Episodes(up[opening[first]], up[ends - 1], peak)
