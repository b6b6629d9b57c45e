"""Sources whose frames come unevenly and not all, and of which one can be killed and brought back."""

from __future__ import annotations

import heapq
import random
import threading
import time
from dataclasses import replace
from typing import Self

from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.scenario import make_scenario

_PEOPLE, _LOOP_S = 2, 60.0


class UnsteadySources:
    """Sends sources of two simulated people in a thread of its own, as a context manager.

    Arguments:
        address: of the detector.
        names: of the sources.
        fps: frames a second of each.
        jitter: part of the time between two frames by which each comes early or late, evenly spread.
        loss: part of the frames that never comes.
        seed: of the jitter and the loss.
    """

    def __init__(
        self, address: str, names: tuple[str, ...], fps: float, jitter: float, loss: float, seed: int = 1
    ) -> None:
        self._address, self._names, self._fps, self._jitter, self._loss = address, names, fps, jitter, loss
        self._rng = random.Random(seed)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send, name="unsteady", daemon=True)
        self._dead: frozenset[str] = frozenset()
        self.sent: dict[str, float] = {}  # wall seconds of the latest frame
        self.late_s = 0.0  # the worst lateness of this sender itself

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def kill(self, name: str) -> float:
        """Nothing comes of a source from now on; returns the wall seconds of its last frame."""
        self._dead |= {name}
        time.sleep(2 / self._fps)  # one may be on its way
        return self.sent[name]

    def revive(self, name: str) -> float:
        """The source goes on; returns the wall seconds of its first frame."""
        before = self.sent[name]
        self._dead -= {name}
        while self.sent[name] == before:
            time.sleep(0.001)
        return self.sent[name]

    def _send(self) -> None:
        frames = list(make_scenario(seed=3, people=_PEOPLE, duration_s=_LOOP_S).frames(self._fps))
        period, start = 1 / self._fps, time.time() + 0.5
        due = [(start + i * period / len(self._names), i, 0) for i in range(len(self._names))]
        heapq.heapify(due)
        with PosePublisher(self._address) as publisher:
            while not self._done.wait(max(0.0, due[0][0] - time.time())):
                at, i, number = heapq.heappop(due)
                name, captured = self._names[i], start + (number + i / len(self._names)) * period
                following = captured + period * (1 + self._rng.uniform(0, 2 * self._jitter))
                heapq.heappush(due, (max(following, at), i, number + 1))  # in order, as one connection has it
                if name in self._dead or self._rng.random() < self._loss:
                    continue
                self.late_s = max(self.late_s, time.time() - at)
                frame = replace(frames[number % len(frames)], source=name, epoch=int(start * 1e9), seq=number)
                publisher.send(replace(frame, stamp=round(captured * 1e9)))
                self.sent[name] = time.time()
