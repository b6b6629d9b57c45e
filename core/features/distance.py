"""Distance maps between the joints of two persons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def distance_maps(joints: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far each joint of person 0 is from each joint of person 1, frame by frame.

    Arguments:
        joints: shape (..., 2, T, J, 3), any unit.

    Returns:
        Shape (..., T, J, J), the same unit: entry (i, j) is the distance from joint i of person 0 to joint j
        of person 1. Swapping the persons transposes the last two axes.
    """
    gap = joints[..., 0, :, :, None, :] - joints[..., 1, :, None, :, :]
    return np.sqrt(np.square(gap).sum(axis=-1))
