"""Ids are kept, ghosts are not published."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.camera_file import CameraFile
from dyadwatch.stream.publishers.camera.estimate import SeenPose
from dyadwatch.stream.publishers.camera.geometry import CameraModel
from dyadwatch.stream.publishers.camera.people import CameraPeople, PeopleOptions

See = Callable[..., SeenPose]
_DT = 33_333_333
RED, BLUE = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.5])


def _people(file: CameraFile, **options: float) -> CameraPeople:
    return CameraPeople(CameraModel(file, 1280, 720, MEDIAPIPE33), PeopleOptions(**options))


def test_someone_is_published_once_they_have_lasted(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    people = _people(high_camera, age_s=0.3)
    seen = sight(high_camera, np.add(body, (0.0, 0.0, -5.0)))
    first = next(k for k in range(30) if people.update([seen], k * _DT))
    assert first * _DT >= 0.3e9
    assert (first - 1) * _DT < 0.3e9
    assert people.update([], 31 * _DT) == []


def test_two_who_pass_each_other_keep_their_ids_whatever_the_order(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    people, rng = _people(high_camera), np.random.default_rng(0)
    ids: set[tuple[int, ...]] = set()
    for k in range(120):
        x = 1.5 - 3.0 * k / 120
        both = [sight(high_camera, np.add(body, (x, 0, -5.0))), sight(high_camera, np.add(body, (-x, 0, -6.5)))]
        if rng.integers(2):
            both.reverse()
        out = people.update(both, k * _DT)
        if k > 12:
            ids.add(tuple(p.id for p in sorted(out, key=lambda p: p.joints[0, 2])))
    assert ids in ({(2, 1)}, {(1, 2)})
    assert not people.counts["id_switch"]


def test_an_id_outlives_a_short_occlusion_and_not_a_long_one(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    people = _people(high_camera, memory_s=1.0)
    seen = sight(high_camera, np.add(body, (0.0, 0.0, -5.0)))
    k, out = 0, []
    ids = []
    for unseen in (0, 20, 40):
        k += unseen
        for _ in range(20):
            out = people.update([seen], k * _DT)
            k += 1
        ids.append(out[0].id)
    assert ids == [1, 1, 2]


def test_other_clothes_on_the_same_track_end_its_id(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    people = _people(high_camera)
    seen, out = sight(high_camera, np.add(body, (0.0, 0.0, -5.0)), key=7), []
    for k in range(60):
        out = people.update([seen], k * _DT, [RED if k < 30 else BLUE])
    assert [p.id for p in out] == [2]
    assert people.counts["id_switch"] == 1


def test_who_was_lost_is_not_found_again_in_other_clothes(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    people = _people(high_camera)
    at, out = np.add(body, (0.0, 0.0, -5.0)), []
    for k in range(60):
        clothes, key = (RED, 1) if k < 30 else (BLUE, 2)
        there = [] if 30 <= k < 35 else [sight(high_camera, at, key=key)]
        out = people.update(there, k * _DT, [clothes] * len(there))
    assert [p.id for p in out] == [2]


def test_a_ghost_that_changes_shape_is_not_published(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    people, rng = _people(high_camera), np.random.default_rng(1)
    for k in range(40):
        ghost = sight(high_camera, np.add(body, (0.0, 0.0, -5.0)) + rng.normal(0, 0.2, (33, 3)))
        assert people.update([ghost], k * _DT) == []
    assert people.counts["shape_changes"] + people.counts["no_body"] > 20


def test_a_ghost_that_is_hardly_visible_is_not_published(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    people = _people(high_camera)
    seen = sight(high_camera, np.add(body, (0.0, 0.0, -5.0)))
    for k in range(40):
        assert people.update([seen._replace(visibility=np.full(33, 0.3))], k * _DT) == []
    assert people.counts["hardly_visible"] > 20


def test_what_hangs_above_the_floor_is_not_published(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    assert high_camera.extrinsics is not None
    place = structs.replace(high_camera.extrinsics, position=(0.0, 7.0, 0.0))
    file = structs.replace(high_camera, extrinsics=place)
    people = _people(file)
    for k in range(40):
        assert people.update([sight(file, np.add(body, (0.0, 3.5, -9.0)))], k * _DT) == []
    assert people.counts["floats"] > 20
    people = _people(file)
    assert any(people.update([sight(file, np.add(body, (0.0, 0.5, -9.0)))], k * _DT) for k in range(40)), "on a ladder"


def test_who_lies_from_the_start_is_watched_for_longer_and_who_falls_is_not(
    high_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    lying = np.stack([body[:, 1] - 0.8, body[:, 0] + 0.3, body[:, 2] - 5.0], axis=1)
    seen = sight(high_camera, lying)
    people = _people(high_camera, lying_age_s=1.0)
    first = next(k for k in range(60) if people.update([seen], k * _DT))
    assert 1.0e9 <= first * _DT < 1.1e9
    assert people.counts["lies_and_is_new"] > 15
    people = _people(high_camera)
    standing = sight(high_camera, np.add(body, (0.0, 0.0, -5.0)), key=1)
    for k in range(20):
        people.update([standing], k * _DT)
    fallen = [people.update([seen._replace(key=1)], k * _DT) for k in range(20, 40)]
    assert [p.id for p in fallen[-1]] == [1]
    assert not people.counts["lies_and_is_new"]


def test_far_away_and_small_means_less_confidence_and_less_jitter(
    level_camera: CameraFile, body: NDArray[np.float64], sight: See
) -> None:
    confidence, roughness = [], []
    for far in (4.0, 14.0):
        people, rng = _people(level_camera), np.random.default_rng(2)
        roots, out = [], []
        for k in range(90):
            seen = sight(level_camera, np.add(body, (0.0, -1.0, -far)))
            out = people.update([seen._replace(image=seen.image + rng.normal(0, 1.0, (33, 2)))], k * _DT)
            roots += [(p.joints.mean(0), p.placed.root) for p in out]
        filtered, raw = (np.array([r[i] for r in roots]) for i in (0, 1))
        roughness.append(np.abs(np.diff(filtered[:, 2])).mean() / np.abs(np.diff(raw[:, 2])).mean())
        confidence.append(out[0].confidence.mean())
    assert confidence[1] < 0.7 * confidence[0]
    assert roughness[0] < 0.5
    assert roughness[1] < roughness[0]
