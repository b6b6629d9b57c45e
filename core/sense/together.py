"""Two bodies cannot be in one place: how near two people of a source are to each other, joint by joint."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.measures import medians
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.units import NS

# In Kinect recordings of people who hug, the joints of the two are 0.3 m apart in the middle, their hips 0.23 m and the
# middles of their shoulders 0.15 m.
_BODY_M, _HIPS_M, _SHOULDERS_M = 0.17, 0.12, 0.07
# One body beside itself, as of two sensors that are not calibrated: in the same pose, nearer than a body is deep.
_BESIDE_M, _POSE_M = 0.24, 0.035
# One inside the other: both stand, with the middles of their bodies one above the other, and at about one height. Who
# hugs is 0.15 m away, and who is carried is not upright, or higher by more.
_INSIDE_M, _ALIKE_M, _TRUNK_M = 0.12, 0.35, 0.25
_KNOWN_NS = 2 * NS  # once two are one body they are for that long, though one lags behind the other
_WALK_M_S = 1.5
_MEMORY = (1 << 16) - 1  # the last sixteen comparisons
_FEWEST = 5
_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class BodySighting:
    """Where somebody was at a moment.

    Arguments:
        stamp: ns.
        joints: metres, shape (J, 3), NaN where unseen.
        parts: places of hips and shoulders, metres, shape (2, 3).
        alone: whether never seen in one frame with others.
    """

    stamp: int
    joints: NDArray[np.float32]
    parts: NDArray[np.float32]
    alone: bool


def _middle(steps: NDArray[np.float32]) -> float:
    """Metres of the middle one of (J, 3) by length; infinite where there is none."""
    lengths = np.sort(np.sqrt(np.square(steps).sum(axis=1)))
    seen = int(np.isfinite(lengths).sum())
    return float(lengths[(seen - 1) // 2]) if seen else math.inf


def _is_inside(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two upright bodies, by places of hips and shoulders (2, 3), stand inside each other."""
    apart = np.abs(one - other)
    level = np.hypot(apart[:, 0], apart[:, 2]).max()
    upright = min(one[1, 1] - one[0, 1], other[1, 1] - other[0, 1])
    return bool(level < _INSIDE_M and apart[:, 1].max() < _ALIKE_M and upright > _TRUNK_M)


class Together:
    """Two people who came near each other.

    Arguments:
        keys: of the two.
        first, second: as people see them.
    """

    def __init__(self, keys: tuple[int, int], first: int | str, second: int | str) -> None:
        self.ids = first, second
        self._first = keys[0]
        self._stamps = -1, -1
        self.odd: Odd | None = None  # just now
        self.last: Odd | None = None  # what it was last
        self.until = 0  # stamp up to which it was
        self._count = 0
        self._body = self._hips = self._shoulders = self._pinned = self._inside = 0

    def is_fresh(self, key: int, stamp: int, other: int) -> bool:
        """Whether both were seen since they were compared last, `key` at `stamp`, the other at `other`.

        Who has just left, or has a new id, must not be compared with himself again and again.
        """
        stamps = (stamp, other) if key == self._first else (other, stamp)
        if not all(new > old for new, old in zip(stamps, self._stamps, strict=True)):
            return False
        self._stamps = stamps
        return True

    def compare(self, stamp: int, one: BodySighting, other: BodySighting) -> None:
        """Compares where both were seen last."""
        slack = 0.0
        if one.alone and other.alone:  # one person under two names may have walked in between
            slack = _WALK_M_S * abs(one.stamp - other.stamp) / 1e9
        steps = one.joints - other.joints
        body = _middle(steps)
        if _BODY_M + slack <= body < _BESIDE_M and _middle(steps - medians(steps)) < _POSE_M:
            slack = _BESIDE_M - _BODY_M
        hips, shoulders = np.sqrt(np.square(one.parts - other.parts).sum(axis=1)).tolist()
        self._count = min(self._count + 1, 16)
        self._body = (self._body << 1 | (body < _BODY_M + slack)) & _MEMORY
        self._hips = (self._hips << 1 | (hips < _HIPS_M)) & _MEMORY
        self._shoulders = (self._shoulders << 1 | (shoulders < _SHOULDERS_M)) & _MEMORY
        self._pinned = (self._pinned << 1 | (hips < 0.2 * body)) & _MEMORY
        self._inside = (self._inside << 1 | _is_inside(one.parts, other.parts)) & _MEMORY
        self.odd = self._found(body, hips, shoulders)
        if self.odd is not None:
            known = _KNOWN_NS if self.odd.code is Oddity.ONE_BODY_TWICE else 0
            self.last, self.until = self.odd, stamp + known

    def apart(self) -> None:
        """They are far from each other."""
        self._count = min(self._count + 1, 16)
        histories = self._body, self._hips, self._shoulders, self._pinned, self._inside
        self._body, self._hips, self._shoulders, self._pinned, self._inside = (h << 1 & _MEMORY for h in histories)
        self.odd = None

    def _found(self, body: float, hips: float, shoulders: float) -> Odd | None:
        first, second = self.ids
        at_hips = self._mostly(self._hips)
        pinned = at_hips and self._mostly(self._pinned)  # side by side, with their own places taken from them
        if self._mostly(self._body) and not pinned:
            return Finding(Oddity.ONE_BODY_TWICE, first=first, second=second, apart_m=round(body, 2))
        if at_hips or self._mostly(self._inside):
            return Finding(Oddity.ONE_PLACE, first=first, second=second, apart_m=round(hips, 2), part="hips")
        if self._mostly(self._shoulders):
            return Finding(Oddity.ONE_PLACE, first=first, second=second, apart_m=round(shoulders, 2), part="shoulders")
        return None

    def _mostly(self, history: int) -> bool:
        return self._count >= _FEWEST and history.bit_count() >= _SHARE * self._count
