"""Folders of OpenPose's and MediaPipe's JSON frames: 3D is read, 2D is refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.association import follow
from dyadwatch.core.readers.json_frames import read_json_frames
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.layouts import MEDIAPIPE33, OPENPOSE25, UPPER11, Layout

OPENPOSE = ReadOptions(units="mm", fps=30)


def spread(walkers: NDArray[np.float32], layout: Layout) -> NDArray[np.float64]:
    """The joints of upper11 where a layout has them, the pelvis where it has others; Y down."""
    take = [UPPER11.index.get(j, UPPER11.index["head" if j == "nose" else "pelvis"]) for j in layout.joints]
    return walkers[:, :, take].astype(float) * [1, -1, -1]


def openpose(joints: NDArray[np.float64]) -> dict[str, Any]:
    """A frame of people (P, 25, 3); the confidence of what is NaN is 0."""
    people = []
    for person in joints:
        seen = np.isfinite(person).all(axis=1, keepdims=True)
        four = np.concatenate([np.where(seen, person, 0), seen], axis=1)
        people.append({"person_id": [-1], "pose_keypoints_2d": [], "pose_keypoints_3d": four.ravel().tolist()})
    return {"version": 1.3, "people": people}


def mediapipe(joints: NDArray[np.float64], key: str = "pose_world_landmarks") -> dict[str, Any]:
    return {key: [[{"x": x, "y": y, "z": z, "visibility": 0.9} for x, y, z in person] for person in joints]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    return folder


def write(folder: Path, frames: list[dict[str, Any]]) -> None:
    for t, frame in enumerate(frames):
        (folder / f"cam1_{t + 100:012d}_keypoints.json").write_text(json.dumps(frame))


def test_openpose_people_are_followed_whatever_their_order(folder: Path, walkers: NDArray[np.float32]) -> None:
    joints = spread(walkers, OPENPOSE25) * 1000
    joints[4, 0, 3] = np.nan
    write(folder, [openpose(j[:: 1 if t % 3 else -1]) for t, j in enumerate(joints)])
    (folder / "cam1_000000000107_keypoints.json").unlink()
    people = read_json_frames(folder, OPENPOSE)
    assert [(p.layout, p.fps, p.joints.shape) for p in people] == [(OPENPOSE25, 30.0, (20, 25, 3))] * 2
    two = np.stack([p.joints for p in people[::-1]], axis=1)  # in the first frame the second came first
    assert np.isnan(two[7]).all(), "a frame without a file"
    assert np.isnan(two[4, 0, 3]).all()
    expected = joints / 1000 * [1, -1, -1]
    expected[7] = np.nan
    np.testing.assert_allclose(two, expected, atol=1e-4)


def test_eighteen_joints_are_read(folder: Path, walkers: NDArray[np.float32]) -> None:
    joints = spread(walkers, OPENPOSE25)[:3, :, :18] * 1000
    write(folder, [openpose(j) for j in joints])
    people = read_json_frames(folder, OPENPOSE)
    assert {len(p.layout) for p in people} == {18}
    assert people[0].layout.joints[8] == "right_hip"


@pytest.mark.parametrize("key", ["pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks"])
def test_mediapipe_in_one_frame_is_read(folder: Path, walkers: NDArray[np.float32], key: str) -> None:
    write(folder, [mediapipe(j, key) for j in spread(walkers, MEDIAPIPE33) + np.asarray([0, 0, 3])])
    people = read_json_frames(folder, ReadOptions(fps=30))
    assert [p.layout for p in people] == [MEDIAPIPE33] * 2
    wrist = MEDIAPIPE33.index["left_wrist"]
    expected = walkers[:, 0, UPPER11.index["left_wrist"]] - [0, 0, 3]
    np.testing.assert_allclose(people[0].joints[:, wrist], expected, atol=1e-5)


def test_an_invisible_landmark_is_unseen(folder: Path, walkers: NDArray[np.float32]) -> None:
    frame = mediapipe(spread(walkers, MEDIAPIPE33)[0])
    frame["pose_world_landmarks"][1][15]["visibility"] = 0.02
    write(folder, [frame])
    people = read_json_frames(folder, ReadOptions(fps=30))
    assert [np.argwhere(np.isnan(p.joints[0, :, 0])).ravel().tolist() for p in people] == [[], [15]]


FLAT = {"people": [{"pose_keypoints_2d": [1.0, 2.0, 0.9] * 25}]}
POINT = {"x": 0.5, "y": 0.5, "z": 0.1}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FLAT, "x, y and confidence only: dyadwatch needs metres in 3D, for how far two people are from each other "
               "cannot be measured from one image alone; run OpenPose with --3d and calibrated cameras"),
        ({"people": [{"pose_keypoints": [1.0] * 54}]}, "x, y and confidence only: dyadwatch needs metres in 3D"),
        ({"pose_landmarks": [[POINT] * 33]}, "landmarks in parts of the image only: dyadwatch needs metres in 3D"),
        ({"poseLandmarks": [POINT] * 33}, "landmarks in parts of the image only: dyadwatch needs metres in 3D"),
        (mediapipe(np.zeros((2, 33, 3))), "MediaPipe's world landmarks do not tell where people are, and dyadwatch "
                                          "needs both in one frame; add each person's place to their landmarks"),
        ({"pose_world_landmarks": [[POINT] * 32]}, "32 landmarks of a person; expected 33"),
        ({"people": [{"pose_keypoints_3d": [1.0] * 99}]},
         "99 numbers in pose_keypoints_3d; expected x, y, z and confidence of 25 or 18 joints"),
        ({"people": [{}] * 101}, "101 people; expected at most 100"),
        ({"people": 5}, "Expected `array`, got `int` - at `$.people`; expected a frame as OpenPose or MediaPipe"),
        ({"persons": []}, "Object missing required field `people`; expected a frame as OpenPose or"),
        ({"people": []}, "1 frames without a person; expected two people"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_reason(folder: Path, frame: dict[str, Any], message: str) -> None:
    write(folder, [frame])
    with pytest.raises(ClipError) as e:
        read_json_frames(folder, OPENPOSE)
    assert str(e.value).startswith(str(folder))
    assert message in str(e.value)


def test_what_openpose_does_not_tell_is_asked_for(folder: Path, walkers: NDArray[np.float32]) -> None:
    write(folder, [openpose(j) for j in spread(walkers, OPENPOSE25)])
    with pytest.raises(ClipError, match="the format holds no frame rate; give it with --file-fps"):
        read_json_frames(folder, ReadOptions(units="m"))
    with pytest.raises(ClipError, match=r"the format holds no units; give them with --units \(m, cm, mm, in\)"):
        read_json_frames(folder, ReadOptions(fps=30))


def test_numbers_that_are_no_frames_are_refused(folder: Path) -> None:
    for name in ("a_1.json", "b_1.json"):
        (folder / name).write_text("{}")
    with pytest.raises(ClipError, match=r"a_1\.json and b_1\.json are both frame 1; expected one file a frame"):
        read_json_frames(folder, OPENPOSE)
    (folder / "b_1.json").rename(folder / "b_999999999.json")
    with pytest.raises(ClipError, match="2 files are numbered 1 to 999999999; expected a file a frame"):
        read_json_frames(folder, OPENPOSE)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(
    tmp_path: Path, walkers: NDArray[np.float32], damage: Callable[[st.DataObject, bytes], bytes], data: st.DataObject
) -> None:
    folder = tmp_path / "spoilt"
    folder.mkdir(exist_ok=True)
    if data.draw(st.booleans()):
        frames = [openpose(j) for j in spread(walkers[:2], OPENPOSE25)]
    else:
        frames = [mediapipe(j) for j in spread(walkers[:2], MEDIAPIPE33)]
    for t, frame in enumerate(frames):
        (folder / f"{t}.json").write_bytes(damage(data, json.dumps(frame).encode()))
    try:
        people = read_json_frames(folder, OPENPOSE)
    except ClipError:
        return
    assert people


def test_who_was_away_for_a_moment_is_found_again_and_who_comes_from_afar_is_new() -> None:
    body = np.zeros((1, 4, 3))
    there = [body, body[:0], body[:0], body + 0.3, body + 9.0, np.concatenate([body + 9.1, body + 0.4])]
    tracks, _ = follow(there, 4, fps=30)
    assert [np.isfinite(t[:, 0, 0]).tolist() for t in tracks] == [
        [True, False, False, True, False, True],
        [False, False, False, False, True, True],
    ]


def test_a_crowd_fills_no_memory_and_who_is_left_out_is_told() -> None:
    crowd = np.arange(300)[:, None, None] * np.ones((1, 4, 3)) * 10
    followed = follow([crowd, crowd], 4, fps=30)
    assert (len(followed.tracks), followed.left_out) == (100, 400)
    assert followed.notes == ("more than 100 people come in turn; 400 sightings of others left out",)
    assert follow([crowd[:100]], 4, fps=30).notes == ()
