"""Simulated lives: natural, seeded, and truthful about what happens in them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.simulator.encounters import ANOMALIES, NORMAL
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips, normal_clips
from dyadwatch.stream.publishers.simulator.scenario import Act, Interval, Scenario, make_scenario

FPS = 60.0
AT = KINECT25.index


@pytest.fixture(scope="module", params=[(0, 4), (1, 6), (2, 2), (3, 3)], ids=lambda p: f"{p[1]} people")
def life(request: pytest.FixtureRequest) -> tuple[Scenario, NDArray[np.float32]]:
    seed, people = request.param
    scenario = make_scenario(seed, people, 120.0, ANOMALIES)
    return scenario, scenario.joints(FPS, noise=False)


def during(scenario: Scenario, joints: NDArray[np.float32], what: Interval) -> NDArray[np.float32]:
    """Joints (t, 2, 25, 3) of the two people of an interval while it lasts."""
    first, end = int(what.start / NS * FPS), int(what.end / NS * FPS)
    return joints[first:end, [p - 1 for p in what.people]]


def closest(pair: NDArray[np.float32], mine: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Least distance between joints of one and joints of the other, whoever acts."""
    a, b = [AT[j] for j in mine], [AT[j] for j in other]
    gaps = [np.linalg.norm(pair[:, k][:, a][:, :, None] - pair[:, 1 - k][:, b][:, None], axis=-1) for k in (0, 1)]
    return float(min(g.min() for g in gaps))


def scripted(kind: str, seed: int) -> tuple[Interval, NDArray[np.float32]]:
    scenario = make_scenario(seed, 2, 40.0, script=[Act(kind, (1, 2))])
    what = next(t for t in scenario.truth if t.kind == kind)
    return what, during(scenario, scenario.joints(FPS, noise=False), what)


def test_bones_keep_their_length(life: tuple[Scenario, NDArray[np.float32]]) -> None:
    _, joints = life
    for a, b in KINECT25.bone_indices:
        length = np.linalg.norm(joints[:, :, a] - joints[:, :, b], axis=-1)
        assert np.ptp(length, axis=0).max() < 1e-4, (KINECT25.joints[a], KINECT25.joints[b])
        assert length.min() > 0.03


def test_nobody_jumps_or_sinks_into_the_floor(life: tuple[Scenario, NDArray[np.float32]]) -> None:
    scenario, joints = life
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * FPS
    assert speed.max() < 8.0
    pelvis = speed[:, :, AT["pelvis"]]
    assert pelvis.max() < 4.5
    calm = np.ones(pelvis.shape, bool)
    for what in scenario.truth:
        if what.anomalous:
            for p in what.people:
                calm[int(what.start / NS * FPS) : int(what.end / NS * FPS) + 30, p - 1] = False
    assert pelvis[calm].max() < 2.6, "normal people walk"
    assert joints[..., 1].min() > -0.03


def test_people_keep_clear_of_those_they_have_nothing_to_do_with(life: tuple[Scenario, NDArray[np.float32]]) -> None:
    scenario, joints = life
    floor = joints[:, :, AT["pelvis"]][..., [0, 2]]
    for a in range(scenario.people):
        for b in range(a):
            apart = np.linalg.norm(floor[:, a] - floor[:, b], axis=-1)
            for what in scenario.truth:
                if {a + 1, b + 1} <= set(what.people):
                    apart[max(0, int((what.start / NS - 1.5) * FPS)) : int((what.end / NS + 1.5) * FPS)] = 9.0
            assert apart.min() > 0.42, (a + 1, b + 1)


