"""Two simulated people at a moment that would be an alarm, to try pictures with."""

from __future__ import annotations

import numpy as np

from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.limbs import Limb, limb_of
from dyadwatch.core.units import NS
from dyadwatch.stream.delivery.peak_poses import PeakPose
from dyadwatch.stream.publishers.simulator.scenario import Act, make_scenario

_FPS, _BEFORE = 30.0, 20  # frames of the path


def sample_pose() -> PeakPose:
    """One strikes at the head of the other; the same at every call."""
    scene = make_scenario(seed=3, people=2, duration_s=20, script=[Act("punch", (1, 2), 2.0)])
    punch = next(what for what in scene.truth if what.kind == "punch")
    joints = scene.joints(_FPS)[round(punch.start / NS * _FPS) : round(punch.end / NS * _FPS)]
    wrist, head = KINECT25.index["right_wrist"], KINECT25.index["head"]
    away = np.linalg.norm(joints[:, :, wrist] - joints[:, ::-1, head], axis=-1)
    row, who = (int(i) for i in np.unravel_index(away.argmin(), away.shape))
    arm = tuple(i for i, joint in enumerate(KINECT25.joints) if limb_of(joint) is Limb.RIGHT_ARM)
    arm += (KINECT25.index["right_shoulder"],)
    path = joints[max(row - _BEFORE, 0) : row + 1, who, wrist]
    return PeakPose(
        ids=(1, 2),
        bones=KINECT25.bone_indices,
        head=head,
        places=np.ascontiguousarray(joints[row], "<f4").tobytes(),
        floor_m=round(float(joints[row, ..., 1].min()), 3),
        stands=-1,
        lit=(arm, ()) if who == 0 else ((), arm),
        path=np.ascontiguousarray(path, "<f4").tobytes(),
        at=len(path) - 1,
        limb=(who, wrist, head),
    )
