"""The second estimator: what any other program saw in the same video, from a file of JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import get_layout
from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose


class _Someone(msgspec.Struct):
    image: list[tuple[float, float]]
    world: list[tuple[float, float, float]]
    visibility: list[Annotated[float, Meta(ge=0, le=1)]] | None = None
    key: int | None = None


class _Line(msgspec.Struct):
    people: list[_Someone]


class LandmarkLines:
    """Line k is {"people": [{"image": [[x, y], ...], "world": [[x, y, z], ...], "visibility": [...]}]} of image k.

    Arguments:
        path: pixels, and metres with x right, y down, z away; everything in the layout's order.
        layout: name of a known layout.
    """

    def __init__(self, path: Path, layout: str) -> None:
        self.layout: Layout = get_layout(layout)
        self._path, self._k = path, 0
        try:
            self._file = path.open("rb")
        except OSError as e:
            raise ConfigError(f"{path} cannot be read ({e.strerror}); expected one JSON object an image") from None

    def people(self, image: Image, stamp: int) -> list[SeenPose]:
        """Everyone of the next line; nobody after the last."""
        line, self._k = self._file.readline(), self._k + 1
        try:
            people = msgspec.json.decode(line, type=_Line).people if line.strip() else []
            return [self._seen(p) for p in people]
        except (msgspec.DecodeError, ValueError) as e:
            raise ConfigError(f"{self._path} line {self._k}: {e}") from None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _seen(self, p: _Someone) -> SeenPose:
        n = len(self.layout)
        if not len(p.image) == len(p.world) == len(p.visibility or p.image) == n:
            raise ValueError(f"{len(p.image)} image, {len(p.world)} world joints; expected {n} of {self.layout.name}")
        visibility = np.ones(n) if p.visibility is None else np.array(p.visibility)
        return SeenPose(np.array(p.image), np.array(p.world), visibility, p.key)
