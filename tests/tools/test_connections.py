"""No command opens a connection that it was not told to: the system calls of real runs are looked at."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dyadwatch.core.data.clip_files import write_clips
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.live_detector import free_address
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.publishers.simulator.samples import normal_clips
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.wire import encode_pose

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
NS = 10**9
# Whom a call addresses; UNIX sockets, which do not leave the machine, are of no concern.
PEER = re.compile(r"sa_family=AF_INET6?, sin6?_port=htons\((\d+)\), .*?\"([0-9a-f.:]+)\"")
CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
# As on a user's machine: libraries that report home keep quiet where they see a build server, or were told so before.
ENV = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI", "GITHUB_ACTIONS", "TF_BUILD")}


PROGRAM = ("-m", "dyadwatch.tools.main")


def command(log: Path, *words: str | Path, program: tuple[str, str] = PROGRAM, calls: str = CALLS) -> list[str]:
    """dyadwatch under strace, which writes who is connected to, or sent to, by the program or its children."""
    traced = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", str(log)]
    return [*traced, sys.executable, *program, *map(str, words)]


def peers(log: Path | str) -> set[str]:
    """Who was connected to, or sent to, by a trace or the file that has it."""
    text = log if isinstance(log, str) else log.read_text("utf8", "replace")
    return {f"tcp://{host}:{port}" for port, host in PEER.findall(text)}


def dyadwatch(folder: Path, *words: str | Path, program: tuple[str, str] = PROGRAM) -> set[str]:
    """Runs a command to its end; whom it connected to."""
    log = folder / "calls"
    traced = command(log, *words, program=program)
    done = subprocess.run(traced, env=ENV, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return peers(log)


@contextmanager
def running(log: Path, *words: str | Path) -> Iterator[None]:
    """A command that is told to stop at the end, and must then stop well."""
    traced = command(log, *words)
    with subprocess.Popen(traced, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracer:
        try:
            yield
        finally:
            for child in Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)
            _, said = tracer.communicate(timeout=120)
        assert tracer.returncode == 0, said


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of two people."""
    path = tmp_path_factory.mktemp("recording") / "two.mcap"
    file = RecordingFile(path, RecordingHeader(run="5"))
    frames = make_scenario(5, 2, duration_s=8.0, room_m=3.0).frames(30.0, source="hall", epoch=1, start_ns=1700 * NS)
    for f in frames:
        file.parts("pose.hall", encode_pose(f), f.stamp, f.stamp, f.seq)
    file.close()
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few clips of simulated people."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, list(normal_clips(3, 1.0))[:5])
    return folder


def test_the_check_sees_what_is_connected_to(tmp_path: Path) -> None:
    """A program that connects and sends where it was not told to is found out, and so is its child."""
    code = (
        "import socket, subprocess, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 9))\n"
        "t = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); t.connect_ex(('::1', 53))\n"
        "child = \"import socket; socket.socket().connect_ex(('127.0.0.1', 1))\"\n"
        "subprocess.run([sys.executable, '-c', child])\n"
    )
    words = command(tmp_path / "calls")
    subprocess.run([*words[: words.index(sys.executable)], sys.executable, "-c", code], check=True, timeout=60)
    assert peers(tmp_path / "calls") >= {"tcp://127.0.0.1:9", "tcp://127.0.0.1:1"}


COMMANDS = (
    ("--help",),
    ("doctor", "--set", "wire.bind={into}", "--set", "sinks.bind={beside}", "--json"),
    ("demo", "--help"),
    ("models", "--help"),
    ("detect", "{recording}"),
    ("detect", "{clips}", "--json"),
    ("recordings", "info", "{recording}"),
    ("recordings", "export", "{recording}", "--out", "{out}/clips", "--least", "1"),
    ("view", "{recording}", "--png", "{out}/view.png", "--model", "shipped"),
    ("enrol", "{model}", "{clips}", "--out", "{out}/enrolled.onnx"),
)
LOOKED = "?access,?faccessat,?faccessat2"  # what os.access is; not every machine has each of them
# One program that runs them all, for its start takes longer than most of them. Before each it looks for the file of its
# number, which the trace has, too.
ALL = """import json, os, sys
from dyadwatch.tools.main import main
for number, words in enumerate(json.loads(sys.argv[1])):
    os.access(f"/command/{number}", os.F_OK)
    sys.argv = ["dyadwatch", *words]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            sys.exit(f"{words}: {ended.code}")
"""


