"""From the sending of a window's last frame to the coming of its score, through a real detector and real sockets."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import zmq

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.live_detector import running_detector
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.benchmarks.machine import spread

_WARM_UP_S = 3.0  # the first window takes two seconds to fill


class _Listener(threading.Thread):
    """Notes when each score came and the last word on what was shed."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
        super().__init__(name="listener")
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(address)
        self.scores: list[tuple[str, int, int]] = []
        self.shed: dict[str, int] = {}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            if not self._socket.poll(50):
                continue
            topic, body = self._socket.recv_multipart()
            came = time.monotonic_ns()
            message = json.loads(body)
            if topic.startswith(b"score."):
                self.scores.append((message["source"], message["end"], came))
            elif topic.startswith(b"status."):
                self.shed[message["source"]] = message["dropped"].get("shed_overload", 0)
        self._socket.close()


def measure_latency(
    model: Path, frames: list[PoseFrame], sources: int, settings: Sequence[str] = ()
) -> dict[str, float]:
    """Milliseconds from sending the frame that completes a window to receiving its score.

    Arguments:
        model: the artefact.
        frames: of one source in real time order; every source sends them, each a little later than the one before.
        sources: how many.
        settings: further `--set` options of the detector.
    """
    names = [f"bench{i}" for i in range(sources)]
    sent: dict[str, tuple[list[int], list[int]]] = {name: ([], []) for name in names}
    with running_detector(model, ("sinks.status_s=0.5", *settings)) as (into, out), zmq.Context() as context:
        listener = _Listener(context, out)
        listener.start()
        with context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.SNDHWM, 0)
            socket.connect(into)
            time.sleep(0.3)  # PUB sends to nobody until the subscription has come
            _send_all(socket, frames, names, sent)
            time.sleep(2.0)  # the last scores and the last status, told every half second
        listener.done.set()
        listener.join()
    began = min(times[0] for _, times in sent.values())
    latencies: list[float] = []
    for source, end, came in listener.scores:
        stamps, times = sent[source]
        at = bisect_left(stamps, end)
        if at < len(stamps) and times[at] - began > _WARM_UP_S * NS:
            latencies.append((came - times[at]) / 1e6)
    return {
        "sources": sources,
        "scores": len(listener.scores),
        "shed": sum(listener.shed.values()),
        **spread(latencies, 2),
    }


def _send_all(
    socket: zmq.Socket[bytes],
    frames: list[PoseFrame],
    names: list[str],
    sent: dict[str, tuple[list[int], list[int]]],
) -> None:
    """Sends every frame of every source when it is due; sources are spread over the frame period."""
    period = frames[1].stamp - frames[0].stamp
    plan = [(f.stamp - frames[0].stamp + period * i // len(names), i, f) for f in frames for i in range(len(names))]
    epoch = time.time_ns()
    began = time.monotonic_ns()
    for due, i, frame in plan:
        parts = encode_pose(replace(frame, source=names[i], epoch=epoch))
        wait = began + due - time.monotonic_ns()
        if wait > 0:
            time.sleep(wait / NS)
        stamps, times = sent[names[i]]
        stamps.append(frame.stamp)
        times.append(time.monotonic_ns())
        socket.send_multipart(parts)
