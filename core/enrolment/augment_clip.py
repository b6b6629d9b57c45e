"""Recordings as they might have been: what two people do once more, never the same way twice.

How repeats differ cannot be measured on a single clip. It is guessed here: tempo, how far apart and at which angle
people stand, their size, how they hold their limbs, and a sensor's noise. The amounts are set so that a variation is
about as far from its clip as two clips of the same kind are from each other: the medians agree within 40 % on four
kinds of SBU and four simulated ones, under the metric of the shipped model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.resample import interpolate
from dyadwatch.core.features.pair_frame import Anchors

_TEMPO = 0.15  # of the speed, at most
_PLACE_M = 0.2  # standard deviations
_TURN_RAD = 0.35
_SIZE = 0.1
_LIMB_M = 0.075  # slow, a new one about every second
_NOISE_M = 0.005


def varied(
    joints: NDArray[np.float32], at: Anchors, fps: float, frames: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """One more performance of a recording.

    Arguments:
        joints: metres, Y up, shape (T, 2, J, 3), without NaN.
        at: which joints are pelvis and neck.
        frames: fewest that must come out; at most T.

    Returns:
        Shape (T', 2, J, 3), T' >= frames.
    """
    tempo = 1 + rng.uniform(-_TEMPO, _TEMPO)
    count = max(round(len(joints) * tempo), frames)
    out = interpolate(joints, np.linspace(0, len(joints) - 1, count)).astype(np.float64)
    pelvis = 0.5 * (out[..., at.pelvis[0], :] + out[..., at.pelvis[1], :]).mean(axis=0)  # (2, 3)
    for person in (0, 1):
        angle = rng.normal(scale=_TURN_RAD)
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        place = pelvis[person] + rng.normal(scale=_PLACE_M, size=3) * [1, 0, 1]
        out[:, person] = (1 + rng.normal(scale=_SIZE)) * (out[:, person] - pelvis[person]) @ turn.T + place
    knots = max(2, round(count / fps) + 1)
    sway = rng.normal(scale=_LIMB_M, size=(knots, *out.shape[1:])).astype(np.float32)
    out += interpolate(sway, np.linspace(0, knots - 1, count))
    out += rng.normal(scale=_NOISE_M, size=out.shape)
    return out.astype(np.float32)
