"""Finds what a camera file holds: the lens from a board, the scale and lean from people; see `floor_points` too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, Intrinsics
from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose
from dyadwatch.stream.publishers.camera.geometry import CameraModel
from dyadwatch.stream.publishers.camera.opencv import opencv

_ENOUGH_VIEWS = 8
_ENOUGH_CORNERS = 6  # in one view of a ChArUco board
_MARKERS = 250  # of the dictionary of ChArUco boards
_MOST_CORNERS = 100
_WIDEST_M = 100.0
_ENOUGH_SIGHTS = 30
_LYING_DEG = 45.0  # who leans more is not upright, or no person
_ENDS_M = 0.2  # of a person's height is below the ankles and above the ears


def intrinsics_from_board(
    images: Iterable[Image], columns: int, rows: int, square_m: float, *, charuco: bool = False
) -> tuple[Intrinsics, int]:
    """The lens, from images of a chessboard or ChArUco board held in many ways.

    Arguments:
        images: all of one size.
        columns, rows: inner corners of a chessboard; squares of a ChArUco board (markers 0.7 as wide, 4x4 dictionary).
        square_m: side of a square, metres.
        charuco: which of the two.

    Returns:
        The lens and how many images showed the board.

    Raises:
        ConfigError: when there is no such board, too few images show it, or no lens fits what they show.
    """
    cv2 = opencv()
    _check_board(columns, rows, square_m, charuco)
    board = None
    if charuco:
        words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_250)
        board = cv2.aruco.CharucoBoard((columns, rows), square_m, 0.7 * square_m, words)
    grid = np.zeros((rows * columns, 3), np.float32)
    grid[:, :2] = np.mgrid[:columns, :rows].T.reshape(-1, 2) * square_m
    points: list[Any] = []
    pixels: list[Any] = []
    size, looked = None, 0
    for image in images:
        looked += 1
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        if size not in (None, grey.shape[::-1]):
            raise ConfigError(f"images of the board are {size} and {grey.shape[::-1]} pixels; expected one size")
        size = grey.shape[::-1]
        if board is not None:
            corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
            if ids is None or len(ids) < _ENOUGH_CORNERS:
                continue
            seen = board.getChessboardCorners()[ids.ravel()]
            if min(np.ptp(seen[:, 0]), np.ptp(seen[:, 1])) < square_m / 2:
                continue  # corners of one row tell nothing, and spoil the whole calibration
            points.append(seen)
        else:
            found, corners = cv2.findChessboardCorners(grey, (columns, rows))
            if not found:
                continue
            stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.01)
            corners = cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), stop)
            points.append(grid)
        pixels.append(corners.reshape(-1, 1, 2).astype(np.float32))
    if size is None or len(points) < _ENOUGH_VIEWS:
        raise ConfigError(
            f"{len(points)} of {looked} images show the board of {columns}x{rows}; expected at least {_ENOUGH_VIEWS}, "
            "from different sides and over the whole image"
        )
    try:
        error, matrix, distortion, _, _ = cv2.calibrateCamera(points, pixels, size, None, None)
    except cv2.error as e:
        raise ConfigError(
            f"no lens fits the {len(points)} images of the board ({e.err or e}); expected it from different sides and "
            "over the whole image"
        ) from None
    lens = Intrinsics(
        float(matrix[0, 0]),
        float(matrix[1, 1]),
        float(matrix[0, 2]),
        float(matrix[1, 2]),
        int(size[0]),
        int(size[1]),
        tuple(float(v) for v in distortion.ravel()[:5]),
        error_px=round(float(error), 3),
    )
    return lens, len(points)


def _check_board(columns: int, rows: int, square_m: float, charuco: bool) -> None:
    """That OpenCV knows such a board, and that it shows enough corners to tell a lens."""
    if not 0 < square_m < _WIDEST_M:
        raise ConfigError(f"--square is {square_m:g}; expected the side of a square in metres, such as 0.025")
    if not charuco and not 3 <= min(columns, rows) <= max(columns, rows) <= _MOST_CORNERS:
        raise ConfigError(
            f"--corners is {columns}x{rows}; expected 3 to {_MOST_CORNERS} inner corners of a chessboard each way, "
            "such as 9x6"
        )
    if charuco and not (
        min(columns, rows) >= 3 and (columns - 1) * (rows - 1) >= _ENOUGH_CORNERS and columns * rows // 2 <= _MARKERS
    ):
        raise ConfigError(
            f"--corners is {columns}x{rows}; expected the squares of a ChArUco board, at least 4x3, and at most "
            f"{_MARKERS} markers on every second one"
        )


def scale_from_height(sights: Sequence[SeenPose], layout: Layout, height_m: float) -> float:
    """A person's metres for one of the estimator's, from someone of known height who stands upright.

    Arguments:
        sights: of that one person.
        layout: which must have ears or a head, hips, knees, ankles and shoulders.
        height_m: with shoes.

    Raises:
        ConfigError: when they were hardly seen whole.
    """
    tall = [h for s in sights if np.isfinite(h := _stature(s, layout))]
    if len(tall) < _ENOUGH_SIGHTS:
        raise ConfigError(
            f"the person was seen whole in {len(tall)} images; expected at least {_ENOUGH_SIGHTS}, from head to foot"
        )
    return (height_m - _ENDS_M) / float(np.median(tall))


def lean_from_people(file: CameraFile, size: tuple[int, int], sights: Sequence[SeenPose], layout: Layout) -> float:
    """By how many degrees the estimator sees people lean away who do not: those who stand and walk are upright.

    Arguments:
        file: with the camera's place.
        size: of the images.
        sights: of anyone, walking or standing.
        layout: of them.

    Raises:
        ConfigError: without a place, or when hardly anyone was seen whole.
    """
    camera = _placed(msgspec.structs.replace(file, lean_deg=0.0), size, layout)
    leans = [a for s in sights if (a := camera.away_angle(s)) is not None and abs(a) < _LYING_DEG]
    if len(leans) < _ENOUGH_SIGHTS:
        raise ConfigError(
            f"someone upright was seen whole {len(leans)} times; expected at least {_ENOUGH_SIGHTS}, from hips "
            "to ankles"
        )
    return float(np.median(leans))


def scale_from_floor(file: CameraFile, size: tuple[int, int], sights: Sequence[SeenPose], layout: Layout) -> float:
    """The scale with which people stand as far away as their feet on the floor say.

    Arguments:
        file: with the camera's place.
        size: of the images.
        sights: of anyone, walking or standing.
        layout: of them.

    Raises:
        ConfigError: without a place, or when feet were hardly seen.
    """
    camera = _placed(file, size, layout)
    ratios = [r for s in sights if (r := camera.floor_ratio(s)) is not None]
    if len(ratios) < _ENOUGH_SIGHTS:
        raise ConfigError(f"feet on the floor were seen {len(ratios)} times; expected at least {_ENOUGH_SIGHTS}")
    return file.scale * float(np.median(ratios))


def _placed(file: CameraFile, size: tuple[int, int], layout: Layout) -> CameraModel:
    """The camera, whose place must be known."""
    if file.extrinsics is None:
        raise ConfigError("the camera file has no extrinsics; expected floor points first")
    return CameraModel(file, *size, layout)


def _stature(seen: SeenPose, layout: Layout) -> float:
    """The sum of the bones from the ankles to the ears, metres; NaN where one was not seen."""
    names = layout.index

    def middle(joint: str) -> NDArray[np.float64]:
        return (seen.world[names[f"left_{joint}"]] + seen.world[names[f"right_{joint}"]]) / 2

    chain = ("ankle", "knee", "hip", "shoulder", "ear")
    needed = [names[f"{side}_{joint}"] for joint in chain for side in ("left", "right")]
    if seen.visibility[needed].min() < 0.5:
        return float("nan")
    return sum(float(np.linalg.norm(middle(a) - middle(b))) for a, b in pairwise(chain))
