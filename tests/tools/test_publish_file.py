"""Pose files of any format through `publish file`, `detect`, `train` and `evaluate`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, read_clips, write_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.files import FileFlags, select_clips, select_sets
from dyadwatch.tools.main import main

STANDING = {
    "head": (0, 1.7), "neck": (0, 1.5), "pelvis": (0, 1.0), "left_shoulder": (0.2, 1.45), "left_elbow": (0.25, 1.2),
    "left_wrist": (0.25, 0.95), "left_hip": (0.1, 0.95), "right_shoulder": (-0.2, 1.45), "right_elbow": (-0.25, 1.2),
    "right_wrist": (-0.25, 0.95), "right_hip": (-0.1, 0.95),
}  # fmt: skip
DEPTH = {"left_wrist": 0.1, "right_wrist": 0.12, "left_elbow": 0.05}  # a body is not flat


class Ran(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def dyadwatch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """The command line, in this process: a new one takes seconds to load."""

    def run(*words: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["dyadwatch", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        left = capsys.readouterr()
        return Ran(int(ended.value.code or 0), str(left.out), str(left.err))

    return run


def person_table(x: float, frames: int = 75) -> str:
    """A swaying person at `x`, centimetres, Z up, as a CSV of one person."""
    head = ",".join(["frame", "person", *(f"{j}_{a}" for j in UPPER11.joints for a in "xyz")])
    rows = []
    for t in range(frames):
        sway = 0.05 * np.sin(t / 10)
        places = [[x + sway + STANDING[j][0], -0.5 + DEPTH.get(j, 0.0), STANDING[j][1]] for j in UPPER11.joints]
        body: NDArray = np.asarray(places)
        rows.append(f"{t},p," + ",".join(f"{v:.3f}" for v in (100 * body).ravel()))
    return "\n".join([head, *rows]) + "\n"


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "ann.csv", tmp_path / "bob.csv"]
    for i, file in enumerate(files):
        file.write_text(person_table(0.9 * i))
    return files


FLAGS = ["--units", "cm", "--axes", "z-up"]


def test_files_are_published_as_they_are_read(pair: list[Path], dyadwatch: Callable[..., Ran]) -> None:
    frames: list[PoseFrame] = []
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, b"pose.")
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        done = threading.Event()

        def listen() -> None:
            while socket.poll(100) or not done.is_set():
                if socket.poll(0):
                    frames.append(decode_pose(socket.recv_multipart(), WireOptions()))

        thread = threading.Thread(target=listen)
        thread.start()
        words = ["publish", "file", *pair, *FLAGS, "--fps", "25", "--to", f"tcp://127.0.0.1:{port}", "--rate", "0"]
        ran = dyadwatch(*words, "--source", "lab", "--json")
        done.set()
        thread.join()
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert (summary["source"], summary["clips"], summary["sent"]) == ("lab", 1, 75)
    expected = list(clip_frames(select_clips(pair, flags=FileFlags("cm", "z-up", 25.0)), "lab"))
    assert [(f.stamp, f.ids, f.layout) for f in frames] == [(f.stamp, f.ids, UPPER11) for f in expected]
    np.testing.assert_array_equal([f.joints for f in frames], [f.joints for f in expected])
    assert frames[0].joints[1, 0].tolist() == pytest.approx([0.9, 1.7, 0.5])


def test_detect_reads_the_same_files(pair: list[Path], dyadwatch: Callable[..., Ran]) -> None:
    ran = dyadwatch("detect", *pair, *FLAGS, "--file-fps", "25", "--json", "--scores")
    assert ran.returncode == 0, ran.stderr
    assert "1 clip, 75 frames," in ran.stderr
    scores = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(scores) >= 3
    assert {tuple(s["pair"]) for s in scores} == {("c0-0", "c0-1")}


def test_real_bones_are_read_by_detect(tmp_path: Path, shared_data: Path, dyadwatch: Callable[..., Ran]) -> None:
    bones = shared_data / "native_samples" / "CMU_18_01_single_person.bvh"
    lines = bones.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    for i, (x, rest) in enumerate((line.split(maxsplit=1) for line in lines[first:] if line.strip()), first):
        lines[i] = f"{float(x) + 15} {rest}"  # another walker, 0.85 m aside
    (tmp_path / "other.bvh").write_text("\n".join(lines))
    ran = dyadwatch("detect", bones, tmp_path / "other.bvh", "--units", "0.0564")
    assert ran.returncode == 0, ran.stderr
    assert "1 clip, 303 frames," in ran.stderr


def test_train_keeps_a_rate_of_its_own(pair: list[Path], dyadwatch: Callable[..., Ran]) -> None:
    sets = select_sets([*pair, *pair[::-1]], flags=FileFlags("cm", "z-up", 50.0))
    assert [(len(s), s[0].fps, s.layout) for s in sets] == [(2, 50.0, UPPER11)]
    ran = dyadwatch("train", *pair, *FLAGS, "--file-fps", "25", "--fps", "12", "--out", pair[0].with_name("m.onnx"))
    assert ran.returncode == 2
    assert "1 usable clips; expected at least 5 clips of 0.583 s or longer" in ran.stderr


def test_what_a_folder_leaves_out_is_told(pair: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    (pair[0].parent / "other.csv").write_text("x")
    (one,) = select_clips([pair[0].parent], flags=FileFlags("cm", "z-up", 25.0))
    assert one.clip_id == "ann+bob"
    assert "1 skipped, such as other.csv: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["detect", "ann.csv"], "ann.csv: the format holds no frame rate; give it with --file-fps"),
        (["detect", "ann.csv", "--fps", "25"], "spans 75 m with units 'm'; expected at most 3.5 m (cm sent as 'm'?"),
        (["detect", "ann.csv", *FLAGS, "--fps", "25"], "one person only; expected two: give the other person's file"),
        (["detect", "clip.mp4"], "clip.mp4: not a pose file; expected one of: clips.npz with meta.json"),
        (["detect", "clip.mp4"], "annots and splits (Inter-X), recordings (.mcap)\n"),
        (["detect", "none.bin"], "none.bin: no such file or folder; expected clips.npz with meta.json"),
        (["view", "empty.csv"], "empty.csv: is empty; expected clips.npz with meta.json"),
        (["publish", "file", "clip.mp4"], "clip.mp4: not a pose file; expected one of: clips.npz with meta.json"),
        (["train", "clip.mp4", "--out", "m.onnx"], "clip.mp4: not a pose file; expected one of: clips.npz"),
        (["evaluate", "clip.mp4", "--protocol", "one-class"], "clip.mp4: not a pose file; expected one of: clips.npz"),
        (["publish", "file", "ann.csv", "--units", "ell"], "units are 'ell'; expected m, cm, mm, in, or metres in one"),
        (["detect", "ann.csv", "--map", "no.yaml", *FLAGS, "--fps", "9"], "marker map no.yaml cannot be read: No such"),
    ],
)
def test_mistakes_are_one_sentence(
    pair: list[Path], dyadwatch: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, words: list[str], text: str
) -> None:
    monkeypatch.chdir(pair[0].parent)
    Path("clip.mp4").write_bytes(b"\0\0\0 ftypisom")
    Path("empty.csv").touch()
    ran = dyadwatch(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("dyadwatch: ")
    assert text in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_publishing_files_loads_no_pipeline(tmp_path: Path) -> None:
    code = "import sys, dyadwatch.tools.publish_file; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "dyadwatch.stream.publishers.clip_player" in ran.stdout.split()
    assert not {"dyadwatch.stream.pipeline", "onnxruntime", "torch", "ezc3d"} & set(ran.stdout.split())


def _labelled(folder: Path, spoilt: str) -> Path:
    """Two clips, of which nobody is seen in the one with the label `spoilt`."""
    pair = np.ones((9, 2, len(UPPER11), 3), np.float32) * np.asarray([[[1]], [[2]]], np.float32)
    labels = ("hug", "kick")
    joints = [pair * np.float32(np.nan) if label == spoilt else pair for label in labels]
    write_clips(
        folder, [Clip(j, UPPER11, 30.0, label, f"{label}1", "a") for j, label in zip(joints, labels, strict=True)]
    )
    return folder


def test_a_label_whose_clips_were_all_skipped_is_told_as_such(tmp_path: Path) -> None:
    folder = _labelled(tmp_path / "some", "kick")
    assert [c.label for c in select_clips([folder], ["hug"], ["a"])] == ["hug"]
    with pytest.raises(ClipError) as caught:
        select_clips([folder], ["kick", "push"])
    assert str(caught.value) == (
        "no clip has label 'kick' or 'push'; there are labels 'hug'; 1 skipped that cannot be used, such as "
        "kick1 of some: person 0 is never seen; expected two persons"
    )
    with pytest.raises(ClipError) as caught:
        select_clips([_labelled(tmp_path / "whole", "")], ["hug"], ["a", "b"])
    assert str(caught.value) == "no clip has split 'b'; there are splits 'a'"
    kick = read_clips(tmp_path / "whole")[1]
    write_clips(tmp_path / "other", [replace(kick, split="b")])
    with pytest.raises(ClipError) as caught:
        select_clips([folder, tmp_path / "other"], ["hug"], ["b"])
    assert str(caught.value).startswith(
        "no clip has label 'hug' and split 'b'; there are labels 'hug', 'kick' and splits"
    )
