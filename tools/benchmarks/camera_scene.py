"""The scene with known floor positions: how well `bench camera` finds the distance between its two walkers."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import islice
from logging import getLogger
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.camera_calibration import lean_from_people, scale_from_floor
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, Intrinsics
from dyadwatch.stream.publishers.camera.floor_points import place_on_floor
from dyadwatch.stream.publishers.camera.mediapipe_pose import MediaPipeEstimator
from dyadwatch.stream.publishers.camera.video import Video
from dyadwatch.stream.publishers.camera.watch import Watched, Watcher
from dyadwatch.stream.publishers.live import Refusals

SCENE = "Cam_x1_0.mp4"
_LENS = Intrinsics(964.24, 964.63, 400.0, 300.0, 800, 600)
_PIXELS = np.array([(201.0, 119.0), (592.0, 118.0), (781.0, 579.0), (2.0, 579.0)])
_FLOOR = np.array([(3.0, 15.0), (10.0, 15.0), (10.0, 5.0), (3.0, 5.0)])
_WALKERS = ("Person", "person")
_SAME_M = 2.0  # whoever stands farther from where a walker is, is somebody else


def scene_camera() -> CameraFile:
    """The camera of the scene: its place and focal length from four points of the floor.

    With the focal length given with the scene the points fit to 3 pixels, with the one they tell to 0.15.
    """
    return place_on_floor(CameraFile(_LENS), _PIXELS, _FLOOR, refine_lens=True)


def distance_errors(media: Path, bundle: Path, frames: int, calibrate_frames: int) -> dict[str, Any]:
    """Error of the distance between two walkers, whose true floor positions serve for nothing but this comparison.

    Arguments:
        media: folder with the scene.
        bundle: the pose model.
        frames: images to look at.
        calibrate_frames: images from which the scale and lean of people are found: they walk upright, on the floor.
    """
    truth = _truth(media / SCENE.replace("_0.mp4", "_gtLoc.json"))
    file = scene_camera()
    sights = []
    with closing(MediaPipeEstimator(bundle)) as estimator, Video(media / SCENE) as film:
        for picture in islice(film.pictures(), calibrate_frames):
            sights += estimator.people(picture.image, picture.stamp)
    size = (_LENS.width, _LENS.height)
    file = msgspec.structs.replace(file, lean_deg=lean_from_people(file, size, sights, MEDIAPIPE33))
    scale = scale_from_floor(file, size, sights, MEDIAPIPE33)
    file = msgspec.structs.replace(file, scale=scale, scale_from="feet on the floor")
    errors, places, both = [], [], 0
    with closing(MediaPipeEstimator(bundle)) as estimator, Video(media / SCENE) as film:
        watcher = Watcher(estimator, "bench", "media", Refusals(getLogger("dyadwatch.bench")), file=file)
        for picture, there in zip(islice(film.pictures(), frames), truth, strict=False):
            found = _floor_places(watcher.look(picture))
            if len(found) < 2:
                continue
            apart = np.linalg.norm(found[:, None] - there[None], axis=2)
            rows, columns = linear_sum_assignment(apart)
            if apart[rows, columns].max() > _SAME_M:
                continue
            both += 1
            a, b = found[rows[np.argsort(columns)]]
            errors.append(abs(np.linalg.norm(a - b) - np.linalg.norm(there[0] - there[1])))
            places.append(apart[rows, columns].mean())
    if not errors:
        return {"mean_error_m": None, "images": 0, "scale": round(scale, 3)}
    return {
        "mean_error_m": round(float(np.mean(errors)), 3),
        "p95_error_m": round(float(np.percentile(errors, 95)), 3),
        "place_error_m": round(float(np.mean(places)), 3),
        "images_with_both": both,
        "of": min(frames, len(truth)),
        "scale": round(scale, 3),
        "lean_deg": round(file.lean_deg, 1),
    }


def _floor_places(watched: Watched) -> NDArray[np.float64]:
    """Where people stand, to the right and ahead: the middle of their hips, shape (people, 2)."""
    hips = [MEDIAPIPE33.index["left_hip"], MEDIAPIPE33.index["right_hip"]]
    return np.array([p.joints[hips].mean(0)[[0, 2]] * (1, -1) for p in watched.people]).reshape(-1, 2)


def _truth(path: Path) -> list[NDArray[np.float64]]:
    """Floor positions of both walkers, to the right and ahead, an array (2, 2) an image."""
    out = []
    for line in path.read_text().splitlines():
        objects = json.loads(line)["objects"]
        out.append(np.array([objects[name][0]["translation"][:2] for name in _WALKERS]))
    return out
