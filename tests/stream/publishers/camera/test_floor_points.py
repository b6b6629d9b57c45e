"""A camera's place and focal length are found from points of the floor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, Intrinsics, assumed_camera

pytest.importorskip("cv2", reason="needs the extra camera")
from dyadwatch.stream.publishers.camera.floor_points import place_on_floor

FLOOR = np.array([(-1.0, 4.0), (1.0, 4.0), (-2.0, 9.0), (2.0, 8.0), (0.5, 6.0)])


def seen(floor: NDArray[np.float64], focal: float, high: float, down_deg: float) -> NDArray[np.float64]:
    """Pixels of floor points for a camera above the origin, in images of 1280x720."""
    cos, sin = np.cos(np.radians(down_deg)), np.sin(np.radians(down_deg))
    x, ahead = floor.T
    away = high * sin + ahead * cos
    return np.stack([focal * x / away + 640, focal * (high * cos - ahead * sin) / away + 360], 1)


@given(focal=st.floats(500, 1800), high=st.floats(1.5, 6.0), down=st.floats(12.0, 45.0))
def test_floor_points_tell_place_and_focal_length(focal: float, high: float, down: float) -> None:
    pixels = seen(FLOOR, focal, high, down)
    file = place_on_floor(assumed_camera(1280, 720, 70), pixels, FLOOR, refine_lens=True)
    assert not file.intrinsics.assumed
    assert file.intrinsics.fx == pytest.approx(focal, rel=1e-3)
    assert file.extrinsics is not None
    np.testing.assert_allclose(file.extrinsics.position, (0, high, 0), atol=0.01)
    known = CameraFile(Intrinsics(focal, focal, 640, 360, 1280, 720), scale=0.9, lean_deg=11.0)
    placed = place_on_floor(known, pixels, FLOOR)
    assert placed.extrinsics is not None
    np.testing.assert_allclose(placed.extrinsics.position, (0, high, 0), atol=0.01)
    assert (placed.intrinsics, placed.scale, placed.lean_deg) == (known.intrinsics, 0.9, 11.0)


def test_distortion_is_taken_into_account() -> None:
    import cv2

    lens = Intrinsics(900, 900, 640, 360, 1280, 720, (-0.2, 0.05))
    straight = (seen(FLOOR, 900, 3.0, 25.0) - (640, 360)) / 900
    rays = np.concatenate([straight, np.ones((len(FLOOR), 1))], axis=1)
    matrix = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    bent = np.array([-0.2, 0.05, 0, 0, 0])
    pixels = np.asarray(cv2.projectPoints(rays, np.zeros(3), np.zeros(3), matrix, bent)[0][:, 0], np.float64)
    for refine in (False, True):
        file = place_on_floor(CameraFile(lens), pixels, FLOOR, refine_lens=refine)
        assert file.extrinsics is not None
        np.testing.assert_allclose(file.extrinsics.position, (0, 3, 0), atol=0.01)
        assert file.intrinsics.fx == pytest.approx(900, rel=1e-3)


def test_points_that_hardly_tell_the_focal_length_are_refused() -> None:
    near = np.array([(-0.1, 5.0), (0.1, 5.0), (-0.1, 5.2), (0.1, 5.2)])
    file = assumed_camera(1280, 720, 70)
    with pytest.raises(
        ConfigError, match=r"tell the focal length to within \d+% only; expected points that are further"
    ):
        place_on_floor(file, seen(near, 900, 3.0, 30.0), near, refine_lens=True)
    assert place_on_floor(file, seen(near, 900, 3.0, 30.0), near).intrinsics == file.intrinsics


def test_points_seen_from_below_are_refused() -> None:
    pixels = seen(FLOOR, 900, 3.0, 25.0) * np.array([1.0, -1.0]) + (0, 720)
    with pytest.raises(ConfigError, match="m above the floor; check the floor points' order"):
        place_on_floor(assumed_camera(1280, 720, 70), pixels, FLOOR)


LINE = np.stack([np.arange(5.0), 3.0 + np.arange(5) / 2], 1)


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize(
    ("pixels", "floor", "says"),
    [
        (seen(LINE, 900, 3.0, 25.0), LINE, "expected points that are not in one line, each in a place of its own"),
        (seen(LINE, 900, 3.0, 25.0), LINE + np.eye(5, 2) * 0.01, "that are not in one line"),
        (seen(FLOOR, 900, 3.0, 25.0), np.ones((5, 2)), "each in a place of its own"),
        (np.full((5, 2), 100.0), FLOOR, "each in a place of its own"),
        (seen(FLOOR, 900, 3.0, 25.0), FLOOR * 1e200, r"numbers up to 9e\+200; expected pixels and metres"),
        (np.full((5, 2), np.nan), FLOOR, "numbers up to nan; expected pixels and metres"),
    ],
)
def test_points_that_tell_no_place_are_refused(
    pixels: NDArray[np.float64], floor: NDArray[np.float64], says: str, refine: bool
) -> None:
    with pytest.raises(ConfigError, match=says):
        place_on_floor(assumed_camera(1280, 720, 70), pixels, floor, refine_lens=refine)
