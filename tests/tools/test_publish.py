"""`dyadwatch publish` as a person or a script calls it, with a socket where the detector would be."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.skeletons.layouts import SBU15
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import decode_pose


class Ear:
    """Listens where a detector would, in a thread of its own."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"pose.")
        self._socket.bind("tcp://127.0.0.1:0")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.frames: list[PoseFrame] = []
        self.heard = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while self._socket.poll(50) or not self._stop.is_set():
            if self._socket.poll(0):
                self.frames.append(decode_pose(self._socket.recv_multipart(), WireOptions()))
                self.heard.set()

    def close(self) -> None:
        """Takes what is still on the way, then closes."""
        self._stop.set()
        self._thread.join()
        self._socket.close(0)


@pytest.fixture
def ear() -> Iterator[Ear]:
    with zmq.Context() as context:
        ear = Ear(context)
        yield ear
        ear.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    clips = [
        Clip(rng.normal(0, 0.3, (n, 2, 15, 3)).astype(np.float32), SBU15, 15.0, label, split=split)
        for n, label, split in ((20, "hug", "train"), (30, "kick", "test"), (25, "hug", "test"))
    ]
    write_clips(tmp_path / "clips", clips)
    return tmp_path / "clips"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "dyadwatch.tools.main", "publish", *words]


def test_the_simulator_publishes_and_tells_the_truth(ear: Ear, ran: Callable[..., Any]) -> None:
    words = ["simulator", "--to", ear.address, "--source", "hall", "--people", "3", "--seed", "5", "--rate", "0",
             "--duration", "30", "--anomalies", "push", "--start-stamp", str(7 * NS), "--json"]  # fmt: skip
    done = ran("publish", *words)
    assert done.code == 0, done.err
    ear.close()
    summary = json.loads(done.out)
    assert (summary["sent"], summary["shed"], summary["stopped"]) == (900, 0, False)
    assert [f.seq for f in ear.frames] == list(range(900))
    assert {(f.source, f.people, f.ids, f.layout.name) for f in ear.frames} == {("hall", 3, (1, 2, 3), "kinect25")}
    assert (ear.frames[0].stamp, ear.frames[-1].stamp) == (summary["first_stamp"], summary["last_stamp"])
    assert ear.frames[0].stamp == 7 * NS
    (push,) = (t for t in summary["truth"] if t["anomalous"])
    assert push["kind"] == "push"
    assert 7 * NS < push["start"] < push["end"] < 37 * NS
    assert "hall: 900 frames sent" in done.err


def test_faults_go_with_the_simulator(ear: Ear, ran: Callable[..., Any]) -> None:
    words = ["--to", ear.address, "--rate", "0", "--duration", "20", "--faults", "drop=0.2,no_ids=true"]
    done = ran("publish", "simulator", *words)
    assert done.code == 0, done.err
    ear.close()
    assert 400 < len(ear.frames) < 550
    assert {f.ids for f in ear.frames} == {None}
    assert done.out == ""


def test_clips_of_a_label_are_published_on_the_media_clock(ear: Ear, folder: Path, ran: Callable[..., Any]) -> None:
    words = ["clips", str(folder), "--to", ear.address, "--rate", "0", "--label", "hug", "--start-stamp", "50"]
    done = ran("publish", *words, "--json")
    assert done.code == 0, done.err
    ear.close()
    assert json.loads(done.out)["clips"] == 2
    assert [f.clock for f in ear.frames] == ["media"] * 45
    assert [f.ids for f in ear.frames] == [("c0-0", "c0-1")] * 20 + [("c1-0", "c1-1")] * 25
    assert ear.frames[0].stamp == 50
    assert ear.frames[20].stamp == 50 + round(20 * NS / 15) + NS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_loop_with_a_summary(ear: Ear, folder: Path, number: signal.Signals) -> None:
    words = ["clips", str(folder), "--to", ear.address, "--loop", "--json"]
    process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert ear.heard.wait(30)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    ear.close()
    summary = json.loads(out)
    assert summary["stopped"]
    assert summary["sent"] == len(ear.frames)
    assert "(stopped)" in err
    assert "Traceback" not in err


@pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")  # it reads sys.argv on purpose
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["simulator", "--people", "9"], "people is 9; expected 2 to 6"),
        (["simulator", "--anomalies", "push,dance"], "anomaly 'dance' is not known; expected one of push, punch,"),
        (["simulator", "--faults", "drip=1"], "faults are 'drip=1': Object contains unknown field `drip`"),
        (
            ["simulator", "--wait", "0.1", "--to", "nowhere"],
            "--to is 'nowhere'; expected an address such as tcp://127.0.0.1:5570",
        ),
        (["simulator", "--source", "my cam"], "source is 'my cam'; expected 1-64 characters of A-Z a-z 0-9 _ -"),
        (["file", "/no/such/folder", "--source", "my cam"], "source is 'my cam'; expected 1-64 characters of A-Z a-z"),
        (["jsonl", "--listen", "-", "--source", "my cam"], "source is 'my cam'; expected 1-64 characters of A-Z a-z"),
        (["lsl", "--stream", "x", "--source", "my cam"], "source is 'my cam'; expected 1-64 characters of A-Z a-z"),
        (["vmc", "--performer", "0", "--source", "my cam"], "source is 'my cam'; expected 1-64 characters of A-Z a-z"),
        (["camera", "--source", "my cam"], "source is 'my cam'; expected 1-64 characters of A-Z a-z"),
        (["file", "/no/such/folder"], "/no/such/folder: no such file or folder; expected clips.npz with meta.json"),
    ],
)
def test_mistakes_are_one_sentence(refused: Callable[..., str], words: list[str], text: str) -> None:
    said = refused("publish", *words)
    assert said.startswith("dyadwatch: ")
    assert text in said
    assert said.count("\n") == 1
