"""Two simulated cameras see the same people from two places."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import Config, MergeOptions
from dyadwatch.stream.health.source_watch import SourceWatch
from dyadwatch.stream.health.status_board import StatusBoard
from dyadwatch.stream.items import PairEnded
from dyadwatch.stream.merging.fusion import Fusion, GroupSighting
from dyadwatch.stream.messages import Blind, EventMessage, Merge, Message, ScoreMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.texts import text_of

S = 1_000_000_000
THRESHOLDS = Thresholds(6.0, 4.0)
GROUPS = {"hall": ["cam_a", "cam_b"]}
Sent = tuple[float, PoseFrame]
Encounter = Callable[..., list[PoseFrame]]


def view(
    frames: Iterable[PoseFrame],
    source: str,
    *,
    clock_s: float = 0.0,
    way_s: float = 0.02,
    noise_m: float = 0.01,
    off_m: float = 0.03,
    hidden: float = 0.02,
    sees: Callable[[float], Sequence[int]] = lambda t: (0, 1),
    gone: tuple[float, float] = (0.0, 0.0),
    ids: bool = True,
    clock: str = "unix",
) -> Iterator[Sent]:
    """What a camera makes of the truth, and when each frame comes, in seconds.

    Its clock is ahead by `clock_s`, its frames take `way_s` and a bit, its joints are off by `off_m` and noise, a share
    is hidden, and of the people it sees those with the numbers that `sees` gives; it is gone from .. to seconds.
    """
    rng = np.random.default_rng(sum(map(ord, source)))
    begin = None
    for frame in frames:
        begin = frame.stamp if begin is None else begin
        t = (frame.stamp - begin) / S
        joints = frame.joints + np.float32(off_m) + rng.normal(0, noise_m, frame.joints.shape).astype(np.float32)
        joints[rng.random(joints.shape[:2]) < hidden] = np.nan
        way = way_s + rng.random() * 0.01
        if gone[0] <= t < gone[1]:
            continue
        rows = list(sees(t))
        yield (
            t + way,
            replace(
                frame,
                source=source,
                stamp=frame.stamp + round(clock_s * S),
                joints=joints[rows],
                confidence=np.asarray(~np.isnan(joints[rows, :, 0]), np.float32),
                ids=tuple(frame.ids[i] for i in rows) if ids and frame.ids else None,
                clock=clock,
            ),
        )


class Run:
    """A pipeline after all frames, in the order in which they come."""

    def __init__(self, scorer: Scorer, *views: Iterator[Sent], groups: dict[str, list[str]] = GROUPS, **merge: Any):
        self.pipeline = Pipeline(scorer, THRESHOLDS, Config(merge=MergeOptions(groups=groups, **merge)))
        self.board = StatusBoard(self.pipeline.counters, Config().liveness, "tiny 1", "CPU")
        watch = SourceWatch(self.pipeline.intake, Config().liveness)
        self.told: list[Message] = []
        self.shared: list[str] = []
        for _, frame in heapq.merge(*views, key=lambda sent: sent[0]):
            self.told += self.pipeline.push(frame)
            self.shared.append(words(self.pipeline.intake.lines["hall"].merge))
        self.merge = {name: words(line.merge) for name, line in self.pipeline.intake.lines.items()}
        self.status = {m.source: m for m in self.board.messages(watch.views(), self.pipeline.judge.judged)}
        self.told += self.pipeline.finish()
        self.scores = Counter(m.source for m in self.told if isinstance(m, ScoreMessage))
        self.events = [m for m in self.told if isinstance(m, EventMessage)]
        self.opened = [(e.source, e.pair) for e in self.events if e.type == "open"]
        self.dropped = self.pipeline.counters.snapshot()


def words(found: Finding[StrEnum] | None) -> str:
    """What is found as a sentence; empty for nothing."""
    return "" if found is None else text_of(found)


def said(told: Blind | Merge | None) -> str | None:
    """The sentence in a status."""
    return None if told is None else told.text


def exact(told: Sequence[Message]) -> list[Message]:
    return [structs.replace(m, latency_ms=0.0) if isinstance(m, ScoreMessage) else m for m in told]


@pytest.fixture
def truth(encounter: Encounter) -> list[PoseFrame]:
    return encounter()


def test_a_group_whose_sources_were_all_forgotten_ends_well(scorer: Scorer, truth: list[PoseFrame]) -> None:
    """Points of time that waited for the slower source are taken up at the end, though nobody is left."""
    pipeline = Pipeline(scorer, THRESHOLDS, Config(merge=MergeOptions(groups=GROUPS)))
    for _, frame in heapq.merge(view(truth[:150], "cam_a"), view(truth[:145], "cam_b"), key=lambda sent: sent[0]):
        pipeline.push(frame)
    intake = pipeline.intake
    ends = [intake.forget(source) for source in GROUPS["hall"]]
    assert ends == [[], []]
    ended = [item for item in intake.finish(PairEnd.SHUTDOWN) if isinstance(item, PairEnded)]
    assert [(e.source, e.reason, e.clock) for e in ended] == [("hall", "shutdown", "unix")]
    assert ended[0].stamp >= truth[146].stamp - S // 15, "what only the faster source had shown is told"
    assert {name: words(line.blind) for name, line in intake.lines.items()} == {
        "cam_a": "nothing has come from it yet",
        "cam_b": "nothing has come from it yet",
        "hall": "nothing has come from its sources yet",
    }


def test_who_is_seen_twice_is_one_person_and_a_pair_is_scored_once(scorer: Scorer, truth: list[PoseFrame]) -> None:
    alone = Run(scorer, view(truth, "cam_a"), groups={"hall": ["cam_x", "cam_y"]})
    both = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b", off_m=-0.03, ids=False))
    assert both.scores == {"hall": alone.scores["cam_a"]}
    assert both.opened == [("hall", (1, 2))] * 2
    assert [(e.type, e.start) for e in both.events if e.type != "update"] == [
        (e.type, e.start) for e in alone.events if e.type != "update"
    ]
    assert both.shared[-1] == "2 of 2 sources; 2 of 2 people seen by more than one"
    assert both.merge == {"cam_a": "in hall", "cam_b": "in hall", "hall": both.shared[-1]}
    assert both.dropped == {}


def test_joints_are_averaged_by_confidence(scorer: Scorer, truth: list[PoseFrame]) -> None:
    """With half of the weight, a source pulls half as much."""
    both = Pipeline(scorer, THRESHOLDS, Config(merge=MergeOptions(groups=GROUPS)))
    still = [replace(truth[0], seq=i, stamp=f.stamp) for i, f in enumerate(truth[:90])]
    seen = None
    for f in still:
        high = replace(f, source="cam_b", joints=f.joints + np.float32(0.06), confidence=f.confidence / 2)
        both.push(replace(f, source="cam_a"))
        for item in both.intake.push(high, 0):
            seen = getattr(item, "joints", seen)
    assert seen is not None
    body = JointMap.between(UPPER11, UPPER11).positions(truth[0].joints[0])
    np.testing.assert_allclose(seen[0, -1], body + 0.02, atol=1e-4)


def test_a_pair_may_be_one_whom_each_camera_sees_alone(scorer: Scorer, truth: list[PoseFrame]) -> None:
    run = Run(scorer, view(truth, "cam_a", sees=lambda t: [0]), view(truth, "cam_b", sees=lambda t: [1]))
    assert run.opened == [("hall", (1, 2))] * 2
    assert run.shared[-1] == "2 of 2 sources; 0 of 2 people seen by more than one"
    assert run.status["cam_a"].blind is None


@pytest.mark.parametrize("leaves", ["cam_a", "cam_b"])
def test_when_one_drops_out_the_people_stay_who_they_are(scorer: Scorer, truth: list[PoseFrame], leaves: str) -> None:
    gone = {"cam_a": (0.0, 0.0), "cam_b": (0.0, 0.0), leaves: (4.0, 8.0)}
    run = Run(scorer, *(view(truth, s, gone=g, off_m=0.05 * (s == "cam_b")) for s, g in gone.items()))
    assert {m.pair for m in run.told if isinstance(m, ScoreMessage)} == {(1, 2)}
    assert run.opened == [("hall", (1, 2))] * 2
    assert run.shared[-1] == "2 of 2 sources; 2 of 2 people seen by more than one"


def test_nobody_leaps_when_a_camera_comes_and_goes(scorer: Scorer, truth: list[PoseFrame]) -> None:
    """The tiny model's `unusual` is the speed of the fastest joint; cameras that differ by 17 cm would make it 2.6."""
    still = [replace(truth[0], seq=i, stamp=f.stamp, joints=truth[90].joints) for i, f in enumerate(truth)]
    flickering = view(
        still, "cam_b", off_m=0.1, sees=lambda t: [0, 1] if int(t * 2) % 2 else [], noise_m=1e-6, hidden=0
    )
    run = Run(scorer, view(still, "cam_a", off_m=0.0, noise_m=1e-6, hidden=0), flickering)
    fastest = [m.unusual for m in run.told if isinstance(m, ScoreMessage)]
    assert len(fastest) > 40
    assert max(fastest) < 0.25