@pytest.fixture(scope="module")
def calls(recording: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is traced of each of the commands."""
    out = tmp_path_factory.mktemp("all")
    places = {"recording": recording, "clips": clips, "out": out, "model": shipped_model()}
    places |= {"into": free_address(), "beside": free_address()}
    words = [[w.format(**places) for w in words] for words in COMMANDS]
    traced = command(out / "calls", json.dumps(words), program=("-c", ALL), calls=f"{CALLS},{LOOKED}")
    done = subprocess.run(traced, env=ENV, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    before, *each = re.split(r'\w+\([^"]*"/command/\d+", F_OK', (out / "calls").read_text("utf8", "replace"))
    assert len(each) == len(COMMANDS)
    assert peers(before) == set()
    assert (out / "view.png").is_file()
    assert (out / "enrolled.onnx").is_file()
    return each


@pytest.mark.parametrize(
    "number", range(len(COMMANDS)), ids=lambda n: " ".join(w for w in COMMANDS[n][:2] if "{" not in w)
)
def test_nobody_is_connected_to(calls: list[str], number: int) -> None:
    assert peers(calls[number]) == set()


# `dyadwatch train`, then `export` of its state with the graph of a moment ago: once is dear enough.
TRAIN_AND_EXPORT = """import json, sys
from dyadwatch.exporters import onnx_export
from dyadwatch.tools.main import app
translate, made = onnx_export._translate, []
onnx_export._translate = lambda module, info: made[0] if made else made.append(translate(module, info)) or made[0]
for words in json.loads(sys.argv[1]):
    app(words, result_action="return_value")
"""


def test_training_and_exporting_connect_to_nobody(tmp_path: Path) -> None:
    tiny = ("--simulated", "1", "--layout", "upper11", "--hop", "6", "--support", "40", "--steps", "2")
    train = ("train", *tiny, "--threads", "1", "--out", str(tmp_path / "m.onnx"), "--json")
    export = ("export", str(tmp_path / "m.state.npz"), "--out", str(tmp_path / "n.onnx"))
    assert dyadwatch(tmp_path, json.dumps([train, export]), program=("-c", TRAIN_AND_EXPORT)) == set()
    assert read_info(tmp_path / "n.onnx").parity["batch_invariant"] is True


def test_detector_recorder_and_publishers_speak_to_those_they_were_told(
    recording: Path, clips: Path, tmp_path: Path
) -> None:
    into, out, beside = free_address(), free_address(), free_address()
    sockets = (f"wire.bind={into}", f"sinks.bind={out}", f"record.folder={tmp_path / 'kept'}", "record.min_free_mb=0")
    run = ("run", "--json", *(w for option in sockets for w in ("--set", option)))
    record = ("record", "--out", tmp_path / "recorded", "--listen", beside)
    with running(tmp_path / "run", *run), running(tmp_path / "record", *record):
        replay = ("replay", recording, "--speed", "max", "--wait", "120")
        assert dyadwatch(tmp_path, *replay, "--to", into) == {into}
        assert dyadwatch(tmp_path, *replay, "--to", beside) == {beside}
        publish = ("publish", "file", clips, "--rate", "0", "--wait", "120")
        assert dyadwatch(tmp_path, *publish, "--to", into) == {into}
    assert peers(tmp_path / "run") == peers(tmp_path / "record") == set()
