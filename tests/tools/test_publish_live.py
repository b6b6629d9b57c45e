"""`dyadwatch publish jsonl` as a person or a script calls it, with a socket where the detector would be."""

from __future__ import annotations

import json
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import zmq

from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.config import WireOptions
from dyadwatch.stream.wire import decode_pose

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


def publish(ear: Ear, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dyadwatch.tools.main", "publish", *words, "--to", ear.address, "--json"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


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
