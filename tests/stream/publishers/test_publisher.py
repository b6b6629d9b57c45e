"""The publisher on real sockets: heard from the first frame, paced by stamps, honest about what did not go out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import zmq

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.publishers.publisher import PosePublisher, pace
from dyadwatch.stream.wire import decode_pose


def frames(n: int, fps: float = 30.0, source: str = "cam", epoch: int = 0) -> list[PoseFrame]:
    joints = np.random.default_rng(1).normal(0, 0.3, (2, 11, 3)).astype(np.float32)
    confidence = np.ones((2, 11), np.float32)
    return [
        PoseFrame(source, epoch, k, round(k * NS / fps), "unix", UPPER11, joints, confidence, (1, 2)) for k in range(n)
    ]


class Listener:
    """A SUB socket that binds, as a detector does, and reads in a thread of its own unless told to only listen."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"pose.")
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("tcp://127.0.0.1:0")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.frames: list[PoseFrame] = []
        self.reads = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(20):
                if self.reads:
                    self.frames.append(decode_pose(self._socket.recv_multipart(), WireOptions()))
                else:
                    time.sleep(0.02)

    def take(self, n: int) -> list[PoseFrame]:
        """The first n frames, waited for at most a minute."""
        deadline = time.monotonic() + 60
        while len(self.frames) < n and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.frames[:n]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with zmq.Context() as context:
        listener = Listener(context)
        yield listener
        listener.close()


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.bind("tcp://127.0.0.1:0")
        return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def test_every_frame_from_the_first_is_heard(listener: Listener) -> None:
    sent = frames(3000)
    with PosePublisher(listener.address, epoch=9) as publisher:
        assert all(publisher.send(f) for f in sent)
    got = listener.take(3000)
    assert (publisher.sent, publisher.shed) == (3000, 0)
    assert [f.seq for f in got] == list(range(3000))
    assert {(f.epoch, f.source, f.ids) for f in got} == {(9, "cam", (1, 2))}
    assert np.array_equal(got[7].joints, sent[7].joints)


def test_epochs_grow_from_run_to_run_and_explicit_ones_stay(listener: Listener) -> None:
    for k, (source, epoch) in enumerate((("cam", 0), ("cam", 0), ("file", 5))):
        with PosePublisher(listener.address) as publisher:
            publisher.send(frames(1, source=source, epoch=epoch)[0])
        listener.take(k + 1)
    first, second, explicit = listener.take(3)
    assert 0 < first.epoch < second.epoch
    assert explicit.epoch == 5


def test_without_waiting_nobody_needs_to_listen(nobody: str) -> None:
    with PosePublisher(nobody, wait_s=0, patience_s=0) as publisher:
        for f in frames(5):
            publisher.send(f)
    assert publisher.sent + publisher.shed == 5


def test_a_full_queue_sheds_what_does_not_fit_in_time(listener: Listener) -> None:
    listener.reads = False
    frame = frames(1)[0]
    with PosePublisher(listener.address, patience_s=0) as publisher:
        # Once all buffers on the way are full, nothing more goes out.
        assert not all(publisher.send(frame) for _ in range(500_000))
        assert publisher.shed == 1
        assert publisher.sent > 1000
        listener.reads = True
        assert len(listener.take(publisher.sent)) == publisher.sent, "what counts as sent does arrive"


def test_nobody_listening_is_said_in_one_sentence(nobody: str) -> None:
    with (
        pytest.raises(DyadwatchError, match=r"no detector listens at tcp://127.0.0.1:\d+ after 0.1 s; start one with"),
        PosePublisher(nobody, wait_s=0.1),
    ):
        pass


def test_bad_addresses_and_sources_are_named(listener: Listener) -> None:
    with pytest.raises(ConfigError, match=r"address is 'here'; expected something like 'tcp://127\.0\.0\.1:5570'"):
        PosePublisher("here").__enter__()
    with PosePublisher(listener.address) as publisher:
        with pytest.raises(ConfigError, match="source is 'my cam'; expected 1-64 characters of A-Z a-z 0-9 _ -"):
            publisher.send(frames(1, source="my cam")[0])
        assert publisher.sent == 0
    with pytest.raises(DyadwatchError, match="a PosePublisher sends only inside its 'with' block"):
        publisher.send(frames(1)[0])


def seconds(stream: Sequence[PoseFrame], rate: float) -> tuple[list[PoseFrame], float]:
    began = time.monotonic()
    out = list(pace(stream, rate))
    return out, time.monotonic() - began


def test_frames_leave_at_the_pace_of_their_stamps() -> None:
    stream = frames(31)
    out, took = seconds(stream, 4.0)
    assert out == stream
    assert 0.25 <= took < 0.6
    late = [stream[0], stream[3], stream[1], stream[6]]
    out, took = seconds(late, 2.0)
    assert out == late
    assert 0.1 <= took < 0.4


@pytest.mark.parametrize("rate", [0.0, float("inf")])
def test_no_rate_no_wait(rate: float) -> None:
    out, took = seconds(frames(5000), rate)
    assert len(out) == 5000
    assert took < 0.5


def test_pacing_stops_in_the_middle_of_a_wait() -> None:
    stop = threading.Event()
    far = replace(frames(1)[0], seq=9, stamp=1000 * NS)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert len(list(pace([*frames(2), far], 1.0, stop))) == 2
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("rate", [-1.0, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match=f"rate is {rate:g}; expected 0 .as fast as possible. or a positive factor"):
        list(pace(frames(1), rate))
