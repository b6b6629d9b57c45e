from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.stream.configuration.config import TrackOptions
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.tracking.tracks import Tracker

Person = Callable[..., NDArray[np.float32]]
Frame = Callable[..., PoseFrame]


class Followed:
    """Which track each person is, frame by frame."""

    def __init__(self, frame: Frame, Drops: Any) -> None:
        self.drops = Drops()
        self.tracker = Tracker(TrackOptions(), self.drops)
        self._frame = frame

    def see(
        self, seq: int, people: Sequence[NDArray[np.float32]], ids: Sequence[TrackId], fps: float = 30
    ) -> list[tuple[TrackId, int]]:
        f = self._frame(seq, people, ids=ids, fps=fps)
        seen, _ = self.tracker.push(f, f.joints, f.confidence)
        alive = self.tracker.alive.values()
        assert len({t.id for t in alive}) == len(alive), "no two are known by one id"
        return [(s.track.id, s.track.key) for s in seen]


@pytest.fixture
def followed(frame: Frame, Drops: Any) -> Followed:
    return Followed(frame, Drops)


@settings(max_examples=80)
@given(
    fps=st.sampled_from([10, 15, 30, 60]),
    apart=st.floats(0.22, 1.5),
    people=st.integers(2, 4),
    speed=st.floats(0, 1.4),
    noise=st.floats(0, 0.01),
    orders=st.lists(st.permutations(range(4)), min_size=1, max_size=12),
    hold=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_people_are_followed_whoever_is_given_their_id(
    *,
    frame: Frame,
    person: Person,
    Drops: Any,
    fps: int,
    apart: float,
    people: int,
    speed: float,
    noise: float,
    orders: list[list[int]],
    hold: int,
    seed: int,
) -> None:
    """They walk beside each other; the source exchanges ids of two, or of all, back and forth, as often as it likes."""
    followed, rng = Followed(frame, Drops), np.random.default_rng(seed)
    changes, last = 0, list(range(people))
    for seq in range(10 + hold * len(orders)):
        x = speed * seq / fps
        bodies = [(person(x, apart * i) + rng.normal(0, noise, (11, 3))).astype(np.float32) for i in range(people)]
        order = last if seq < 10 else [i for i in orders[(seq - 10) // hold] if i < people]
        changes, last = changes + (order != last), order
        seen = followed.see(seq, bodies, [f"p{order[i]}" for i in range(people)], fps)
        assert seen == [(f"p{i}", i) for i in range(people)]
    assert followed.drops == ({"ids_exchanged": changes} if changes else {})


@pytest.mark.parametrize("apart", [0.25, 0.6, 1.2, 3.0])
def test_an_exchange_in_the_frame_in_which_one_leaves(followed: Followed, person: Person, apart: float) -> None:
    for seq in range(10):
        followed.see(seq, [person(0), person(apart)], ["a", "b"])
    assert followed.see(10, [person(apart)], ["a"]) == [("b", 1)]
    assert followed.see(11, [person(apart)], ["a"]) == [("b", 1)]
    assert followed.drops == {"ids_exchanged": 1}
    assert followed.see(12, [person(apart), person(0)], ["a", "b"]) == [("b", 1), ("a", 0)], "who comes back is known"
    for seq in range(13, 60):
        followed.see(seq, [person(apart)], ["a"])
    assert followed.see(60, [person(apart), person(5)], ["a", "b"]) == [("a", 1), ("b", 2)], "b is somebody new"


def test_three_exchange_and_one_of_them_leaves(followed: Followed, person: Person) -> None:
    for seq in range(10):
        followed.see(seq, [person(0), person(0.5), person(1)], ["a", "b", "c"])
    assert followed.see(10, [person(0.5), person(1)], ["a", "b"]) == [("b", 1), ("c", 2)]
    assert followed.see(11, [person(0.5), person(1)], ["a", "b"]) == [("b", 1), ("c", 2)]
    assert followed.drops == {"ids_exchanged": 1}


def test_an_exchange_while_both_were_out_of_sight(followed: Followed, person: Person) -> None:
    for seq in range(10):
        followed.see(seq, [person(0), person(1)], ["a", "b"])
    for seq in range(10, 18):
        followed.see(seq, [], [])
    assert followed.see(18, [person(0.05), person(1.02)], ["b", "a"]) == [("a", 0), ("b", 1)]


def test_who_takes_anothers_place_without_giving_the_own_is_a_jump(followed: Followed, person: Person) -> None:
    for seq in range(10):
        followed.see(seq, [person(0), person(1.2)], ["a", "b"])
    assert followed.see(10, [person(0), person(3)], ["a", "b"]) == [("a", 0), ("b", 2)]
    assert followed.drops == {"id_jump": 1}


@pytest.mark.parametrize("fps", [10, 30])
def test_two_who_run_past_each_other_keep_their_ids(followed: Followed, person: Person, fps: int) -> None:
    """Each is soon where the other was, but not from one frame to the next."""
    for seq in range(4 * fps):
        x = 5 * (seq / fps - 2)
        assert followed.see(seq, [person(x), person(-x, 0.4)], ["a", "b"], fps) == [("a", 0), ("b", 1)]
    assert followed.drops == {}


@pytest.mark.parametrize("seed", range(3))
def test_simulated_people_never_exchange_ids(seed: int, Drops: Any) -> None:
    """Hugs, pushes, falls and chases with a sensor's noise, and with joints that come and go."""
    scene = make_scenario(seed, 4, 80.0, ["push", "chase", "fall", "punch"], noise_m=0.01)
    tracker, rng = Tracker(TrackOptions(), drops := Drops()), np.random.default_rng(seed)
    for frame in scene.frames(30.0):
        joints = np.where(rng.random((*frame.joints.shape[:2], 1)) < 0.1, np.float32(np.nan), frame.joints)
        seen, _ = tracker.push(replace(frame, joints=joints), joints, frame.confidence)
        assert [s.track.id for s in seen] == list(frame.ids or ())
    assert drops == {}
