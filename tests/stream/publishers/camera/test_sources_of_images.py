"""Videos and streams: what plays, what does not, and a stream that comes back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.estimate import Image
from dyadwatch.stream.publishers.camera.live_camera import LiveCamera
from dyadwatch.stream.publishers.camera.video import Picture, Video
from dyadwatch.stream.publishers.live import Refusals

cv2 = pytest.importorskip("cv2", reason="needs the extra camera: pip install '.[camera]'")


def _film(path: Path, n: int, fps: float = 25.0) -> Path:
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (160, 120))
    for k in range(n):
        out.write(np.full((120, 160, 3), 20 * k % 255, np.uint8))
    out.release()
    return path


def test_a_video_keeps_its_own_time(tmp_path: Path) -> None:
    with Video(_film(tmp_path / "a.avi", 6)) as film:
        assert (film.fps, film.count) == (25.0, 6)
        assert [p.stamp for p in film.pictures()] == [k * 40_000_000 for k in range(6)]


def test_a_torn_video_is_played_up_to_the_tear(tmp_path: Path) -> None:
    path = _film(tmp_path / "a.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Video(path) as film:
        assert 5 < len(list(film.pictures())) < 40


def test_what_is_no_video_is_told_with_its_codec(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.mp4 does not exist; expected a video file"):
        Video(tmp_path / "none.mp4")
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be played: the file is empty"):
        Video(empty)
    text = tmp_path / "text.avi"
    text.write_bytes(b"hello, this is no video at all")
    with pytest.raises(ConfigError, match="no codec was found in it"):
        Video(text)
    strange = tmp_path / "strange.avi"
    strange.write_bytes(_film(tmp_path / "a.avi", 6).read_bytes().replace(b"MJPG", b"XQZ1"))
    with pytest.raises(ConfigError, match="its codec is 'XQZ1', which this OpenCV does not decode"):
        Video(strange)


def test_a_camera_that_is_not_there_is_told() -> None:
    live = LiveCamera(97, "door", Refusals(logging.getLogger("dyadwatch.test")))
    with pytest.raises(ConfigError, match="device is 97; expected a camera, and this machine has"):
        next(live.pictures(lambda: False))


class _Stream(BaseHTTPRequestHandler):
    """A network camera: JPEG after JPEG, some 50 a second."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        _, jpeg = cv2.imencode(".jpg", np.full((120, 160, 3), 128, np.uint8))
        part = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        try:
            while isinstance(self.server, _NetworkCamera) and not self.server.off.is_set():
                self.wfile.write(part + jpeg.tobytes() + b"\r\n")
                time.sleep(0.02)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        return


class _NetworkCamera(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Stream)
        self.off = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def end(self) -> None:
        self.off.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


@pytest.fixture
def network_camera() -> Iterator[_NetworkCamera]:
    camera = _NetworkCamera()
    yield camera
    camera.end()


def test_a_slow_taker_gets_the_newest_image_and_the_others_are_counted(network_camera: _NetworkCamera) -> None:
    refusals = Refusals(logging.getLogger("dyadwatch.test"))
    live = LiveCamera(f"http://127.0.0.1:{network_camera.server_port}/", "door", refusals)
    ages = []
    for picture in live.pictures(lambda: len(ages) >= 5):
        ages.append((time.time_ns() - picture.stamp) / 1e9)
        time.sleep(0.15)
    assert live.skipped >= 5
    assert refusals.counts()["door"]["image_skipped"] == live.skipped
    assert max(ages) < 0.5


def test_a_stream_that_was_lost_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dyadwatch")
    first = _NetworkCamera()
    port = first.server_port
    live = LiveCamera(f"http://user:secret@127.0.0.1:{port}/", "door", Refusals(logging.getLogger("dyadwatch.test")))
    taken: list[Picture] = []
    second: list[_NetworkCamera] = []
    deadline = time.monotonic() + 30
    for picture in live.pictures(lambda: live.reconnected > 0 or time.monotonic() > deadline):
        taken.append(picture)
        if len(taken) == 3:
            first.end()
            second.append(_NetworkCamera(port))
    second[0].end()
    assert live.reconnected == 1
    assert "gives no image" in caplog.text
    assert "secret" not in caplog.text
    assert [p.stamp for p in taken] == sorted(p.stamp for p in taken)


class _Driver:
    """A camera whose driver is at fault now and then, as OpenCV tells it."""

    def __init__(self, faults: list[Exception | None]) -> None:
        self._faults = faults

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, Image]:
        time.sleep(0.005)
        fault = self._faults.pop(0) if self._faults else None
        if fault is not None:
            raise fault
        return True, np.zeros((120, 160, 3), np.uint8)

    def release(self) -> None:
        return


class _FaultyCamera(LiveCamera):
    def __init__(self, *faults: Exception | None) -> None:
        self.refusals = Refusals(logging.getLogger("dyadwatch.test"))
        super().__init__("rtsp://faulty", "door", self.refusals)
        self._faults: list[Exception | None] = [None, *faults]
        self._opens = 0

    def _opened(self) -> _Driver:
        self._opens += 1
        if self._opens == 2:
            raise cv2.error("no memory for the driver's buffers")
        return _Driver(self._faults)


def test_a_fault_of_the_driver_is_a_camera_lost_and_found_again() -> None:
    live = _FaultyCamera(cv2.error("not a JPEG"))
    deadline = time.monotonic() + 20
    taken = list(live.pictures(lambda: live.reconnected > 0 or time.monotonic() > deadline))
    assert taken
    assert live.reconnected == 1
    assert live.refusals.counts()["door"]["camera_lost"] == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_has_died_is_told() -> None:
    live = _FaultyCamera(ZeroDivisionError("a fault of the reader itself"))
    deadline = time.monotonic() + 20
    with pytest.raises(RuntimeError, match="rtsp://faulty is not read any more, after the error above"):
        list(live.pictures(lambda: time.monotonic() > deadline))
