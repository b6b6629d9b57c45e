"""People are put where they are."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, Extrinsics
from dyadwatch.stream.publishers.camera.estimate import SeenPose
from dyadwatch.stream.publishers.camera.geometry import CameraModel

See = Callable[..., SeenPose]


def _camera(file: CameraFile) -> CameraModel:
    return CameraModel(file, 1280, 720, MEDIAPIPE33)


@pytest.mark.parametrize("at", [(0.0, -1.0, -4.0), (1.5, -1.2, -6.0), (-2.0, -0.5, -9.0)])
def test_a_level_camera_puts_a_person_where_they_stand(
    level_camera: CameraFile, body: NDArray[np.float64], sight: See, at: tuple[float, float, float]
) -> None:
    placed = _camera(level_camera).place(sight(level_camera, body + at))
    assert placed is not None
    np.testing.assert_allclose(placed.joints, body + at, atol=1e-9)
    assert placed.error < 1e-9
    assert not placed.on_floor


@pytest.mark.parametrize("seed", range(8))
def test_a_camera_in_the_room_puts_a_person_where_they_stand(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    turn, ahead = rng.uniform(0, 2 * np.pi), rng.uniform(3.5, 9)
    about = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    joints = body @ about.T + (rng.uniform(-1.2, 1.2), 0, -ahead)
    placed = _camera(high_camera).place(sight(high_camera, joints))
    assert placed is not None
    assert placed.on_floor
    assert np.abs(placed.joints - joints).max() < 0.02


def test_the_feet_correct_a_wrong_size(high_camera: CameraFile, body: NDArray[np.float64], sight: See) -> None:
    joints = np.add(body, (0.5, 0.0, -6.0))
    seen = sight(high_camera, joints, size=1.1)  # taken for 10 % larger: 0.6 m too far away by size alone
    without = _camera(msgspec.structs.replace(high_camera, extrinsics=None)).place(seen)
    placed = _camera(high_camera).place(seen)
    assert placed is not None
    assert without is not None
    far = np.linalg.norm(without.root) / np.linalg.norm(joints.mean(0) - (0, 2.6, 0))
    assert far == pytest.approx(1.1, abs=0.03)
    assert placed.on_floor
    assert np.linalg.norm((placed.root - joints.mean(0))[[0, 2]]) < 0.12


def test_legs_seen_too_short_do_not_send_anyone_away(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    joints, feet = np.add(body, (0.5, 0.0, -6.0)), slice(MEDIAPIPE33.index["left_ankle"], 33)
    short = joints.copy()
    short[feet, 1] += 0.1
    seen = sight(high_camera, joints)._replace(world=sight(high_camera, short).world)
    placed = _camera(high_camera).place(seen)
    assert placed is not None
    hips = slice(MEDIAPIPE33.index["left_hip"], MEDIAPIPE33.index["right_hip"] + 1)
    assert np.linalg.norm((placed.joints - joints)[hips].mean(0)[[0, 2]]) < 0.01


def test_a_camera_high_above_does_not_make_short_legs_float(
    level_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    down, joints = np.radians(75), np.add(body, (0.0, 0.0, -1.5))
    cos, sin = float(np.cos(down)), float(np.sin(down))
    place = Extrinsics(((1.0, 0.0, 0.0), (0.0, -cos, -sin), (0.0, sin, -cos)), (0.0, 6.0, 0.0))
    above = msgspec.structs.replace(level_camera, extrinsics=place)
    short = joints.copy()
    short[:, 1] = np.where(body[:, 1] < 0.9, 0.93 - 0.93 * (0.93 - body[:, 1]), body[:, 1])
    placed = _camera(above).place(sight(above, joints)._replace(world=sight(above, short).world))
    assert placed is not None
    assert placed.on_floor
    assert np.linalg.norm((placed.joints - joints).mean(0)) < 0.02


def test_the_scale_that_the_floor_tells(high_camera: CameraFile, body: NDArray[np.float64], sight: See) -> None:
    ratio = _camera(high_camera).floor_ratio(sight(high_camera, np.add(body, (0.5, 0.0, -6.0)), size=1.25))
    assert ratio == pytest.approx(1 / 1.25, abs=0.03)


def test_pixels_meet_the_floor(high_camera: CameraFile, sight: See) -> None:
    points = np.array([[0.0, 0.0, -4.0], [1.0, 0.0, -8.0]])
    pixels = sight(high_camera, np.vstack([points, np.tile([[0.0, 1.0, -5.0]], (31, 1))])).image[:2]
    np.testing.assert_allclose(_camera(high_camera).floor(pixels), points, atol=1e-9)
    assert np.isnan(_camera(high_camera).floor(np.array([[640.0, -2000.0]]))).all()


def test_distortion_is_taken_out(level_camera: CameraFile) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs the extra camera")
    bent = (-0.28, 0.09, 0.001, -0.0006, -0.01)
    lens = msgspec.structs.replace(level_camera.intrinsics, distortion=bent)
    camera = _camera(CameraFile(lens))
    rays = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2)) * (1.2, 0.7)
    points = np.concatenate([rays, np.ones((50, 1))], axis=1)
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array(bent))
    np.testing.assert_allclose(camera.rays(pixels[:, 0]), rays, atol=1e-4)


def test_too_little_to_go_by_is_nobody(level_camera: CameraFile, body: NDArray[np.float64], sight: See) -> None:
    seen = sight(level_camera, np.add(body, (0.0, -1.0, -4.0)))
    hidden = seen._replace(visibility=np.where(np.arange(33) < 3, 0.9, 0.1))
    assert _camera(level_camera).place(hidden) is None
    assert _camera(level_camera).place(seen._replace(image=seen.image + 5000)) is None


def test_images_of_half_the_size_have_half_the_focal_length(level_camera: CameraFile) -> None:
    camera = CameraModel(level_camera, 640, 360, MEDIAPIPE33)
    np.testing.assert_allclose(camera.focal, [450, 455])


def test_images_of_another_shape_are_refused(level_camera: CameraFile) -> None:
    with pytest.raises(ConfigError, match=r"is for images of 1280x720 and these are 640x480; expected the same shape"):
        CameraModel(level_camera, 640, 480, MEDIAPIPE33)
