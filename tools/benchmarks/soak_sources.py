"""The sources of `dyadwatch bench soak`: some behave, some fail as cameras and trackers do, one is flaky."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import zmq

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.benchmarks.hostile import Parts, big_messages, header, message, people, small_messages, varied
from dyadwatch.tools.benchmarks.steady import NS, Steady

CLEAN = ("clean0", "clean1")
_RESTART_S, _SILENT_EVERY_S, _SILENT_S = 60.0, 45.0, 15.0
_FLAKY = 0.2  # part of the flaky source's messages that are damaged
_REFUSED_S = 10.0  # between two handfuls of refused messages
_HANDFUL = 50


@dataclass(frozen=True)
class Habit:
    """How a source fails.

    Arguments:
        name: of the source.
        faults: of its frames.
        restarts: it begins a new epoch, with new ids, every minute.
        pauses: it is silent for a quarter of a minute, again and again.
        flaky: a part of its messages is damaged.
    """

    name: str
    faults: Faults | None = None
    restarts: bool = False
    pauses: bool = False
    flaky: bool = False


HABITS = (
    Habit(CLEAN[0]),
    Habit(CLEAN[1]),
    Habit("lossy", Faults(drop=0.05, double=0.02, late=0.02, reorder=0.03, jitter_ms=5)),
    Habit("hidden", Faults(occlude=0.2, vanish=0.1, id_switch=0.02, id_new=0.05)),
    Habit("nameless", Faults(no_ids=True, drop=0.01, skew_ppm=200)),
    Habit("restarts", restarts=True),
    Habit("pauses", pauses=True),
    Habit("flaky", flaky=True),
)


def _frames(habit: Habit, start_ns: int, people_: int, fps: float, seed: int) -> Iterator[PoseFrame]:
    """Frames without end, from `start_ns` on."""
    base = Steady(habit.name, people_, fps, seed).base()
    for q in itertools.count():
        at = q / fps
        if habit.pauses and at % _SILENT_EVERY_S > _SILENT_EVERY_S - _SILENT_S:
            continue
        frame = base[q % len(base)]
        run = int(at / _RESTART_S) if habit.restarts else 0
        ids = tuple(1000 * run + int(i) for i in frame.ids or ())
        yield replace(
            frame, source=habit.name, epoch=start_ns + run, seq=q, stamp=start_ns + round(q / fps * NS), ids=ids
        )


def messages_of(habit: Habit, start_ns: int, people_: int, fps: float, seed: int) -> Iterator[tuple[int, Parts]]:
    """(wall ns, message) in order."""
    frames = _frames(habit, start_ns, people_, fps, seed)
    if habit.faults is not None:
        frames = apply_faults(frames, habit.faults, seed)
    rng, due = random.Random(seed), start_ns
    for frame in frames:
        parts = encode_pose(frame)
        if habit.flaky and rng.random() < _FLAKY:
            k = rng.choice((1, 2))
            parts[k] = parts[k][: rng.randrange(len(parts[k]))] + rng.randbytes(rng.choice((0, 3)))
        due = max(due, frame.stamp)
        yield due, parts


def refused_messages(start_ns: int, seed: int) -> Iterator[tuple[int, Parts]]:
    """A handful of messages of every hostile kind, a large one and a name that is seen once, every ten seconds."""
    small, large = varied(small_messages(seed, 2000), seed), varied(big_messages(seed, 2), seed)
    for n in itertools.count(1):
        at = start_ns + round(n * _REFUSED_S * NS)
        for _ in range(_HANDFUL):
            name, parts = next(small)
            if parts and name != "valid":
                yield at, parts
        yield at, next(large)[1]
        once = f"once-{n}"
        yield at, message(header(once, shape=[1, 11, 3], stamp=at), people(1), once)


def send_soak(address: str, people_: int, fps: float, start_ns: int, until: Any, late: Any) -> None:
    """Sends all of it, each source over a connection of its own, until the event is set; a process of its own.

    Arguments:
        address: of the detector.
        people_: of every source.
        fps: of every source.
        start_ns: wall ns of the first frames; sources are spread over the period of a frame.
        until: an event that ends it.
        late: shared value, the worst lateness of a message, seconds.
    """
    step = round(NS / fps / len(HABITS))
    streams = [messages_of(h, start_ns + i * step, people_, fps, i + 1) for i, h in enumerate(HABITS)]
    streams.append(refused_messages(start_ns, 1))
    tagged = [zip(s, itertools.repeat(i)) for i, s in enumerate(streams)]
    with zmq.Context() as context:
        sockets = [_connect(context, address) for _ in streams]
        for (due, parts), i in heapq.merge(*tagged, key=lambda item: item[0][0]):
            wait = (due - time.time_ns()) / NS
            if wait > 0:
                time.sleep(wait)
            else:
                late.value = max(late.value, -wait)
            if until.is_set():
                break
            sockets[i].send_multipart(parts)
        for s in sockets:
            s.close(0)


def _connect(context: zmq.Context[zmq.Socket[bytes]], address: str) -> zmq.Socket[bytes]:
    s = context.socket(zmq.PUB)
    s.connect(address)
    return s
