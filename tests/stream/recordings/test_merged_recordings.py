"""A detector that merges two faulty sources over real sockets, its recording run again, and replayed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.alarm import Thresholds
from dyadwatch.stream.config import Config, MergeOptions, ScorerOptions
from dyadwatch.stream.messages import EventMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.rerun import Rerun
from dyadwatch.stream.scorer import Scorer
from dyadwatch.stream.wire import encode_pose

S = 1_000_000_000
CONFIG = Config(
    scorer=ScorerOptions(max_queue=10**6, threads=1), merge=MergeOptions(groups={"hall": ["cam_a", "cam_b"]})
)
FAULTS = Faults(drop=0.03, late=0.02, reorder=0.03, jitter_ms=3, occlude=0.1, vanish=0.05, id_new=0.02, skew_ppm=50)


def messages(seed: int, *, ahead_s: float = 0.0) -> list[list[bytes]]:
    """Two cameras on the same three people, as their messages come; the second has a clock of its own."""
    people = make_scenario(seed, people=3, duration_s=12.0, room_m=3.5)
    sent: list[tuple[float, list[bytes]]] = []
    rng = random.Random(seed)
    for i, source in enumerate(("cam_a", "cam_b")):
        begin = 1_700_000_000 * S + round(ahead_s * i * S)
        frames = people.frames(30.0, source=source, epoch=7, start_ns=begin)
        sent += [
            ((f.stamp - begin) / S + rng.uniform(0.02, 0.05), encode_pose(f))
            for f in apply_faults(frames, FAULTS, seed + i)
        ]
    return [parts for _, parts in sorted(sent, key=lambda pair: pair[0])]


def rerun(scorer: Scorer, thresholds: Thresholds, path: Path) -> list[EventMessage]:
    run = Rerun(Pipeline(scorer, thresholds, CONFIG), CONFIG)
    told = [m for some in run.run(Playback([path])) for m in some]
    assert [e for e in told if isinstance(e, EventMessage)]
    return [m for m in told if isinstance(m, EventMessage)]


@pytest.mark.parametrize(("ahead_s", "sources"), [(0.0, {"hall"}), (0.7, {"hall", "cam_b"})])
def test_the_recording_of_merged_sources_tells_the_same_events(
    live: Callable[..., Any],
    scorer: Scorer,
    thresholds: Thresholds,
    tmp_path: Path,
    ahead_s: float,
    sources: set[str],
) -> None:
    sent = messages(3, ahead_s=ahead_s)
    with live(tmp_path, CONFIG) as first:
        first.take(sent)
    told = first.kept.events
    assert {e.source for e in told} == sources
    assert {e.type for e in told} == {"open", "update", "close"}
    assert rerun(scorer, thresholds, tmp_path) == told
    with live(None, CONFIG) as second:
        second.take(sent)
    assert second.kept.events == told
    assert {m.merge for m in first.kept.all if getattr(m, "source", "") == "cam_a" and hasattr(m, "merge")} == {
        "in hall"
    }
    status = first.kept.last_status("cam_b")
    assert status is not None
    assert str(status.merge).startswith("in hall" if ahead_s == 0 else "apart: its stamps are 0.7")


def test_two_publishers_at_work(live: Callable[..., Any], encounter: Callable[..., list[PoseFrame]]) -> None:
    """Two sockets, real time, stamps of now: one pair, scored once; offset and skew are told of each source."""
    frames = encounter(seconds=3.0)
    still = np.stack([f.joints for f in frames[75:]])
    with (
        live(None, CONFIG) as detector,
        PosePublisher(detector.address, wait_s=30) as one,
        PosePublisher(detector.address, wait_s=30) as two,
    ):
        began = time.time_ns()
        for i in range(75):
            for source, publisher in (("cam_a", one), ("cam_b", two)):
                joints = still[i % len(still)]
                frame = replace(frames[i], source=source, epoch=began, seq=i, stamp=time.time_ns(), joints=joints)
                publisher.send(frame)
            time.sleep(max(0, (began + (i + 1) * S // 30 - time.time_ns()) / S))
        detector.until(lambda: len(detector.kept.scores) > 3)
        status = {s: detector.kept.last_status(s) for s in ("cam_a", "cam_b", "hall")}
    assert {(m.source, m.pair) for m in detector.kept.scores} == {("hall", (1, 2))}
    assert status["hall"].merge == "2 of 2 sources; 2 of 2 people seen by more than one"
    for source in ("cam_a", "cam_b"):
        assert status[source].merge == "in hall"
        assert 0 < status[source].clock_offset_ms < 1000
        assert status[source].clock_skew_ppm == 0
    assert status["hall"].clock_offset_ms is None
