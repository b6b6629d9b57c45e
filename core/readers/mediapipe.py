"""A frame of MediaPipe's pose landmarks as JSON: world landmarks that share one origin only."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.skeletons.layouts import MEDIAPIPE33

# What tells such a file from OpenPose's.
MEDIAPIPE = re.compile(rb'"(?:pose_?)?(?:world_?)?landmarks"', re.IGNORECASE)
_MOST_PEOPLE = 100
_LEAST_VISIBLE = 0.1
_HIPS = [MEDIAPIPE33.index["left_hip"], MEDIAPIPE33.index["right_hip"]]
_OWN_ORIGIN_M = 0.05


class _Landmark(Struct):
    x: float
    y: float
    z: float
    visibility: float | None = None


# people, or the landmarks of the only one
_People = list[list[_Landmark] | _Landmark]


class _Frame(Struct):
    """Keys as Python and as JavaScript write them."""

    pose_world_landmarks: _People = []
    pose_world_camel: _People = field(default_factory=list, name="poseWorldLandmarks")
    world_landmarks: _People = []
    world_camel: _People = field(default_factory=list, name="worldLandmarks")
    pose_landmarks: _People = []
    pose_camel: _People = field(default_factory=list, name="poseLandmarks")
    landmarks: _People = []


_decode = msgspec.json.Decoder(_Frame).decode


def parse_mediapipe(path: Path, data: bytes) -> NDArray[np.float64]:
    """The people of a frame, NaN where a joint was not visible; shape (P, 33, 3), metres, Y down.

    Raises:
        ClipError: when it is no such frame, holds image coordinates only, or each person has an origin of their own.
    """
    try:
        frame = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ClipError(f"{path}: {e}; expected a frame as OpenPose or MediaPipe writes it in JSON") from None
    found = frame.pose_world_landmarks or frame.pose_world_camel or frame.world_landmarks or frame.world_camel
    if not found:
        if frame.pose_landmarks or frame.pose_camel or frame.landmarks:
            raise ClipError(
                f"{path}: landmarks in parts of the image only: dyadwatch needs metres in 3D, for how far two people "
                "are from each other cannot be measured from one image alone"
            )
        return np.empty((0, len(MEDIAPIPE33), 3))
    people = [p for p in found if isinstance(p, list)]
    single = [p for p in found if not isinstance(p, list)]
    people += [single] if single else []
    if len(people) > _MOST_PEOPLE:
        raise ClipError(f"{path}: {len(people)} people; expected at most {_MOST_PEOPLE}")
    wrong = next((len(p) for p in people if len(p) != len(MEDIAPIPE33)), None)
    if wrong is not None:
        raise ClipError(f"{path}: {wrong} landmarks of a person; expected {len(MEDIAPIPE33)}")
    joints = np.asarray([[(m.x, m.y, m.z) for m in p] for p in people])
    if (np.linalg.norm(joints[:, _HIPS].mean(axis=1), axis=-1) < _OWN_ORIGIN_M).all():
        raise ClipError(
            f"{path}: the middle of each person's hips is the origin: MediaPipe's world landmarks do not tell where "
            "people are, and dyadwatch needs both in one frame; add each person's place to their landmarks"
        )
    visible = np.asarray([[1.0 if m.visibility is None else m.visibility for m in p] for p in people])
    seen = (visible >= _LEAST_VISIBLE) & (np.abs(joints) < 1e9).all(axis=-1)
    return np.where(seen[..., None], joints, np.nan)