def test_the_truth_lists_what_was_asked_for_in_time(life: tuple[Scenario, NDArray[np.float32]]) -> None:
    scenario, _ = life
    staged = [t for t in scenario.truth if t.anomalous]
    assert [t.kind for t in staged] == list(ANOMALIES)
    assert all(0 <= t.start < t.end <= 120 * NS for t in scenario.truth)
    assert all(set(t.people) <= set(range(1, scenario.people + 1)) for t in scenario.truth)
    assert {t.kind for t in scenario.truth} <= {*NORMAL, *ANOMALIES, "meet", "part"}
    assert all(1.0 < (t.end - t.start) / NS < 12.0 for t in staged)
    assert {t.kind for t in scenario.truth} & {"talk", "handshake", "handover", "hug", "pat"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kind", "mine", "other", "metres"),
    [
        ("punch", ("left_hand", "right_hand"), ("head", "spine_shoulder"), 0.15),
        ("push", ("left_hand", "right_hand"), ("spine_shoulder", "left_shoulder", "right_shoulder"), 0.16),
        ("kick", ("left_foot", "right_foot"), ("pelvis", "spine_mid", "left_hip", "right_hip"), 0.15),
        ("handshake", ("right_hand", "left_hand"), ("right_hand", "left_hand"), 0.03),
        ("handover", ("right_hand", "left_hand"), ("right_hand", "left_hand"), 0.03),
        ("pat", ("right_hand", "left_hand"), ("right_shoulder", "left_shoulder"), 0.13),
        ("hug", ("spine_shoulder",), ("spine_shoulder",), 0.45),
    ],
)
def test_contacts_touch(kind: str, mine: tuple[str, ...], other: tuple[str, ...], metres: float, seed: int) -> None:
    _, pair = scripted(kind, seed)
    assert closest(pair, mine, other) < metres


@pytest.mark.parametrize("seed", range(4))
def test_victims_of_a_push_are_thrown_back_faster_than_people_walk(seed: int) -> None:
    _, pair = scripted("push", seed)
    chest = np.linalg.norm(np.diff(pair[:, :, AT["spine_shoulder"]], axis=0), axis=-1) * FPS
    assert chest.max() > 1.5
    _, pair = scripted("handshake", seed)
    chest = np.linalg.norm(np.diff(pair[:, :, AT["spine_shoulder"]], axis=0), axis=-1) * FPS
    assert chest.max() < 0.6


@pytest.mark.parametrize("seed", range(4))
def test_a_chase_is_a_run_of_two_and_a_fall_ends_on_the_floor(seed: int) -> None:
    _, pair = scripted("chase", seed)
    pelvis = np.linalg.norm(np.diff(pair[:, :, AT["pelvis"]], axis=0), axis=-1) * FPS
    assert pelvis.max(axis=0).min() > 2.0
    _, pair = scripted("fall", seed)
    head = pair[:, :, AT["head"], 1]
    down = int(head.min(axis=0).argmin())
    assert head[:, down].min() < 0.6
    assert head[:, 1 - down].min() > 1.3
    other = pair[:, 1 - down, AT["pelvis"]]
    assert np.ptp(other, axis=0).max() < 0.12, "the partner does not move"