@pytest.mark.parametrize(("clock_s", "side"), [(0.5, "ahead of"), (-0.5, "behind"), (-20.0, "behind")])
def test_clocks_that_differ_keep_people_apart(
    scorer: Scorer, truth: list[PoseFrame], clock_s: float, side: str
) -> None:
    run = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b", clock_s=clock_s))
    reason = f"its stamps are {abs(clock_s):.2f} s {side} those of cam_a; merge.tolerance_s is 0.1"
    assert said(run.status["cam_b"].merge) == f"apart: {reason}"
    assert said(run.status["cam_a"].merge) == "in hall"
    assert said(run.status["hall"].merge) == "1 of 2 sources; 0 of 2 people seen by more than one"
    assert run.scores.keys() == {"hall", "cam_b"}
    assert Counter(source for source, _ in run.opened) == {"hall": 2, "cam_b": 2}
    assert run.dropped["cam_b"]["clocks_apart"] == 1


def test_a_difference_that_is_declared_is_made_up_for(scorer: Scorer, truth: list[PoseFrame]) -> None:
    shifted = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b", clock_s=20.0), offset_s={"cam_b": -20.0})
    plain = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b"))
    assert exact(shifted.told) == exact(plain.told)


def test_another_clock_needs_a_declared_offset(scorer: Scorer, truth: list[PoseFrame]) -> None:
    run = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b", clock="media"))
    assert run.merge["cam_b"] == (
        "apart: its stamps are on the clock 'media', those of cam_a on 'unix'; set merge.offset_s for it"
    )
    declared = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b", clock="media"), offset_s={"cam_b": 0.0})
    assert declared.merge["cam_b"] == "in hall"
    assert {e.clock for e in declared.events} == {"unix"}


