"""What a detector tells, noted with the moment it came, and how much of what it should have told that is."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import zmq

from dyadwatch.tools.benchmarks.steady import NS, Key

AGE_S, SHARE = 1.0, 0.95  # the bars: age of a score at p95, and share of the expected scores
_decode = msgspec.json.Decoder().decode


class ScoreCollector(threading.Thread):
    """Notes every score and the last status of each source, as a context manager."""

    def __init__(self, address: str) -> None:
        super().__init__(name="heard", daemon=True)
        self._address = address
        self._done = threading.Event()
        self.scores: defaultdict[str, dict[Key, int]] = defaultdict(dict)
        self.status: dict[str, dict[str, Any]] = {}
        self.count = 0

    def __enter__(self) -> ScoreCollector:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self.join()

    def take(self) -> dict[str, dict[Key, int]]:
        """The scores since it was called last, which are then forgotten."""
        taken, self.scores = self.scores, defaultdict(dict)
        return {source: dict(scores) for source, scores in list(taken.items())}

    def run(self) -> None:
        """Receives until it is told to end."""
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            socket.connect(self._address)
            while not self._done.is_set():
                if not socket.poll(50):
                    continue
                body = socket.recv_multipart()[1]
                came = time.time_ns()
                message = _decode(body)
                if message["kind"] == "score":
                    self.scores[message["source"]].setdefault((str(tuple(message["pair"])), message["end"]), came)
                    self.count += 1
                elif message["kind"] == "status":
                    self.status[message["source"]] = message


@dataclass(frozen=True)
class Share:
    """How much of what was expected came, and how old it was.

    Arguments:
        expected, came: scores.
        p50, p95, most: age in seconds of those that came: the wall clock less the end of their window.
    """

    expected: int
    came: int
    p50: float = float("nan")
    p95: float = float("nan")
    most: float = float("nan")

    @property
    def share(self) -> float:
        """Of the expected; 0 where nothing was."""
        return self.came / self.expected if self.expected else 0.0

    @property
    def fine(self) -> bool:
        """Whether it is above the bars."""
        return self.share >= SHARE and self.p95 <= AGE_S


def share_of(expected: Iterable[Key], came: dict[Key, int], begin: int, end: int) -> Share:
    """The share of the windows that end within [begin, end), wall ns."""
    due = [key for key in expected if begin <= key[1] < end]
    ages = [(came[key] - key[1]) / NS for key in due if key in came]
    if not ages:
        return Share(len(due), 0)
    p50, p95 = np.percentile(ages, [50, 95])
    return Share(len(due), len(ages), round(float(p50), 3), round(float(p95), 3), round(max(ages), 3))


def recovery_s(expected: Iterable[Key], came: dict[Key, int], begin: int, end: int) -> float | None:
    """Whole seconds after `begin` from which on every second until `end` is above the bars; None: it never is.

    Seconds in which nothing is expected say nothing. A second's few scores may all be late by chance of the machine:
    three quarters of them must be young.
    """
    seconds = max(int((end - begin) / NS), 1)
    expected = list(expected)
    good_from: float | None = None
    for k in range(seconds):
        lo, hi = begin + k * NS, begin + (k + 1) * NS
        due = [key for key in expected if lo <= key[1] < hi]
        young = sum(key in came and came[key] - key[1] <= AGE_S * NS for key in due)
        if young < 0.75 * len(due):
            good_from = None
        elif good_from is None and due:
            good_from = float(k)
    return good_from
