"""What is kept of messages that were refused: a digest, bounded in number and bytes, and the count of all of them."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcap.reader import make_reader

from dyadwatch.core.errors import WireError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Refusal
from dyadwatch.stream.configuration.config import Config, RecordOptions, WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.recordings.channels import RecordingHeader, RefusedMessage
from dyadwatch.stream.recordings.edit import copy
from dyadwatch.stream.recordings.info import describe
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorder import Recorder
from dyadwatch.stream.recordings.refused import RefusedBudget, decode_received, digest
from dyadwatch.stream.recordings.reprocess import Reprocess
from dyadwatch.stream.recordings.resend import Rewriter
from dyadwatch.stream.recordings.write_queue import ReceivedMessage, Refused, WriteQueue
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.wire import encode_pose

from .conftest import THRESHOLDS

MB = 1_000_000
BAD = [b"pose.hall", b"\xc1 no map", b"x" * 100]


def recorder_in(folder: Path) -> tuple[Recorder, Counters]:
    counters = Counters()
    return Recorder(RecordOptions(folder=str(folder), min_free_mb=0), counters), counters


def refusals(folder: Path) -> list[RefusedMessage]:
    return [e.refused for e in Playback([folder]).received() if e.refused is not None]


def test_a_refused_message_is_kept_as_a_digest(tmp_path: Path) -> None:
    parts = [b"pose.caf\xe9", bytes(range(256)) * 20, b"x" * 3_000_000]
    recorder, counters = recorder_in(tmp_path)
    recorder.start()
    recorder.received(parts, None, time.monotonic_ns(), reason=Refusal.TOO_BIG)
    recorder.received([], None, time.monotonic_ns(), reason=Refusal.PART_COUNT)
    recorder.close()
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 10_000
    one, empty = refusals(tmp_path)
    assert one == RefusedMessage(
        reason="too_big",
        topic=r"pose.caf\xe9",
        parts=3,
        sizes=[9, 5120, 3_000_000],
        bytes=3_005_129,
        sha256=hashlib.sha256(b"".join(parts)).hexdigest(),
        header=bytes(range(256)).hex(),
    )
    assert (empty.reason, empty.topic, empty.parts, empty.sizes) == ("part_count", "", 0, [])
    assert counters.snapshot() == {}
    with path.open("rb") as stream:  # any other reader of MCAP reads it as JSON
        (_, channel, message), *_ = make_reader(stream).iter_messages()
    assert (channel.topic, json.loads(message.data)["reason"]) == ("refused_digest", "too_big")


def test_what_is_kept_is_bounded_whatever_is_in_a_message() -> None:
    kept = digest([b"\0" * 10_000, b"\xff" * 10_000, *[b""] * 50_000], Refusal.LAYOUT)
    assert (len(kept.topic), len(kept.header), len(kept.sizes), kept.parts) == (256, 512, 16, 50_002)


def test_a_flood_of_refused_messages_is_counted_and_takes_no_room(tmp_path: Path) -> None:
    """Six hundred are kept one by one; of all others their number by topic and reason, and none is missing."""
    recorder, counters = recorder_in(tmp_path)
    recorder.start()
    for k in range(5000):
        reason = Refusal.LAYOUT if k % 5 else Refusal.VERSION
        recorder.received([b"pose.bad", b"h", b"p"], None, time.monotonic_ns(), reason=reason)
    recorder.close()
    kept = refusals(tmp_path)
    assert sum(r.count for r in kept if r.sha256) == 600
    assert counters.of("@detector") == {"record_refused_capped": 4400}
    by_reason: Counter[str] = Counter()
    for r in kept:
        by_reason[r.reason] += r.count
    assert by_reason == {"layout": 4000, "version": 1000}
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < MB
    playback = Playback([tmp_path])
    info = describe(playback)
    assert (info.refused, info.refused_for, info.notes) == (5000, {"layout": 4000, "version": 1000}, [])


def test_large_refused_messages_leave_room_for_good_ones(
    tmp_path: Path, encounter: Callable[..., list[PoseFrame]]
) -> None:
    recorder, counters = recorder_in(tmp_path)
    frames = encounter(seconds=1.0)
    for frame in frames:  # nothing is written before it starts
        for _ in range(4):
            recorder.received([b"pose.bad", b"h", bytes(3 * MB)], None, time.monotonic_ns(), reason=Refusal.TOO_BIG)
        recorder.received(encode_pose(frame), frame, time.monotonic_ns())
    recorder.start()
    recorder.close()
    assert [e.parts for e in Playback([tmp_path]).received() if e.source] == [encode_pose(f) for f in frames]
    told = counters.of("@detector")
    assert set(told) == {"record_refused_capped"}
    assert sum(r.count for r in refusals(tmp_path)) == 4 * len(frames)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < MB


def test_the_queue_has_a_share_for_refused_messages() -> None:
    queue = WriteQueue(most_bytes=100, most_refused_bytes=30)
    assert queue.put(Refused([b"x" * 20], Refusal.LAYOUT, 0, 0))
    assert not queue.put(Refused([b"x" * 20], Refusal.LAYOUT, 0, 1))
    assert queue.put(ReceivedMessage([b"x" * 70], "a", 0, 0, 2))
    assert not queue.put(ReceivedMessage([b"x" * 20], "a", 0, 0, 3))
    assert len(queue.take_all()) == 2
    assert queue.put(Refused([b"x" * 20], Refusal.LAYOUT, 0, 4))


def test_the_budget_is_one_of_each_minute_in_number_and_bytes() -> None:
    now = [1.0]
    budget = RefusedBudget(most=3, most_bytes=1000, clock=lambda: now[0])
    assert [budget.admit() for _ in range(4)] == [True, True, True, False]
    now[0] = 60.9
    assert not budget.admit()
    now[0] = 61.0
    assert budget.admit()
    budget.spend(1000)
    assert not budget.admit()
    for k in range(40):
        budget.only_count(f"pose.{k}", Refusal.VERSION)
    taken = budget.take()
    assert sum(r.count for r in taken) == 40
    assert len(taken) <= 18
    assert budget.take() == []


def test_a_reason_that_is_not_told_is_found_out(tmp_path: Path, encounter: Callable[..., list[PoseFrame]]) -> None:
    recorder, _ = recorder_in(tmp_path)
    recorder.start()
    recorder.received(BAD, None, time.monotonic_ns())
    recorder.received([b"x"], None, time.monotonic_ns())
    recorder.close()
    assert [r.reason for r in refusals(tmp_path)] == ["bad_msgpack", "part_count"]


def test_live_and_again_count_the_same_refusals(
    live: Callable[..., Any], scorer: Scorer, encounter: Callable[..., list[PoseFrame]], tmp_path: Path
) -> None:
    sent = []
    for frame in encounter(seconds=3.0):
        sent += [encode_pose(frame), BAD, [b"pose.nobody", b"", b""], [b"nonsense"]]
    with live(tmp_path) as detector:
        detector.take(sent)
    config = Config()
    pipeline = Pipeline(scorer, THRESHOLDS, config)
    for _ in Reprocess(pipeline, config).run(Playback([tmp_path])):
        pass
    # The very first came before its source was known.
    for source, reasons in detector.service.counters.snapshot().items():
        told = pipeline.counters.of(source)
        assert {r: n for r, n in reasons.items() if r in ("bad_msgpack", "part_count", "topic")} == {
            r: n for r, n in told.items() if r in ("bad_msgpack", "part_count", "topic")
        }
    assert sum(r.count for r in refusals(tmp_path)) == 3 * len(sent) // 4


def test_recordings_that_hold_them_whole_are_read_as_before(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "a.mcap", RecordingHeader(run="5"))
    file.parts("refused", BAD, 1, 1, 0)
    file.refused(digest(BAD, Refusal.BAD_MSGPACK), 2, 1)
    file.refused(RefusedMessage(reason="version", topic="pose.x", count=7), 3, 0)
    file.parts("refused", BAD, 4, 4, 9)
    file.close()
    playback = Playback([tmp_path / "a.mcap"])
    whole, kept, summary, last = playback.received()
    assert playback.notes == []
    assert (whole.parts, whole.refused, last.sequence) == (BAD, None, 9)
    assert (kept.parts, summary.counts, summary.numbered) == ([b"pose.hall"], 7, False)
    for received in (whole, kept):
        with pytest.raises(WireError) as e:
            decode_received(received, WireOptions())
        assert e.value.reason == "bad_msgpack"
    rewriter = Rewriter()
    assert [rewriter.parts(r) for r in (whole, kept, summary, last)] == [None] * 4
    assert (rewriter.refused, rewriter.left_out) == (10, 10)
    assert describe(playback).refused_for == {"unknown": 2, "bad_msgpack": 1, "version": 7}
    assert copy(playback, tmp_path / "b.mcap") == 4
    assert list(Playback([tmp_path / "b.mcap"])) == list(playback)


def test_what_was_neither_kept_nor_counted_is_told_as_missing(tmp_path: Path) -> None:
    """Killed before the summary was written."""
    file = RecordingFile(tmp_path / "a.mcap", RecordingHeader(run="5"))
    file.refused(digest(BAD, Refusal.BAD_MSGPACK), 1, 0)
    file.refused(RefusedMessage(reason="version", topic="", count=3), 2, 0)
    file.refused(digest(BAD, Refusal.BAD_MSGPACK), 3, 9)
    file.close()
    playback = Playback([tmp_path / "a.mcap"])
    assert sum(r.counts for r in playback.received()) == 5
    assert playback.notes == [f"{tmp_path / 'a.mcap'}: 5 received messages in or before it are missing"]
