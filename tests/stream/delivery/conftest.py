"""A real broker, real HTTP servers and updates that the tests of deliveries share."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import ipaddress
import json
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import http_ece
import numpy as np
import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion
from testing_waits import until

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.explanation.explainer import How
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.limbs import Limb
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import AttentionKind, IncidentKind, IncidentReason, Severity, SourceState
from dyadwatch.stream.configuration.delivery_options import DeliveryOptions, Target
from dyadwatch.stream.delivery.carrier import Surroundings
from dyadwatch.stream.delivery.peak_poses import PeakPoses
from dyadwatch.stream.delivery.sink import DeliverySink
from dyadwatch.stream.delivery.spool import Spool
from dyadwatch.stream.delivery.spool_file import SpoolFile
from dyadwatch.stream.memory.kept import Action
from dyadwatch.stream.messages import (
    AttentionMessage,
    EventRule,
    IncidentMessage,
    IncidentPair,
    OddLimb,
    StatusMessage,
    encode_json,
)
from dyadwatch.stream.push.push_device import PushDevice, device_id, to_base64url
from dyadwatch.stream.sockets.free_port import free_port
from dyadwatch.stream.texts import ATTENTION, INCIDENT

AT = 1_795_960_980 * NS  # 2026-11-29 14:03 UTC


LIMB = OddLimb(
    person=2, limb=Limb.RIGHT_ARM, joint="right_wrist", toward="head", how=How.FAST, share=0.9, speed_m_s=3.1,
    distance_m=0.2, off_m=0.4, usual=1.2,
)  # fmt: skip
PAIR = IncidentPair(
    pair=(1, 2), events=("e1",), open=True, start=AT, end=None, peak_score=4.2, peak_stamp=AT, relation=1.0,
    unusual=4.2, rule=EventRule(part=ScorePart.UNUSUAL, over_s=0.4, mean=3.0), evidence=2.0, apart_m=0.8, joints=(),
    limb=LIMB, explanation="right wrist of 2 moved at 3.1 m/s",
)  # fmt: skip


def make_incident(id_: str = "1405dc", kind: Any = "open", **more: Any) -> IncidentMessage:
    reasons = {
        "open": IncidentReason.OPENED,
        "update": IncidentReason.STILL_GOING_ON,
        "close": IncidentReason.CALM_AGAIN,
    }
    fields: dict[str, Any] = {
        "type": kind, "id": id_, "about": IncidentKind.INTERACTION, "source": "hall", "clock": "unix",
        "severity": Severity.ALARM, "start": AT, "end": AT + 125 * NS if kind == "close" else None, "stamp": AT,
        "people": (1, 2), "pairs": (PAIR,), "explanation": PAIR.explanation, "reason": reasons[kind],
    }  # fmt: skip
    fields |= more
    return IncidentMessage(text=INCIDENT[fields["reason"]], **fields)


def make_call(id_: str = "1405dc", what: AttentionKind = AttentionKind.CALL, **more: Any) -> AttentionMessage:
    fields: dict[str, Any] = {
        "what": what, "source": "hall", "at": AT, "severity": Severity.ALARM, "incidents": (id_,),
        "text": ATTENTION[what], "explanation": PAIR.explanation,
    }  # fmt: skip
    return AttentionMessage(**(fields | more))


def make_status(source: str = "hall", state: SourceState = SourceState.WATCHING, **more: Any) -> StatusMessage:
    fields: dict[str, Any] = {
        "source": source, "state": state, "blind": None, "fps": 30.0, "people": 2, "pairs": 1, "frames": 9,
        "windows": 1, "open_events": 0, "dropped": {}, "clock": "unix", "clock_offset_ms": None, "last_stamp": AT,
        "model": "m 1", "provider": "cpu",
    }  # fmt: skip
    return StatusMessage(**(fields | more))


class Broker:
    """A real mosquitto that can be killed and started again on the same port."""

    def __init__(self, folder: Path, extra: str = "allow_anonymous true\n") -> None:
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        kept = f"persistence true\npersistence_location {folder}/\n"
        user = f"user {getpass.getuser()}\n"
        self._file.write_text(f"listener {self.port} 127.0.0.1\n{kept}{user}{extra}")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [str(MOSQUITTO), "-c", str(self._file)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "the broker")

    def stop(self) -> None:
        """Keeps what its clients are still to have."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Somebody who listens to everything on a broker; `retained` is the latest under each topic, as it holds it."""

    def __init__(self, port: int, name: str = "") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.retained: dict[str, bytes] = {}
        self._ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, clean_session=not name)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._hear
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(10)

    def _subscribe(self, client: paho.Client, *_: Any) -> None:
        client.subscribe("#", 1)

    def _subscribed(self, *_: Any) -> None:
        self._ready.set()

    def _hear(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))
        if message.payload:
            self.retained[message.topic] = bytes(message.payload)
        else:
            self.retained.pop(message.topic, None)

    def json(self, topic: str) -> Any:
        return json.loads(self.retained[topic]) if topic in self.retained else {}

    def took(self) -> list[str]:
        topics = ("dyadwatch/dyadwatch/incidents", "dyadwatch/dyadwatch/calls")
        return [json.loads(body)["key"] for topic, body in list(self.heard) if topic in topics]

    def all_of(self, topic: str) -> list[Any]:
        return [json.loads(body) for t, body in list(self.heard) if t == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("no mosquitto here: apt-get install mosquitto")
    one = Broker(tmp_path)
    yield one
    one.stop()


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[[str, str], Broker]]:
    """A broker that asks for a name and a password."""
    made: list[Broker] = []

    def make(user: str, password: str) -> Broker:
        tool = shutil.which("mosquitto_passwd")
        if MOSQUITTO is None or tool is None:
            pytest.skip("no mosquitto here: apt-get install mosquitto")
        file = tmp_path / "passwords"
        subprocess.run([tool, "-b", "-c", str(file), user, password], check=True, capture_output=True)
        file.chmod(0o644)
        made.append(Broker(tmp_path, f"allow_anonymous false\npassword_file {file}\n"))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    one = Listener(broker.port)
    yield one
    one.close()


