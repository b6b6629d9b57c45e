"""Inter-X in its official layout, made here as formats.md describes it."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyadwatch.core.errors import ClipError
from dyadwatch.core.features.pair_frame import anchors
from dyadwatch.core.readers.interx import INTERX64, read_person
from dyadwatch.core.readers.plain_pickle import read_plain_pickle
from dyadwatch.core.readers.read import read_dataset

IDS = {"train": ["G001T000A000R000", "G001T000A001R001"], "val": ["G002T000A000R000"], "test": ["G003T001A001R000"]}


def person(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 64, 3)).astype(np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("annots", "splits", "skeletons"):
        (tmp_path / folder).mkdir()
    (tmp_path / "annots" / "action_setting.txt").write_text("Hug\nRock-paper-scissors\n")
    everything = [name for names in IDS.values() for name in names]
    for split, names in (*IDS.items(), ("all", everything)):
        (tmp_path / "splits" / f"{split}.txt").write_text("\n".join(names) + "\n")
    for i, name in enumerate(everything):
        (tmp_path / "skeletons" / name).mkdir()
        for p in (1, 2):
            np.save(tmp_path / "skeletons" / name / f"P{p}.npy", person(18, 10 * i + p))
    order = dict.fromkeys(everything, 0) | {"G001T000A001R001": 1}
    (tmp_path / "annots" / "interaction_order.pkl").write_bytes(pickle.dumps(order, protocol=2))
    return tmp_path


def test_clips_come_at_30_fps_with_label_and_split(root: Path) -> None:
    found = read_dataset(root)
    assert [(c.clip_id, c.label, c.split) for c in found] == [
        ("G001T000A000R000", "hug", "train"),
        ("G001T000A001R001", "rock_paper_scissors", "train"),
        ("G002T000A000R000", "hug", "val"),
        ("G003T001A001R000", "rock_paper_scissors", "test"),
    ]
    assert {(c.fps, len(c)) for c in found} == {(30.0, 5)}
    np.testing.assert_array_equal(found[0].joints[:, 0], person(18, 1)[::4])


def test_the_one_who_acts_is_person_0(root: Path) -> None:
    clip = read_dataset(root)[1]
    np.testing.assert_array_equal(clip.joints[:, 0], person(18, 12)[::4])
    np.testing.assert_array_equal(clip.joints[:, 1], person(18, 11)[::4])


def test_a_part_of_the_data_set_without_order_is_read(root: Path) -> None:
    (root / "annots" / "interaction_order.pkl").unlink()
    for p in (root / "skeletons" / "G002T000A000R000").iterdir():
        p.unlink()
    (root / "skeletons" / "G002T000A000R000").rmdir()
    assert len(read_dataset(root)) == 3


def test_the_layout_can_place_a_pair() -> None:
    assert len(INTERX64) == 64
    assert anchors(INTERX64).pelvis == (0, 0)
    assert INTERX64.joints[61:63] == ("neck", "head")


def test_one_bad_clip_is_skipped_and_told(root: Path) -> None:
    np.save(root / "skeletons" / IDS["train"][0] / "P2.npy", person(10, 0))
    found = read_dataset(root)
    assert len(found) == 3
    assert found.skipped[0].reason.endswith("18 and 10 frames; expected the same".replace("18 and 10", "5 and 3"))


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not readable as such; expected a .npy file of floats of shape (frames, 64, 3)"),
        (saved(np.zeros((4, 56, 3), np.float32)), "float32 of shape (4, 56, 3); expected"),
        (saved(np.zeros((4, 64, 3), np.int32)), "not readable as such"),
        (saved(np.asarray([{}], object)), "not readable as such"),
        (saved(np.zeros((4, 64, 3), np.float32))[:-1], "3071 bytes of numbers for shape (4, 64, 3); cut short"),
        (saved(np.zeros((0, 64, 3), np.float32)), "float32 of shape (0, 64, 3); expected"),
    ],
)
def test_what_is_wrong_with_an_array_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "P1.npy"
    file.write_bytes(content)
    with pytest.raises(ClipError) as e:
        read_person(file)
    assert str(e.value).startswith(str(file))
    assert message in str(e.value)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_dictionaries_of_every_pickle_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "order.pkl"
    content = {f"G{i:03d}T000A000R000": i % 2 for i in range(300)}
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    assert read_plain_pickle(file) == content


class _Runs:
    def __reduce__(self):
        return os.mkdir, ("should-not-be",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(_Runs()), "refused (UnpicklingError: it uses"),
        (pickle.dumps({"a": np.int64(1)}), "refused (UnpicklingError: it uses"),
        (pickle.dumps([1]), "refused (UnpicklingError: it uses EMPTY_LIST)"),
        (pickle.dumps({"a": 2}), "'a' is 2; expected a pickled dictionary of clip ids to 0 or 1"),
        (pickle.dumps({1: 1}), "'1' is 1; expected a pickled dictionary"),
        (pickle.dumps({"a": True}), "refused (UnpicklingError: it uses NEWTRUE)"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "it numbers more objects than it has bytes"),
        (b"", "refused (ValueError"),
    ],
)
def test_any_other_pickle_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "order.pkl"
    file.write_bytes(content)
    with pytest.raises(ClipError) as e:
        read_plain_pickle(file)
    assert message in str(e.value)
    assert not Path("should-not-be").exists()


def test_wrong_splits_and_annotations_are_told(root: Path) -> None:
    (root / "splits" / "val.txt").write_text("../../etc\n")
    with pytest.raises(ClipError, match=r"'../../etc' found; expected ids such as G001T000A000R000"):
        read_dataset(root)
    (root / "splits" / "val.txt").unlink()
    with pytest.raises(ClipError, match=r"val.txt: cannot be opened \(No such file or directory\)"):
        read_dataset(root)
    (root / "splits" / "val.txt").write_text("")
    (root / "annots" / "action_setting.txt").write_text("Hug\n")
    assert "1 lines; expected one for action 001" in read_dataset(root).skipped[0].reason


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = {
        "P1.npy": saved(person(3, 0)),
        "order.pkl": pickle.dumps({"G001T000A000R000": 1, "G001T000A000R001": 0}),
    }
    name = data.draw(st.sampled_from(sorted(whole)))
    content = bytearray(whole[name])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 200) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / name
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = read_person(file) if name == "P1.npy" else read_plain_pickle(file)
    except ClipError:
        return
    assert isinstance(found, dict) or found.shape[1:] == (64, 3)
