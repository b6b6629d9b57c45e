"""A video file, image by image, on its own timeline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.estimate import Image
from dyadwatch.stream.publishers.camera.opencv import opencv

_NS = 1_000_000_000
_USUAL_FPS = 30.0  # where the file does not say
_LOOK = 4 << 20  # bytes at either end of a file in which its codec is named


class Picture(NamedTuple):
    """An image and when it was taken, nanoseconds."""

    image: Image
    stamp: int


class Video:
    """A video file, as a context manager; frame k is stamped k / fps.

    Arguments:
        path: any format that OpenCV reads.

    Raises:
        ConfigError: when it cannot be opened; the message names the codec as far as the file tells it.
        MissingExtraError: when OpenCV is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise ConfigError(f"{path} does not exist; expected a video file")
        cv2 = opencv()
        self._capture: Any = cv2.VideoCapture(str(path))
        ok, self.first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not ok or self.first is None:
            self._capture.release()
            raise ConfigError(
                f"{path} cannot be played: {_codec(path)}; expected a video that OpenCV reads, such as H.264 in "
                "MP4; convert it with: ffmpeg -i FILE -c:v libx264 OUT.mp4"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 1 <= fps <= 1000 else _USUAL_FPS
        self.size = (int(self.first.shape[1]), int(self.first.shape[0]))
        self.count = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0) or None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.release()

    def pictures(self) -> Iterator[Picture]:
        """All images, to the end or to where the file is torn."""
        image, k = self.first, 0
        while image is not None:
            yield Picture(image, round(k * _NS / self.fps))
            ok, image = self._capture.read()
            image, k = image if ok else None, k + 1


def _codec(path: Path) -> str:
    """What a file says of its codec, found without playing it: MP4, AVI and Matroska name it in their headers."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_LOOK)
        file.seek(max(size - _LOOK, 0))
        data = head + file.read(_LOOK)
    if not data.strip(b"\0"):
        return "the file is empty"
    found = (
        re.search(rb"stsd.{12}(\w{4})", data, re.DOTALL)
        or re.search(rb"strh.{4}vids(\w{4})", data, re.DOTALL)
        or re.search(rb"(V_[A-Z0-9/_]{3,30})", data)
    )
    if found:
        return f"its codec is {found[1].decode()!r}, which this OpenCV does not decode, or it is damaged"
    return f"no codec was found in it (it begins with {data[:8]!r})"
