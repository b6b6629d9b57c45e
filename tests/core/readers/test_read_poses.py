"""One door for every format: what lies there decides, files of one person make pairs, and what is left out is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.interx import INTERX64
from dyadwatch.core.readers.pairs import pair_up
from dyadwatch.core.readers.people_files import Person, clip_of, two_people
from dyadwatch.core.readers.read import read_dataset, read_poses
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.layouts import UPPER11

FACTS = "# units: m\n# fps: 25\n"


def table(people: dict[str, NDArray[np.float32]], facts: str = FACTS) -> str:
    """A CSV of people (T, 11, 3)."""
    head = ",".join(["frame", "person", *(f"{j}_{a}" for j in UPPER11.joints for a in "xyz")])
    rows = [f"{t},{who}," + ",".join(map(str, frame.ravel())) for who, j in people.items() for t, frame in enumerate(j)]
    return facts + "\n".join([head, *rows]) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "takes"
    root.mkdir()
    return root


@pytest.fixture
def ann(walkers: NDArray[np.float32]) -> str:
    return table({"ann": walkers[:, 0]})


@pytest.fixture
def bob(walkers: NDArray[np.float32]) -> str:
    return table({"bob": walkers[:, 1]})


def test_two_files_of_one_person_are_a_pair_in_the_order_given(
    root: Path, ann: str, bob: str, walkers: NDArray[np.float32]
) -> None:
    (root / "x.csv").write_text(ann)
    (root / "y.csv").write_text(bob)
    (one,) = read_poses([root / "x.csv", root / "y.csv"])
    assert (one.kind, one.layout, one[0].clip_id, one[0].fps) == ("csv", UPPER11, "x+y", 25.0)
    np.testing.assert_allclose(one[0].joints, walkers, atol=1e-6)
    (swapped,) = read_poses([root / "y.csv", root / "x.csv"])
    np.testing.assert_array_equal(swapped[0].joints, one[0].joints[:, ::-1])
    with pytest.raises(ClipError, match=r"x\.csv: one person only; expected two: give the other person's file"):
        read_poses([root / "x.csv"])


def test_what_a_file_begins_with_goes_before_its_name(root: Path, walkers: NDArray[np.float32]) -> None:
    (root / "take.bvh").write_text(table({"ann": walkers[:, 0], "bob": walkers[:, 1]}))
    assert [d.kind for d in read_poses([root / "take.bvh"])] == ["csv"]
    (root / "take.bvh").write_text("no skeleton")
    with pytest.raises(ClipError, match=r"line 1: 'no skeleton' found; expected HIERARCHY, as every BVH file begins"):
        read_poses([root / "take.bvh"])


def test_a_folder_pairs_files_by_name_and_labels_them_by_folder(root: Path, ann: str, bob: str) -> None:
    for name, text in (("hug/1_a.csv", ann), ("hug/1_b.csv", bob), ("hug/2_a.csv", ann), ("hug/2_b.csv", bob),
                       ("kick/p1.csv", ann), ("kick/p2.csv", bob), ("kick/alone.csv", ann)):  # fmt: skip
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    found = read_dataset(root)
    assert [(c.clip_id, c.label) for c in found] == [
        ("hug/1_a+1_b", "hug"), ("hug/2_a+2_b", "hug"), ("kick/p1+p2", "kick"),
    ]  # fmt: skip
    assert [(s.name, s.reason[:28]) for s in found.skipped] == [("kick/alone.csv", "one person without a partner")]


def test_one_bad_file_of_a_folder_is_skipped_and_told(root: Path, walkers: NDArray[np.float32]) -> None:
    both = table({"ann": walkers[:, 0], "bob": walkers[:, 1]})
    (root / "a.csv").write_text(both)
    (root / "b.csv").write_text(both[:-40])
    (root / "c.trc").write_text("PathFileType")
    (root / "frames").mkdir()
    (root / "frames" / "f_1.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 75}]}))
    found = read_dataset(root, ReadOptions(fps=25))
    assert [c.clip_id for c in found] == ["a"]
    assert [s.name for s in found.skipped] == ["b.csv", "c.trc", "frames"]
    assert "x, y and confidence only" in found.skipped[2].reason
    (root / "a.csv").unlink()
    with pytest.raises(ClipError, match=r"takes: no usable clip; 3 skipped, such as b\.csv: .*expected 35"):
        read_dataset(root, ReadOptions(fps=25))


def test_clips_of_two_skeletons_are_two_data_sets(root: Path, walkers: NDArray[np.float32]) -> None:
    both = table({"ann": walkers[:, 0], "bob": walkers[:, 1]})
    (root / "a.csv").write_text(both)
    (root / "b.csv").write_text(both.replace("head_", "skull_"))
    assert [d.layout.joints[0] for d in read_poses([root])] == ["head", "skull"]
    with pytest.raises(ClipError, match=r"takes: clips of 2 skeletons, of 11 and 11 joints; expected one skeleton"):
        read_dataset(root)


def test_a_third_person_is_left_out_and_told(root: Path, walkers: NDArray[np.float32]) -> None:
    passer_by = walkers[:3, 0] + [3, 0, 0]
    (root / "a.csv").write_text(table({"ann": walkers[:, 0], "eve": passer_by, "bob": walkers[:, 1]}))
    (found,) = read_poses([root / "a.csv"])
    np.testing.assert_allclose(found[0].joints, walkers, atol=1e-6)
    assert [(s.name, s.reason) for s in found.skipped] == [("a: eve", "a third person; the two seen longest are kept")]


def test_inter_x_files_are_people(root: Path, walkers: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(0)
    for p in (1, 2):
        np.save(root / f"P{p}.npy", rng.uniform(0, 1.7, (40, 64, 3)).astype(np.float32))
    (found,) = read_poses([root / "P1.npy", root / "P2.npy"])
    assert (found.layout, found[0].fps, found[0].joints.shape) == (INTERX64, 30.0, (10, 2, 64, 3))
    assert read_dataset(root)[0].clip_id == "P1+P2"


def test_data_sets_and_files_go_together(root: Path, ann: str, bob: str, walkers: NDArray[np.float32]) -> None:
    write_clips(root / "set", [Clip(walkers, UPPER11, 30.0, clip_id="one")])
    (root / "x.csv").write_text(ann)
    (root / "y.csv").write_text(bob)
    found = read_poses([root / "x.csv", root / "set", root / "y.csv"])
    assert [(d.kind, d[0].clip_id) for d in found] == [("shared", "one"), ("csv", "x+y")]


@pytest.mark.parametrize("beside", [None, "sbu/raw_sample/skeleton_pos.txt", "take.csv"])
def test_data_sets_in_sub_folders_are_named_and_nothing_else_is_read(
    root: Path, walkers: NDArray[np.float32], beside: str | None
) -> None:
    for name in ("sbu", "more/handover"):
        write_clips(root / name, [Clip(walkers, UPPER11, 30.0)])
    if beside:
        (root / beside).parent.mkdir(exist_ok=True)
        (root / beside).write_text(table({"ann": walkers[:, 0], "bob": walkers[:, 1]}))
    with pytest.raises(ClipError) as e:
        read_poses([root])
    assert str(e.value) == f"{root}: holds data sets in sub-folders (more/handover, sbu); name the ones you want"
    assert [len(d) for d in read_poses([root / "sbu", root / "more" / "handover"])] == [1, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "movie.mp4",
            b"\0\0\0 ftypisom",
            "not a pose file; expected one of: clips.npz with meta.json (the shared format)",
        ),
        ("photo.jpg", b"\xff\xd8\xff", "not a pose file; expected one of: clips.npz"),
        ("state.pkl", b"\x80\x04}.", "not a pose file; expected one of: clips.npz"),
        ("noext", b"hello", "not a pose file; expected one of: clips.npz"),
        ("empty.bvh", b"", "is empty; expected clips.npz"),
        ("f_1.json", b"{}", "one frame of JSON at most; expected the folder that holds a file for every frame"),
        ("cut.npz", b"PK\x03\x04", "meta.json: missing; expected a JSON file with the key 'joints' beside clips.npz"),
        ("clips.npz", b"hello", "clips.npz: is no .npz file, or is damaged; expected clips.npz of the shared format"),
        ("data.csv", b"x", "0 rows below 'x'; expected a header 'frame,person,head_x"),
    ],
)
def test_a_file_of_another_kind_is_refused(root: Path, name: str, content: bytes, message: str) -> None:
    (root / name).write_bytes(content)
    for read in (read_dataset, lambda path: read_poses([path])):
        with pytest.raises(ClipError) as e:
            read(root / name)
        assert str(e.value).startswith(str(root))
        assert message in str(e.value)


def test_places_without_pose_files_are_refused(root: Path) -> None:
    with pytest.raises(ClipError, match=r"takes: a folder without pose files; expected one of: clips\.npz"):
        read_dataset(root)
    with pytest.raises(ClipError, match=r"nowhere: no such file or folder; expected clips\.npz"):
        read_dataset(root / "nowhere")


@pytest.mark.parametrize(
    ("names", "pairs", "alone"),
    [
        (["x", "y"], ["x+y"], []),
        (["take1_p1", "take1_p2", "take2_p2", "take2_p1"], ["take1_p1+take1_p2", "take2_p1+take2_p2"], []),
        (["1_1", "1_2", "2_1", "2_2"], ["1_1+1_2", "2_1+2_2"], []),
        (["A hug", "B hug", "c"], ["A hug+B hug"], ["c"]),
        (["Person1-3", "Person2-3", "Person1-4"], ["Person1-3+Person2-3"], ["Person1-4"]),
        (["walk1", "walk2", "band"], ["walk1+walk2"], ["band"]),
        (["walk11", "walk12", "q"], [], ["q", "walk11", "walk12"]),
    ],
)
def test_names_that_differ_by_the_person_alone_are_a_pair(names: list[str], pairs: list[str], alone: list[str]) -> None:
    found, rest = pair_up([Path(f"{n}.bvh") for n in names])
    assert [f"{a.stem}+{b.stem}" for a, b in found] == pairs
    assert [p.stem for p in rest] == alone


def test_people_of_different_skeletons_share_what_both_have(walkers: NDArray[np.float32]) -> None:
    few = UPPER11.custom(("neck", "head", "tail"))
    one, other = Person("a", walkers[:, 0], UPPER11, 30.0), Person("b", walkers[:5, 1, :3], few, 30.0)
    clip = clip_of("here", [one, other], "ab")
    assert clip.layout.joints == ("head", "neck")
    np.testing.assert_array_equal(clip.joints[:5, 1, 0], walkers[:5, 1, 1])
    assert np.isnan(clip.joints[5:, 1]).all(), "the second ends earlier"
    with pytest.raises(ClipError, match="here: 30 and 25 frames per second; expected the same for both"):
        clip_of("here", [one, Person("c", walkers[:, 0], UPPER11, 25.0)], "")
    with pytest.raises(ClipError, match="here: the two people have no joint in common; expected the same skeleton"):
        clip_of("here", [one, Person("c", walkers[:, 0, :1], UPPER11.custom(("tail",)), 30.0)], "")


def test_of_many_people_the_two_seen_longest_are_kept(walkers: NDArray[np.float32]) -> None:
    people = [Person(str(n), walkers[:n, 0] + np.float32(n), UPPER11, 30.0) for n in (3, 20, 1, 10)]
    kept, left = two_people(people)
    assert ([p.name for p in kept], [name for name, _ in left]) == (["20", "10"], ["3", "1"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": "feet"}, "units are 'feet'; expected m, cm, mm, in, or metres in one unit, such as 0.0564"),
        ({"units": "nan"}, "units are 'nan'; expected m, cm, mm, in"),
        ({"units": "0"}, "units are '0'; expected m, cm, mm, in"),
        ({"axes": "x-up"}, "axes are 'x-up'; expected one of y-up, z-up, y-down"),
        ({"fps": 0.0}, "fps is 0; expected frames per second, more than 0, at most 2000"),
        ({"fps": float("nan")}, "fps is nan; expected frames per second"),
    ],
)
def test_nonsense_cannot_be_declared(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ClipError) as e:
        ReadOptions(**given)
    assert message in str(e.value)
