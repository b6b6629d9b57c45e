from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Blindness, Refusal
from dyadwatch.stream.configuration.config import Config, LivenessOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.health.source_watch import Heartbeat, SourceWatch
from dyadwatch.stream.health.status_board import StatusBoard
from dyadwatch.stream.messages import Blind, StatusMessage, encode_json
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.scoring.scorer import Scorer

S = 1_000_000_000
Frame = Callable[..., PoseFrame]
Person = Callable[..., NDArray[np.float32]]


class Watched:
    """A pipeline and its status board, told of frames that came so many seconds ago."""

    def __init__(self, scorer: Scorer, **liveness: float) -> None:
        self.pipeline = Pipeline(scorer, Thresholds(6.0, 4.0), Config())
        options = LivenessOptions(**cast(Any, liveness))
        self.watch = SourceWatch(self.pipeline.intake, options)
        self.board = StatusBoard(self.pipeline.counters, options, "tiny 1", "CPU")

    def hear(self, frame: PoseFrame, ago_s: float) -> None:
        self.pipeline.push(frame)
        self.watch.beat(frame, time.monotonic_ns() - round(ago_s * S))

    def messages(self) -> list[StatusMessage]:
        return self.board.messages(self.watch.views(), self.pipeline.judge.judged)

    def status(self) -> StatusMessage:
        (message,) = self.messages()
        return message


def said(status: StatusMessage) -> str | None:
    """Why it is blind, as a sentence."""
    return None if status.blind is None else status.blind.text


@pytest.fixture
def watched(scorer: Scorer) -> Watched:
    return Watched(scorer)


def test_frames_that_are_all_refused_make_a_source_blind(watched: Watched, frame: Frame, person: Person) -> None:
    people = [person(0), person(1)]
    for seq in range(60):
        watched.hear(frame(seq, people, ids=[1, 2]), 9.0 - seq / 30)
    for seq in range(60, 240):  # the same number again and again, as a publisher that forgot to count sends it
        watched.hear(frame(59, people, ids=[1, 2]), 9.0 - seq / 30)
    status = watched.status()
    assert (status.state, said(status)) == ("blind", "the same frame comes again and again (seq 59)")
    assert status.blind == Blind(code=Blindness.SAME_FRAME, detail={"seq": 59}, text=said(status) or "")
    assert status.dropped == {"duplicate": 180}


def test_what_blinded_a_source_when_it_was_last_of_use_is_not_told_any_more(
    watched: Watched, frame: Frame, person: Person
) -> None:
    for ago in (9.0, 4.0, 0.0):
        watched.hear(frame(0, [person(0)]), ago)
    assert said(watched.status()) == "no usable frame for 9 s: duplicate, see dropped"


@pytest.mark.parametrize(("ago_s", "state"), [(4.0, "blind"), (6.0, "silent")])
def test_silence_is_measured_on_our_own_clock(
    watched: Watched, frame: Frame, person: Person, ago_s: float, state: str
) -> None:
    watched.hear(frame(0, [person(0)]), ago_s)
    status = watched.status()
    assert status.state == state
    assert said(status) == ("one person in view" if state == "blind" else "source silent for 6 s")


def test_a_source_of_hardly_a_frame_is_forgotten_after_a_minute(scorer: Scorer, frame: Frame, person: Person) -> None:
    watched = Watched(scorer, forget_s=3600.0)
    for source, frames, ago_s in (("once", 1, 61.0), ("often", 40, 61.0), ("young", 1, 59.0)):
        for seq in range(frames):
            watched.hear(frame(seq, [person(0)], source=source), ago_s)
    assert watched.watch.forgotten() == ["once"]


def test_sources_are_forgotten_after_a_long_silence_only(scorer: Scorer, frame: Frame) -> None:
    watched = Watched(scorer, silent_s=70.0, forget_s=60.0)
    watched.hear(frame(0, source="old"), 61.0)
    watched.hear(frame(0, source="new"), 59.0)
    assert len(watched.messages()) == 2
    assert watched.watch.forgotten() == ["old"]
    watched.pipeline.intake.forget("old")
    assert [m.source for m in watched.messages()] == ["new"]
    assert [v for v in vars(watched.watch).values() if isinstance(v, dict) and "old" in v] == []
    assert watched.watch.forgotten() == []  # looked a moment ago


