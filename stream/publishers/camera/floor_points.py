"""The camera's place, and its focal length where that is not sure, from points of the floor with known positions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, Extrinsics, Intrinsics
from dyadwatch.stream.publishers.camera.opencv import opencv

_SEEN_PX = 1.0  # floor points are rarely seen better than this
_SUREST = 0.05  # a focal length less sure than this is no better than a guess
_FAR = 1e6  # no pixel and no metre is beyond
_LINE = 0.01  # points of a strip that is no wider, for its length, are in one line
_IN_LINE = "no camera place fits the floor points; expected points that are not in one line, each in a place of its own"
_STARTS = (1.0, 0.7, 1.4, 0.5, 2.0)  # times the focal length of the file


class _Pose(NamedTuple):
    """How the world is turned and shifted into camera axes, what the focal length is multiplied by, and the error."""

    turn: NDArray[np.float64]
    shift: NDArray[np.float64]
    focal: float
    focal_spread: float
    error_px: float


def place_on_floor(
    file: CameraFile, pixels: NDArray[np.float64], floor: NDArray[np.float64], *, refine_lens: bool = False
) -> CameraFile:
    """The file with the camera's place, from points of the floor whose positions are known.

    Arguments:
        file: with the lens.
        pixels: where they are seen in images of the file's size, shape (n, 2), n >= 4.
        floor: where they are, metres to the right and ahead, shape (n, 2); the world's x and -z.
        refine_lens: find the focal length as well; the points then are what the lens is known from.

    Raises:
        ConfigError: when there are too few, they are in one line, no place from above the floor fits them, or they do
            not tell the focal length.
    """
    if len(pixels) < 4 or pixels.shape != floor.shape:
        raise ConfigError(f"{len(pixels)} floor points are given; expected at least 4, as x,y=right,ahead")
    given = np.concatenate([pixels, floor])
    if not (np.abs(given) < _FAR).all():
        raise ConfigError(f"floor points have numbers up to {np.abs(given).max():g}; expected pixels and metres")
    long, wide = np.linalg.svd(floor - floor.mean(0), compute_uv=False)
    if wide <= _LINE * long:
        raise ConfigError(_IN_LINE)
    points = np.stack([floor[:, 0], np.zeros(len(floor)), -floor[:, 1]], axis=1)
    pose = _fit(file.intrinsics, points, pixels, refine_lens)
    lens = file.intrinsics
    if refine_lens:
        if pose.focal_spread > _SUREST:
            raise ConfigError(
                f"the floor points tell the focal length to within {pose.focal_spread:.0%} only; expected points that "
                "are further apart, near and far and to both sides"
            )
        lens = structs.replace(
            lens, fx=lens.fx * pose.focal, fy=lens.fy * pose.focal, assumed=False, error_px=round(pose.error_px, 3)
        )
    rotation = opencv().Rodrigues(pose.turn)[0].T
    position = -rotation @ pose.shift
    if not position[1] > 0.1:
        raise ConfigError(f"the camera would be {position[1]:.2f} m above the floor; check the floor points' order")
    rows = tuple((float(r[0]), float(r[1]), float(r[2])) for r in rotation)
    place = Extrinsics(
        (rows[0], rows[1], rows[2]),
        (float(position[0]), float(position[1]), float(position[2])),
        round(pose.error_px, 3),
    )
    return structs.replace(file, intrinsics=lens, extrinsics=place)


def _fit(lens: Intrinsics, points: NDArray[np.float64], pixels: NDArray[np.float64], refine: bool) -> _Pose:
    """The pose that is nearest to what is seen, in pixels."""
    fits = [p for start in (_STARTS if refine else (1.0,)) if (p := _fit_from(lens, points, pixels, start, refine))]
    if not fits:
        raise ConfigError(_IN_LINE)
    return min(fits, key=lambda p: p.error_px)


def _fit_from(
    lens: Intrinsics, points: NDArray[np.float64], pixels: NDArray[np.float64], start: float, refine: bool
) -> _Pose | None:
    cv2 = opencv()
    distortion = np.array([*lens.distortion, 0, 0, 0, 0, 0][:5], float)

    def matrix(focal: float) -> NDArray[np.float64]:
        return np.array([[focal * lens.fx, 0, lens.cx], [0, focal * lens.fy, lens.cy], [0, 0, 1]])

    def off(v: NDArray[np.float64]) -> NDArray[np.float64]:
        focal = float(np.exp(v[6])) if refine else 1.0
        seen = cv2.projectPoints(points, v[:3], v[3:6], matrix(focal), distortion)[0]
        return (seen.reshape(-1, 2) - pixels).ravel()

    flat = cv2.undistortPoints(pixels.reshape(-1, 1, 2), matrix(start), distortion)
    try:
        ok, turn, shift = cv2.solvePnP(points, flat, np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP)
    except cv2.error:  # seen in one line, or all in one place
        return None
    if not (ok and np.isfinite(turn).all() and np.isfinite(shift).all()):
        return None
    first = np.concatenate([turn.ravel(), shift.ravel(), [np.log(start)] if refine else []])
    best: Any = least_squares(off, first, x_scale="jac")
    error = float(np.sqrt((best.fun.reshape(-1, 2) ** 2).sum(1).mean()))
    spread = (
        max(error, _SEEN_PX) * float(np.sqrt(np.linalg.pinv(np.asarray(best.jac.T @ best.jac, np.float64))[-1, -1]))
        if refine
        else 0.0
    )
    return _Pose(best.x[:3], best.x[3:6], float(np.exp(best.x[6])) if refine else 1.0, spread, error)
