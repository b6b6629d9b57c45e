"""A scene is followed by itself: what its steps say, without windows or a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import Config, MergeOptions
from dyadwatch.stream.merging.group import Group
from dyadwatch.stream.tracking.scene_tracker import SceneStep, SceneTracker

S = 1_000_000_000
FPS = 15.0
Frame = Callable[..., PoseFrame]
Person = Callable[..., Any]


@pytest.fixture
def both(person: Person) -> list[Any]:
    return [person(0.0), person(1.0)]


def steps(scene: SceneTracker, frames: list[PoseFrame]) -> list[SceneStep]:
    return [step for f in frames for step in scene.push(f)] + scene.finish()


def test_rows_of_all_steps_are_every_point_of_the_grid_once(frame: Frame, both: list[Any], Drops: Any) -> None:
    scene = SceneTracker("hall", Config(), FPS, Drops())
    sent = [frame(k, both, ids=["a", "b"], fps=25.0) for k in range(50)]
    for i, f in enumerate(sent):
        f.joints[0, :, 0] = 0.02 * i  # the first walks half a metre a second
    points: dict[object, list[int]] = {"a": [], "b": []}
    for step in steps(scene, sent):
        for track, k, rows in step.rows:
            points[track.id] += range(k, k + len(rows))
            if track.id == "a":
                at = (np.array([scene.grid.stamp(i) for i in range(k, k + len(rows))]) - sent[0].stamp) / S
                np.testing.assert_allclose(rows[:, 0, 0], 0.5 * at, atol=1e-5)
    first, last = scene.grid.at_or_after(sent[0].stamp), scene.grid.at_or_after(sent[-1].stamp + 1) - 1
    assert points["a"] == points["b"] == list(range(first, last + 1))


def test_pairs_are_named_for_as_long_as_they_are_near_and_then_end_once(
    frame: Frame, person: Person, both: list[Any], Drops: Any
) -> None:
    scene = SceneTracker("hall", Config(), FPS, Drops())
    sent = [frame(k, both, ids=["a", "b"]) for k in range(5)]
    sent += [frame(k, [person(0.0), person(1.0 + 0.3 * (k - 4))], ids=["a", "b"]) for k in range(5, 30)]
    made = steps(scene, sent)
    near = [[pair.ids for pair in step.pairs] for step in made]
    assert near[0] == [("a", "b")]
    assert near[-1] == []
    ends = [(pair.ids, reason) for step in made for pair, reason in step.ended]
    assert ends == [(("a", "b"), PairEnd.APART)]


def test_a_restart_and_an_end_begin_afresh(frame: Frame, both: list[Any], Drops: Any) -> None:
    scene = SceneTracker("hall", Config(), FPS, Drops())
    sent = [frame(k, both, ids=["a", "b"]) for k in range(4)]
    again = [replace(f, epoch=f.epoch + 1, stamp=f.stamp + S) for f in sent]
    made = steps(scene, [*sent, *again])
    assert [i for i, step in enumerate(made) if step.fresh] == [0, 4, 8]
    assert [reason for step in made for _, reason in step.ended] == [PairEnd.SOURCE_RESTART, PairEnd.END_OF_STREAM]
    assert made[-1].frame is None
    assert scene.tracker.alive == {}
    (after,) = scene.push(replace(sent[0], epoch=9, stamp=sent[0].stamp + 5 * S))
    assert after.fresh


def test_without_a_layout_joints_are_those_sent_and_others_begin_afresh(
    frame: Frame, both: list[Any], Drops: Any
) -> None:
    scene = SceneTracker("hall", Config(), FPS, Drops())
    rng = np.random.default_rng(0)
    other = [(rng.normal(size=(17, 3)) * 0.3 + [x, 1, 0]).astype(np.float32) for x in (0, 1)]
    sent = [frame(0, both, ids=[1, 2]), frame(1, other, ids=[1, 2], layout=COCO17, stamp=frame(30).stamp)]
    first, second, _ = steps(scene, sent)
    assert [r.joints.shape[1:] for r in (*first.rows, *second.rows)] == [(11, 3), (11, 3), (17, 3), (17, 3)]
    assert second.fresh
    assert [reason for _, reason in second.ended] == [PairEnd.SOURCE_RESTART]
    assert second.mapping is None


def test_joints_that_do_not_fit_make_a_step_without_a_frame(frame: Frame, both: list[Any], Drops: Any) -> None:
    scene = SceneTracker("hall", Config(), FPS, drops := Drops(), UPPER11)
    legs = Layout.custom(["left_knee", "right_knee"])
    (step,) = scene.push(frame(0, layout=legs))
    assert (step.frame, scene.refuses, drops["layout_unfit"]) == (None, True, 1)
    (step,) = scene.push(frame(1, both, ids=[1, 2]))
    assert step.frame is not None
    assert step.fresh
    assert not scene.refuses


def test_a_group_makes_steps_of_one_scene(frame: Frame, both: list[Any], Drops: Any) -> None:
    config = Config(merge=MergeOptions(groups={"hall": ["cam_a", "cam_b"]}))
    drops = Drops()
    group = Group("hall", config, FPS, UPPER11, lambda source: drops, None)
    made: list[SceneStep] = []
    for k in range(40):
        for source in ("cam_a", "cam_b"):
            made += group.push(replace(frame(k, both, ids=[1, 2]), source=source))
    made += group.finish()
    assert {step.source for step in made if step.frame is not None} == {"hall"}
    assert {pair.ids for step in made for pair in step.pairs} == {(1, 2)}
    assert group.summary.detail["shared"] == 0, "an end forgets everybody"
    stamps = [step.frame.stamp for step in made if step.frame is not None]
    assert len(stamps) == len(set(stamps)) == pytest.approx(40 / 30 * FPS, abs=1)
    assert group.push(replace(frame(40, both), source="hall")) == []
    assert drops["group_name"] == 1
