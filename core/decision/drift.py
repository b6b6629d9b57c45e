"""Whether quiet times still score as those did that a calibration was made on.

Of the scores of normal windows one half lies above their median and a tenth above their ninth decile. Where much more
of what a source shows in quiet times lies above that decile, or much less above the median, its calibration is stale:
people, sensor or room have changed, and the levels vouch for nothing any more. Windows overlap, so that no test of
significance holds; hours are asked for, and that it lasts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.units import NS

_PIECE_NS = 300 * NS
_KEPT_NS = 24 * 3600 * NS  # what is older than this no longer counts
_LEAST_S = 3600.0  # of windows of pairs, one behind the other, before anything is said
_LASTS = 3  # pieces in a row
_MORE, _MORE_CALM = 2.5, 1.8  # times as many above the decile: stale from the one on, fresh below the other
_FEWER, _FEWER_CALM = 0.4, 0.55  # and of those above the median, below and above


class Drift(StrEnum):
    """How the scores of quiet times differ from those of the calibration."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class QuietScores:
    """The scores that a calibration was made on.

    Arguments:
        median, decile: the median, and the ninth decile.
        above_median, above_decile: part of the windows above each, which ties make less than 1/2 and 1/10.
    """

    median: float
    decile: float
    above_median: float
    above_decile: float

    @classmethod
    def of(cls, scores: NDArray[np.floating]) -> Self | None:
        """From the scores of normal windows, shape (N,); None where they tell nothing: too few, or all alike."""
        if len(scores) < 100:
            return None
        median, decile = (float(np.round(np.quantile(scores, q), 4)) for q in (0.5, 0.9))
        above = [round(float(np.mean(scores > level)), 4) for level in (median, decile)]
        return cls(median, decile, *above) if min(above) > 0 else None

    @classmethod
    def from_evidence(cls, evidence: Mapping[str, Any]) -> Self | None:
        """As the evidence of a calibration has them; None where it has none, as older ones."""
        found = evidence.get("quiet")
        if not isinstance(found, Mapping):
            return None
        try:
            made = cls(*(float(found[name]) for name in cls.__slots__))
        except (KeyError, TypeError, ValueError):
            return None
        return made if 0 < made.above_decile <= made.above_median <= 1 else None

    @property
    def plain(self) -> dict[str, float]:
        """As plain values, as a calibration keeps them."""
        return {name: getattr(self, name) for name in self.__slots__}


def quiet_evidence(scores: NDArray[np.floating]) -> dict[str, dict[str, float]]:
    """What the evidence of a calibration says of the scores of its windows; nothing where they tell nothing."""
    found = QuietScores.of(scores)
    return {} if found is None else {"quiet": found.plain}


@dataclass(frozen=True, slots=True)
class DriftFound:
    """What speaks for a stale calibration.

    Arguments:
        drift: which way.
        hours: of windows of pairs that this rests on.
        share, expected: part of them above the decile, where scores are higher, or above the median, where they are
            lower; now, and in the calibration.
        level: that decile or median.
    """

    drift: Drift
    hours: float
    share: float
    expected: float
    level: float


class DriftWatch:
    """Compares the quiet times of one source with those of its calibration, in event time.

    Arguments:
        quiet: the scores of the calibration.
        hop_s: seconds from one window of a pair to its next.

    Attributes:
        found: what speaks for a stale calibration; None while nothing does.
    """

    def __init__(self, quiet: QuietScores, hop_s: float) -> None:
        self.found: DriftFound | None = None
        self._quiet, self._hop_s = quiet, hop_s
        self._pieces: deque[list[int]] = deque()  # number of the piece, windows, above the median, above the decile
        self._lasting = 0

    def take(self, stamp: int, score: float) -> None:
        """Takes the score of a window of a quiet time that ended at a stamp, ns."""
        number = stamp // _PIECE_NS
        if not self._pieces or self._pieces[-1][0] != number:
            if self._pieces:
                self._look()
            if self._pieces and number < self._pieces[-1][0]:  # the clock was set back
                self._pieces.clear()
            self._pieces.append([number, 0, 0, 0])
            while self._pieces[0][0] <= number - _KEPT_NS // _PIECE_NS:
                self._pieces.popleft()
        piece = self._pieces[-1]
        piece[1] += 1
        piece[2] += score > self._quiet.median
        piece[3] += score > self._quiet.decile

    def _look(self) -> None:
        """Decides at the end of a piece: a change must last before it is reported, and before it is over."""
        found = self._compare()
        if (found is None) == (self.found is None):
            self._lasting = 0
            self.found = found
            return
        self._lasting += 1
        if self._lasting >= _LASTS:
            self.found, self._lasting = found, 0

    def _compare(self) -> DriftFound | None:
        count, median, decile = (sum(piece[i] for piece in self._pieces) for i in (1, 2, 3))
        hours = count * self._hop_s / 3600
        if hours * 3600 < _LEAST_S:
            return None
        quiet, stale = self._quiet, self.found is not None
        higher, lower = decile / count / quiet.above_decile, median / count / quiet.above_median
        if higher >= (_MORE_CALM if stale else _MORE):
            return DriftFound(Drift.HIGHER, hours, decile / count, quiet.above_decile, quiet.decile)
        if lower <= (_FEWER_CALM if stale else _FEWER):
            return DriftFound(Drift.LOWER, hours, median / count, quiet.above_median, quiet.median)
        return None
