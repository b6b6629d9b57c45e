"""Every way to publish against a socket that asks for keys: nothing gets in without a key, with a revoked one, or as
another's source, and each refusal is counted; with the right key everything gets in."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from pythonosc.udp_client import SimpleUDPClient
from testing_waits import until

from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.stream.configuration.config import SecurityOptions, WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.sinks.results_socket import ResultsSocket
from dyadwatch.stream.sockets.client_keys import read_client_keys
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.wire import decode_pose

WAIT_S = 60.0
LINE = '{"stamp": %d, "persons": [{"joints": {"head": [0, 1.6, 0], "neck": [0, 1.4, 0]}}]}\n'

pytestmark = pytest.mark.slow


class Door:
    """The sockets of a detector that asks for keys; `lab` and `gone` speak for lab, `yard` for yard, `wall` listens."""

    def __init__(self, folder: Path) -> None:
        self.keys = KeyFolder(folder / "keys")
        for name, sources in (("lab", ["lab", "demo"]), ("gone", ["lab", "demo"]), ("yard", ["yard"])):
            self.keys.add(name, sources)
        for name in ("wall", "deaf"):
            self.keys.add(name, listen=True)
        shutil.copytree(self.keys.path / "handout", folder / "handed over")
        self._handed_over = folder / "handed over"
        for name in ("gone", "deaf"):
            self.keys.revoke(name)
        self.counters = Counters()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        options = SecurityOptions(keys=str(self.keys.path))
        self.security = Security(self.context, options, {}, self.counters, DETECTOR)
        wire = WireOptions(bind="tcp://127.0.0.1:*")
        known: Callable[[str], bool] = lambda name: True  # noqa: E731
        self.receiver = Receiver(
            self.context, wire, self.counters, known, decode_pose, self._tap, self.security, waits=True
        )
        self.results = ResultsSocket(self.context, "tcp://127.0.0.1:*", self.security)
        self.came: list[str] = []
        self.tapped = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def certificate(self, name: str) -> Path:
        return self._handed_over / f"{name}.key_secret"

    def close(self) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)
        self.security.close()
        self.context.destroy(linger=0)

    def _tap(self, parts: object, frame: object, arrived: int, *, reason: str | None = None) -> None:
        self.tapped += 1

    def _work(self) -> None:
        while not self._stop.is_set():
            got = self.receiver.receive(5)
            if got is not None:
                self.came.append(got[0].source)
            self.results.send([[b"score.lab", b"{}"]])
        self.receiver.close()
        self.results.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    one = Door(tmp_path)
    yield one
    one.close()


@dataclass
class Verb:
    """A verb of `dyadwatch publish`, with what it reads.

    Arguments:
        words: of the command line.
        given: on its standard input.
        feed: called while it runs, with the first line it wrote and a predicate that says when to stop it.
    """

    words: list[str]
    given: str = ""
    feed: Callable[[str, Callable[[], bool]], None] | None = None


def simulator(tmp_path: Path) -> Verb:
    return Verb(["simulator", "--duration", "1", "--rate", "0"])


def file(tmp_path: Path) -> Verb:
    joints = np.random.default_rng(0).uniform(-0.5, 0.5, (30, 2, 11, 3)).astype(np.float32)
    write_clips(tmp_path / "clips", [Clip(joints, UPPER11, 15.0, "", "one")])
    return Verb(["file", str(tmp_path / "clips"), "--rate", "0"])


def jsonl(tmp_path: Path) -> Verb:
    return Verb(["jsonl", "--listen", "-"], "".join(LINE % n for n in range(20)))


def vmc(tmp_path: Path) -> Verb:
    bind = tmp_path / "bind.yaml"
    bind.write_text("bones: {Hips: [0, 1, 0], Spine: [0, 0.1, 0], Neck: [0, 0.4, 0], Head: [0, 0.1, 0]}")

    def feed(said: str, enough: Callable[[], bool]) -> None:
        ports = re.search(r"listening for VMC on 127\.0\.0\.1, UDP (\d+)", said)
        assert ports is not None, said
        client, began = SimpleUDPClient("127.0.0.1", int(ports[1])), time.monotonic()
        while not enough() and time.monotonic() - began < WAIT_S:
            for bone in ("Hips", "Spine", "Neck", "Head"):
                client.send_message("/VMC/Ext/Bone/Pos", [bone, *[0.0] * 6, 1.0])
            client.send_message("/VMC/Ext/T", time.monotonic() - began)
            time.sleep(0.02)
        client._sock.close()

    return Verb(["vmc", "--performer", "0", "--bind", str(bind), "--fps", "20"], feed=feed)


def camera(tmp_path: Path) -> Verb:
    cv2 = pytest.importorskip("cv2", reason="needs the extra camera: pip install 'dyadwatch[camera]'")
    film, landmarks = tmp_path / "film.avi", tmp_path / "seen.jsonl"
    out = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (320, 240))
    for k in range(25):
        out.write(np.full((240, 320, 3), 120 + k % 5, np.uint8))
    out.release()
    body = np.random.default_rng(0).uniform((-0.25, -0.8, -0.15), (0.25, 0.8, 0.15), (17, 3))
    body[[5, 6], 1], body[[11, 12], 1] = -0.5, 0.1  # shoulders above the hips
    at = body + np.array([0.0, 0.0, 4.0])
    image = at[:, :2] / at[:, 2:] * 160 + (160, 120)
    people = [{"image": image.tolist(), "world": body.tolist()}]
    landmarks.write_text("\n".join(json.dumps({"people": people}) for _ in range(25)))
    seen = ["--landmarks", str(landmarks), "--layout", "coco17", "--fov", "90"]
    return Verb(["camera", "--video", str(film), *seen, "--rate", "0"])


def words(door: Door, verb: Verb, certificate: str | None, wait_s: float = 3.0) -> list[str]:
    """`dyadwatch publish` as the source lab; who is refused waits in vain."""
    shown = [] if certificate is None else ["--key", str(door.certificate(certificate))]
    return ["publish", *verb.words, "--to", door.receiver.address, "--wait", str(wait_s), "--json", "--source", "lab",
            *shown]  # fmt: skip


@contextmanager
def given(text: str) -> Iterator[None]:
    """A pipe with this text as standard input."""
    out, into = os.pipe()
    with open(into, "w") as pipe:
        pipe.write(text)
    with open(out) as stdin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        yield


def run(
    door: Door, verb: Verb, certificate: str, enough: Callable[[], bool], ran: Callable[..., Any]
) -> tuple[object, str, str]:
    """Exit status, standard output and error; in a process of its own where it is stopped from outside."""
    if verb.feed is None:
        with given(verb.given):
            return ran(*words(door, verb, certificate))
    command, pipe = [sys.executable, "-m", "dyadwatch.tools.main", *words(door, verb, certificate)], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        verb.feed(said, lambda: enough() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    return process.returncode, out, said + err


@pytest.mark.parametrize("make", [simulator, file, jsonl, vmc, camera], ids=lambda make: make.__name__)
def test_a_publisher_gets_in_with_its_own_key_only(
    door: Door, tmp_path: Path, make: Callable[[Path], Verb], ran: Callable[..., Any], refused: Callable[..., str]
) -> None:
    verb = make(tmp_path)
    for certificate, who in ((None, "a publisher without keys"), ("gone", "these keys")):
        before = door.counters.of(DETECTOR).get("peer_refused", 0)
        with given(verb.given):
            err = refused(*words(door, verb, certificate, wait_s=1.5))
        said = f"dyadwatch: the detector at {door.receiver.address} refuses {who}; expected --key NAME.key_secret"
        assert said in " ".join(err.split())
        assert door.counters.of(DETECTOR)["peer_refused"] > before

    def foreign() -> int:
        return door.counters.of("yard").get("foreign_source", 0)

    code, out, err = run(door, verb, "yard", lambda: foreign() >= 5, ran)
    assert code == 0, err  # a publisher is not told; the detector's log and status are
    sent = json.loads(out)["sent"]
    assert sent >= 5
    until(lambda: foreign() == sent, "the refusals of what yard sent as lab")
    assert (door.came, door.tapped) == ([], 0)

    code, out, err = run(door, verb, "lab", lambda: len(door.came) >= 5, ran)
    assert code == 0, err
    sent = json.loads(out)["sent"]
    until(lambda: len(door.came) == sent, "the frames of lab")
    assert set(door.came) == {"lab"}
    assert foreign() == door.counters.of("yard")["foreign_source"]
    assert "lab" not in door.counters.snapshot()


def example(page: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found, f"no example {name}"
    return found[1]


def test_the_examples_of_the_page_get_in_with_their_own_key_only(door: Door, tmp_path: Path, repo_root: Path) -> None:
    """Publisher and subscriber of docs/wire-protocol.md; the publisher sends as demo."""
    page = (repo_root / "docs" / "wire-protocol.md").read_text("utf8")
    publisher = example(page, "publisher").replace("tcp://127.0.0.1:5570", door.receiver.address)
    publisher = publisher.replace("range(300)", "range(20)")
    subscriber = example(page, "subscriber").replace("tcp://127.0.0.1:5571", door.results.address)
    subscriber = subscriber.replace("while True", "for _ in range(3)")
    with_keys = f"{example(page, 'keys')}\nsocket.connect("

    def script(code: str, certificate: str | None) -> list[str]:
        if certificate is None:
            return [sys.executable, "-c", code]
        folder = tmp_path / certificate
        folder.mkdir(exist_ok=True)
        shutil.copy(door.certificate(certificate), folder / "demo.key_secret")
        shutil.copy(door.keys.path / "server.key", folder)
        code = code.replace("demo.key_secret", str(folder / "demo.key_secret"))
        return [sys.executable, "-c", code.replace("socket.connect(", with_keys.replace(
            '"demo.key_secret"', repr(str(folder / "demo.key_secret"))).replace(
            '"server.key"', repr(str(folder / "server.key"))))]  # fmt: skip

    strangers = [script(publisher, None), script(publisher, "gone"), script(publisher, "yard")]
    deaf = [script(subscriber, None), script(subscriber, "deaf"), script(subscriber, "lab")]
    ears = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for command in deaf]
    try:
        for process in [subprocess.Popen(command, stderr=subprocess.PIPE) for command in strangers]:
            process.communicate(timeout=WAIT_S)  # a PUB socket never ends on what it could not send: it closes with it
        until(lambda: door.counters.of("yard").get("foreign_source"), "the refusals of what yard sent as demo")
        until(lambda: door.counters.of(DETECTOR).get("peer_refused", 0) >= 5, "the refusals of five connections")
        assert (door.came, door.tapped) == ([], 0)
        told = subprocess.run(script(subscriber, "wall"), capture_output=True, text=True, timeout=WAIT_S, check=True)
        assert told.stdout.splitlines() == ["score.lab {}"] * 3
        assert all(process.poll() is None for process in ears), "a listener without the right heard something"
        subprocess.run(script(publisher, "lab"), timeout=WAIT_S, check=True)
        until(lambda: door.came, "the frames of demo")
        assert set(door.came) == {"demo"}
    finally:
        for process in ears:
            process.kill()
            process.communicate(timeout=WAIT_S)
    assert read_client_keys(door.certificate("wall")).server == door.keys.server_keys()[0]