def test_a_clock_that_steps_parts_and_a_step_back_joins_again(scorer: Scorer, encounter: Encounter) -> None:
    truth = encounter(seconds=20.0)

    def steps(sent: Iterator[Sent]) -> Iterator[Sent]:
        for t, f in sent:
            yield t, replace(f, stamp=f.stamp + (S if 4 <= t < 9 else 0))

    run = Run(scorer, view(truth, "cam_a"), steps(view(truth, "cam_b")))
    merged = [s.startswith("2 of 2") for s in run.shared]
    assert sum(a != b for a, b in pairwise(merged)) in (3, 4)  # joins, parts, joins
    assert run.merge["cam_b"] == "in hall"
    assert {m.pair for m in run.told if isinstance(m, ScoreMessage) and m.source == "cam_b"} == {("ann", "bob")}
    assert run.dropped["cam_b"]["clocks_apart"] == 1


def test_both_clocks_stepping_back_begins_anew(scorer: Scorer, truth: list[PoseFrame]) -> None:
    again = [replace(f, epoch=2) for f in truth]
    first = [view(truth, s) for s in GROUPS["hall"]]
    second = [((t + 13, f) for t, f in view(again, s)) for s in GROUPS["hall"]]
    run = Run(scorer, *(sent for pair in zip(first, second, strict=True) for sent in pair))
    once = Run(scorer, *(view(truth, s) for s in GROUPS["hall"]))
    assert run.scores["hall"] >= 2 * once.scores["hall"] - 2
    assert len(run.opened) == 2 * len(once.opened)


