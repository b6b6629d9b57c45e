"""From images to pose frames: one camera, its estimator, and the people it follows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import SenderReason
from dyadwatch.stream.publishers.camera.appearance import colours
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, assumed_camera
from dyadwatch.stream.publishers.camera.estimate import Estimator
from dyadwatch.stream.publishers.camera.geometry import CameraModel
from dyadwatch.stream.publishers.camera.people import CameraPeople, CameraPerson, PeopleOptions
from dyadwatch.stream.publishers.camera.video import Picture
from dyadwatch.stream.publishers.live import Refusals


class Watched(NamedTuple):
    """What came of one image: the frame to publish, and the people in it."""

    frame: PoseFrame
    people: list[CameraPerson]


class Watcher:
    """Turns images of one camera into frames.

    Arguments:
        estimator: finds people; stays the caller's to close.
        source: name of the source.
        clock: name of the clock of the stamps.
        file: the camera, or None where it is not known.
        fov_deg: horizontal field of view to assume then.
        refusals: counts what is only assumed, of people who cannot be placed and of perhaps mistaken ids.
        options: what makes a person.
    """

    def __init__(
        self,
        estimator: Estimator,
        source: str,
        clock: str,
        refusals: Refusals,
        *,
        file: CameraFile | None = None,
        fov_deg: float = 70.0,
        options: PeopleOptions | None = None,
    ) -> None:
        self._estimator = estimator
        self._source = source
        self._clock = clock
        self._refusals = refusals
        self._file = file
        self._fov_deg = fov_deg
        self._options = options
        self._size: tuple[int, int] | None = None
        self._people: CameraPeople | None = None
        self._warnings: list[tuple[SenderReason, str]] = []
        self._seq = 0

    def check_size(self, width: int, height: int) -> None:
        """Whether images of that size, in pixels, are those of the camera file, before any is looked at.

        Raises:
            ConfigError: they have another shape.
        """
        CameraModel(self._file or assumed_camera(width, height, self._fov_deg), width, height, self._estimator.layout)

    def look(self, picture: Picture) -> Watched:
        """The frame of an image; one without people is a frame as well.

        Raises:
            ConfigError: when the images do not have the shape the camera file is for.
        """
        height, width = picture.image.shape[:2]
        if self._people is None or self._size != (width, height):
            camera = self._camera(width, height)
            if self._people is None:
                self._people = CameraPeople(camera, self._options)
            else:
                self._people.begin_anew(camera)  # nobody else may get an id that was somebody's
            self._size = (width, height)
        for reason, text in self._warnings:
            self._refusals.add(self._source, reason, text)
        before = self._people.counts["id_switch"]
        layout = self._estimator.layout
        seen = self._estimator.people(picture.image, picture.stamp)
        people = self._people.update(seen, picture.stamp, [colours(picture.image, s, layout) for s in seen])
        if self._people.counts["id_switch"] > before:
            text = f"{self._source}: people were mistaken for each other; the id of one has ended and a new one begun"
            self._refusals.add(self._source, SenderReason.ID_SWITCH, text)
        frame = PoseFrame(
            self._source,
            0,
            self._seq,
            picture.stamp,
            self._clock,
            layout,
            np.stack([p.joints for p in people]) if people else np.zeros((0, len(layout), 3), np.float32),
            np.stack([p.confidence for p in people]) if people else np.zeros((0, len(layout)), np.float32),
            tuple(p.id for p in people),
            tuple(reason.value for reason, _ in self._warnings),
        )
        self._seq += 1
        return Watched(frame, people)

    def begin_anew(self) -> None:
        """What comes next is another time: nobody in it is who was seen before. Ids and counts go on."""
        self._size = None

    def counts(self) -> dict[str, int]:
        """How often someone was not placed or not taken for a person, by reason."""
        return {} if self._people is None else {k: n for k, n in sorted(self._people.counts.items()) if n}

    def _camera(self, width: int, height: int) -> CameraModel:
        file = self._file or assumed_camera(width, height, self._fov_deg)
        self._warnings = []
        if file.intrinsics.assumed:
            text = (
                f"{self._source}: THE FIELD OF VIEW IS ONLY ASSUMED: all distances between people may be wrong by a "
                "constant factor; make a camera file with: dyadwatch calibrate-camera"
            )
            self._warnings.append((SenderReason.ASSUMED_FIELD_OF_VIEW, text))
        return CameraModel(file, width, height, self._estimator.layout)
