"""The live run, its recording run again, and the recording replayed into a second detector tell the same events."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.alarm import Thresholds
from dyadwatch.stream.config import Config, ScorerOptions
from dyadwatch.stream.messages import EventMessage, Message
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.rerun import Rerun
from dyadwatch.stream.scorer import Scorer
from dyadwatch.stream.wire import encode_pose

THRESHOLDS = Thresholds(3.5, 2.5)  # of the `live` detectors, too
START = 1_700_000_000_000_000_000
CONFIG = Config(scorer=ScorerOptions(max_queue=10**6, threads=1))
FAULTS = Faults(
    drop=0.03, double=0.02, late=0.02, reorder=0.03, jitter_ms=3, occlude=0.1, vanish=0.05, id_switch=0.05, id_new=0.02,
    skew_ppm=50, step_s=-3.0, step_at_s=9.0, silent_s=0.8, silent_at_s=5.0,
)  # fmt: skip


def source(name: str, seed: int, *, ids: bool, seconds: float = 14.0) -> Iterator[PoseFrame]:
    """A source with every fault there is, which begins a second run without warning."""
    people = make_scenario(seed, people=3, duration_s=seconds, room_m=3.5)
    faults = FAULTS if ids else Faults(**{f: getattr(FAULTS, f) for f in FAULTS.__struct_fields__} | {"no_ids": True})
    first = people.frames(30.0, source=name, epoch=7, start_ns=START)
    second = people.frames(30.0, source=name, epoch=8, start_ns=START + 60 * 10**9)
    half = round(seconds * 15)
    return chain(apply_faults(islice(first, half), faults, seed), apply_faults(second, faults, seed + 1))


def messages(seed: int) -> list[list[bytes]]:
    """Two sources, interleaved at random, and now and then something that is refused."""
    rng = random.Random(seed)
    left = [source("hall", 2 * seed, ids=True), source("yard", 2 * seed + 1, ids=False)]
    out: list[list[bytes]] = []
    while left:
        which = rng.choice(left)
        frame = next(which, None)
        if frame is None:
            left.remove(which)
            continue
        out.append(encode_pose(frame))
        if rng.random() < 0.02:
            out.append([b"pose.hall", rng.randbytes(20), b""])
        if rng.random() < 0.01:
            out.append(encode_pose(replace(frame, epoch=3)))
    return out


def rerun(scorer: Scorer, *paths: Path, config: Config = CONFIG, **span: Any) -> tuple[list[Message], Rerun]:
    run = Rerun(Pipeline(scorer, THRESHOLDS, config), config)
    return [m for told in run.run(Playback(paths, **span)) for m in told], run


def events(told: list[Message]) -> list[EventMessage]:
    return [m for m in told if isinstance(m, EventMessage)]


@pytest.mark.parametrize("seed", range(4))
def test_live_offline_and_replayed_events_are_the_same(
    live: Callable[..., Any], scorer: Scorer, tmp_path: Path, seed: int
) -> None:
    sent = messages(seed)
    with live(tmp_path) as first:
        first.take(sent)
    told = first.kept.events
    assert {e.type for e in told} == {"open", "update", "close"}
    assert {e.source for e in told} == {"hall", "yard"}
    again, run = rerun(scorer, tmp_path)
    assert events(again) == told
    assert run.told == told
    received = [e.parts for e in Playback([tmp_path]).received()]
    assert received[: len(sent)] == sent
    with live() as second:
        second.take(received[:-1])
    assert second.kept.events == told
