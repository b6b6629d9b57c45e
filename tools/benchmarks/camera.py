"""`dyadwatch bench camera`: how well and how fast people before a camera are found, followed and placed."""

from __future__ import annotations

import json as json_module
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from logging import getLogger
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import zmq
from cyclopts import Parameter
from numpy.typing import NDArray
from rich.console import Console
from scipy.optimize import linear_sum_assignment

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.calibrate import place_on_floor, scale_from_floor
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, Intrinsics
from dyadwatch.stream.publishers.camera.mediapipe_pose import MediaPipeEstimator
from dyadwatch.stream.publishers.camera.models import find_model
from dyadwatch.stream.publishers.camera.opencv import opencv
from dyadwatch.stream.publishers.camera.preview import Preview
from dyadwatch.stream.publishers.camera.video import Picture, Video
from dyadwatch.stream.publishers.camera.watch import Watched, Watcher
from dyadwatch.stream.publishers.live import Refusals
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.tools.benchmarks.machine import describe_machine

_NS = 1_000_000_000
_PHOTOS = {"rtmlib_demo.jpg": 3, "zidane.jpg": 2, "dl_pedestrians.jpg": 4, "bus.jpg": 2}
_VIDEOS = ("street_hug_720p.avi", "mock_fight_480p.mp4")
_SCENE = "Cam_x1_0.mp4"
_SCENE_LENS = Intrinsics(964.24, 964.63, 400.0, 300.0, 800, 600)
_SCENE_PIXELS = np.array([(201.0, 119.0), (592.0, 118.0), (781.0, 579.0), (2.0, 579.0)])
_SCENE_FLOOR = np.array([(3.0, 15.0), (10.0, 15.0), (10.0, 5.0), (3.0, 5.0)])
_WALKERS = ("Person", "person")
_SOURCE = "bench"