def test_a_source_that_was_not_admitted_is_not_remembered(watched: Watched, frame: Frame) -> None:
    watched.watch.beat(frame(0, source="made-up"), 0)
    assert watched.watch.forgotten() == []
    assert [m.source for m in watched.messages()] == ["@detector"]


@pytest.mark.parametrize("jitter", [0.0, 0.8])
def test_the_rate_is_that_of_the_stamps(frame: Frame, jitter: float) -> None:
    beat, rng = Heartbeat(), np.random.default_rng(0)
    assert beat.fps == 0.0
    for seq in range(300):
        stamp = frame(0).stamp + round((seq + rng.uniform(0, jitter)) * S / 25)
        beat.beat(frame(seq, stamp=stamp), seq, 0, seq)
    assert beat.fps == pytest.approx(25, rel=0.1)


def test_the_offset_is_the_shortest_way_of_this_run(frame: Frame) -> None:
    beat, start = Heartbeat(), frame(0).stamp
    for seq, late in enumerate((5, 3, 9)):
        beat.beat(frame(seq, stamp=start + seq), seq, start + seq + late, seq)
    assert beat.offset == 3
    beat.beat(frame(0, epoch=2, stamp=start), 9, start + 7, 3)
    assert beat.offset == 7
    beat = Heartbeat()
    beat.beat(frame(0, clock="media"), 0, 0, 0)
    assert beat.offset is None


def test_what_a_source_warns_of_is_told_for_as_long_as_it_does(
    watched: Watched, frame: Frame, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    warned = replace(frame(0, [person(0)]), warnings=("assumed_field_of_view",))
    watched.hear(warned, 0.0)
    with caplog.at_level(logging.WARNING):
        assert [watched.status().warnings for _ in range(3)] == [("assumed_field_of_view",)] * 3
    assert [r.getMessage() for r in caplog.records] == [
        f"{warned.source}: assumed_field_of_view: the source warns of this itself, with every frame"
    ]
    assert b'"warnings":["assumed_field_of_view"]' in encode_json(watched.status())
    watched.hear(frame(1, [person(0)]), 0.0)
    assert watched.status().warnings == ()


def test_who_sends_only_what_is_refused_is_named_for_as_long_as_that_goes_on(
    scorer: Scorer, frame: Frame, person: Person
) -> None:
    watched, now = Watched(scorer), 1000.0
    counters = watched.pipeline.counters = Counters(clock=lambda: now)
    watched.board = StatusBoard(counters, LivenessOptions(), "tiny 1", "CPU")
    counters.add(DETECTOR, Refusal.ABSURD_BODY)
    counters.refuse("mm", Refusal.ABSURD_BODY, "person 0 spans 1593 m (mm sent as 'm'?)")
    full = "nothing usable from mm: absurd_body (person 0 spans 1593 m (mm sent as 'm'?))"
    assert (watched.status().state, said(watched.status())) == ("blind", full)
    counters.refuse("mm", Refusal.ABSURD_BODY)
    watched.hear(frame(0, [person(0)]), 0.0)
    good, own = watched.messages()
    assert (good.source, said(good)) == ("hall", "one person in view")
    assert (own.source, own.state, said(own)) == (DETECTOR, "blind", "nothing usable from mm: absurd_body")
    for name in ("a", "b", "c", "hall"):
        counters.refuse(name, Refusal.VERSION)
    good, own = watched.messages()
    assert said(good) == "one person in view"  # a message now and then does not make a source useless
    assert said(own) == "nothing usable from a: version, b: version, c: version, and 1 more"
    assert own.blind is not None
    assert own.blind.detail == {"refused": {"a": "version", "b": "version", "c": "version"}, "more": 1}
    now += 5.1
    _, own = watched.messages()
    assert (own.state, said(own)) == ("watching", None)


def test_nothing_usable_yet_without_a_name_points_to_what_was_dropped(watched: Watched) -> None:
    watched.pipeline.counters.add(DETECTOR, Refusal.BAD_TOPIC)
    assert said(watched.status()) == "nothing usable has come yet, see dropped"


def test_a_source_that_sends_only_what_is_refused_by_now_is_not_silent(
    watched: Watched, frame: Frame, person: Person
) -> None:
    watched.hear(frame(0, [person(0)]), 60.0)
    assert watched.status().state == "silent"
    watched.pipeline.counters.refuse("hall", Refusal.ABSURD_BODY)
    assert (watched.status().state, said(watched.status())) == ("blind", "nothing usable from hall: absurd_body")
