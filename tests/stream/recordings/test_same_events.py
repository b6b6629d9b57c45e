"""The live run, its recording run again, and the recording replayed into a second detector tell the same events."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dyadwatch.core.decision.rules import Rule, ScorePart, Thresholds
from dyadwatch.core.errors import WireError
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import EventReason, SourceState
from dyadwatch.stream.configuration.config import (
    Config,
    LivenessOptions,
    PairOptions,
    ScorerOptions,
    SenseOptions,
    WireOptions,
)
from dyadwatch.stream.messages import EventMessage, Message, StatusMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.edit import copy
from dyadwatch.stream.recordings.header import DECISIVE, NOT_DECISIVE, recorded_thresholds, with_recorded
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.reprocess import Reprocess
from dyadwatch.stream.recordings.resend import paced
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.wire import decode_pose, encode_pose

THRESHOLDS = Thresholds(3.5, 2.5)  # of the `live` detectors, too
RULES = Thresholds(1.0, 0.6, (Rule(ScorePart.UNUSUAL, 0.4, 3.0), Rule(ScorePart.RELATION, 1.6, 1.5)))
START = 1_700_000_000_000_000_000
CONFIG = Config(scorer=ScorerOptions(max_queue=10**6, threads=1))
FAULTS = Faults(
    drop=0.03, double=0.02, late=0.02, reorder=0.03, jitter_ms=3, occlude=0.1, vanish=0.05, id_switch=0.05, id_new=0.02,
    skew_ppm=50, step_s=-3.0, step_at_s=5.0, silent_s=0.8, silent_at_s=2.5,
)  # fmt: skip


def source(name: str, seed: int, *, ids: bool, seconds: float = 12.0) -> Iterator[PoseFrame]:
    """A source with every fault there is, which begins a second run without warning."""
    people = make_scenario(seed, people=3, duration_s=seconds, room_m=3.5)
    faults = FAULTS if ids else Faults(**{f: getattr(FAULTS, f) for f in FAULTS.__struct_fields__} | {"no_ids": True})
    first = people.frames(30.0, source=name, epoch=7, start_ns=START)
    second = people.frames(30.0, source=name, epoch=8, start_ns=START + 60 * 10**9)
    half = round(seconds * 15)
    return chain(apply_faults(islice(first, half), faults, seed), apply_faults(second, faults, seed + 1))


@cache
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


def rerun(
    scorer: Scorer, *paths: Path, config: Config = CONFIG, thresholds: Thresholds = THRESHOLDS, **span: Any
) -> tuple[list[Message], Reprocess]:
    run = Reprocess(Pipeline(scorer, thresholds, config), config)
    return [m for told in run.run(Playback(paths, **span)) for m in told], run


def events(told: list[Message]) -> list[EventMessage]:
    return [m for m in told if isinstance(m, EventMessage)]


@pytest.mark.parametrize("seed", range(3))
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
    assert run.recorded == told
    good = [parts for parts in sent if topic(parts) != "refused"]
    received = [e.parts for e in Playback([tmp_path]).received() if e.source is not None]
    for name in {parts[0] for parts in good}:  # in order within a source
        assert [p for p in received if p[0] == name] == [p for p in good if p[0] == name]
    with live() as second:
        second.take(received[:-1])
    assert second.kept.events == told


def test_every_section_is_known_to_decide_on_events_or_not_to() -> None:
    assert sorted((*DECISIVE, *NOT_DECISIVE)) == sorted(Config.__struct_fields__)
    odd = Config(sense=SenseOptions(ignore=[Oddity.NOBODY_UPRIGHT]), pairs=PairOptions(enter_m=1.0))
    assert with_recorded(Config(), odd) == odd


def test_rules_are_kept_in_the_recording_and_raise_the_same_events(
    live: Callable[..., Any], scorer: Scorer, encounter: Callable[..., list[PoseFrame]], tmp_path: Path
) -> None:
    with live(tmp_path, thresholds=RULES) as detector:
        detector.take([encode_pose(f) for f in encounter()])
    told = detector.kept.events
    assert {e.rule.part for e in told} == {ScorePart.UNUSUAL, ScorePart.RELATION}
    about = Playback([tmp_path]).recordings[0].about
    assert recorded_thresholds(about) == RULES
    assert about.rules == (
        '[{"part":"unusual","over_s":0.4,"raise_at":3.0},{"part":"relation","over_s":1.6,"raise_at":1.5}]'
    )
    again, run = rerun(scorer, tmp_path, thresholds=RULES)
    assert events(again) == told == run.recorded
    copy(Playback([tmp_path]), tmp_path / "copy")
    assert recorded_thresholds(Playback([tmp_path / "copy"]).recordings[0].about) == RULES
    assert events(rerun(scorer, tmp_path)[0]) != told


@pytest.mark.parametrize(
    ("levels", "thresholds"),
    [
        ({"raise_at": "3.5", "clear_at": "2.5"}, Thresholds(3.5, 2.5)),  # of before there were rules
        ({"raise_at": "1.0", "clear_at": "0.6", "rules": "[]"}, Thresholds(1.0, 0.6)),
        (
            {"raise_at": "1.0", "clear_at": "0.6", "rules": '[{"part":"score","over_s":1,"raise_at":2}]'},
            Thresholds(1.0, 0.6, (Rule(ScorePart.SCORE, 1.0, 2.0),)),
        ),
        ({"raise_at": "1.0", "clear_at": "0.6", "rules": '[{"part":"odd","over_s":1,"raise_at":2}]'}, None),
        ({"raise_at": "1.0", "clear_at": "0.6", "rules": "[{"}, None),
        ({"raise_at": "1.0", "clear_at": "2.0"}, None),
        ({}, None),
    ],
)
def test_thresholds_of_a_recording(levels: dict[str, str], thresholds: Thresholds | None) -> None:
    assert recorded_thresholds(RecordingHeader(run="5", **levels)) == thresholds


@pytest.mark.parametrize("speed", [1.0, float("inf")])
def test_replayed_at_the_pace_of_the_recording_and_without_any(
    live: Callable[..., Any], scorer: Scorer, tmp_path: Path, speed: float
) -> None:
    """A few seconds with every fault: as they came, and faster than a detector with a short queue can score."""
    sent = messages(9)[:240]
    path = recorded(tmp_path / "a.mcap", sent, apart_s=1 / 60)
    whole = events(rerun(scorer, path)[0])
    assert len({e.id for e in whole}) > 1
    config = structs.replace(CONFIG, scorer=ScorerOptions(max_queue=2, threads=1, overload="wait"))
    began = time.monotonic()
    with live(None, config) as detector, PosePublisher(detector.address, wait_s=60) as publisher:
        for received in paced(Playback([path]), speed, threading.Event()):
            publisher.send_parts(received.parts)
    assert (time.monotonic() - began > 239 / 60) or speed > 1
    assert ended_alike(detector.kept.events) == ended_alike(whole)
    assert "shed_overload" not in detector.service.counters.of("hall")


def ended_alike(told: list[EventMessage]) -> list[EventMessage]:
    """Only the word for the end of all may differ: a detector that is stopped, or a recording that is over."""
    over = {EventReason.END_OF_STREAM, EventReason.SHUTDOWN}
    return [structs.replace(e, reason=EventReason.SHUTDOWN, text="over") if e.reason in over else e for e in told]


def recorded(path: Path, sent: list[list[bytes]], *, per_chunk: int = 30, apart_s: float = 0.01) -> Path:
    """What a recorder would write of the messages, without a detector."""
    file = RecordingFile(path, RecordingHeader(run="5"))
    for i, parts in enumerate(sent):
        file.parts(topic(parts), parts, START + round(i * apart_s * 1e9), START, i)
        if i % per_chunk == per_chunk - 1:
            file.flush()
    file.close()
    return path


def topic(parts: list[bytes]) -> str:
    try:
        return f"pose.{decode_pose(parts, WireOptions()).source}"
    except WireError:
        return "refused"


@pytest.mark.parametrize("seed", range(4))
def test_cut_in_the_middle(scorer: Scorer, tmp_path: Path, seed: int) -> None:
    """Both pieces in a row are the whole. The first alone tells what the whole had told by then; what is open at the
    cut closes with `end_of_stream`."""
    path = recorded(tmp_path / "whole.mcap", messages(seed))
    whole = events(rerun(scorer, path)[0])
    assert len(whole) > 5
    moment = str(random.Random(seed).uniform(1, 6))
    first, second, merged = (tmp_path / f"{name}.mcap" for name in ("first", "second", "merged"))
    copy(Playback([path], None, moment), first)
    copy(Playback([path], moment, None), second)
    assert events(rerun(scorer, second, first)[0]) == whole
    copy(Playback([first, second]), merged)
    assert [e.parts for e in Playback([merged]).received()] == messages(seed)
    part = events(rerun(scorer, first)[0])
    for name in ("hall", "yard"):
        all_of, mine = ([e for e in told if e.source == name] for told in (whole, part))
        before = [e for e in mine if e.reason != "end_of_stream"]
        # Frames that wait for a missing one are let go at the end: at most clock.reorder_s of them.
        held = [e for e in before if e not in all_of]
        assert before[: len(before) - len(held)] == all_of[: len(before) - len(held)]
        assert all(e.stamp >= before[-1].stamp - 150_000_000 for e in held)
        # counted: where the clock was set back a pair may have a second event with the same start, and so id
        opened = Counter(e.id for e in mine if e.type == "open") - Counter(e.id for e in before if e.type == "close")
        assert Counter(e.id for e in mine if e.reason == "end_of_stream") == opened


@pytest.mark.parametrize("seed", [0, 2])
def test_a_recording_that_begins_late_catches_up(scorer: Scorer, tmp_path: Path, seed: int) -> None:
    """Of pairs that are calm one window after its beginning, all that opens from then on is the same."""
    frames = make_scenario(20 + seed, people=3, duration_s=25.0, room_m=3.5).frames(30.0, source="hall", start_ns=START)
    sent = [encode_pose(replace(f, epoch=7)) for f in frames]
    file = RecordingFile(tmp_path / "whole.mcap", RecordingHeader(run="5"))
    for i, parts in enumerate(sent):
        file.parts("pose.hall", parts, START + i * 33_333_333, START, i)
    file.close()
    whole = events(rerun(scorer, tmp_path)[0])
    compared = 0
    for moment in (3.0, 7.0, 11.0, 15.0):
        part = events(rerun(scorer, tmp_path, start=str(moment))[0])
        caught_up = START + round((moment + 0.15 + 10 / 15 + 3 / 15) * 1e9)  # held back, a window, a hop
        spans = {e.id: (e.pair, e.start, e.stamp) for e in whole}
        busy = {pair for pair, start, end in spans.values() if start - 10**9 <= caught_up <= end + 10**9}
        later, same = ([e for e in told if e.start > caught_up and e.pair not in busy] for told in (whole, part))
        assert same == later
        compared += len(later)
    assert compared > 0


def test_what_the_receivers_clock_decided_is_in_the_recording(
    live: Callable[..., Any], scorer: Scorer, encounter: Callable[..., list[PoseFrame]], tmp_path: Path
) -> None:
    frames = [encode_pose(f) for f in encounter(seconds=5.0)]
    again = [encode_pose(replace(f, stamp=f.stamp + 60 * 10**9, epoch=2)) for f in encounter(seconds=4.5)]
    config = Config(liveness=LivenessOptions(silent_s=0.1, forget_s=0.3), wire=WireOptions(max_sources=1))
    with live(tmp_path, config) as detector, PosePublisher(detector.address, wait_s=30) as publisher:
        for parts in frames:
            publisher.send_parts(parts)
        detector.until(lambda: [e for e in detector.kept.events if e.reason == "source_forgotten"])
        for parts in again:
            publisher.send_parts(parts)
        detector.until(lambda: [e for e in detector.kept.events if e.start > START + 60 * 10**9])
    told = detector.kept.events
    assert [e.reason for e in told if e.type == "close"] == ["source_forgotten", "shutdown"]
    offline, run = rerun(scorer, tmp_path, config=detector.config)
    assert events(offline) == told == run.recorded


def test_a_second_run_of_the_detector_begins_afresh(
    live: Callable[..., Any], scorer: Scorer, encounter: Callable[..., list[PoseFrame]], tmp_path: Path
) -> None:
    sent = [encode_pose(f) for f in encounter(seconds=5.0)]
    told = []
    for epoch in (1, 2):
        with live(tmp_path) as detector:
            detector.take(sent, epoch)
        told += detector.kept.events
    assert len({e.id for e in told}) * 2 == sum(e.type != "update" for e in told) / 2
    assert events(rerun(scorer, tmp_path)[0]) == told


def test_windows_that_the_live_run_shed_are_told(scorer: Scorer, tmp_path: Path) -> None:
    status = StatusMessage(
        source="hall", state=SourceState.BLIND, blind=None, fps=30.0, people=2, pairs=1, frames=9,
        windows=3, open_events=0, dropped={"shed_overload": 4}, clock="unix", clock_offset_ms=None, last_stamp=0,
        model="m 1", provider="p",
    )  # fmt: skip
    file = RecordingFile(tmp_path / "a.mcap", RecordingHeader(run="5"))
    file.message(status, START)
    file.close()
    assert rerun(scorer, tmp_path)[1].shed == {"hall": 4}
    for part, (run, shed) in enumerate([("5", 6), ("6", 0), ("6", 7), ("7", 2)], 2):
        file = RecordingFile(tmp_path / f"{part}.mcap", RecordingHeader(run=run, part=str(part)))
        file.message(structs.replace(status, dropped={"shed_overload": shed}), START + part * 10**9)
        file.close()
    assert rerun(scorer, tmp_path)[1].shed == {"hall": 6 + 7 + 2}
    copy(Playback([tmp_path]), tmp_path / "merged")
    assert rerun(scorer, tmp_path / "merged")[1].shed == {"hall": 6 + 7 + 2}
