"""A body that stands somewhere, and how a camera would see it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, Extrinsics, Intrinsics
from dyadwatch.stream.publishers.camera.estimate import SeenPose
from dyadwatch.stream.publishers.camera.geometry import turn

LENS = Intrinsics(900.0, 910.0, 640.0, 360.0, 1280, 720)


def standing_body() -> NDArray[np.float64]:
    """MediaPipe's 33 joints of someone 1.75 m tall: metres above the floor, x right, y up, z towards the viewer."""
    high = {"nose": 1.62, "shoulder": 1.45, "elbow": 1.18, "wrist": 0.95, "pinky": 0.88, "index": 0.87, "thumb": 0.9,
            "hip": 0.93, "knee": 0.5, "ankle": 0.1, "heel": 0.05, "foot_index": 0.04}  # fmt: skip
    out = np.zeros((33, 3))
    for k, joint in enumerate(MEDIAPIPE33.joints):
        side = 1 if joint.startswith("left") else -1 if joint.startswith("right") else 0
        part = joint.removeprefix("left_").removeprefix("right_")
        wide = {"shoulder": 0.19, "elbow": 0.25, "wrist": 0.28, "hip": 0.11, "knee": 0.11, "ankle": 0.11}.get(
            part, 0.09
        )
        out[k] = side * wide, high.get(part, 1.65), {"foot_index": 0.15, "nose": 0.1}.get(part, 0.0)
    return out


def looking_down(degrees: float, height: float) -> Extrinsics:
    """A camera above the origin that looks along -z and down."""
    a = np.radians(degrees)
    down = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    m = np.diag([1.0, -1.0, -1.0]) @ down
    rows = tuple((float(r[0]), float(r[1]), float(r[2])) for r in m)
    return Extrinsics((rows[0], rows[1], rows[2]), (0.0, height, 0.0))


def see(
    file: CameraFile, joints: NDArray[np.float64], key: int | None = None, size: float = 1.0, lean_deg: float = 0.0
) -> SeenPose:
    """What a perfect estimator sees of joints in the world, (33, 3); it takes people to be `size` times as large,
    and to lean away by `lean_deg`.

    It looks at a part of the image, so that it sees people turned as if they were straight ahead.
    """
    place = file.extrinsics
    rotation = np.diag([1.0, -1.0, -1.0]) if place is None else np.array(place.rotation)
    position = np.zeros(3) if place is None else np.array(place.position)
    at = (joints - position) @ rotation
    lens = file.intrinsics
    image = at[:, :2] / at[:, 2:] * (lens.fx, lens.fy) + (lens.cx, lens.cy)
    hips = [MEDIAPIPE33.index["left_hip"], MEDIAPIPE33.index["right_hip"]]
    inside = ((image >= 0) & (image < (lens.width, lens.height))).all(1)
    ahead = np.append((at[:, :2] / at[:, 2:])[inside].mean(0), 1.0) if inside.any() else np.array([0.0, 0.0, 1.0])
    ahead /= np.linalg.norm(ahead)
    turned = turn(np.cross((0.0, 0.0, 1.0), ahead), float(np.arccos(ahead[2])))
    lean = turn(np.cross(ahead, rotation[1]), np.radians(lean_deg))
    return SeenPose(image, (at - at[hips].mean(0)) * size @ lean @ turned, np.full(33, 0.95), key)


@pytest.fixture
def body() -> NDArray[np.float64]:
    return standing_body()


@pytest.fixture
def level_camera() -> CameraFile:
    """Known lens, no place."""
    return CameraFile(LENS)


@pytest.fixture
def high_camera() -> CameraFile:
    """2.6 m above the floor, looking down by 20 degrees."""
    return CameraFile(LENS, looking_down(20, 2.6))


@pytest.fixture
def sight() -> Callable[..., SeenPose]:
    return see
