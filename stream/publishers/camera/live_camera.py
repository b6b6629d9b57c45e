"""A camera or network stream: always the newest image, and back again after it was lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import SenderReason
from dyadwatch.stream.publishers.camera.opencv import opencv
from dyadwatch.stream.publishers.camera.video import Picture
from dyadwatch.stream.publishers.live import Refusals

_log = logging.getLogger("dyadwatch.publish")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_TIMEOUT_MS = 5000
_LOOK_S = 0.1  # how often a stop is looked for


class LiveCamera:
    """Reads a camera in a thread of its own, so that a slow taker gets the newest image and never an old one.

    Arguments:
        device: number of a local camera, or the URL of a stream.
        source: under whose name things are counted.
        refusals: counts images skipped, of a lost camera, and of its return.
        size: width and height to ask a local camera for.
    """

    def __init__(
        self, device: int | str, source: str, refusals: Refusals, *, size: tuple[int, int] | None = None
    ) -> None:
        self._device = device
        self._source = source
        self._refusals = refusals
        self._size = size
        self._cv2 = opencv()
        self._newest: Picture | None = None
        self._fresh = threading.Condition()
        self._stop = threading.Event()
        self.fps: float | None = None
        self.skipped = 0
        self.reconnected = 0

    def check(self) -> None:
        """Opens a local camera for a moment, before anything is waited for; a stream may come later.

        Raises:
            ConfigError: it does not open.
        """
        if isinstance(self._device, int):
            capture = self._open()
            if capture is None:
                raise ConfigError(_why_closed(self._device))
            capture.release()

    def pictures(self, stopped: Callable[[], bool]) -> Iterator[Picture]:
        """The newest image each time, until asked to stop.

        Raises:
            ConfigError: when a local camera does not open at the start; a stream is waited for.
            RuntimeError: when the reader has ended by a fault of its own, of which Python has printed the traceback.
        """
        first = self._open()
        if first is None and isinstance(self._device, int):
            raise ConfigError(_why_closed(self._device))
        reader = threading.Thread(target=self._read, args=(first,), name="camera")
        reader.start()
        try:
            while not stopped():
                with self._fresh:
                    if self._newest is None:
                        self._fresh.wait(_LOOK_S)
                    picture, self._newest = self._newest, None
                if picture is not None:
                    yield picture
                elif not reader.is_alive():
                    raise RuntimeError(f"{self._name} is not read any more, after the error above")
        finally:
            self._stop.set()
            reader.join()

    def _read(self, capture: Any) -> None:
        wait = _FIRST_WAIT_S
        seen = False
        while not self._stop.is_set():
            if capture is None:
                self._refusals.add(
                    self._source,
                    SenderReason.CAMERA_LOST,
                    f"{self._name} gives no image; the next try is in {wait:g} s",
                )
                if self._stop.wait(wait):
                    return
                wait = min(2 * wait, _LONGEST_WAIT_S)
                capture = self._open()
                continue
            picture = self._take(capture)
            if picture is None:
                capture.release()
                capture = None
                continue
            if wait > _FIRST_WAIT_S and seen:
                self.reconnected += 1
                _log.info("%s: %s is back", self._source, self._name)
            wait, seen = _FIRST_WAIT_S, True
            with self._fresh:
                if self._newest is not None:
                    self.skipped += 1
                    self._refusals.add(
                        self._source,
                        SenderReason.IMAGE_SKIPPED,
                        "images come faster than they are looked at; the newest is taken",
                    )
                self._newest = picture
                self._fresh.notify()
        if capture is not None:
            capture.release()

    def _take(self, capture: Any) -> Picture | None:
        """The next image; None where there is none, be it that OpenCV cannot make one of what the camera sends."""
        try:
            grabbed = capture.grab()
            stamp = time.time_ns()  # as near to the light as this side of the driver gets
            ok, image = capture.retrieve() if grabbed else (False, None)
        except self._cv2.error as e:
            _log.debug("%s: %s: %s", self._source, self._name, e)
            return None
        return Picture(image, stamp) if ok and image is not None else None

    @property
    def _name(self) -> str:
        return f"camera {self._device}" if isinstance(self._device, int) else _without_password(self._device)

    def _open(self) -> Any:
        """The camera, or None where it does not open."""
        try:
            return self._opened()
        except self._cv2.error as e:
            _log.debug("%s: %s: %s", self._source, self._name, e)
            return None

    def _opened(self) -> Any:
        cv2 = self._cv2
        if isinstance(self._device, int):
            capture = cv2.VideoCapture(self._device)
            if self._size is not None:
                capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
                capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        else:
            timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
            capture = cv2.VideoCapture(self._device, cv2.CAP_FFMPEG, timeouts)
        if not capture.isOpened():
            capture.release()
            return None
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 1 <= fps <= 240 else None
        return capture


def _why_closed(device: int) -> str:
    there = sorted(p.name for p in Path("/dev").glob("video*"))
    if f"video{device}" in there:
        return (
            f"device is {device} and /dev/video{device} gives no image; expected a camera that no other program "
            "uses and that you may read (group video)"
        )
    return f"device is {device}; expected a camera, and this machine has {', '.join(there) or 'none'}"


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
