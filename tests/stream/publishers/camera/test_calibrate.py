"""Lens and scale are found from what is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.camera_calibration import (
    intrinsics_from_board,
    lean_from_people,
    scale_from_floor,
    scale_from_height,
)
from dyadwatch.stream.publishers.camera.camera_file import CameraFile
from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose
from dyadwatch.stream.publishers.camera.geometry import CameraModel

See = Callable[..., SeenPose]


def _boards(flat: Image, square_px: float) -> Iterator[Image]:
    """A board seen by a camera of 640x480 pixels with a focal length of 600, held in twelve ways."""
    cv2 = pytest.importorskip("cv2", reason="needs the extra camera")
    rng = np.random.default_rng(3)
    matrix = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
    height, width = flat.shape[:2]
    for _ in range(12):
        turn = cv2.Rodrigues(rng.uniform(-0.5, 0.5, 3))[0]
        corners = np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]]) / square_px
        corners = (corners - corners.mean(0)) @ turn.T + (*rng.uniform(-1, 1, 2), rng.uniform(14, 18))
        seen = corners @ matrix.T
        seen = (seen[:, :2] / seen[:, 2:]).astype(np.float32)
        flat_corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        warp = cv2.getPerspectiveTransform(flat_corners, seen)
        yield cv2.warpPerspective(flat, warp, (640, 480), borderValue=(255, 255, 255))


@pytest.mark.parametrize("kind", ["chessboard", "charuco"])
def test_a_board_tells_the_lens(kind: str) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs the extra camera")
    if kind == "chessboard":
        squares = (np.indices((8, 11)).sum(0) % 2 * 255).astype(np.uint8)
        flat = cv2.copyMakeBorder(np.kron(squares, np.ones((60, 60), np.uint8)), 60, 60, 60, 60, 0, value=255)
        columns, rows = 10, 7
    else:
        words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_250)
        columns, rows = 9, 7
        flat = cv2.aruco.CharucoBoard((columns, rows), 0.04, 0.028, words).generateImage((540, 420))
    images = _boards(cv2.cvtColor(flat, cv2.COLOR_GRAY2BGR), 60)
    lens, used = intrinsics_from_board(images, columns, rows, 0.04, charuco=kind == "charuco")
    assert used >= 8
    assert lens.fx == pytest.approx(600, rel=0.03)
    assert lens.cx == pytest.approx(320, abs=15)
    assert (lens.width, lens.height, lens.assumed) == (640, 480, False)


def test_images_without_a_board_are_told() -> None:
    pytest.importorskip("cv2", reason="needs the extra camera")
    blank = [np.zeros((480, 640, 3), np.uint8)] * 3
    with pytest.raises(ConfigError, match="0 of 3 images show the board of 9x6; expected at least 8"):
        intrinsics_from_board(blank, 9, 6, 0.025)


@pytest.mark.parametrize(
    ("columns", "rows", "square", "kind", "says"),
    [
        (2, 2, 0.025, "chessboard", "--corners is 2x2; expected 3 to 100 inner corners of a chessboard each way"),
        (9, 101, 0.025, "chessboard", "--corners is 9x101; expected 3 to 100 inner corners"),
        (1, 1, 0.025, "charuco", "--corners is 1x1; expected the squares of a ChArUco board, at least 4x3"),
        (3, 3, 0.025, "charuco", "--corners is 3x3; expected the squares"),
        (40, 40, 0.025, "charuco", "--corners is 40x40; expected .* at most 250 markers"),
        (9, 6, 0.0, "charuco", "--square is 0; expected the side of a square in metres, such as 0.025"),
        (9, 6, -1.0, "chessboard", "--square is -1; expected the side"),
        (9, 6, np.nan, "chessboard", "--square is nan; expected the side"),
    ],
)
def test_a_board_that_cannot_be_is_told(columns: int, rows: int, square: float, kind: str, says: str) -> None:
    pytest.importorskip("cv2", reason="needs the extra camera")
    with pytest.raises(ConfigError, match=says):
        intrinsics_from_board([], columns, rows, square, charuco=kind == "charuco")


def test_views_of_one_row_of_a_board_are_left_out() -> None:
    cv2 = pytest.importorskip("cv2", reason="needs the extra camera")
    words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_250)
    flat = cv2.aruco.CharucoBoard((9, 7), 0.04, 0.028, words).generateImage((540, 420))
    row = np.full((480, 640, 3), 255, np.uint8)
    row[200:320, 50:590] = flat[:120, :, None]
    images = [row, *_boards(cv2.cvtColor(flat, cv2.COLOR_GRAY2BGR), 60), row]
    lens, used = intrinsics_from_board(images, 9, 7, 0.04, charuco=True)
    assert 8 <= used <= 12
    assert lens.fx == pytest.approx(600, rel=0.03)
    with pytest.raises(ConfigError, match="0 of 8 images show the board of 9x7; expected at least 8"):
        intrinsics_from_board([row] * 8, 9, 7, 0.04, charuco=True)


def test_a_person_of_known_height_tells_the_scale(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    seen = [sight(high_camera, np.add(body, (0.0, 0.0, -5.0)), size=0.8)] * 40
    assert 0.8 * scale_from_height(seen, MEDIAPIPE33, 1.77) == pytest.approx(1.0, abs=0.03)
    with pytest.raises(ConfigError, match="seen whole in 5 images; expected at least 30, from head to foot"):
        scale_from_height(seen[:5], MEDIAPIPE33, 1.77)


def test_that_people_are_upright_tells_by_how_much_they_are_seen_to_lean(
    high_camera: CameraFile, level_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    seen, rng = [], np.random.default_rng(0)
    for k in range(60):
        turn = rng.uniform(0, 2 * np.pi)
        about = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
        seen.append(sight(high_camera, body @ about.T + (rng.uniform(-1, 1), 0, -4 - 0.08 * k), lean_deg=17.0))
    lean = lean_from_people(high_camera, (1280, 720), seen, MEDIAPIPE33)
    assert lean == pytest.approx(17.0, abs=0.5)
    upright = CameraModel(msgspec.structs.replace(high_camera, lean_deg=lean), 1280, 720, MEDIAPIPE33)
    assert np.median([upright.away_angle(s) or 0.0 for s in seen]) == pytest.approx(0.0, abs=0.5)
    placed = upright.place(seen[0])
    assert placed is not None
    assert np.ptp(placed.joints[:, 1]) == pytest.approx(np.ptp(body[:, 1]), abs=0.02)
    with pytest.raises(ConfigError, match="the camera file has no extrinsics; expected floor points first"):
        lean_from_people(level_camera, (1280, 720), seen, MEDIAPIPE33)
    with pytest.raises(ConfigError, match="someone upright was seen whole 9 times; expected at least 30"):
        lean_from_people(high_camera, (1280, 720), seen[:9], MEDIAPIPE33)


def test_feet_on_the_floor_tell_the_scale(
    high_camera: CameraFile, level_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    seen = [sight(high_camera, np.add(body, (0.0, 0.0, -4 - 0.1 * k)), size=0.8) for k in range(40)]
    assert 0.8 * scale_from_floor(high_camera, (1280, 720), seen, MEDIAPIPE33) == pytest.approx(1.0, abs=0.03)
    with pytest.raises(ConfigError, match="the camera file has no extrinsics; expected floor points first"):
        scale_from_floor(level_camera, (1280, 720), seen, MEDIAPIPE33)
