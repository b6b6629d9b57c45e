"""Joints at exactly 0 0 0: unseen, by one rule for the wire, for files and for programs.

Sensors and estimators that have no word for "not seen" write zeros: OpenPose, EasyMocap, Kinect, ZED, C3D. What is
measured is never zero in all three axes to the last bit, but for a root in a frame of its own, and a root is derived
from the hips (`core.skeletons.mapping`). A place near the origin is a place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.pose import PoseFrame

ZEROS_NOTE = "joints at exactly 0 0 0 are taken as unseen"


def zero_joints(joints: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which joints (..., 3) are zero in all three axes, -0.0 included; shape (...)."""
    zeros: NDArray[np.bool_] = np.logical_not(joints.any(axis=-1))  # NaN is not zero
    return zeros


def blank_zeros(joints: NDArray[np.floating]) -> tuple[str, ...]:
    """Makes NaN of the joints (..., 3) at 0 0 0, in place; returns what to tell of it, nothing where there was none."""
    zeros = zero_joints(joints)
    if not zeros.any():
        return ()
    joints[zeros] = np.nan
    return (ZEROS_NOTE,)


def without_zeros(frame: PoseFrame) -> PoseFrame:
    """The frame with joints at 0 0 0 unseen, and how many there were in `zeros`; the same one where there are none."""
    zeros = zero_joints(frame.joints)
    if not zeros.any():
        return frame
    joints = np.where(zeros[..., None], np.float32(np.nan), frame.joints)
    confidence = np.where(zeros, np.float32(0), frame.confidence)
    return replace(frame, joints=joints, confidence=confidence, zeros=frame.zeros + int(zeros.sum()))