class Server:
    """A real HTTP server that answers what `answers` says next, 200 once that is empty; keeps what it took.

    `of_path` prevails for a path; with `tls` it speaks HTTPS.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.of_path: dict[str, int] = {}
        self.answers: list[int] = []
        self.always: int | None = None
        self.asked: list[tuple[dict[str, str], bytes]] = []  # every request
        self.paths: list[str] = []  # of every request, with its query
        self.taken: list[tuple[dict[str, str], bytes]] = []  # those answered with 200
        self.promised = 0  # bytes of an answer's body, which never come
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ({k.lower(): v for k, v in self.headers.items()}, body)
                outer.asked.append(request)
                outer.paths.append(self.path)
                status = outer.of_path.get(self.path) or outer.always
                status = status or (outer.answers.pop(0) if outer.answers else 200)
                if status in (200, 201):
                    outer.taken.append(request)
                self.send_response(status)
                self.send_header("content-length", str(outer.promised))
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def took(self) -> list[str]:
        return [json.loads(body)["key"] for _, body in list(self.taken)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def make_server() -> Iterator[Callable[[int], Server]]:
    made: list[Server] = []

    def make(port: int = 0) -> Server:
        made.append(Server(port))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Updates:
    """Messages to deliver."""

    at = AT
    incident = staticmethod(make_incident)
    call = staticmethod(make_call)
    status = staticmethod(make_status)
    encode = staticmethod(encode_json)


@pytest.fixture
def updates() -> type[Updates]:
    return Updates


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., None]:
    return until


@pytest.fixture(name="free_port")
def free_port_fixture() -> Callable[[], int]:
    return free_port


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def make(port: int, name: str = "") -> Listener:
        made.append(Listener(port, name))
        return made[-1]

    yield make
    for one in made:
        one.close()


def blow() -> NDArray[np.float32]:
    """A second in which the right hand of the second goes to the head of the first, nearest in row 20; UPPER11."""
    body = np.array(
        [
            [0, 1.65, 0.05], [0, 1.45, 0], [0, 0.95, 0], [0.2, 1.4, 0], [-0.2, 1.4, 0], [0.25, 1.1, 0],
            [-0.25, 1.1, 0], [0.25, 0.9, 0.1], [-0.25, 0.9, 0.1], [0.1, 0.95, 0], [-0.1, 0.95, 0],
        ]
    )  # fmt: skip
    out = np.repeat(np.stack([body, body * [-1, 1, 1] + [0.9, 0, 0]])[:, None], 30, axis=1)
    for row in range(30):
        near = 1 - abs(row - 20) / 20
        out[1, row, 8] += near * (np.array([0.12, 1.65, 0.05]) - out[1, row, 8])
    return out.astype(np.float32)


@pytest.fixture
def peaks() -> PeakPoses:
    """The window of the highest moment of the incident that `updates` tells of."""
    kept = PeakPoses(UPPER11)
    kept.put("hall", PAIR.pair, PAIR.peak_stamp, blow())
    return kept


@pytest.fixture
def around() -> tuple[Surroundings, list[Action]]:
    """What targets are given, and the actions that they take."""
    done: list[Action] = []
    return Surroundings(done.append, 3600.0, "dyadwatch 0"), done


@pytest.fixture
def deliver(tmp_path: Path, around: tuple[Surroundings, list[Action]]) -> Iterator[Callable[..., DeliverySink]]:
    """A sink that delivers to targets, from `spool.db` in `tmp_path`."""
    made: list[DeliverySink] = []

    def make(*, peaks: PeakPoses | None = None, **targets: Target) -> DeliverySink:
        options = DeliveryOptions(to=targets)
        made.append(DeliverySink(options, Spool(SpoolFile(tmp_path / "spool.db"), options), around[0], peaks))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed by the test
            one.close()


class UserAgent(NamedTuple):
    """A browser: what it subscribed with, and how it reads what it is sent."""

    device: PushDevice
    path: str
    private: ec.EllipticCurvePrivateKey
    auth: bytes

    def read(self, body: bytes) -> Any:
        plain = http_ece.decrypt(body, private_key=self.private, auth_secret=self.auth, version="aes128gcm")
        return json.loads(plain)


def user_agent(endpoint: str, who: str = "ann", least: Severity = Severity.NOTICE) -> UserAgent:
    private, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    device = PushDevice(
        id=device_id(endpoint), endpoint=endpoint, p256dh=to_base64url(point), auth=to_base64url(auth), name="phone",
        who=who, token=1, until=0, least=least, since=time.time_ns(),
    )  # fmt: skip
    return UserAgent(device, "/" + endpoint.split("/", 3)[3], private, auth)


class PushService(Server):
    """A push service over HTTPS."""

    def user_agent(self, path: str, who: str = "ann", least: Severity = Severity.NOTICE) -> UserAgent:
        """A browser that subscribed with it."""
        return user_agent(f"https://localhost:{self.port}/{path}", who, least)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `localhost`, with its key, trusted by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]),
        datetime.datetime.now(datetime.UTC),
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + pem)
    return path


@pytest.fixture
def service(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushService]:
    """A push service over HTTPS, whose certificate this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    one = PushService(0, context)
    yield one
    one.close()
