"""Clips onto a model's time grid, and short gaps closed, as the live path does it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def resample(joints: NDArray[np.float32], fps: float, target_fps: float) -> NDArray[np.float32]:
    """Joints at every 1 / target_fps seconds from the first frame on, linear between frames.

    Arguments:
        joints: shape (T, ...), NaN where unseen.
        fps, target_fps: frames per second, before and after.

    Returns:
        Shape (T', ...), T' = floor((T - 1) * target_fps / fps) + 1; NaN where either frame around was.
    """
    if not len(joints) or fps == target_fps:
        return joints
    # a hair's breadth, lest 59.999999 lose the last frame
    count = int(np.floor((len(joints) - 1) * target_fps / fps + 1e-6)) + 1
    return interpolate(joints, np.arange(count) * (fps / target_fps))


def interpolate(joints: NDArray[np.float32], at: NDArray[np.floating]) -> NDArray[np.float32]:
    """Joints (T, ...) at fractional frames `at` of any shape S, linear between frames; shape (*S, ...)."""
    low = np.clip(np.floor(at + 1e-6).astype(np.intp), 0, len(joints) - 1)
    part = np.clip(at - low, 0, 1).astype(np.float32)
    part[part < 1e-5] = 0
    part = part.reshape(*part.shape, *[1] * (joints.ndim - 1))
    here = joints[low]
    if not part.any():
        return here
    there = joints[np.minimum(low + 1, len(joints) - 1)]
    # where a frame is hit exactly its unseen successor does not matter
    return np.where(part > 0, here + part * (there - here), here)


def close_gaps(joints: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """Joints that are unseen for at most `longest` frames between two sightings move there in a straight line.

    Arguments:
        joints: shape (T, ..., 3), NaN where unseen.
        longest: frames; longer gaps, and gaps at either end, stay.

    Returns:
        The same array where nothing was to be closed, else a copy.
    """
    unseen = np.isnan(joints).any(axis=-1).reshape(len(joints), -1)
    if not unseen.any():
        return joints
    out = joints.copy()
    flat = out.reshape(len(joints), -1, 3)
    time = np.arange(len(joints))
    for joint in np.flatnonzero(unseen.any(axis=0) & ~unseen.all(axis=0)):
        seen = time[~unseen[:, joint]]
        for before, after in pairwise(seen.tolist()):
            if 1 < after - before <= longest + 1:
                part = (np.arange(before + 1, after) - before)[:, None] / (after - before)
                flat[before + 1 : after, joint] = flat[before, joint] * (1 - part) + flat[after, joint] * part
    return out
