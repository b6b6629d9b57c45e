"""Frames of one camera, whatever the size of its images."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.camera_file import CameraFile
from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose
from dyadwatch.stream.publishers.camera.video import Picture
from dyadwatch.stream.publishers.camera.watch import Watcher
from dyadwatch.stream.publishers.live import Refusals


class _SeesOne:
    """An estimator that sees one person, in images of any size, and at times a ghost that is hardly visible."""

    layout = MEDIAPIPE33

    def __init__(self, seen: SeenPose) -> None:
        self._seen = seen

    def people(self, image: Image, stamp: int) -> list[SeenPose]:
        seen = self._seen._replace(image=self._seen.image * (image.shape[1] / 1280))
        return [seen, seen._replace(image=seen.image + np.array((image.shape[1] / 4, 0)), visibility=np.full(33, 0.3))]

    def close(self) -> None:
        return


def test_ids_and_counts_go_on_after_another_size_of_images(
    high_camera: CameraFile, body: NDArray[np.float64], sight: Callable[..., SeenPose]
) -> None:
    estimator = _SeesOne(sight(high_camera, np.add(body, (0.0, 0.0, -5.0))))
    watcher = Watcher(estimator, "door", "media", Refusals(logging.getLogger("dyadwatch.test")), file=high_camera)
    ids, held_back = [], []
    for k in range(45):
        height = (720, 360, 720)[k // 15]
        frame, _ = watcher.look(Picture(np.zeros((height, height * 16 // 9, 3), np.uint8), k * 40_000_000))
        assert frame.seq == k
        if k % 15 == 14:
            ids.append(frame.ids)
            held_back.append(watcher.counts()["hardly_visible"])
    assert ids == [(1,), (2,), (3,)]
    assert held_back == [held_back[0], 2 * held_back[0], 3 * held_back[0]]