def test_a_third_camera_that_is_off_is_left_out_alone(scorer: Scorer, truth: list[PoseFrame]) -> None:
    cameras = [view(truth, "cam_a"), view(truth, "cam_b", clock_s=0.3), view(truth, "cam_c", way_s=0.05)]
    run = Run(scorer, *cameras, groups={"hall": ["cam_a", "cam_b", "cam_c"]})
    assert run.scores.keys() == {"hall", "cam_b"}
    assert said(run.status["hall"].merge) == "2 of 3 sources; 2 of 2 people seen by more than one"


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_sources_does_not_matter(scorer: Scorer, truth: list[PoseFrame], seed: int) -> None:
    """Events are the same however the frames of the two mix, as long as none is behind by more than wait_s."""
    rng = random.Random(seed)
    sent = [[*view(truth, s)] for s in GROUPS["hall"]]
    as_is = Run(scorer, *map(iter, sent))
    held = [iter([(f.stamp / S + rng.uniform(0, 0.01) + late, f) for _, f in frames]) for late, frames in
            zip((0.0, rng.uniform(-0.07, 0.07)), sent, strict=True)]  # fmt: skip
    mixed = Run(scorer, *held)
    assert exact(mixed.told) == exact(as_is.told)
    assert mixed.dropped == {}


@pytest.mark.parametrize("seed", range(3))
def test_identities_in_a_crowd_with_faults(scorer: Scorer, seed: int) -> None:
    """Four people, two faulty cameras on opposite sides: every person of the group is one person in truth."""
    scenario = make_scenario(seed, people=4, duration_s=20.0, room_m=4.0)
    faults = Faults(drop=0.02, late=0.01, jitter_ms=2, occlude=0.2, vanish=0.1, no_ids=True)
    truth = scenario.joints(30.0, noise=False)
    pipeline = Pipeline(scorer, THRESHOLDS, Config(merge=MergeOptions(groups=GROUPS)))
    streams = [
        [
            replace(f, joints=f.joints + np.float32(0.02 - 0.04 * i))
            for f in apply_faults(scenario.frames(30.0, source=s, start_ns=1000 * S), faults, seed + i)
        ]
        for i, s in enumerate(GROUPS["hall"])
    ]
    owners: dict[int, Counter[int]] = {}
    for frame in heapq.merge(*streams, key=lambda f: f.stamp):
        pipeline.intake.push(frame, 0)
        scene = pipeline.intake.lines["hall"].scene
        at = round((scene.stamp / S - 1000) * 30)
        for track in scene.tracker.alive.values():
            if track.stamp == scene.stamp and 0 <= at < len(truth):
                places = truth[at].mean(axis=1)[:, [0, 2]]
                nearest = int(np.linalg.norm(places - track.root[::2], axis=1).argmin())
                owners.setdefault(int(track.id), Counter())[nearest] += 1
    lasting = {k: c for k, c in owners.items() if c.total() > 60}
    assert len(lasting) <= 8  # four, and some anew after both cameras lost them
    assert {c.most_common(1)[0][0] for c in lasting.values()} == {0, 1, 2, 3}
    right = sum(c.most_common(1)[0][1] for c in owners.values()) / sum(c.total() for c in owners.values())
    assert right > 0.97
    assert pipeline.intake.lines["hall"].scene.people <= 4


def test_a_source_that_never_comes_is_told(scorer: Scorer, truth: list[PoseFrame]) -> None:
    run = Run(scorer, view(truth, "cam_b"))
    assert said(run.status["cam_a"].blind) == "nothing has come from it yet"
    assert said(run.status["hall"].merge) == "1 of 2 sources; 0 of 2 people seen by more than one"
    assert run.scores.keys() == {"hall"}
    nothing = Run(scorer)
    assert said(nothing.status["hall"].blind) == "nothing has come from its sources yet"