def test_people_of_a_talk_face_each_other() -> None:
    _, pair = scripted("talk", 5)
    middle = pair[len(pair) // 2]
    for k in (0, 1):
        across = middle[k, AT["left_shoulder"]] - middle[k, AT["right_shoulder"]]
        ahead = np.cross(across, [0, 1, 0])
        to_other = middle[1 - k, AT["pelvis"]] - middle[k, AT["pelvis"]]
        assert ahead @ to_other / np.linalg.norm(ahead) / np.linalg.norm(to_other) > 0.75


def test_same_arguments_same_bits() -> None:
    one, two, three = (make_scenario(s, 3, 30.0, ["push"]) for s in (8, 8, 9))
    assert one.truth == two.truth
    assert one.joints(30.0).tobytes() == two.joints(30.0).tobytes()
    assert one.joints(30.0).tobytes() != three.joints(30.0).tobytes()
    bodies = [tuple(vars(f.body).values()) for f in one._figures]
    assert len(set(bodies)) == 3


@pytest.mark.parametrize("fps", [10.0, 29.97, 30.0, 120.0])
def test_frames_carry_exact_stamps_and_the_same_life_at_any_rate(fps: float) -> None:
    scenario = make_scenario(4, 2, 12.0, noise_m=0.0)
    frames = list(scenario.frames(fps, source="hall", epoch=7, start_ns=1000))
    assert len(frames) == int(12 * fps)
    assert [f.seq for f in frames] == list(range(len(frames)))
    assert all(f.stamp == 1000 + round(k * NS / fps) for k, f in enumerate(frames))
    first = frames[0]
    assert (first.source, first.epoch, first.clock, first.ids, first.layout) == ("hall", 7, "unix", (1, 2), KINECT25)
    assert first.joints.dtype == np.float32
    assert first.confidence.shape == (2, 25)
    reference = scenario.joints(60.0)
    t = 7.0
    assert frames[round(t * fps)].joints == pytest.approx(reference[round(round(t * fps) / fps * 60)], abs=0.06)


def test_noise_is_as_large_as_asked_and_wanders() -> None:
    scenario = make_scenario(4, 2, 60.0, noise_m=0.008)
    error = scenario.joints(30.0) - scenario.joints(30.0, noise=False)
    assert error.std() == pytest.approx(0.008, rel=0.03)
    after_one, after_ten = (float((error[k:] * error[:-k]).mean() / error.var()) for k in (1, 10))
    assert 0.6 < after_one < 0.9
    assert abs(after_ten) < 0.12


def test_making_four_people_is_fifty_times_faster_than_life() -> None:
    began = time.process_time()
    for _ in make_scenario(1, 4, 60.0).frames(30.0):
        pass
    assert time.process_time() - began < 60.0 / 50


def test_scripts_are_followed() -> None:
    script = [Act("hug", (2, 3), 5.0), Act("wander", (1,), 2.0), Act("group", (1, 2, 3), 25.0)]
    truth = make_scenario(1, 3, 60.0, script=script).truth
    hug = next(t for t in truth if t.kind == "hug")
    assert hug.people == (2, 3)
    assert hug.start > 5 * NS
    assert next(t for t in truth if t.people == (1,)).start >= 2 * NS
    assert any(t.kind == "talk" and t.people == (1, 2, 3) for t in truth)
    assert not any(t.anomalous for t in truth)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"people": 1}, "people is 1; expected 2 to 6"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"duration_s": 0.0}, "duration_s is 0; expected 1 to 3600 seconds"),
        ({"noise_m": 5.0}, "noise_m is 5; expected 0 to 0.1 metres"),
        ({"anomalies": ["dance"]}, "anomaly 'dance' is not known; expected one of push, punch, kick, chase, fall"),
        ({"duration_s": 20.0, "anomalies": 9}, "duration_s is 20; too short for 4 people to stage all of push, "),
        ({"script": [Act("dance", (1, 2))]}, "act 'dance' is not known; expected one of talk, handshake"),
        ({"script": [Act("hug", (1, 1))]}, r"act 'hug' names people \(1, 1\); expected 2 different ids of 1..4"),
        ({"script": [Act("group", (1, 2))]}, r"act 'group' names people \(1, 2\); expected 3 to 6 different ids"),
        ({"script": [Act("hug", (1, 2))], "anomalies": 1}, "both script and anomalies are given; expected one"),
    ],
)
def test_impossible_scenarios_are_refused(arguments: dict, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_scenario(**{"seed": 0, **arguments})


def test_absurd_frame_rates_are_refused() -> None:
    with pytest.raises(ConfigError, match="fps is 0; expected 1 to 240 frames a second"):
        list(make_scenario(0, 2, 5.0).frames(0.0))


def test_normal_clips_hold_normal_life_of_pairs_near_each_other() -> None:
    clips = normal_clips(5, 8.0)
    again = normal_clips(5, 8.0)
    assert [c.clip_id for c in clips] == [c.clip_id for c in again]
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(clips, again, strict=True))
    assert 8.0 <= sum(len(c) for c in clips) / 30 / 60 < 9.0
    labels = {c.label for c in clips}
    assert labels.isdisjoint(ANOMALIES)
    assert {"talk", "bystanders", "meet", "part"} <= labels
    assert len(labels & set(NORMAL)) >= 6
    for clip in clips:
        assert clip.joints.shape[1:] == (2, 25, 3)
        assert 2.5 * 30 <= len(clip) <= 10 * 30 + 75
        gap = clip.joints[:, 0, 0] - clip.joints[:, 1, 0]
        assert np.hypot(gap[:, 0], gap[:, 2]).max() < 4.6
    assert len({c.session for c in clips}) > 3
    assert len({c.clip_id for c in clips}) == len(clips)


def test_anomaly_clips_hold_each_kind() -> None:
    clips = anomaly_clips(2, 2)
    assert sorted(c.label for c in clips) == sorted(2 * ANOMALIES)
    assert all(len(c) > 60 and not np.isnan(c.joints).any() for c in clips)


def test_a_scenario_gives_a_clip_for_every_interval_of_two() -> None:
    scenario = make_scenario(3, 4, 40.0, ["kick"])
    clips = scenario.clips()
    pairs = [t for t in scenario.truth if len(t.people) == 2]
    assert [c.label for c in clips] == [t.kind for t in pairs]
    assert "kick" in {c.label for c in clips}
