"""The scores of pairs over hours, kept as arrays, and how near an alarm they come."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.decision.rules import COLUMN, Rule, ScorePart
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS

_PAUSE_S = 1.0


@dataclass(frozen=True, eq=False)
class PairScores:
    """The scores of one pair from its first window to its end.

    Arguments:
        source, pair: whose they are.
        clock: name of the clock of its stamps.
        stamps: ends of the windows, ns, shape (N,), increasing.
        parts: as in `core.decision.rules.COLUMN`, shape (N, len(COLUMN)).
        doubtful: windows that open no event by themselves, shape (N,); None where there are none.
    """

    source: str
    pair: tuple[TrackId, TrackId]
    clock: str
    stamps: NDArray[np.int64]
    parts: NDArray[np.float64]
    doubtful: NDArray[np.bool_] | None = None


class PairScoresBuilder:
    """Collects the scores of one pair, window by window, in arrays: hours of them are kept.

    Attributes:
        stamps: ends of the windows, ns.
    """

    def __init__(self) -> None:
        self.stamps: array[int] = array("q")
        self._parts: array[float] = array("d")
        self._doubtful = bytearray()

    def add(self, stamp: int, parts: Iterable[float], *, doubtful: bool) -> None:
        """Takes the parts of the next window's score."""
        self.stamps.append(stamp)
        self._parts.extend(parts)
        self._doubtful.append(doubtful)

    def build(self, source: str, pair: tuple[TrackId, TrackId], clock: str) -> PairScores:
        """All of it; at least one window was taken."""
        parts = np.frombuffer(self._parts, np.float64).reshape(-1, len(COLUMN))
        stamps, doubtful = np.frombuffer(self.stamps, np.int64), np.frombuffer(self._doubtful, np.bool_)
        return PairScores(source, pair, clock, stamps, parts, doubtful)


def longest_pause_s(hop_s: float) -> float:
    """Seconds without a window after which the evidence of a pair begins anew: it was out of sight."""
    return max(_PAUSE_S, 2 * hop_s)


@dataclass(frozen=True, eq=False)
class ScoreLog:
    """The scores of many pairs, one behind the other.

    Arguments:
        tracks: at least one window each.
        hop_s: seconds from one window of a pair to its next.
        pause_s: after a longer pause the evidence of a pair begins anew.

    Attributes:
        stamps, parts: of all tracks, shape (N,) and (N, len(COLUMN)).
        track: number of the track, shape (N,).
        doubtful: as of the tracks, shape (N,).
        place: number of the window since its evidence began, shape (N,).
    """

    tracks: tuple[PairScores, ...]
    hop_s: float
    pause_s: float
    stamps: NDArray[np.int64] = field(init=False)
    parts: NDArray[np.float64] = field(init=False)
    doubtful: NDArray[np.bool_] = field(init=False)
    track: NDArray[np.int32] = field(init=False)
    place: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        lengths = [len(t.stamps) for t in self.tracks]
        stamps = np.concatenate([np.zeros(0, np.int64), *(t.stamps for t in self.tracks)])
        track = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        afresh = np.ones(len(stamps), bool)
        if len(stamps):
            afresh[1:] = (np.diff(track) != 0) | (np.diff(stamps) > round(self.pause_s * NS))
        numbers = np.arange(len(stamps))
        set_ = object.__setattr__
        set_(self, "stamps", stamps)
        set_(self, "parts", np.concatenate([np.zeros((0, len(COLUMN))), *(t.parts for t in self.tracks)]))
        doubts = [np.zeros(len(t.stamps), bool) if t.doubtful is None else t.doubtful for t in self.tracks]
        set_(self, "doubtful", np.concatenate([np.zeros(0, bool), *doubts]))
        set_(self, "track", track)
        set_(self, "place", numbers - np.maximum.accumulate(np.where(afresh, numbers, 0)))

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.stamps)

    def says(self, part: ScorePart) -> bool:
        """Whether a part of the score is anything but 0."""
        return bool(self.parts[:, COLUMN[part]].any())

    def means(self, rules: Sequence[Rule]) -> NDArray[np.float64]:
        """The running mean of every rule at every window, as `PairEvidence` has it: shape (N, rules)."""
        out = np.zeros((len(self), len(rules)))
        for k, rule in enumerate(rules):
            values, count = self.parts[:, COLUMN[rule.part]], rule.windows(self.hop_s)
            for back in range(min(count, len(self)) - 1, 0, -1):  # from the eldest on: the same sums as the detector's
                out[back:, k] += np.where(self.place[back:] >= back, values[:-back], 0.0)
            out[:, k] = (out[:, k] + values) / count
        return out

    def evidence(self, rules: Sequence[Rule]) -> NDArray[np.float64]:
        """The largest mean in units of its rule's level, shape (N,)."""
        return (self.means(rules) / [rule.raise_at for rule in rules]).max(axis=1)

    def block_peaks(self, means: NDArray[np.float64], block_s: float) -> NDArray[np.float64]:
        """The highest means in every piece of about `block_s` of every track.

        Arguments:
            means: shape (N, rules).

        Returns:
            Shape (pieces, rules).
        """
        if not len(self):
            return means
        since = np.asarray([t.stamps[0] for t in self.tracks], np.int64)
        block = (self.stamps - since[self.track]) // round(block_s * NS)
        starts = np.flatnonzero(np.r_[True, (np.diff(block) != 0) | (np.diff(self.track) != 0)])
        return np.maximum.reduceat(means, starts, axis=0)
