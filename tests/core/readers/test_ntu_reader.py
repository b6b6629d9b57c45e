"""NTU RGB+D 120's `.skeleton` files, as formats.md describes them, made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.association import FileSighting, sighting
from dyadwatch.core.readers.ntu import CATEGORIES, read_bodies, read_ntu_clip, two_bodies
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.core.skeletons.layouts import KINECT25

NAME = "S001C001P001R001A050.skeleton"


def skeleton_text(bodies: dict[str, np.ndarray]) -> str:
    """A `.skeleton` file; each body has shape (T, 25, 3), NaN in frames where it is not tracked."""
    frames = len(next(iter(bodies.values()))) if bodies else 0
    lines = [str(frames)]
    for t in range(frames):
        there = {k: b[t] for k, b in bodies.items() if np.isfinite(b[t]).all()}
        lines.append(str(len(there)))
        for name, joints in there.items():
            lines += [f"{name} 0 1 1 0 0 0 0.01 -0.02 2", "25"]
            lines += [f"{x:.6f} {y:.6f} {z:.6f} 200.1 100.2 900.3 500.4 0.1 0.2 0.3 0.9 2" for x, y, z in joints]
    return "\r\n".join(lines) + "\r\n"


def walker(frames: int, start: int, stop: int, stride: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    body = rng.uniform(-1, 1, (25, 3)) + stride * np.arange(frames)[:, None, None] * np.asarray([1, 0, 0])
    body[:start] = body[stop:] = np.nan
    return body


def seen(bodies: dict[str, np.ndarray]) -> dict[str, FileSighting]:
    return {name: sighting(body) for name, body in bodies.items()}


def two_people(frames: int = 6) -> dict[str, np.ndarray]:
    return {
        "72057594037931101": walker(frames, 0, frames, 0.1, 0),
        "72057594037931102": walker(frames, 0, frames, 0.1, 1),
    }


def test_joints_are_read_as_they_stand(tmp_path: Path) -> None:
    people = two_people()
    (tmp_path / NAME).write_text(skeleton_text(people))
    clip = read_ntu_clip(tmp_path / NAME)
    np.testing.assert_allclose(clip.joints, np.stack(list(people.values()), axis=1), atol=1e-6)
    assert (clip.layout, clip.fps, clip.label, clip.split) == (KINECT25, 30.0, "punch_slap", "train")


def test_two_bodies_of_one_id_are_two_people(tmp_path: Path) -> None:
    people = two_people()
    text = skeleton_text(people)
    for name in people:
        text = text.replace(name, "0")
    (tmp_path / NAME).write_text(text)
    clip = read_ntu_clip(tmp_path / NAME)
    np.testing.assert_allclose(clip.joints, np.stack(list(people.values()), axis=1), atol=1e-6)


def test_ghosts_are_left_out() -> None:
    bodies = {
        "chair": walker(20, 0, 20, 0.0, 0),
        "first": walker(20, 0, 20, 0.1, 1),
        "flash": walker(20, 3, 6, 3.0, 2),
        "second": walker(20, 4, 20, 0.1, 3),
    }
    assert two_bodies(seen(bodies)) == ["first", "second"]


def test_a_short_lived_second_person_is_better_than_none() -> None:
    assert two_bodies(seen({"a": walker(20, 0, 20, 0.1, 1), "b": walker(20, 0, 4, 0.1, 2)})) == ["a", "b"]


def test_frames_without_a_body_are_nan(tmp_path: Path) -> None:
    people = {"1": walker(10, 1, 9, 0.1, 0), "2": walker(10, 3, 9, 0.1, 1)}
    (tmp_path / NAME).write_text(skeleton_text(people))
    clip = read_ntu_clip(tmp_path / NAME)
    assert len(clip) == 8  # frames in which nobody is there are cut off at both ends
    assert np.isnan(clip.joints[:2, 1]).all()
    assert np.isfinite(clip.joints[2:]).all()


def test_a_folder_gives_mutual_actions_of_camera_one_by_subject(tmp_path: Path) -> None:
    text = skeleton_text(two_people())
    names = ["S001C001P001R001A050", "S001C001P003R001A060", "S018C001P106R002A120", "S018C001P103R002A106",
             "S001C002P001R001A050", "S001C001P001R001A001", "S001C001P001R001A061"]  # fmt: skip
    (tmp_path / "deep").mkdir()
    for name in names:
        (tmp_path / "deep" / f"{name}.skeleton").write_text(text)
    found = read_dataset(tmp_path)
    assert {c.clip_id: (c.label, c.split) for c in found} == {
        "S001C001P001R001A050": ("punch_slap", "train"),
        "S001C001P003R001A060": ("walk_apart", "test"),
        "S018C001P106R002A120": ("rock_paper_scissors", "test"),
        "S018C001P103R002A106": ("hit_with_object", "train"),
    }
    assert len(CATEGORIES) == 26


def test_one_bad_file_is_skipped_and_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(skeleton_text(two_people()))
    (tmp_path / "S001C001P002R001A050.skeleton").write_text(skeleton_text(two_people())[:-200])
    found = read_dataset(tmp_path)
    assert [c.clip_id for c in found] == [NAME.removesuffix(".skeleton")]
    assert [s.name for s in found.skipped] == ["S001C001P002R001A050.skeleton"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends early; expected the number of frames"),
        ("many\n", "line 1: 'many' found; expected the number of frames, 0 to 10000"),
        ("99999999\n", "line 1: '99999999' found; expected the number of frames, 0 to 10000"),
        ("1\n1\n7 0 1 1\n", "line 3: 4 values; expected 10: 10 values of a body"),
        ("1\n1\n" + "7 0 1 1 0 0 0 0 0 2\n20\n", "frame 0: 20 joints; expected 25"),
        ("2\n0\n0\n", "0 bodies in 2 frames; expected two people"),
        (skeleton_text({"1": walker(3, 0, 3, 0.1, 0)}), "1 bodies in 3 frames; expected two people"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ClipError) as e:
        read_ntu_clip(tmp_path / NAME)
    assert str(e.value).startswith(str(tmp_path / NAME))
    assert message in str(e.value)


def test_a_foreign_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "clip.skeleton").write_text(skeleton_text(two_people()))
    with pytest.raises(ClipError, match=r"the name is not SsssCcccPpppRrrrAaaa.skeleton"):
        read_ntu_clip(tmp_path / "clip.skeleton")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(skeleton_text(two_people(2)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / NAME).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        frames, bodies = read_bodies(tmp_path / NAME)
        clip = read_dataset(tmp_path / NAME)[0]
    except ClipError:
        return
    assert all(b.over(frames).shape == (frames, 25, 3) for b in bodies.values())
    assert clip.joints.shape[1:] == (2, 25, 3)
