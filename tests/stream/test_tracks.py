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
from dyadwatch.stream.tracking.tracks import SeenPerson, Tracker

Person = Callable[..., NDArray[np.float32]]
Frame = Callable[..., PoseFrame]


class Watch:
    """A tracker and what it said."""

    def __init__(self, frame: Frame, Drops: Any, **options: Any) -> None:
        self.drops = Drops()
        self.tracker = Tracker(TrackOptions(**options), self.drops)
        self._frame = frame

    def see(
        self, seq: int, people: Sequence[NDArray[np.float32]], ids: Sequence[TrackId] | None = None, fps: float = 30
    ) -> tuple[list[tuple[TrackId, int]], list[int]]:
        """The (id, key) of each person seen, and the keys that ended."""
        f = self._frame(seq, people, ids=ids, fps=fps)
        seen, ended = self.tracker.push(f, f.joints, f.confidence)
        return [(s.track.id, s.track.key) for s in seen], [t.key for t in ended]


@pytest.fixture
def watch(frame: Frame, Drops: Any) -> Watch:
    return Watch(frame, Drops)


def test_ids_of_the_source_are_kept(watch: Watch, person: Person) -> None:
    for seq in range(20):
        assert watch.see(seq, [person(0), person(2)], ids=["anna", 7]) == ([("anna", 0), (7, 1)], [])
    assert watch.see(20, [person(2), person(0)], ids=[7, "anna"]) == ([(7, 1), ("anna", 0)], [])
    assert watch.drops == {}


def test_without_ids_people_are_numbered_from_one(watch: Watch, person: Person) -> None:
    assert watch.see(0, [person(0), person(2)]) == ([(1, 0), (2, 1)], [])
    assert watch.see(1, [person(2.02), person(0.02), person(4)]) == ([(2, 1), (1, 0), (3, 2)], [])


@settings(max_examples=25)
@given(
    fps=st.sampled_from([10, 15, 30, 60]),
    speed=st.floats(0.3, 2.0),
    pass_m=st.floats(1.0, 1.5),
    noise=st.floats(0, 0.02),
    seed=st.integers(0, 9),
)
def test_two_people_who_cross_keep_their_ids(
    frame: Frame, person: Person, Drops: Any, fps: int, speed: float, pass_m: float, noise: float, seed: int
) -> None:
    """They walk towards and past each other, listed in random order."""
    watch, rng = Watch(frame, Drops), np.random.default_rng(seed)
    names: dict[TrackId, set[int]] = {}
    for seq in range(round(6 / speed * fps)):
        x = -3 + speed * seq / fps
        people = [person(x, 0) + rng.normal(0, noise, 3), person(-x, pass_m) + rng.normal(0, noise, 3)]
        order = list(rng.permutation(2))
        seen, ended = watch.see(seq, [people[i].astype(np.float32) for i in order], fps=fps)
        assert ended == []
        for i, (track, _) in zip(order, seen, strict=True):
            names.setdefault(track, set()).add(int(i))
    assert sorted(map(len, names.values())) == [1, 1]


@pytest.mark.parametrize("ids", [None, ["a", "b"]])
@pytest.mark.parametrize(("pause", "survives"), [(15, True), (16, False)])
def test_a_track_survives_half_a_second(
    watch: Watch, person: Person, ids: list[str] | None, pause: int, survives: bool
) -> None:
    """The second person walks 1 m/s and is out of sight for `pause` frames of 30."""
    for seq in range(30):
        watch.see(seq, [person(0), person(1 + seq / 30)], ids=ids)
    last = 29
    for seq in range(last + 1, last + pause):
        watch.see(seq, [person(0)], ids=ids and ids[:1])
    seen, ended = watch.see(last + pause, [person(0), person(1 + (last + pause) / 30)], ids=ids)
    assert seen[0][1] == 0
    assert (seen[1][1] == 1) is survives
    assert (ended == [1]) is not survives
    assert seen[1][0] == ("b" if ids else 2 if survives else 3)


