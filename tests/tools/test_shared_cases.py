"""Inputs that once showed a fault, by reference: what their README says is right, from the real commands.

They lie in `../shared/cases` beside the checkout, or where `DYADWATCH_CASES` says, and are no part of this project.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError, DyadwatchError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.loading import load_model, load_scorer
from dyadwatch.stream.configuration.config import Config, WireOptions
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.main import app

Case = Callable[[str], Path]


@pytest.fixture(scope="session")
def case(repo_root: Path) -> Case:
    """The folder of a case; skips where it is not there."""
    named = os.environ.get("DYADWATCH_CASES")
    root = Path(named) if named else repo_root.parent / "shared" / "cases"

    def find(name: str) -> Path:
        if not (root / name).exists():
            pytest.skip(f"no case {name}: {root / name} does not exist; set DYADWATCH_CASES to the folder that has it")
        return root / name

    return find


class Detected:
    """What `dyadwatch detect` made of files: messages, and what it said."""

    def __init__(self, out: str, err: str) -> None:
        lines = [json.loads(line) for line in out.splitlines()]
        self.scores = [line for line in lines if line["kind"] == "score"]
        self.events = [line for line in lines if line["kind"] == "event"]
        self.said = " ".join(err.split())

    @property
    def median(self) -> float:
        return float(np.median([m["score"] for m in self.scores]))


@pytest.fixture
def detected(capsys: pytest.CaptureFixture[str]) -> Callable[..., Detected]:
    def run(*words: str | Path) -> Detected:
        app(["detect", *map(str, words), "--json", "--scores", "--set", "windows.hop=3"], result_action="return_value")
        out, err = capsys.readouterr()
        return Detected(out, err)

    return run


class Published:
    """What a publisher sent, what it told at its end, and what it said."""

    def __init__(self, frames: list[PoseFrame], out: bytes, err: bytes) -> None:
        self.frames, self.told, self.said = frames, json.loads(out), err.decode()

    def of(self, source: str) -> list[PoseFrame]:
        return [f for f in self.frames if f.source == source]


class Ear:
    """Listens where a detector would, in a thread of its own."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"pose.")
        self._socket.bind("tcp://127.0.0.1:0")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._frames: queue.Queue[PoseFrame] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def take(self, n: int) -> list[PoseFrame]:
        return [self._frames.get(timeout=20) for _ in range(n)]

    def publishing(self, *words: str | Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dyadwatch.tools.main", "publish", *map(str, words)]
        pipe = subprocess.PIPE
        return subprocess.Popen([*command, "--to", self.address, "--json"], stdin=pipe, stdout=pipe, stderr=pipe)

    def published(self, *words: str | Path, lines: bytes = b"") -> Published:
        """What a publisher sends until it ends."""
        with self.publishing(*words) as process:
            out, err = process.communicate(lines, timeout=60)
        assert process.returncode == 0, err.decode()
        return Published(self.take(json.loads(out)["sent"]), out, err)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close(0)

    def _listen(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(50):
                self._frames.put(decode_pose(self._socket.recv_multipart(), WireOptions()))


@pytest.fixture
def ear() -> Iterator[Ear]:
    with zmq.Context() as context:
        ear = Ear(context)
        yield ear
        ear.close()


def _from_stdin(ear: Ear, lines: bytes) -> Published:
    return ear.published("jsonl", "--listen", "-", "--source", "x", lines=lines)


def _judged(frames: Sequence[PoseFrame]) -> tuple[NDArray[np.float64], int]:
    """Scores and events of frames, by the shipped model."""
    config = Config()
    messages = Pipeline(*load_scorer(config), config).run(frames)
    return np.array([m.score for m in messages if isinstance(m, ScoreMessage)]), len(events_of(messages))


def test_a_byte_order_mark_is_passed_over(case: Case, ear: Ear) -> None:
    sent = _from_stdin(ear, (case("jsonl-bom") / "frames.jsonl").read_bytes())
    scores, events = _judged(sent.frames)
    assert (sent.told["sent"], len(sent.frames), sent.told["refused"]) == (240, 240, {})
    assert np.median(scores) < 1
    assert events == 0


def test_after_a_refused_declaration_so_are_frames(case: Case, ear: Ear) -> None:
    sent = _from_stdin(ear, (case("jsonl-declaration-bad-value") / "frames.jsonl").read_bytes())
    assert sent.frames == []
    assert sent.told["refused"] == {"x": {"bad_key": 1, "undeclared": 240}}
    assert "axes is 'Z-up'; expected one of" in sent.said
    assert "(did you mean 'z-up'?)" in sent.said


def test_joints_that_come_later_join_the_layout(case: Case, ear: Ear) -> None:
    sent = _from_stdin(ear, (case("jsonl-first-frame-partial") / "frames.jsonl").read_bytes())
    scores, events = _judged(sent.frames)
    assert (sent.told["sent"], sent.told["refused"]) == (240, {})
    assert "left_wrist" in sent.frames[-1].layout.joints
    assert len(scores) > 20
    assert (np.median(scores) < 1, events) == (True, 0)


def test_two_udp_sockets_of_one_host_are_two_senders(case: Case, ear: Ear) -> None:
    lines = (case("jsonl-two-udp-senders") / "frames.jsonl").read_bytes().splitlines()
    with ear.publishing("jsonl", "--listen", "udp://127.0.0.1:0") as process:
        assert process.stderr is not None
        port = re.search(rb"listening for JSON lines on udp://127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert port is not None
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            frames: list[PoseFrame] = []
            for k, line in enumerate(lines):
                (one, two)[k % 2].sendto(line, ("127.0.0.1", int(port[1])))
                if k >= 2:  # one by one, for UDP drops what comes too fast
                    frames += ear.take(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    sent = Published(frames, out, err)
    assert sent.told["refused"] == {}
    rooms = {room: {i for f in sent.of(room) for i in f.ids or ()} for room in ("room1", "room2")}
    assert rooms == {"room1": {"ann"}, "room2": {"cat"}}
    assert len(sent.of("room1")) == len(sent.of("room2")) == 240
    scores, _ = _judged(sent.frames)
    assert len(scores) == 0, "they never met"


def test_unix_times_are_read_and_milliseconds_asked_about(case: Case, detected: Callable[..., Detected]) -> None:
    folder = case("csv-times")
    found = detected(folder / "unix_s.csv")
    windows = (60 - load_model(Config()).info.frames + 1) // 3  # of four seconds at 15 frames a second
    assert len(found.scores) == windows
    assert found.median < 1
    asked = (
        r"expected 1 to 1000.*\(milliseconds taken for seconds\? that would be {} a second\); say the true rate with "
    )
    with pytest.raises(ClipError, match=r"ms\.csv: a frame every 33\.34 s by its times; " + asked.format(30)):
        detected(folder / "ms.csv")
    with pytest.raises(ClipError, match=r"says 0\.12 frames per second; " + asked.format(120)):
        detected(folder / "ms_frame_time")
    assert len(detected(folder / "ms.csv", "--fps", "30").scores) == windows


def test_rows_that_were_cut_out_are_a_gap(case: Case, detected: Callable[..., Detected]) -> None:
    found = detected(case("trc-rows-cut"))
    assert "1 clip, 120 frames" in found.said
    # 20 rows of one person are not there, 1.33 to 2.00 s: the windows lie before and after
    assert found.scores
    assert all(m["end"] <= 1.34 * NS or m["start"] >= 1.99 * NS for m in found.scores)
    assert "'person_unseen': 20" in found.said


def test_sightings_that_follow_one_another_are_one_person(case: Case, detected: Callable[..., Detected]) -> None:
    found = detected(case("ntu-renumbered") / "both")
    assert len(found.scores) == (180 - load_model(Config()).info.frames + 1) // 3  # twelve seconds without a gap
    assert found.median < 1


def test_takes_of_unequal_length_are_told_and_not_learnt_from(
    case: Case, detected: Callable[..., Detected], tmp_path: Path
) -> None:
    folder, told = case("bvh-takes"), "they last 4.00 and 3.00 s: two takes rather than one recording of two people?"
    assert told in detected(folder, "--units", "in").said
    assert told not in detected(folder, "--units", "in", "--unequal").said
    with pytest.raises(DyadwatchError, match=r"no clip can be used; 1 skipped .* they last 4\.00 and 3\.00 s"):
        app(["train", str(folder), "--units", "in", "--out", str(tmp_path / "m.onnx")], result_action="return_value")


def test_one_person_raw_and_filtered_is_no_pair(case: Case, detected: Callable[..., Detected]) -> None:
    with pytest.raises(ClipError, match=r"both persons are in the same place .*: one person twice, such as raw"):
        detected(case("trc-raw-and-filtered"))


def test_two_people_raw_and_filtered_are_one_take(
    case: Case, detected: Callable[..., Detected], tmp_path: Path
) -> None:
    for file in case("trc-raw-and-filtered").glob("*.trc"):
        lines = file.read_text().splitlines(keepends=True)
        for person in (1, 2):
            name = file.name.replace("S00_P00", f"S00_P{person}")
            (tmp_path / name).write_text("".join(lines[:5] + [_aside(row, person) for row in lines[5:]]))
    found = detected(tmp_path)
    assert {m["clip"]["id"] for m in found.scores} == {
        "S00_P1_T01_BalancingTrial_0-100+S00_P2_T01_BalancingTrial_0-100"
    }
    assert (
        "2 skipped, such as S00_P1_T01_BalancingTrial_0-100_filt_butterworth.trc: the same take as S00_P1" in found.said
    )


def _aside(row: str, metres: float) -> str:
    cells = row.rstrip("\n").split("\t")
    for k in range(2, len(cells), 3):
        cells[k] = str(float(cells[k]) + metres) if cells[k].strip() else cells[k]
    return "\t".join(cells) + "\n"


def test_a_video_of_variable_rate_has_the_stamps_of_the_file(case: Case, ear: Ear) -> None:
    pytest.importorskip("cv2", reason="needs the extra camera: pip install 'dyadwatch[camera]'")
    folder = case("vfr-video")
    seen = ("--landmarks", folder / "nobody.jsonl", "--layout", "coco17")
    sent = ear.published("camera", "--video", folder / "vfr.mp4", *seen, "--rate", "0")
    ms = [round(f.stamp / 1e6) for f in sent.frames]
    assert ms == [round(k * 1000 / 30) for k in range(90)] + [3000 + k * 100 for k in range(30)]
    assert "times of its images" not in sent.said


def _sent_case(folder: Path) -> Iterator[PoseFrame]:
    """The frames of a case of the wire, as `_shared/send.py` sends them."""
    with np.load(folder.parent / "_shared" / "pair.npz") as pair:
        poses, joints = pair["pose"].astype(float), [str(name) for name in pair["joints"]]
    spec = importlib.util.spec_from_file_location("make", folder / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    vars(make).update(ix={name: i for i, name in enumerate(joints)}, pose=poses)
    spec.loader.exec_module(make)
    for i, people in enumerate(poses):
        people = np.asarray(make.variant(people, i))
        header = {
            "v": 1, "source": folder.name, "epoch": 1, "seq": i, "stamp": 1_700_000_000 * NS + round(i * NS / 30),
            "shape": list(people.shape), "ids": [1, 2], "layout": getattr(make, "layout", "kinect25"),
        }  # fmt: skip
        parts = [f"pose.{folder.name}".encode(), msgspec.msgpack.encode(header), people.astype("<f4").tobytes()]
        yield decode_pose(parts, WireOptions())


ODD_CASES = {
    "wire-zup-undeclared": ("turned", "nobody stands, and yet they walk ("),
    "wire-h36m-as-coco17": ("joints_misnamed", "are the joints, in this order, those of coco17?"),
    "wire-hips-at-origin": (
        "one_place",
        "the hips of person 1 and person 2 are in one place (0.00 m apart): ",
    ),
    "wire-same-person-twice": ("one_body_twice", "person 1 and person 2 are one body, 0.0"),
    "wire-frozen": ("frozen", "stand still, bit for bit, for 9.0 s: does the source repeat its last one?"),
    "wire-scale-small": ("odd_size", "measures about 0.7"),
}


@pytest.mark.parametrize("name", ODD_CASES)
def test_odd_bodies_are_told_of_and_raise_nothing(case: Case, name: str) -> None:
    config = Config()
    pipeline = Pipeline(*load_scorer(config), config)
    messages = [m for frame in _sent_case(case(name)) for m in pipeline.push(frame)]
    line = pipeline.intake.lines[name]
    code, says = ODD_CASES[name]
    assert code in [odd.code for odd in line.odd]
    assert any(says in text_of(odd) for odd in line.odd)
    if code == "odd_size":
        assert line.blind is None
        assert "inches taken for centimetres" in text_of(line.odd[0])
    else:
        assert line.blind is not None
        assert (line.blind.code, pipeline.counters.of(name)[code] > 0) == (code, True)
    messages += pipeline.finish()
    assert events_of(messages) == []


@pytest.mark.parametrize("name", ["trc-zup", "bvh-inches"])
def test_files_of_odd_bodies_are_asked_about(case: Case, detected: Callable[..., Detected], name: str) -> None:
    folder = case(name)
    right, says = {
        "trc-zup": (("--axes", "z-up"), "ann+bob: nobody stands, and yet they walk (2.1 m): z-up sent as y-up?"),
        "bvh-inches": (("--units", "in"), "person 0 measures about 0.65 m by the bones: inches taken for centimetres"),
    }[name]
    found = detected(folder)
    assert says in found.said
    assert found.events == []
    assert says not in detected(folder, *right).said


@pytest.mark.slow
def test_a_running_detector_says_that_people_lie_on_one_another(case: Case) -> None:
    folder = case("wire-hips-at-origin")
    with zmq.Context() as context, context.socket(zmq.REP) as free:
        free.bind("tcp://127.0.0.1:0")
        address = free.getsockopt_string(zmq.LAST_ENDPOINT)
    binds = ("--set", f"wire.bind={address}", "--set", "sinks.bind=", "--set", "sinks.status_s=0.5")
    command = [sys.executable, "-m", "dyadwatch.tools.main", "run", "--json", "--set", "learning.folder=", *binds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"listening on" not in process.stderr.readline():
            assert process.poll() is None
        send = [sys.executable, str(folder.parent / "_shared" / "send.py"), str(folder), address.rpartition(":")[2]]
        subprocess.run(send, check=True, timeout=60)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    told = [json.loads(line) for line in out.splitlines()]
    last = [m for m in told if m["kind"] == "status" and m["source"] == "wire-hips-at-origin" and m["blind"]][-1]
    assert (last["state"], last["blind"]["code"], last["warnings"]) == ("blind", "one_place", ["one_place"])
    assert "coordinates with an origin of each person's own?" in last["blind"]["text"]
    assert [m for m in told if m["kind"] in ("score", "event")] == []


def test_a_small_file_of_merge_keys_is_refused_at_once(case: Case) -> None:
    file = case("reliability") / "merge_bomb.yaml"
    with pytest.raises(DyadwatchError, match=r"merge_bomb\.yaml line 3: anchors and aliases \(& and \*\) are not read"):
        app(["run", "--config", str(file)], result_action="return_value")
