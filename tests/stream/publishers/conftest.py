"""A detector's end of the wire, for publishers to be heard at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.publishers.live import LiveFrame
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.wire import decode_pose


class Detector:
    """A SUB socket that binds and decodes, and the thread that passes live frames on to it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"pose.")
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("tcp://127.0.0.1:0")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.frames: list[PoseFrame] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def hear(self, frames: Callable[[Callable[[], bool]], Iterator[LiveFrame]]) -> None:
        """Passes live frames on from now until the end of the test."""

        def relay() -> None:
            with PosePublisher(self.address, epoch=1) as publisher:
                for frame, fps in frames(self._stop.is_set):
                    publisher.send(frame, fps=fps)

        self._threads.insert(0, threading.Thread(target=relay))
        self._threads[0].start()

    def take(self, n: int, seconds: float = 8.0) -> list[PoseFrame]:
        """The first n frames, waited for at most so long."""
        deadline = time.monotonic() + seconds
        while len(self.frames) < n and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.frames[:n]

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(20):
                self.frames.append(decode_pose(self._socket.recv_multipart(), WireOptions()))


@pytest.fixture
def detector() -> Iterator[Detector]:
    with zmq.Context() as context:
        detector = Detector(context)
        yield detector
        detector.close()
