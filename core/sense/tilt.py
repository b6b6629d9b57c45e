"""Whether up is a little off: a tilted camera shows everybody leaning one way in the room, whichever way they face.

Who leans forward leans another way once they have turned round, and who is pushed stood upright before.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

_KEPT = 96  # of the newest
_FEWEST = 5  # on people who face one way, and as many on people who face the other
_TILTED, _EACH = math.sin(math.radians(18)), math.sin(math.radians(8))
_NEARLY_ALL = 0.9
_OPPOSITE = -0.77  # cosine of 140 degrees


class Tilt:
    """Gathers how people lean who stand or sit, and where they face."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float, float]] = deque(maxlen=_KEPT)

    def add(self, up: NDArray[np.float32], ahead: NDArray[np.float32]) -> None:
        """Takes how somebody stands: unit vectors along the body and out of its chest, shape (3,)."""
        x, z = float(ahead[0]), float(ahead[2])
        level = max(math.hypot(x, z), 1e-6)
        self._seen.append((float(up[0]), float(up[2]), x / level, z / level))

    @property
    def found(self) -> tuple[int, str] | None:
        """By how many degrees everybody leans, and towards which axis, such as `-z`; None where they do not."""
        if len(self._seen) < 2 * _FEWEST:
            return None
        seen = np.array(self._seen)
        leans, facing = seen[:, :2], seen[:, 2:]
        if float(np.hypot(*leans.mean(axis=0))) < 0.5 * _TILTED:  # as nearly always
            return None
        opposite = facing @ facing.T < _OPPOSITE  # (N, N)
        of = opposite.sum(axis=1)
        if np.count_nonzero(of) < 2 * _FEWEST or of.sum() < 2 * _FEWEST**2:
            return None
        mean = of @ leans / of.sum()  # what is left of two who face opposite ways, in the middle
        length = float(np.hypot(*mean))
        if length < _TILTED or np.count_nonzero(leans @ mean > _EACH * length) < _NEARLY_ALL * len(leans):
            return None
        i = int(np.abs(mean).argmax())
        return round(math.degrees(math.asin(min(length, 1.0)))), f"{'+' if mean[i] > 0 else '-'}{'xz'[i]}"