def test_the_name_of_a_group_is_refused_as_a_source(scorer: Scorer, truth: list[PoseFrame]) -> None:
    run = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b"), view(truth, "hall"))
    plain = Run(scorer, view(truth, "cam_a"), view(truth, "cam_b"))
    assert exact(run.told) == exact(plain.told)
    assert run.dropped == {"hall": {"group_name": len(truth)}}


def test_a_source_that_is_forgotten_may_come_again(scorer: Scorer, truth: list[PoseFrame]) -> None:
    run = Run(scorer, view(truth[:180], "cam_a"), view(truth, "cam_b"))
    run.pipeline.intake.forget("cam_b")
    run.pipeline.intake.forget("cam_a")
    assert list(run.pipeline.intake.lines) == ["cam_a", "cam_b", "hall"]
    assert words(run.pipeline.intake.lines["cam_b"].blind) == "nothing has come from it yet"
    later = [replace(f, epoch=0, stamp=f.stamp + 3600 * S) for f in truth]  # and even with a smaller epoch
    for _, f in heapq.merge(view(later, "cam_a"), view(later, "cam_b"), key=lambda sent: sent[0]):
        run.told += run.pipeline.push(f)
    assert words(run.pipeline.intake.lines["hall"].merge) == "2 of 2 sources; 2 of 2 people seen by more than one"


def test_sources_outside_of_groups_are_as_without(scorer: Scorer, truth: list[PoseFrame]) -> None:
    run = Run(scorer, view(truth, "yard"))
    plain = Pipeline(scorer, THRESHOLDS, Config())
    told = [m for _, f in view(truth, "yard") for m in plain.push(f)] + plain.finish()
    assert exact(run.told) == exact(told)


def test_a_source_that_steps_back_before_the_others_come_is_not_waited_for(
    scorer: Scorer, truth: list[PoseFrame]
) -> None:
    """It begins with stamps an hour from now, and again with those of today, while the other source is not there."""
    ahead = [replace(f, stamp=f.stamp + 3600 * S) for f in truth[:5]]
    pipeline = Pipeline(scorer, THRESHOLDS, Config(merge=MergeOptions(groups=GROUPS)))
    for f in (*ahead, *(replace(f, epoch=f.epoch + 1) for f in truth[:120])):
        pipeline.push(replace(f, source="cam_a"))
    assert pipeline.intake.groups["hall"].waiting < 30
    assert pipeline.intake.lines["hall"].scene.people == 2


def test_a_source_that_makes_up_people_costs_a_group_no_more_than_a_crowd(person: Callable[..., Any]) -> None:
    """New sightings at every point of the grid, from two sources: those out of sight are remembered up to a number."""
    fusion = Fusion(("a", "b"), 0.4, 15.0, 0.5, 11)
    for at in range(20):
        rows: dict[GroupSighting, Any] = {}
        for source in "ab":
            for i in range(20):
                joints = person(3.0 * i, 0.0 if source == "a" else 50.0)
                rows[GroupSighting(source, 1000 * at + i)] = np.concatenate(
                    (joints, np.ones((11, 1), np.float32)), axis=1
                )
        assert len(fusion.step(at, rows).ids) == 40
        assert len(fusion._persons) <= 40 + 64


@pytest.mark.parametrize(("apart_m", "people"), [(0.0, 1), (4.0, 2)])
def test_halves_of_one_body_stay_one_person_and_those_of_two_do_not(
    person: Callable[..., Any], apart_m: float, people: int
) -> None:
    """One camera comes to see the upper joints alone, the other the lower ones: too few in common to compare."""
    fusion = Fusion(("a", "b"), 0.4, 15.0, 0.5, 11)
    one = np.concatenate((person(0.0, 0.0), np.ones((11, 1), np.float32)), axis=1)
    seen: list[int] = []
    for at in range(60):
        first, second = one.copy(), one.copy()
        if at > 15:
            first[5:, :3], second[:6, :3] = np.nan, np.nan
            second[:, 0] += apart_m
        seen.append(len(fusion.step(at, {GroupSighting("a", 1): first, GroupSighting("b", 1): second}).ids))
    assert (seen[15], seen[-1]) == (1, people)
