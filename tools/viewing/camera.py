"""Where a scene is looked at from, and where a point in metres falls in the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.tools.viewing.scene import Scene

_ELEVATION = np.radians(16)
_TURN = np.radians(24)  # off the side view, so that depth shows
_FOCAL = 1.5  # focal length in heights of the picture
_NEAR_M = 3.0
_FAR_M = 60.0


class ViewPoint:
    """A perspective camera that stands still; all axes have one scale.

    Arguments:
        target: metres (3,), in the middle of the picture.
        azimuth, elevation: radians; the direction from the target to the camera.
        distance: metres.
        box: left, top, right and bottom of the picture, pixels.
    """

    def __init__(
        self,
        target: NDArray[np.float64],
        azimuth: float,
        elevation: float,
        distance: float,
        box: tuple[int, int, int, int],
    ) -> None:
        self.target, self.azimuth, self.distance = target, azimuth, distance
        c, s = np.cos(elevation), np.sin(elevation)
        towards = np.array([c * np.sin(azimuth), s, c * np.cos(azimuth)])
        right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
        self._axes = np.stack([right, np.cross(towards, right), -towards])
        self._eye = target + distance * towards
        left, top, right_px, bottom = box
        self._centre = np.array([(left + right_px) / 2, (top + bottom) / 2])
        self._focal = _FOCAL * (bottom - top)

    def project(self, points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels (..., 2) and depth in metres (...) of points (..., 3); NaN for what is unseen or behind the camera."""
        local = (np.asarray(points, np.float64) - self._eye) @ self._axes.T
        depth = np.where(local[..., 2] > 0.1, local[..., 2], np.nan)
        flat = local[..., :2] / depth[..., None] * self._focal
        return self._centre + flat * [1, -1], depth

    def unscaled(self, where: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels (..., 2) as they would be from the middle of the picture with a focal length of 1."""
        return (where - self._centre) / self._focal

    def pixels(self, metres: float, depth: float) -> float:
        """How long a length looks at a depth."""
        return metres * self._focal / depth


def look_at(scene: Scene, box: tuple[int, int, int, int], at: float | None = None) -> ViewPoint:
    """A camera from which the two who are looked at are seen side by side, and whole.

    Arguments:
        scene: what is looked at.
        box: left, top, right and bottom of the picture, pixels.
        at: seconds to the moment at which they fill the picture; None fits all they do into it.
    """
    pair = scene.joints[:, :2]
    places = scene.places[:, :2]
    moment = min(round((scene.peak if at is None else at) * scene.fps), len(pair) - 1)
    line = np.array([1.0, 0.0, 0.0])
    if places.shape[1] > 1:
        both = np.flatnonzero(~np.isnan(places[:, :, 0]).any(axis=1))
        if len(both):
            together = both[np.abs(both - moment).argmin()]
            line = places[together, 1] - places[together, 0]
    azimuth = float(np.arctan2(line[0], line[2])) - np.pi / 2 + _TURN
    if at is not None and not np.isnan(pair[moment]).all():
        pair = pair[moment : moment + 1]
    points = _room(pair, scene.floor)
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    target = (low + high) / 2
    near, far = _NEAR_M, _FAR_M
    for _ in range(24):
        distance = (near + far) / 2
        where, _ = ViewPoint(target, azimuth, _ELEVATION, distance, box).project(points)
        inside = (where > [box[0], box[1]]) & (where < [box[2], box[3]])
        near, far = (near, distance) if inside.all(axis=1).mean() > 0.99 else (distance, far)
    return ViewPoint(target, azimuth, _ELEVATION, far * 1.06, box)


def reach(scene: Scene, camera: ViewPoint) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all that the two do, from the middle of the picture, for a focal length of 1."""
    where, _ = camera.project(_room(scene.joints[:, :2], scene.floor))
    (left, top), (right, bottom) = np.nanpercentile(camera.unscaled(where), [0.5, 99.5], axis=0)
    return float(left), float(top), float(right), float(bottom)


def _room(pair: NDArray[np.float32], floor: float) -> NDArray[np.float64]:
    """Points (n, 3) that are to be in the picture: where people are, the floor below, and their names above."""
    every = max(len(pair) // 200, 1)
    points = pair[::every].reshape(-1, 3).astype(np.float64)
    points = points[~np.isnan(points[:, 0])]
    if not len(points):
        points = np.zeros((1, 3))
    below = points * np.array([1, 0, 1]) + np.array([0, floor, 0])
    return np.concatenate([points, below, points + np.array([0, 0.25, 0])])
