"""A source that behaves: the same frames each time, so that every score they should lead to is known beforehand."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import zmq

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.loading import load_scorer
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import Window
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.wire import TOPIC, encode_pose

_LOOP_S = 60.0

Key = tuple[str, int]  # the pair, and the end of its window


@dataclass(frozen=True)
class Steady:
    """A source of simulated people, who walk a minute forwards, then the same backwards, and so on.

    Arguments:
        name: of the source.
        people: how many.
        fps: frames a second.
        seed: of the scenario, and of where in it the source begins.
        start_ns: stamp of the first frame, which is sent at that moment of the wall clock.
        far_m: metres to the right by which all are moved.
        room_m: side of the room; None: the scenario's own. Two people are always a pair in one of 3 m.
    """

    name: str
    people: int = 4
    fps: float = 30.0
    seed: int = 1
    start_ns: int = 0
    far_m: float = 0.0
    room_m: float | None = None

    def base(self) -> list[PoseFrame]:
        """The frames of a minute and back again."""
        scenario = make_scenario(seed=self.seed, people=self.people, duration_s=_LOOP_S, room_m=self.room_m)
        frames = list(scenario.frames(self.fps))
        if self.far_m:
            aside = np.asarray([self.far_m, 0.0, 0.0], np.float32)
            frames = [replace(f, joints=f.joints + aside) for f in frames]
        return [*frames, *frames[-2:0:-1]]

    def stamp(self, number: int) -> int:
        """When a frame is sent, wall ns."""
        return self.start_ns + round(number / self.fps * NS)

    def frames(self, first: int, count: int) -> list[PoseFrame]:
        """Frames of that number and the ones after it."""
        base = self.base()
        return [
            replace(base[q % len(base)], source=self.name, epoch=self.start_ns, seq=q - first, stamp=self.stamp(q))
            for q in range(first, first + count)
        ]


def expected_windows(source: Steady, config: Config, count: int, first: int = 0) -> set[Key]:
    """Pair and end of every window that so many frames lead to, by the offline way."""
    intake = Pipeline(*load_scorer(config), config).intake
    items = [i for f in source.frames(first, count) for i in intake.push(f, 0)]
    return {(str(i.pair.ids), i.end) for i in items if isinstance(i, Window)}


def send_steadily(address: str, sources: Sequence[Steady], until: Any, sent: Any, late: Any) -> None:
    """Sends every source's frames when they are due; to be run as a process of its own.

    Arguments:
        address: of the detector.
        sources: they are spread over the period of a frame.
        until: an event that ends it.
        sent: shared array, how many frames of each source went out.
        late: shared value, the worst lateness of a frame, seconds.
    """
    # They stand for cameras with machines of their own: where it may, this process goes before the others.
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    encoded = [[encode_pose(f) for f in s.base()] for s in sources]
    heads = [[msgspec.msgpack.decode(parts[1]) for parts in messages] for messages in encoded]
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.LINGER, 1000)
        socket.connect(address)
        number = 0
        while not until.is_set():
            for i, s in enumerate(sources):
                stamp = s.stamp(number)
                wait = (stamp - time.time_ns()) / NS
                if wait > 0:
                    time.sleep(wait)
                else:
                    late.value = max(late.value, -wait)
                j = number % len(encoded[i])
                head = heads[i][j] | {"source": s.name, "epoch": s.start_ns, "seq": number, "stamp": stamp}
                socket.send_multipart([(TOPIC + s.name).encode(), msgspec.msgpack.encode(head), encoded[i][j][2]])
                sent[i] = number + 1
            number += 1
