"""A detector that merges two faulty sources over real sockets, its recording run again, and replayed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import Config, MergeOptions, ScorerOptions
from dyadwatch.stream.messages import EventMessage, StatusMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import Ended, EndReason, RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.pair_clips import clip_sets, recording_clips
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scenes import RecordedScenes, frames_of
from dyadwatch.stream.recordings.reprocess import Reprocess
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.wire import decode_pose, encode_pose

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
    run = Reprocess(Pipeline(scorer, thresholds, CONFIG), CONFIG)
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
    statuses = [m for m in first.kept.all if isinstance(m, StatusMessage) and m.source == "cam_a"]
    assert {m.merge.text for m in statuses if m.merge} == {"in hall"}
    status = first.kept.last_status("cam_b")
    assert status is not None
    assert status.merge.text.startswith("in hall" if ahead_s == 0 else "apart: its stamps are 0.7")


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
    assert status["hall"].merge.text == "2 of 2 sources; 2 of 2 people seen by more than one"
    for source in ("cam_a", "cam_b"):
        assert status[source].merge.text == "in hall"
        assert 0 < status[source].clock_offset_ms < 1000
        assert status[source].clock_skew_ppm == 0
    assert status["hall"].clock_offset_ms is None


def recorded(path: Path, sent: list[list[bytes]], config: Config | None = CONFIG) -> Path:
    """What a detector of that configuration would have recorded."""
    text = "" if config is None else msgspec.json.encode(config).decode()
    file = RecordingFile(path, RecordingHeader(run="5", config=text))
    for i, parts in enumerate(sent):
        frame = decode_pose(parts, CONFIG.wire)
        file.parts(f"pose.{frame.source}", parts, 1_700_000_000 * S + i * S // 60, frame.stamp, i)
    file.close()
    return path


def names(clips: list[Clip]) -> set[str]:
    return {c.session.partition(" ")[0] for c in clips}


def test_clips_are_of_the_merged_people(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mcap", messages(3))
    merged = list(recording_clips(Playback([path]), least_s=1.0))
    assert names(merged) == {"hall"}
    truth = np.stack([f.joints for f in make_scenario(3, people=3, duration_s=12.0, room_m=3.5).frames(30.0)])
    for clip in merged:
        start = round((int(clip.clip_id.rpartition("-")[2]) / 1000 - 1_700_000_000) * 30)
        for person in (0, 1):
            mine = clip.joints[:, person]
            real = truth[start : start + len(clip)]
            away = np.linalg.norm(real[: len(mine)] - mine[: len(real), None], axis=-1)
            assert np.nanmean(away, axis=(0, 2)).min() < 0.05, "an average of two noisy cameras is still the person"
    alone = list(recording_clips(Playback([path]), source="cam_a", least_s=1.0))
    assert names(alone) == {"cam_a"}
    assert names(list(recording_clips(Playback([path]), source="hall", least_s=1.0))) == {"hall"}
    # Two cameras that each lose sight of people see longer together.
    assert sum(map(len, merged)) > sum(map(len, alone))
    apart = recorded(tmp_path / "b.mcap", messages(3), None)
    assert names([c for clips in clip_sets(Playback([apart]), least_s=1.0) for c in clips]) == {"cam_a", "cam_b"}
    (train,) = clip_sets(Playback([path]), least_s=1.0)
    assert [c.joints.tobytes() for c in train] == [c.joints.tobytes() for c in merged]


def test_clips_of_a_source_that_was_kept_apart_are_its_own(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mcap", messages(3, ahead_s=0.7))
    clips = list(recording_clips(Playback([path]), least_s=1.0))
    assert names(clips) == {"hall", "cam_b"}


def test_a_source_without_the_joints_of_its_group_is_told(tmp_path: Path) -> None:
    sent = messages(3)
    for i, parts in enumerate(sent):
        frame = decode_pose(parts, CONFIG.wire)
        if frame.source == "cam_b":
            few = Layout.custom(("head", "left_hand", "right_hand"))
            sent[i] = encode_pose(
                replace(frame, layout=few, joints=frame.joints[:, :3], confidence=frame.confidence[:, :3])
            )
    playback = Playback([recorded(tmp_path / "a.mcap", sent)])
    assert names(list(recording_clips(playback, least_s=1.0))) == {"hall"}
    (note,) = playback.notes
    assert re.fullmatch(
        r"cam_b: \d+ frames are left out; hall has the joints of another of its sources, which they lack", note
    )


def ended(path: Path, sent: list[list[bytes]]) -> int:
    """Records messages with an end of the group in their middle; returns the stamp there."""
    half, border = len(sent) // 2, 0
    file = RecordingFile(path, RecordingHeader(run="5", config=msgspec.json.encode(CONFIG).decode()))
    for i, parts in enumerate(sent):
        frame = decode_pose(parts, CONFIG.wire)
        at = 1_700_000_000 * S + i * S // 60
        file.parts(f"pose.{frame.source}", parts, at, frame.stamp, i)
        if i == half:
            for source in ("cam_a", "cam_b", "hall"):
                file.ended(Ended(source=source, reason=EndReason.SOURCE_FORGOTTEN), at)
            border = frame.stamp
    file.close()
    return border


def test_an_end_between_two_runs_joins_nothing(tmp_path: Path) -> None:
    """A group is given up where the detector gave it up, and a second run begins it afresh."""
    sent = messages(3)
    border = ended(tmp_path / "a.mcap", sent)
    whole = list(recording_clips(Playback([recorded(tmp_path / "whole.mcap", sent)]), least_s=0.5))
    parted = list(recording_clips(Playback([tmp_path / "a.mcap"]), least_s=0.5))
    spans = [(int(c.clip_id.rpartition("-")[2]) * 1_000_000, len(c) * S // 30) for c in parted]
    assert all(start + long <= border + S // 5 or start >= border - S // 5 for start, long in spans)
    assert len(parted) > len(whole)


def clean(path: Path, run: str, begin_s: float) -> list[int]:
    """Three seconds of two cameras without faults, recorded; and the stamps of one of them."""
    begin = (1_700_000_000 + round(begin_s)) * S
    people = make_scenario(3, people=3, duration_s=3.0, room_m=3.5)
    sent = [list(people.frames(30.0, source=source, epoch=7, start_ns=begin)) for source in ("cam_a", "cam_b")]
    file = RecordingFile(path, RecordingHeader(run=run))
    for i, frame in enumerate(f for both in zip(*sent, strict=True) for f in both):
        file.parts(f"pose.{frame.source}", encode_pose(frame), frame.stamp, frame.stamp, i)
    file.close()
    return [f.stamp for f in sent[0]]


def merged_frames(*paths: Path) -> list[tuple[PoseFrame, bool]]:
    return list(frames_of(iter(RecordedScenes(Playback(paths), CONFIG, 30.0, "hall")), "hall"))


def test_merged_frames_are_all_that_were_seen_and_each_run_begins_afresh(tmp_path: Path) -> None:
    first, second = clean(tmp_path / "a.mcap", "5", 0.0), clean(tmp_path / "b.mcap", "6", 3600.0)
    got = merged_frames(tmp_path / "a.mcap", tmp_path / "b.mcap")
    assert [frame.stamp for frame, fresh in got if fresh] == pytest.approx([first[0], second[0]], abs=S // 30)
    stamps = [frame.stamp for frame, _ in got]
    for sent in (first, second):
        ours = [stamp for stamp in stamps if sent[0] - S < stamp < sent[-1] + S]
        assert ours[-1] == pytest.approx(sent[-1], abs=S // 30)
        assert len(ours) >= len(sent) - 1
        np.testing.assert_allclose(np.diff(ours), S / 30, atol=2)


def test_merged_frames_begin_afresh_where_the_detector_gave_up_the_group(tmp_path: Path) -> None:
    border = ended(tmp_path / "a.mcap", messages(3))
    fresh = [frame.stamp for frame, fresh in merged_frames(tmp_path / "a.mcap") if fresh]
    assert len(fresh) == 2
    assert fresh[1] == pytest.approx(border, abs=S // 5)
