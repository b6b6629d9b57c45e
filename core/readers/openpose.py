"""A frame of OpenPose's JSON, version 1.x: 3D keypoints only."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import OPENPOSE25

_MOST_PEOPLE = 100
# BODY_25 without the middle of the hips and the feet
OPENPOSE18 = Layout(
    "openpose18",
    ("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
     "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
     "right_ear", "left_ear"),
)  # fmt: skip
_LAYOUTS = {len(layout): layout for layout in (OPENPOSE25, OPENPOSE18)}


class _Person(Struct):
    pose_keypoints_2d: list[float] = []
    pose_keypoints_3d: list[float] = []
    pose_keypoints: list[float] = []  # of version 1.0, flat


class _Frame(Struct):
    people: list[_Person]


_decode = msgspec.json.Decoder(_Frame).decode


def openpose_layout(joints: int) -> Layout:
    """The layout with so many joints, 25 or 18."""
    return _LAYOUTS[joints]


def parse_openpose(path: Path, data: bytes) -> NDArray[np.float64]:
    """The people of a frame, NaN where a joint was not seen; shape (P, J, 3), the file's units.

    Raises:
        ClipError: when it is no such frame, or holds 2D only.
    """
    try:
        people = _decode(data).people
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ClipError(f"{path}: {e}; expected a frame as OpenPose or MediaPipe writes it in JSON") from None
    if len(people) > _MOST_PEOPLE:
        raise ClipError(f"{path}: {len(people)} people; expected at most {_MOST_PEOPLE}")
    if any((p.pose_keypoints_2d or p.pose_keypoints) and not p.pose_keypoints_3d for p in people):
        raise ClipError(
            f"{path}: x, y and confidence only: dyadwatch needs metres in 3D, for how far two people are from each "
            "other cannot be measured from one image alone; run OpenPose with --3d and calibrated cameras"
        )
    out: list[NDArray[np.float64]] = []
    for p in people:
        values = np.asarray(p.pose_keypoints_3d, np.float64)
        if not len(values):
            continue
        if len(values) not in (4 * n for n in _LAYOUTS):
            raise ClipError(
                f"{path}: {len(values)} numbers in pose_keypoints_3d; expected x, y, z and confidence of 25 "
                "or 18 joints"
            )
        joints = values.reshape(-1, 4)
        seen = (joints[:, 3] > 0) & (np.abs(joints[:, :3]) < 1e9).all(axis=1)
        out.append(np.where(seen[:, None], joints[:, :3], np.nan))
    if len({len(j) for j in out}) > 1:
        raise ClipError(f"{path}: people of 25 and of 18 joints; expected the same for all")
    return np.stack(out) if out else np.empty((0, 0, 3))
