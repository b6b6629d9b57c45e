"""`dyadwatch publish jsonl`, `lsl` and `vmc` as a person calls them, with a socket where the detector would be."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from pythonosc.udp_client import SimpleUDPClient

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.main import app

LINE = b'{"stamp": %d, "persons": [{"joints": {"head": [0, 1.6, 0], "neck": [0, 1.4, 0]}}]}\n'


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
        return [self._frames.get(timeout=15) for _ in range(n)]

    def heard(self) -> list[PoseFrame]:
        """What came since the last call."""
        return [self._frames.get() for _ in range(self._frames.qsize())]

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


def publish(ear: Ear, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dyadwatch.tools.main", "publish", *words, "--to", ear.address, "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **environment})


def test_jsonl_from_standard_input(ear: Ear) -> None:
    with publish(ear, "jsonl", "--listen", "-", "--source", "lab", "--units", "cm") as process:
        out, err = process.communicate(LINE % 1 + b"oops\n" + LINE % 2, timeout=30)
    assert process.returncode == 0
    frames = ear.take(2)
    assert [(f.source, f.seq, f.stamp) for f in frames] == [("lab", 0, 1), ("lab", 1, 2)]
    assert abs(frames[0].joints[0, 0, 1] - 0.016) < 1e-6
    told = json.loads(out)
    assert (told["sent"], told["shed"], told["stopped"], told["refused"]) == (2, 0, False, {"lab": {"bad_json": 1}})
    assert b"lab: bad_json: standard input: line is not a JSON object" in err
    assert b"lab: 2 frames sent" in err


def test_jsonl_over_tcp_until_told_to_stop(ear: Ear) -> None:
    with publish(ear, "jsonl", "--listen", "tcp://127.0.0.1:0") as process:
        assert process.stderr is not None
        said = process.stderr.readline().decode()
        port = re.search(r"listening for JSON lines on tcp://127\.0\.0\.1:(\d+)", said)
        assert port is not None, said
        with socket.create_connection(("127.0.0.1", int(port[1]))) as client:
            client.sendall(LINE % 7)
            assert ear.take(1)[0].stamp == 7
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert (json.loads(out)["sent"], json.loads(out)["stopped"]) == (1, True)


def test_what_to_listen_on_must_be_clear(ear: Ear) -> None:
    with publish(ear, "jsonl", "--listen", "http://x") as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    expected = "dyadwatch: listen is 'http://x'; expected tcp://host:port, udp://host:port or - for standard input\n"
    assert err.decode() == expected


LOOPBACK = """
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
AddressesOverride = {127.0.0.1}
ListenAddress = 127.0.0.1
[lab]
KnownPeers = {127.0.0.1}
"""


def test_lsl_until_told_to_stop(ear: Ear, tmp_path: Path) -> None:
    pylsl = pytest.importorskip("pylsl", reason="pylsl is not installed")
    pylsl.set_config_content(LOOPBACK)
    config, markers = tmp_path / "lsl.cfg", tmp_path / "map.yaml"
    config.write_text(LOOPBACK)
    markers.write_text("joints: {head: [A, B], neck: C}")
    name = f"cli-{os.getpid()}"
    info = pylsl.StreamInfo(name, "MoCap", 9, 50.0, "double64", name)
    channels = info.desc().append_child("channels")
    for label in (f"{marker}_{axis}" for marker in "ABC" for axis in "xyz"):
        channels.append_child("channel").append_child_value("label", label)
    outlet = pylsl.StreamOutlet(info)
    words = ["--stream", name, "--map", str(markers), "--units", "cm"]
    with publish(ear, "lsl", *words, LSLAPICFG=str(config)) as process:
        assert outlet.wait_for_consumers(20)
        outlet.push_sample([0.0, 170, 10, 0, 160, 10, 0, 150, 0], 12.5)
        (frame,) = ear.take(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    told = json.loads(out)
    assert (told["sent"], told["refused"], list(told["clocks"])) == (1, {}, [name])
    assert (frame.source, frame.stamp, frame.layout.joints) == ("lsl", 12_500_000_000, ("head", "neck"))
    assert frame.clock.startswith("lsl ")
    assert abs(frame.joints[0] - [[0, 1.65, 0.1], [0, 1.5, 0]]).max() < 1e-6


def test_vmc_until_told_to_stop(ear: Ear, tmp_path: Path) -> None:
    bind = tmp_path / "bind.yaml"
    bind.write_text("bones: {Hips: [0, 1, 0], Spine: [0, 0.1, 0], Neck: [0, 0.4, 0], Head: [0, 0.1, 0]}")
    words = ["--performer", "0", "--performer", "0", "--name", "ann", "--name", "bob", "--bind", str(bind)]
    with publish(ear, "vmc", *words, "--place", "0,0,0", "--place", "2,0,90", "--fps", "20") as process:
        assert process.stderr is not None
        said = process.stderr.readline().decode()
        ports = re.search(r"listening for VMC on 127\.0\.0\.1, UDP (\d+), (\d+)", said)
        assert ports is not None, said
        clients = [SimpleUDPClient("127.0.0.1", int(p)) for p in ports.groups()]
        both: list[PoseFrame] = []
        began = time.monotonic()
        while len(both) < 10 and time.monotonic() - began < 15:
            for client in clients:
                for bone in ("Hips", "Spine", "Neck", "Head"):
                    client.send_message("/VMC/Ext/Bone/Pos", [bone, *[0.0] * 6, 1.0])
                client.send_message("/VMC/Ext/T", time.monotonic() - began)
            time.sleep(0.02)
            both += [f for f in ear.heard() if f.people == 2]
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        for client in clients:
            client._sock.close()
    assert process.returncode == 0
    told = json.loads(out)
    assert told["refused"] == {}
    assert set(told["clocks"]) == {"ann", "bob"}
    assert told["sent"] >= len(both) >= 10
    frame = both[-1]
    assert (frame.source, frame.layout.name) == ("vmc", "smpl22")
    assert frame.ids == ("ann", "bob")
    head = frame.joints[:, frame.layout.index["head"]]
    assert abs(head - [[0, 1.6, 0], [2, 1.6, 0]]).max() < 1e-5


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--name", "ann"], "--name is given 1 times for 2 performers; expected once for each"),
        (
            ["--scale", "1", "--scale", "1", "--scale", "1"],
            "--scale is given 3 times for 2 performers; expected once for",
        ),
        (["--scale", "0"], "--scale is 0; expected more than 0 and less than 100"),
        (["--place", "1,2"], "--place is '1,2'; expected x,z,degrees such as 1.5,0,90"),
        (["--place", "1,2,nan"], "--place is '1,2,nan'; expected x,z,degrees such as 1.5,0,90"),
        (["--bind", "/none.yaml"], "bind pose /none.yaml cannot be read: No such file or directory"),
        (["--fps", "0"], "fps is 0; expected 1 to 240"),
    ],
)
def test_vmc_mistakes_are_named(words: list[str], text: str) -> None:
    with pytest.raises(ConfigError) as e:
        app(["publish", "vmc", "--wait", "0.1", *words])
    assert text in str(e.value)