def camera(
    *,
    data: Path | None = None,
    model: str = "lite",
    frames: int = 2400,
    calibrate_frames: int = 400,
    pictures: Path | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Measure the camera publisher on photos and videos whose content is known.

    Parameters
    ----------
    data
        Folder that holds media/; by default DYADWATCH_DATA.
    model
        Pose model.
    frames
        How much of the scene with known floor positions is looked at.
    calibrate_frames
        How much of it the scale is found from.
    pictures
        Folder to write annotated videos to, to be looked at.
    json
        Print one JSON object instead.
    """
    named = data or (Path(os.environ["DYADWATCH_DATA"]) if os.environ.get("DYADWATCH_DATA") else None)
    if named is None or not (named / "media").is_dir():
        raise ConfigError(f"data is {named}; expected a folder that holds media/, or DYADWATCH_DATA to name it")
    media, progress = named / "media", Console(stderr=True)
    bundle = find_model(model)
    out: dict[str, Any] = {"machine": describe_machine(), "model": model}
    progress.print("photos")
    out["photos"] = {name: {"people": _photo(media / name, bundle), "at_least": n} for name, n in _PHOTOS.items()}
    for name in _VIDEOS:
        progress.print(name)
        out[name] = _followed(media / name, bundle, None if pictures is None else pictures / f"{name}.annotated.mp4")
    progress.print("speed, 720p, two people")
    out["speed"] = _speed(media / _VIDEOS[0], bundle)
    progress.print(f"distance, {_SCENE}")
    out["distance"] = _distance(media, bundle, frames, calibrate_frames)
    if json:
        sys.stdout.write(msgspec.json.encode(out).decode() + "\n")
    else:
        for key, value in out.items():
            sys.stdout.write(f"{key}: {value}\n")


def _watch(estimator: MediaPipeEstimator, file: CameraFile | None = None) -> Watcher:
    return Watcher(estimator, _SOURCE, "media", Refusals(getLogger("dyadwatch.bench")), file=file)


def _photo(path: Path, bundle: Path) -> int:
    """People published after one second of the same photo."""
    image = opencv().imread(str(path))
    with closing(MediaPipeEstimator(bundle)) as estimator:
        watcher = _watch(estimator)
        return [len(watcher.look(Picture(image, round(k * _NS / 15))).people) for k in range(15)][-1]


def _film(path: Path, watcher: Watcher, most: int | None = None) -> Iterator[tuple[Picture, Watched]]:
    with Video(path) as film:
        for picture in islice(film.pictures(), most):
            yield picture, watcher.look(picture)


def _followed(path: Path, bundle: Path, annotated: Path | None) -> dict[str, Any]:
    """Who was published from when to when, and what was held back."""
    spans: dict[int, list[float]] = {}
    with closing(MediaPipeEstimator(bundle)) as estimator:
        watcher = _watch(estimator)
        preview = None if annotated is None else Preview(str(annotated), 25.0, MEDIAPIPE33)
        for picture, watched in _film(path, watcher):
            if preview is not None:
                preview.show(picture.image, watched.people)
            for person in watched.people:
                at = picture.stamp / _NS
                first, _, images = spans.get(person.id, [at, at, 0])
                spans[person.id] = [first, at, images + 1]
        if preview is not None:
            preview.close()
        rows = [{"id": k, "from_s": round(a, 2), "to_s": round(b, 2), "images": n} for k, (a, b, n) in spans.items()]
        return {"ids": rows, "counts": watcher.counts()}


def _speed(path: Path, bundle: Path) -> dict[str, float]:
    """Frames a second, and milliseconds from an image to its frame having left, two people at most."""
    with Video(path) as film:
        images = [p.image for p in film.pictures()]
    took = []
    with (
        zmq.Context() as context,
        context.socket(zmq.SUB) as detector,
        closing(MediaPipeEstimator(bundle, most=2)) as estimator,
    ):
        detector.setsockopt(zmq.LINGER, 0)
        detector.setsockopt(zmq.SUBSCRIBE, b"")
        detector.bind("tcp://127.0.0.1:0")
        address = detector.getsockopt_string(zmq.LAST_ENDPOINT)
        watcher, people = _watch(estimator), 0
        with PosePublisher(address) as publisher:
            for k, image in enumerate(images):
                began = time.perf_counter()
                watched = watcher.look(Picture(image, round(k * _NS / 25)))
                publisher.send(watched.frame)
                took.append(time.perf_counter() - began)
                people += len(watched.people)
    steady = np.array(took[25:]) * 1000
    p50, p95 = np.percentile(steady, [50, 95])
    return {
        "frames_per_s": round(1000 / float(steady.mean()), 1),
        "ms_p50": round(float(p50), 1),
        "ms_p95": round(float(p95), 1),
        "people": round(people / len(images), 2),
    }


def _distance(media: Path, bundle: Path, frames: int, calibrate_frames: int) -> dict[str, Any]:
    """Error of the distance between two walkers, whose true floor positions serve for nothing but this comparison."""
    truth = _truth(media / _SCENE.replace("_0.mp4", "_gtLoc.json"))
    file = place_on_floor(CameraFile(_SCENE_LENS), _SCENE_PIXELS, _SCENE_FLOOR, MEDIAPIPE33)
    sights = []
    with closing(MediaPipeEstimator(bundle)) as estimator, Video(media / _SCENE) as film:
        for picture in islice(film.pictures(), calibrate_frames):
            sights += estimator.people(picture.image, picture.stamp)
    scale = scale_from_floor(file, (800, 600), sights, MEDIAPIPE33)
    file = msgspec.structs.replace(file, scale=scale, scale_from="feet on the floor")
    errors, places = [], []
    with closing(MediaPipeEstimator(bundle)) as estimator:
        for k, (_, watched) in enumerate(_film(media / _SCENE, _watch(estimator, file), frames)):
            found = _floor_places(watched)
            if k >= len(truth) or len(found) < 2:
                continue
            apart = np.linalg.norm(found[:, None] - truth[k][None], axis=2)
            rows, columns = linear_sum_assignment(apart)
            if apart[rows, columns].max() > 2.0:  # somebody else, or nobody
                continue
            a, b = found[rows[np.argsort(columns)]]
            errors.append(abs(np.linalg.norm(a - b) - np.linalg.norm(truth[k][0] - truth[k][1])))
            places.append(apart[rows, columns].mean())
    if not errors:
        return {"images": 0, "scale": round(scale, 3)}
    return {
        "mean_error_m": round(float(np.mean(errors)), 3),
        "p95_error_m": round(float(np.percentile(errors, 95)), 3),
        "place_error_m": round(float(np.mean(places)), 3),
        "images": len(errors),
        "of": frames,
        "scale": round(scale, 3),
    }


def _floor_places(watched: Watched) -> NDArray[np.float64]:
    """Where people stand, to the right and ahead: the middle of their hips, shape (people, 2)."""
    hips = [MEDIAPIPE33.index["left_hip"], MEDIAPIPE33.index["right_hip"]]
    return np.array([p.joints[hips].mean(0)[[0, 2]] * (1, -1) for p in watched.people]).reshape(-1, 2)


def _truth(path: Path) -> list[NDArray[np.float64]]:
    """Floor positions of both walkers, to the right and ahead, an array (2, 2) an image."""
    out = []
    for line in path.read_text().splitlines():
        objects = json_module.loads(line)["objects"]
        out.append(np.array([objects[name][0]["translation"][:2] for name in _WALKERS]))
    return out