def test_a_silence_of_the_whole_source_ends_its_tracks(watch: Watch, person: Person) -> None:
    watch.see(0, [person(0), person(2)], ids=[1, 2])
    assert watch.see(16, [person(0), person(2)], ids=[1, 2]) == ([(1, 2), (2, 3)], [0, 1])


def test_an_id_that_somebody_far_off_takes_ends_its_track(watch: Watch, person: Person) -> None:
    for seq in range(5):
        watch.see(seq, [person(0), person(1.2)], ids=["a", "b"])
    seen, ended = watch.see(5, [person(0), person(4)], ids=["a", "b"])
    assert (seen, ended) == ([("a", 0), ("b", 2)], [1])
    assert watch.drops == {"id_jump": 1}


def test_a_fast_person_is_no_switch(watch: Watch, person: Person) -> None:
    for seq in range(30):
        seen, ended = watch.see(seq, [person(10 * seq / 30)], ids=["sprinter"])
        assert (seen, ended) == ([("sprinter", 0)], [])


def test_a_newcomer_far_off_is_somebody_else(watch: Watch, person: Person) -> None:
    watch.see(0, [person(0)])
    assert watch.see(1, [person(1.0)]) == ([(2, 1)], [])


def test_the_gate_widens_while_a_person_is_out_of_sight(watch: Watch, person: Person) -> None:
    for seq in range(30):
        watch.see(seq, [person(0)])
    assert watch.see(44, [person(1.0)]) == ([(1, 0)], [])


def test_weak_joints_count_as_unseen(frame: Frame, person: Person, Drops: Any) -> None:
    tracker, f = Tracker(TrackOptions(min_confidence=0.5), drops := Drops()), frame(0, [person(0), person(2)])
    confidence = f.confidence.copy()
    confidence[0, 3] = 0.49
    confidence[1] = 0.1
    seen, _ = tracker.push(f, f.joints, confidence)
    assert len(seen) == 1
    assert np.isnan(seen[0].joints[3]).all()
    assert np.isnan(seen[0].joints).sum() == 3
    assert drops == {"person_unseen": 1}
    assert not np.isnan(f.joints).any()


def test_a_person_without_any_joint_is_not_there(watch: Watch, person: Person) -> None:
    unseen = np.full((11, 3), np.nan, np.float32)
    assert watch.see(0, [unseen, person(2)], ids=["a", "b"]) == ([("b", 0)], [])
    assert watch.see(1, [unseen, unseen], ids=["a", "b"]) == ([], [])
    assert watch.see(2, [], ids=[]) == ([], [])
    assert watch.see(3, [person(2)], ids=["b"]) == ([("b", 0)], [])
    assert watch.drops == {"person_unseen": 2}


def test_after_a_restart_nobody_is_known_and_keys_are_new(watch: Watch, person: Person) -> None:
    watch.see(0, [person(0)], ids=["a"])
    watch.tracker.clear()
    assert watch.tracker.alive == {}
    assert watch.see(1, [person(0)], ids=["a"]) == ([("a", 1)], [])


@given(
    st.lists(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=5, unique=True), max_size=12),
    st.booleans(),
)
def test_every_person_is_one_track_of_its_own(
    frame: Frame, person: Person, Drops: Any, crowd: list[list[tuple[int, int]]], with_ids: bool
) -> None:
    """Whoever stands anywhere: as many tracks as people, each once, and all of them alive."""
    watch = Watch(frame, Drops)
    for seq, places in enumerate(crowd):
        seen, ended = watch.see(
            seq, [person(x, z) for x, z in places], ids=list(range(len(places))) if with_ids else None
        )
        keys = [key for _, key in seen]
        assert len(set(keys)) == len(places)
        assert len({track for track, _ in seen}) == len(places)
        assert set(keys) <= watch.tracker.alive.keys()
        assert watch.tracker.alive.keys().isdisjoint(ended)


