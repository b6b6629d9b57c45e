from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet, read_clips, write_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import SBU15, UPPER11


def clip(frames: int, label: str = "", layout: Layout = UPPER11, **keys: Any) -> Clip:
    joints = np.random.default_rng(frames).normal(size=(frames, 2, len(layout), 3)).astype(np.float32)
    return Clip(joints, layout, keys.pop("fps", 15.0), label, **keys)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    clips = [
        clip(5, "hug", clip_id="a", split="train", session="s1"),
        clip(7, "push", clip_id="b", split="test", session="s2", fps=29.97),
    ]
    clips[0].joints[2, 1, 3] = np.nan
    file = write_clips(tmp_path / "set", clips, notes="two")
    for path in (file, file.parent, str(file)):
        back = read_clips(path)
        assert back.layout is UPPER11
        assert back.name == "set"
        assert len(back) == 2
        for one, other in zip(back, clips, strict=True):
            np.testing.assert_array_equal(one.joints, other.joints)
            assert one.fps == pytest.approx(other.fps)
            for key in ("label", "clip_id", "split", "session"):
                assert getattr(one, key) == getattr(other, key)


def test_keys_that_a_file_lacks_have_defaults(tmp_path: Path) -> None:
    (one,) = read_clips(saved(tmp_path, offset=np.array([0, 4])))
    assert (one.fps, one.label, one.clip_id, one.split, one.session) == (30.0, "", "", "", "")
    assert len(one) == 4


def test_other_float_types_become_float32(tmp_path: Path) -> None:
    (one,) = read_clips(saved(tmp_path, pose=np.ones((4, 2, 11, 3), np.float64)))
    assert one.joints.dtype == np.float32


def test_where_keeps_order_and_layout() -> None:
    clips = ClipSet(tuple(clip(n, label) for n, label in ((2, "hug"), (3, "push"), (4, "hug"))), UPPER11, "set")
    hugs = clips.where(lambda c: c.label == "hug")
    assert [len(c) for c in hugs] == [2, 4]
    assert (hugs.layout, hugs.name) == (UPPER11, "set")


def saved(folder: Path, meta: Any = None, **arrays: Any) -> Path:
    given = {"pose": np.zeros((4, 2, 11, 3), np.float32), "offset": np.array([0, 4])} | arrays
    np.savez(folder / "clips.npz", **{k: v for k, v in given.items() if v is not None})
    meta = {"joints": list(UPPER11.joints)} if meta is None else meta
    (folder / "meta.json").write_text(meta if isinstance(meta, str) else json.dumps(meta))
    return folder / "clips.npz"


FLOAT = np.float32
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no file": (
        lambda d: d / "none.npz",
        "{d}/none.npz: no such file; expected a clips.npz file or the folder that holds one",
    ),
    "empty folder": (lambda d: d, "{d}: a folder without clips.npz; expected clips.npz and meta.json in it"),
    "no meta": (
        lambda d: (saved(d), (d / "meta.json").unlink())[0],
        "{d}/meta.json: missing; expected a JSON file with the key 'joints' beside clips.npz",
    ),
    "meta no JSON": (
        lambda d: saved(d, "{"),
        "{d}/meta.json: not usable (JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)); expected JSON with the key 'joints'",
    ),
    "meta without joints": (
        lambda d: saved(d, {"bones": []}),
        "{d}/meta.json: not usable (KeyError: 'joints'); expected JSON with the key 'joints'",
    ),
    "meta with numbers": (
        lambda d: saved(d, {"joints": [1, 2]}),
        "{d}/meta.json: 'joints' is [1, 2]; expected a list of joint names",
    ),
    "joints named twice": (
        lambda d: saved(d, meta={"joints": ["head", "l_wrist", "LeftWrist"]}),
        "{d}/meta.json: layout 'custom' names joints more than once: left_wrist",
    ),
    "no joints": (
        lambda d: saved(d, meta={"joints": []}),
        "{d}/meta.json: layout 'custom' has no joints; expected at least one",
    ),
    "no pose": (
        lambda d: saved(d, pose=None),
        "{d}/clips.npz: has no array pose; expected pose and offset (the shared clip format)",
    ),
    "one person": (
        lambda d: saved(d, pose=np.zeros((4, 1, 11, 3), FLOAT)),
        "{d}/clips.npz: pose is float32 of shape (4, 1, 11, 3); expected float32 (frames, 2, joints, 3)",
    ),
    "integers": (
        lambda d: saved(d, pose=np.zeros((4, 2, 11, 3), np.int64)),
        "{d}/clips.npz: pose is int64 of shape (4, 2, 11, 3); expected float32 (frames, 2, joints, 3)",
    ),
    "other joints": (
        lambda d: saved(d, pose=np.zeros((4, 2, 15, 3), FLOAT)),
        "{d}/clips.npz: pose has 15 joints, meta.json names 11; expected the same",
    ),
    "offset short": (
        lambda d: saved(d, offset=np.array([0, 3])),
        "{d}/clips.npz: offset must rise from 0 to the 4 frames of pose; it does not",
    ),
    "offset falls": (
        lambda d: saved(d, offset=np.array([0, 3, 2, 4])),
        "{d}/clips.npz: offset must rise from 0 to the 4 frames of pose; it does not",
    ),
    "labels": (
        lambda d: saved(d, label=np.array(["a", "b"])),
        "{d}/clips.npz: label has shape (2,) for 1 clips; expected (1,), one entry each",
    ),
    "fps": (
        lambda d: saved(d, fps=np.array([0.0])),
        "{d}/clips.npz: fps holds values that are not positive numbers; expected frames per second",
    ),
    "pickle": (
        lambda d: saved(d, label=np.array([{"a": 1}], object)),
        "{d}/clips.npz: cannot be read as .npz without pickle (Object arrays cannot be loaded when "
        "allow_pickle=False); it may be cut short or foreign",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_errors_name_the_file_and_what_is_wrong(case: str, tmp_path: Path) -> None:
    make, text = BROKEN[case]
    path = make(tmp_path)
    with pytest.raises(ClipError) as error:
        read_clips(path)
    assert str(error.value) == text.replace("{d}", str(tmp_path))


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    file = write_clips(tmp_path, [clip(50)])
    whole = file.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(ClipError, match=r"cannot be read as \.npz without pickle"):
            read_clips(file)


def test_clips_of_one_file_share_a_layout(tmp_path: Path) -> None:
    with pytest.raises(ClipError) as error:
        write_clips(tmp_path, [clip(3), clip(3, layout=SBU15)])
    assert str(error.value) == f"{tmp_path}: clips of different layouts cannot share a file"
    with pytest.raises(ClipError) as error:
        write_clips(tmp_path, [])
    assert str(error.value) == f"{tmp_path}: no clips to write"


def test_the_shared_clips_can_be_read(shared_data: Path) -> None:
    folders = sorted(p.parent for p in shared_data.rglob("clips.npz"))
    assert folders
    for folder in folders:
        clips = read_clips(folder)
        assert len(clips)
        assert all(c.joints.shape[1:] == (2, len(clips.layout), 3) for c in clips)
