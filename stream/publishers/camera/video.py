"""A video file, image by image, on its own timeline."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.camera.estimate import Image
from dyadwatch.stream.publishers.camera.film_times import FilmTimes
from dyadwatch.stream.publishers.camera.opencv import opencv

_log = logging.getLogger("dyadwatch.publish")
_BREAK_NS = NS  # between two rounds, as `clips.clip_frames` leaves it: no window reaches across
_TIMES_LOOKED_AT = 32
_USUAL_FPS = 30.0  # where the file does not say
_LOOK = 4 << 20  # bytes at either end of a file in which its codec is named


class Picture(NamedTuple):
    """An image and when it was taken, nanoseconds."""

    image: Image
    stamp: int


class Video:
    """A video file, as a context manager; images are stamped with the times the file gives them.

    A file whose times cannot be used is stamped by its rate, which is reported once. See `FilmTimes`.

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
        self._cv2 = opencv()
        self._first_ms = self._first_times()
        self._capture, self.first = self._open()
        self._played = self._told = False
        fps = self._capture.get(self._cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 1 <= fps <= 1000 else _USUAL_FPS
        self.size = (int(self.first.shape[1]), int(self.first.shape[0]))
        self.count = max(int(self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT)), 0) or None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.release()

    def pictures(self, start_ns: int = 0) -> Iterator[Picture]:
        """All images from the beginning, to the end or to where the file is torn; the first is stamped `start_ns`.

        Raises:
            ConfigError: when it is played again and cannot be opened any more.
        """
        if self._played:
            self._capture.release()
            self._capture, self.first = self._open()
        self._played = True
        times = FilmTimes(self._first_ms, self.fps, start_ns)
        image: Image | None = self.first
        while image is not None:
            stamp = times.stamp(self._time_ms())
            if times.fault and not self._told:
                self._told = True
                _log.warning("%s: the times of its images %s; taken by its rate, %.4g a second",
                             self._path, times.fault, self.fps)  # fmt: skip
            yield Picture(image, stamp)
            ok, image = self._capture.read()
            image = image if ok else None

    def _time_ms(self) -> float:
        """When the image that was grabbed last is shown, as the file says."""
        return float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC))

    def _first_times(self) -> list[float]:
        """Times of the first images, looked at before any is played."""
        capture = self._cv2.VideoCapture(str(self._path))
        times: list[float] = []
        while len(times) < _TIMES_LOOKED_AT and capture.isOpened() and capture.grab():
            times.append(float(capture.get(self._cv2.CAP_PROP_POS_MSEC)))
        capture.release()
        return times

    def _open(self) -> tuple[Any, Image]:
        capture = self._cv2.VideoCapture(str(self._path))
        ok, first = capture.read() if capture.isOpened() else (False, None)
        if not ok or first is None:
            capture.release()
            raise ConfigError(
                f"{self._path} cannot be played: {_codec(self._path)}; expected a video that OpenCV reads, such as "
                "H.264 in MP4; convert it with: ffmpeg -i FILE -c:v libx264 OUT.mp4"
            )
        return capture, first


def played_again(film: Video, begin_anew: Callable[[], None]) -> Iterator[Picture]:
    """The images of a video again and again, without end; stamps go on.

    Arguments:
        film: to play.
        begin_anew: called between two rounds, whose movements do not join.

    Raises:
        ConfigError: when it cannot be opened any more.
    """
    start = 0
    while True:
        last = start
        for picture in film.pictures(start):
            last = picture.stamp
            yield picture
        start = last + round(NS / film.fps) + _BREAK_NS
        begin_anew()


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
