"""Joints at exactly 0 0 0, or -1 -1 -1: unseen, by one rule for the wire, for files and for programs.

Sensors and estimators that have no word for "not seen" write zeros: OpenPose, EasyMocap, Kinect, ZED, C3D. What is
measured is never zero in all three axes to the last bit, but for a root in a frame of its own, and a root is derived
from the hips (`core.skeletons.mapping`). A place near the origin is a place. Others fill in one and the same whole
number, as -1 or 999, which no room has on three axes at once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.pose import PoseFrame

ZEROS_NOTE = "joints at exactly 0 0 0, or another filler such as -1 -1 -1, are taken as unseen"
LEAST_FILLER = 99.0  # but for -1: smaller numbers are places, in one unit or another


def filled_joints(joints: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which joints (..., 3) are zero in all three axes, -0.0 included, or another number that fills in; shape (...)."""
    x = joints[..., 0]
    # NaN is not equal to itself
    filled: NDArray[np.bool_] = np.asarray((x == joints[..., 1]) & (x == joints[..., 2]))
    if filled.any():
        size = np.abs(x)
        filled &= (x == 0) | (x == -1) | ((size >= LEAST_FILLER) & (size < np.inf) & (np.trunc(x) == x))
    return filled


def blank_zeros(joints: NDArray[np.floating]) -> tuple[str, ...]:
    """Makes NaN of the joints (..., 3) that are filled in, in place; returns what to tell of it, if anything."""
    zeros = filled_joints(joints)
    if not zeros.any():
        return ()
    joints[zeros] = np.nan
    return (ZEROS_NOTE,)


def without_zeros(frame: PoseFrame) -> PoseFrame:
    """The frame with filled joints unseen, and how many there were in `zeros`; the same one where there are none."""
    zeros = filled_joints(frame.joints)
    if not zeros.any():
        return frame
    joints = np.where(zeros[..., None], np.float32(np.nan), frame.joints)
    confidence = np.where(zeros, np.float32(0), frame.confidence)
    return replace(frame, joints=joints, confidence=confidence, zeros=frame.zeros + int(zeros.sum()))
