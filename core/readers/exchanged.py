"""Two people whose names are exchanged from one frame to the next, as sensors do when one passes the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAP_M = 0.25  # mean of all joints from frame to frame; at 30 a second nobody moves at 7 m/s with the whole body
_STAY_M = 0.12  # and so far at most from where the other was
_LEAP_M_S = 6.0  # where frames come more slowly


def put_right(first: NDArray[np.float32], second: NDArray[np.float32], fps: float) -> tuple[int, ...]:
    """Exchanges the two, in place, from every frame on in which each is where the other was.

    Arguments:
        first, second: metres, shape (T, J, 3), NaN where unseen.
        fps: frames per second; where it is so low that people could walk that far, nothing is done.

    Returns:
        The frames at which their names were exchanged.
    """
    if len(first) < 2 or fps * _LEAP_M < _LEAP_M_S:
        return ()
    straight = np.minimum(_steps(first, first), _steps(second, second))
    across = np.maximum(_steps(first, second), _steps(second, first))
    with np.errstate(invalid="ignore"):  # who is unseen leaps nowhere
        found = np.flatnonzero((straight > _LEAP_M) & (across < _STAY_M)) + 1
    for t in found:
        first[t:], second[t:] = second[t:].copy(), first[t:].copy()
    return tuple(found.tolist())


def _steps(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    """Metres from each frame of one to the next of the other, mean of the joints seen in both; NaN without any."""
    steps = np.linalg.norm(after[1:].astype(float) - before[:-1], axis=-1)
    seen = np.isfinite(steps)
    count = seen.sum(axis=1)
    return np.where(count > 0, np.where(seen, steps, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
