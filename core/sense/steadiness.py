"""How steady a sensor is: noise from frame to frame, and limbs that change their length."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
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
_PARTS, _OF_SPREAD = (0.1, 0.5, 0.9), 2.56  # from the tenth to the ninetieth part, in standard deviations


class SensedFrame:
    """A frame that several people may have been seen in.

    Arguments:
        stamp: ns.
        joints: metres, shape (P, J, 3), NaN where unseen.
    """

    __slots__ = ("joints", "stamp")

    def __init__(self, stamp: int, joints: NDArray[np.float32]) -> None:
        self.stamp, self.joints = stamp, joints


class FrameNoise:
    """The noise of one person's joints, as differences of four frames that follow one another show it."""

    def __init__(self) -> None:
        self._frames: deque[SensedFrame] = deque(maxlen=4)
        self._places: deque[int] = deque(maxlen=4)  # the person's in each
        self._found: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # metres, and in what is allowed
        self._rests = False

    def see(self, frame: SensedFrame, place: int) -> None:
        """Takes a frame in which the person is at `place`, and not as in the one before."""
        self._frames.append(frame)
        self._places.append(place)

    def broken_off(self) -> None:
        """What comes does not follow from what came: a frame was the same as that before, or sides were exchanged."""
        self._frames.clear()
        self._places.clear()

    @staticmethod
    def look(people: Iterable[FrameNoise]) -> None:
        """Measures the last four frames of each of them; every other time, once there is enough."""
        together: dict[tuple[SensedFrame, ...], list[FrameNoise]] = {}
        for one in people:
            one._rests = len(one._found) == _KEPT and not one._rests
            if len(one._frames) == 4 and not one._rests:
                together.setdefault(tuple(one._frames), []).append(one)
        for frames, group in together.items():
            steps = [(b.stamp - a.stamp) / NS for a, b in pairwise(frames)]
            if not 0 < max(steps) <= min(_LONGEST_S, _UNEVEN * min(steps)):
                continue
            allowed = _NOISE_M + _BODY_M_S3 * (sum(steps) / 3) ** 3
            for one, square in zip(group, _third_differences(frames, [one._places for one in group]), strict=True):
                if not math.isnan(square):
                    noise = square**0.5 / _OF_NOISE
                    one._found.append((noise, noise / allowed))

    @property
    def jitter_m(self) -> float:
        """Metres along each axis by which joints jump from frame to frame; 0 where that is no more than a body does."""
        if len(self._found) < _FEWEST:
            return 0.0
        middle = sorted(self._found, key=lambda found: found[1])[len(self._found) // 2]
        return middle[0] if middle[1] >= 1 else 0.0


def _third_differences(frames: Sequence[SensedFrame], places: Sequence[Sequence[int]]) -> list[float]:
    """Of each person the square of the middle one of all joints, square metres; NaN where none is seen in all frames.

    Arguments:
        frames: four.
        places: of each person in each of them.
    """
    a, b, c, d = (_of_people(f.joints, at) for f, at in zip(frames, zip(*places, strict=True), strict=True))
    third = d - 3 * (c - b) - a
    squares = np.einsum("pjx,pjx->pj", third, third)
    squares.sort(axis=1)  # NaN last
    if squares[:, -1].max() < np.inf:  # as nearly always: False where there is a NaN
        return squares[:, squares.shape[1] // 2].tolist()
    seen = np.count_nonzero(np.isfinite(squares), axis=1)
    middle = squares[np.arange(len(squares)), np.minimum(seen // 2, squares.shape[1] - 1)]
    return np.where(seen > 0, middle, np.nan).tolist()


def _of_people(joints: NDArray[np.float32], places: tuple[int, ...]) -> NDArray[np.float32]:
    return joints if places == tuple(range(len(joints))) else joints[list(places)]


def varying_limbs(lengths: NDArray[np.float32]) -> list[tuple[int, float] | None]:
    """The limb that varies most of each person, and its spread by its length; None where limbs vary as bodies' do.

    Arguments:
        lengths: of the limbs that keep theirs, metres, each by size with NaN, where unseen, last; shape (P, N, L).
    """
    people, rows, limbs = lengths.shape
    if rows < _FEWEST_LENGTHS or limbs < 3:
        return [None] * people
    spreads = _spreads(lengths)
    ordered = np.sort(spreads, axis=1)
    steady = (ordered[:, limbs // 2] < _MIDDLE) & (ordered[:, -3] < _THIRD)
    if np.count_nonzero(steady) == people:  # as nearly always
        return [None] * people
    worst = spreads.argsort(axis=1)[:, -1].tolist()
    found = zip(steady.tolist(), worst, spreads, strict=True)
    return [None if fine else (limb, float(spread[limb])) for fine, limb, spread in found]


def _spreads(ordered: NDArray[np.float32]) -> NDArray[np.floating]:
    """Of the lengths of each limb, in order, by the middle one; shape (P, L), 0 where too few are known."""
    last = ordered.shape[1] - 1
    if not np.count_nonzero(np.isnan(ordered[:, -1])):  # as nearly always
        low, middle, high = (ordered[:, int(part * last)] for part in _PARTS)
        return (high - low) / np.maximum(middle, 1e-3) / _OF_SPREAD
    seen = (~np.isnan(ordered)).sum(axis=1)
    at = (np.maximum((part * (seen - 1)).astype(int), 0)[:, None] for part in _PARTS)
    low, middle, high = (np.take_along_axis(ordered, where, axis=1)[:, 0] for where in at)
    return np.where(seen >= _FEWEST_LENGTHS, (high - low) / np.maximum(middle, 1e-3) / _OF_SPREAD, 0.0)
