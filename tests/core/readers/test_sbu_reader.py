"""SBU's text format, from formats.md, on files made here and on real ones where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyadwatch.core.data.clip_files import read_clips, write_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.core.readers.sbu import CATEGORIES, FOLDS, read_sbu_clip
from dyadwatch.core.skeletons.layouts import SBU15


def sbu_text(frames: int, seed: int = 0) -> tuple[str, np.ndarray]:
    """A file as the data set has it, and its normalised values (frames, 2, 15, 3)."""
    values = np.random.default_rng(seed).uniform(0.3, 1.5, (frames, 2, 15, 3)).round(5)
    lines = [",".join([str(i + 1), *(f"{v:.5g}" for v in row.ravel())]) for i, row in enumerate(values)]
    return "\r\n".join(lines) + "\r\n", np.asarray([[float(f"{v:.5g}") for v in row.ravel()] for row in values])


def test_values_become_metres(tmp_path: Path) -> None:
    text, values = sbu_text(4)
    file = tmp_path / "skeleton_pos.txt"
    file.write_bytes(text.encode())
    clip = read_sbu_clip(file)
    x, y, z = np.moveaxis(values.reshape(4, 2, 15, 3), -1, 0)
    expected = np.stack([1280 - 2560 * x, 960 - 1920 * y, 10000 / 7.8125 * z], axis=-1) / 1000
    np.testing.assert_allclose(clip.joints, expected, atol=1e-6)
    assert (clip.layout, clip.fps) == (SBU15, 15.0)


def test_a_tree_tells_pair_category_and_fold(tmp_path: Path) -> None:
    for place in ("s01s02/01/001", "s07s03/08/002", "s01s07/05/003"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "skeleton_pos.txt").write_text(sbu_text(5)[0])
    found = read_dataset(tmp_path)
    assert [(c.label, c.split, c.session) for c in found] == [
        ("approaching", "fold1", "s01s02"),
        ("shaking_hands", "fold3", "s01s07"),
        ("punching", "fold5", "s07s03"),
    ]
    assert found[0].clip_id == "s01s02_approaching_001"
    assert (found.kind, found.skipped) == ("sbu", ())


def test_folds_part_the_pairs() -> None:
    pairs = [p for fold in FOLDS.values() for p in fold]
    assert len(pairs) == len(set(pairs)) == 21
    assert len(CATEGORIES) == 8


def test_an_unseen_joint_is_nan(tmp_path: Path) -> None:
    words = sbu_text(1)[0].strip().split(",")
    words[1:4] = ["0", "0", "0"]
    file = tmp_path / "skeleton_pos.txt"
    file.write_text(",".join(words))
    assert np.isnan(read_sbu_clip(file).joints[0, 0, 0]).all()
    assert np.isfinite(read_sbu_clip(file).joints[0, 0, 1:]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "line 1: 3 values; expected 91: a frame number, then x, y, z of 15 joints of two persons"),
        ("", "holds no frame; expected lines of 91 numbers"),
        (",".join(["1"] * 90 + ["nan"]), "line 1: 'nan' found; expected a plain number"),
        (",".join(["1"] * 90 + ["1e99"]), "line 1: '1e99' found; expected a plain number"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "skeleton_pos.txt"
    file.write_text(text)
    with pytest.raises(ClipError) as e:
        read_sbu_clip(file)
    assert str(e.value).startswith(str(file))
    assert message in str(e.value)


def test_one_bad_clip_is_skipped_and_told(tmp_path: Path) -> None:
    for i, text in enumerate((sbu_text(5)[0], "1,2\n", sbu_text(1)[0])):
        (tmp_path / f"fold1_00{i}_kicking_skeleton_pos.txt").write_text(text)
    found = read_dataset(tmp_path)
    assert [(c.label, c.split) for c in found] == [("kicking", "fold1")]
    assert [s.name[:9] for s in found.skipped] == ["fold1_001", "fold1_002"]
    assert "2 values; expected 91" in found.skipped[0].reason
    assert found.skipped[1].reason == "1 frames; expected at least 2"


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "skeleton_pos.txt").write_text("1,2\n")
    with pytest.raises(ClipError, match=r"no usable clip; found 1 clips, none usable, such as skeleton_pos\.txt"):
        read_dataset(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(sbu_text(3)[0].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "skeleton_pos.txt"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        clip = read_dataset(file)[0]
    except ClipError:
        return
    assert clip.joints.shape[1:] == (2, 15, 3)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_to_the_shared_format_is_a_clip_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole" / "clips.npz"
    if not whole.is_file():
        (tmp_path / "skeleton_pos.txt").write_text(sbu_text(6)[0])
        write_clips(whole.parent, [read_sbu_clip(tmp_path / "skeleton_pos.txt")] * 3)
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    broken = tmp_path / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "meta.json").write_bytes(whole.with_name("meta.json").read_bytes())
    (broken / "clips.npz").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = read_dataset(broken)
    except ClipError:
        return
    assert len(found) + len(found.skipped) > 0


def test_real_files_agree_with_the_shared_format(shared_data: Path) -> None:
    raw = shared_data / "sbu" / "raw_sample"
    clips = {c.clip_id: c for c in read_clips(shared_data / "sbu")}
    files = sorted(raw.glob("REGENERATED_*.txt"))
    assert files
    for file in files:
        clip = read_sbu_clip(file)
        clip_id = file.name.removeprefix("REGENERATED_").removesuffix("_skeleton_pos.txt")
        np.testing.assert_allclose(clip.joints, clips[clip_id].joints, atol=2e-4)
        assert (clip.label, clip.split) == (clips[clip_id].label, clips[clip_id].split)
    original = read_sbu_clip(raw / "ORIGINAL_askmuhsin_skeleton_pos.txt")
    np.testing.assert_allclose(original.joints, clips["fold1_000_departing"].joints, atol=2e-4)
