"""Inverse kinematics of arms and legs: two bones, closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def unit(v: Array) -> Array:
    """Vectors (..., 3) scaled to length one; a zero vector stays zero."""
    length = np.sqrt((v * v).sum(axis=-1, keepdims=True))
    return v / np.maximum(length, 1e-9)


def soft_reach(distance: Array, limit: float, zone: float) -> Array:
    """Distance bent below `limit` within its last part `zone`, so that a limb stretches out without a jerk."""
    start = limit * (1.0 - zone)
    room = limit - start
    over = np.maximum(distance - start, 0.0)
    return np.where(distance > start, start + room * (1.0 - np.exp(-over / room)) * 0.999, distance)


def two_bone(
    root: Array, target: Array, upper: float, lower: float, pole: Array, zone: float = 0.06
) -> tuple[Array, Array]:
    """Middle joint and end of a limb that reaches from `root` towards `target`.

    Both bones keep their length whatever the target: what lies out of reach is pointed at.

    Arguments:
        root, target: metres, shape (T, 3).
        upper, lower: bone lengths, metres.
        pole: direction into which the middle joint bends, shape (T, 3); only its part across the limb counts.
        zone: last part of the reach in which the limb stretches ever less.

    Returns:
        middle and end, each shape (T, 3).
    """
    line = target - root
    distance = np.sqrt((line * line).sum(axis=-1))
    reach = np.maximum(soft_reach(distance, upper + lower, zone), abs(upper - lower) + 0.02)
    along = line / np.maximum(distance, 1e-6)[:, None]
    across = unit(pole - (pole * along).sum(axis=-1, keepdims=True) * along)
    a = (reach**2 + upper**2 - lower**2) / (2.0 * reach)
    h = np.sqrt(np.maximum(upper**2 - a**2, 0.0))
    middle = root + a[:, None] * along + h[:, None] * across
    return middle, root + reach[:, None] * along
