"""How steady a sensor is: noise from frame to frame, and limbs that change their length."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.units import NS

# The third difference of four frames is next to nothing of a movement and sqrt(20) of a noise that is new in each; the
# middle length of such vectors is 1.54 of the noise along an axis.
_OF_NOISE = 1.538 * 20**0.5
# Noise along each axis, metres, beyond which a score means little; and what bodies that move come to, metres a s^3:
# at 8 frames a second a lively one looks like 0.035 m of it.
_NOISE_M, _BODY_M_S3 = 0.018, 22.0
_LONGEST_S, _UNEVEN = 0.2, 1.6
_KEPT, _FEWEST = 16, 8
# Spread of the lengths of limbs by their length: of the middle one, and of the third of all. Of a second and more of
# two noisy sensors none comes to more than 0.13 and 0.21.
_MIDDLE, _THIRD = 0.18, 0.3
_FEWEST_LENGTHS = 10
_OF_SPREAD = 2.56  # from the tenth to the ninetieth part, in standard deviations


class FrameNoise:
    """The noise of one person's joints, as differences of four frames that follow one another show it."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=4)
        self._found: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # metres, and in what is allowed
        self._rests = False

    def see(self, stamp: int, joints: bytes) -> None:
        """Takes a frame, ns and float32 metres (J, 3) as bytes; it differs from the one before."""
        self._frames.append((stamp, joints))

    def broken_off(self) -> None:
        """What comes does not follow from what came: a frame was the same as that before, or sides were exchanged."""
        self._frames.clear()

    def look(self) -> None:
        """Measures the last four frames; every other time, once there is enough."""
        self._rests = len(self._found) == _KEPT and not self._rests
        if len(self._frames) < 4 or self._rests:
            return
        stamps = [stamp for stamp, _ in self._frames]
        steps = [(b - a) / NS for a, b in pairwise(stamps)]
        if not 0 < max(steps) <= min(_LONGEST_S, _UNEVEN * min(steps)):
            return
        a, b, c, d = np.frombuffer(b"".join(said for _, said in self._frames), np.float32).reshape(4, -1, 3)
        third = d - 3 * (c - b) - a
        squares = np.einsum("jx,jx->j", third, third)
        squares.sort()  # NaN last
        seen = int(np.isfinite(squares).sum())
        if not seen:
            return
        noise = float(squares[seen // 2]) ** 0.5 / _OF_NOISE
        self._found.append((noise, noise / (_NOISE_M + _BODY_M_S3 * (sum(steps) / 3) ** 3)))

    @property
    def jitter_m(self) -> float:
        """Metres along each axis by which joints jump from frame to frame; 0 where that is no more than a body does."""
        if len(self._found) < _FEWEST:
            return 0.0
        middle = sorted(self._found, key=lambda found: found[1])[len(self._found) // 2]
        return middle[0] if middle[1] >= 1 else 0.0


def varying_limb(lengths: NDArray[np.float32]) -> tuple[int, float] | None:
    """The limb that varies most, and its spread by its length, where limbs vary as those of no body do; else None.

    Arguments:
        lengths: of the limbs that keep theirs, metres, shape (N, L), NaN where unseen.
    """
    if len(lengths) < _FEWEST_LENGTHS or lengths.shape[1] < 3:
        return None
    seen = ~np.isnan(lengths)
    enough = seen.sum(axis=0) >= _FEWEST_LENGTHS
    ordered = np.sort(lengths, axis=0)  # NaN last
    last = seen.sum(axis=0) - 1
    at = np.arange(lengths.shape[1])
    low, middle, high = (ordered[np.maximum((part * last).astype(int), 0), at] for part in (0.1, 0.5, 0.9))
    spread = np.where(enough, (high - low) / np.maximum(middle, 1e-3) / _OF_SPREAD, 0.0)
    order = np.argsort(spread)
    if spread[order[len(order) // 2]] < _MIDDLE and spread[order[-3]] < _THIRD:
        return None
    return int(order[-1]), float(spread[order[-1]])
