"""What passes from the stations that look to those that judge: windows of pairs, and ends of pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.sense_codes import Odd
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.codes import PairEnd

Keys = tuple[int, int]


class Pair(NamedTuple):
    """Two tracks, the elder first: `ids` for people, `keys` to tell a returning id from the one before."""

    ids: tuple[TrackId, TrackId]
    keys: Keys


@dataclass(frozen=True, slots=True)
class WindowShape:
    """What the model wants: layout, T frames, on a grid of fps points a second.

    The first `lead` of them at most may be from before a pair was seen: they repeat its first frame.
    """

    layout: Layout
    frames: int
    fps: float
    lead: int = 0

    @property
    def least(self) -> int:
        """Frames for which a pair must be seen to be judged."""
        return self.frames - self.lead


@dataclass(frozen=True, slots=True)
class Window:
    """A window ready to be scored.

    Arguments:
        source, pair: whose it is.
        start, end: ns, event time of its first and last row.
        joints: metres in the model's layout, shape (2, T, J, 3), no NaN.
        clock: name of the clock domain of its stamps.
        arrived: monotonic ns at which the frame that completed it was received.
        findings: why its score is doubtful, by what its people look like.
    """

    source: str
    pair: Pair
    start: int
    end: int
    joints: NDArray[np.float32]
    clock: str
    arrived: int
    findings: tuple[Odd, ...] = ()

    @property
    def doubtful(self) -> bool:
        """Whether nothing should be concluded from its score alone."""
        return bool(self.findings)


@dataclass(frozen=True, slots=True)
class PairEnded:
    """A pair will send no more windows; `reason` says why."""

    source: str
    pair: Pair
    stamp: int
    clock: str
    reason: PairEnd


@dataclass(frozen=True, slots=True)
class Moment:
    """A source's time has come so far without another window or end of a pair; `ended` says why no more of it comes."""

    source: str
    stamp: int
    ended: PairEnd | None = None


Item = Window | PairEnded | Moment