@pytest.mark.parametrize("mapped", [False, True])
def test_where_everything_is_seen_the_middle_is_the_same_to_the_last_bit(
    mapped: bool, frame: Frame, Drops: Any
) -> None:
    """Somebody of whom something is hidden stands beside; then the long way is taken for all."""
    rng = np.random.default_rng(1)

    def seen(joints: NDArray[np.float32], sure: NDArray[np.float32]) -> list[SeenPerson]:
        people, _ = Tracker(TrackOptions(), Drops()).push(frame(0, list(joints)), joints, sure)
        assert [p.row for p in people] == list(range(len(joints)))
        return people

    for _ in range(200):
        joints = rng.normal(0, rng.choice([0.01, 1, 300]), (3, 11, 3)).astype(np.float32)
        if mapped:
            joints = np.ascontiguousarray(joints.swapaxes(0, 1)).swapaxes(0, 1)
        sure = np.ones((3, 11), np.float32)
        short = seen(joints[:2], sure[:2])
        joints[2, 4] = np.nan
        long = seen(joints, sure)
        assert [p.track.root for p in short] == [p.track.root for p in long[:2]]
        assert ({p.whole for p in short}, {p.whole for p in long}) == ({True}, {False})
        sure[0, 3] = 0.1
        weak, _ = seen(joints[:2], sure[:2])
        assert np.isnan(weak.joints[3]).all()
        assert not np.isnan(np.delete(weak.joints, 3, axis=0)).any()


@pytest.mark.parametrize("unit", [1, 1000], ids=["ns", "us sent as ns"])
def test_however_ids_change_no_more_are_remembered_than_allowed(
    frame: Frame, person: Person, Drops: Any, unit: int
) -> None:
    """One person keeps an id, so that ids are believed; the others have new ones in every frame."""
    tracker = Tracker(TrackOptions(max_tracks=8), drops := Drops())
    gone: set[int] = set()
    for seq in range(300):
        f = frame(seq, [person(0), person(1), person(2)], ids=["a", f"b{seq}", f"c{seq}"])
        seen, ended = tracker.push(replace(f, stamp=f.stamp // unit), f.joints, f.confidence)
        assert len(tracker.alive) <= 8
        assert {s.track.key for s in seen} <= tracker.alive.keys()
        assert seen[0].track.key == 0
        gone |= {t.key for t in ended}
    assert gone | tracker.alive.keys() == set(range(601))
    assert gone.isdisjoint(tracker.alive)
    assert drops == {"tracks_capped": 593}


def test_the_longest_unseen_go_first_and_who_is_in_view_never(frame: Frame, person: Person, Drops: Any) -> None:
    watch = Watch(frame, Drops, max_tracks=3)
    watch.see(0, [person(0), person(2)], ids=["a", "b"])
    watch.see(1, [person(0), person(4)], ids=["a", "c"])
    assert watch.see(2, [person(0), person(6)], ids=["a", "d"]) == ([("a", 0), ("d", 3)], [1])
    everybody = [person(2 * i) for i in range(5)]
    seen, ended = watch.see(3, everybody, ids=["a", "e", "f", "g", "h"])
    assert len(seen) == 5
    assert ended == [2, 3]
    assert watch.drops == {"tracks_capped": 3}


def test_people_whose_ids_change_in_every_frame_are_followed_by_place(watch: Watch, person: Person) -> None:
    keys: list[list[int]] = []
    for seq in range(60):
        seen, _ = watch.see(seq, [person(seq / 60), person(2)], ids=[f"a{seq}", f"b{seq}"])
        keys.append([key for _, key in seen])
    assert len({tuple(k) for k in keys[:10]}) == 10
    assert keys[10:] == [[18, 19]] * 50
    assert len(watch.tracker.alive) == 2
    assert watch.drops == {"id_churn": 50}
    steady = [watch.see(60 + i, [person(1), person(2)], ids=["a", "b"])[0] for i in range(3)]
    assert steady[1] == steady[2] == [("a", 20), ("b", 21)]
    assert watch.drops == {"id_churn": 51}


def test_people_who_pass_one_at_a_time_are_no_churn(watch: Watch, person: Person) -> None:
    for seq in range(120):
        watch.see(seq, [person(seq % 6)], ids=[f"p{seq // 2}"])
    assert "id_churn" not in watch.drops
