"""Who gets in, over real sockets: no key, another's key, a revoked key, another's source name; and who is told."""

from __future__ import annotations

import re
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import zmq
from testing_waits import until

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import SecurityOptions, WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.sinks.results_socket import ResultsSocket
from dyadwatch.stream.sockets.client_keys import ClientKeys, read_client_keys
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.wire import decode_pose, encode_pose

WAIT_S = 20.0
QUIET_S = 0.5  # what is to be refused would have come by then: a good message takes some milliseconds
Context = zmq.Context[zmq.Socket[bytes]]


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys")
    folder.add("cam", ["cam", "door"])
    folder.add("yard", ["yard"])
    folder.add("any", ["*"])
    folder.add("wall", listen=True)
    folder.add("desk", listen=True)
    return folder


def client(keys: KeyFolder, name: str) -> ClientKeys:
    return read_client_keys(keys.path / "handout" / f"{name}.key_secret")


class Guarded:
    """A receiver and a results socket that ask for keys, worked by one thread like a detector's."""

    def __init__(self, keys: KeyFolder) -> None:
        self.counters = Counters()
        self.context: Context = zmq.Context()
        self.clients: Context = zmq.Context()
        options = SecurityOptions(keys=str(keys.path))
        self.security = Security(self.context, options, {}, self.counters, DETECTOR)
        wire = WireOptions(bind="tcp://127.0.0.1:*")
        self.receiver = Receiver(
            self.context, wire, self.counters, lambda _: True, decode_pose, self._tap, self.security
        )
        self.results = ResultsSocket(self.context, "tcp://127.0.0.1:*", self.security)
        self.into = self.receiver._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.out = self.results.address
        self._sockets: list[zmq.Socket[bytes]] = []
        self.came: list[str] = []
        self.tapped = 0
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)
        self.security.close()
        self.clients.destroy(linger=0)
        self.context.destroy(linger=0)

    def publisher(self, keys: ClientKeys | None) -> zmq.Socket[bytes]:
        socket = self.clients.socket(zmq.XPUB)
        self._sockets.append(socket)
        if keys is not None:
            keys.apply(socket)
        socket.connect(self.into)
        return socket

    def subscriber(self, keys: ClientKeys | None) -> zmq.Socket[bytes]:
        socket = self.clients.socket(zmq.SUB)
        self._sockets.append(socket)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        if keys is not None:
            keys.apply(socket)
        socket.connect(self.out)
        return socket

    def refused(self, source: str = DETECTOR) -> dict[str, int]:
        return self.counters.of(source)

    def _tap(self, parts: object, frame: object, arrived: int, *, reason: str | None = None) -> None:
        self.tapped += 1

    def _work(self) -> None:
        while not self._stop.is_set():
            got = self.receiver.receive(5)
            if got is not None:
                self.came.append(got[0].source)
            self.results.send([[b"score.cam", b"%d" % self.sent]])
            self.sent += 1
        self.receiver.close()
        self.results.close()


@pytest.fixture
def guarded(keys: KeyFolder) -> Iterator[Guarded]:
    one = Guarded(keys)
    yield one
    one.close()
    assert not [t.name for t in threading.enumerate() if t.name == "key-watcher" or "Authentication" in t.name]


@pytest.fixture
def message(frame: Callable[..., PoseFrame], person: Callable[..., object]) -> Callable[[str], list[bytes]]:
    return lambda source: list(encode_pose(replace(frame(0, [person(0)]), source=source)))


def heard(socket: zmq.Socket[bytes], timeout_s: float) -> bool:
    return bool(socket.poll(round(timeout_s * 1000)))


def test_a_peer_with_a_key_speaks_for_its_sources(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    for name, sources in {"cam": ("cam", "door"), "any": ("elsewhere",)}.items():
        publisher = guarded.publisher(client(keys, name))
        assert heard(publisher, WAIT_S), "the detector does not subscribe"
        for source in sources:
            publisher.send_multipart(message(source))
            until(lambda source=source: source in guarded.came, f"a frame of {source}")
    assert guarded.came == ["cam", "door", "elsewhere"]
    assert guarded.counters.snapshot() == {}


def stranger(keys: KeyFolder) -> ClientKeys:
    public, secret = zmq.curve_keypair()
    return ClientKeys(public, secret, keys.server_keys()[0])


def misled(keys: KeyFolder) -> ClientKeys:
    return replace(client(keys, "cam"), server=zmq.curve_keypair()[0])


def revoked(keys: KeyFolder, name: str) -> ClientKeys:
    shown = client(keys, name)
    keys.revoke(name)
    return shown


UNKNOWN = r"its key is not on the allow-list for this socket \(last .{8}\.\.\. from 127\.0\.0\.1\)"
STRANGERS: dict[str, tuple[Callable[[KeyFolder], ClientKeys | None], str]] = {
    "no key": (lambda keys: None, "it came without a key|it broke off, as one without a key may"),
    "a key that nobody made": (stranger, UNKNOWN),
    "a revoked key": (lambda keys: revoked(keys, "cam"), UNKNOWN),
    "the key of one that may only listen": (lambda keys: client(keys, "wall"), UNKNOWN),
    "another detector's public key": (misled, "it took another detector's public key for this one's"),
}


@pytest.mark.parametrize("who", STRANGERS)
def test_who_may_not_speak_gets_nothing_in_and_is_counted(
    guarded: Guarded,
    keys: KeyFolder,
    message: Callable[[str], list[bytes]],
    caplog: pytest.LogCaptureFixture,
    who: str,
) -> None:
    make, why = STRANGERS[who]
    publisher = guarded.publisher(make(keys))
    publisher.setsockopt(zmq.SNDTIMEO, 0)
    until(lambda: guarded.refused().get("peer_refused"), "a refusal")
    for _ in range(10):
        publisher.send_multipart(message("cam"))
    assert not heard(publisher, QUIET_S), "the detector subscribed"
    assert (guarded.came, guarded.tapped) == ([], 0)
    until(lambda: caplog.messages, "a log line")
    assert re.fullmatch(f"{DETECTOR}: peer_refused: a connection is refused: ({why})", caplog.messages[0])


DEAF: dict[str, Callable[[KeyFolder], ClientKeys | None]] = {
    "no key": lambda keys: None,
    "a key that nobody made": stranger,
    "a revoked key": lambda keys: revoked(keys, "desk"),
    "a key that may only speak": lambda keys: client(keys, "cam"),
    "another detector's public key": lambda keys: replace(client(keys, "desk"), server=zmq.curve_keypair()[0]),
}


@pytest.mark.parametrize("who", DEAF)
def test_who_may_not_listen_hears_nothing_and_is_counted(guarded: Guarded, keys: KeyFolder, who: str) -> None:
    good = guarded.subscriber(client(keys, "wall"))
    bad = guarded.subscriber(DEAF[who](keys))
    assert heard(good, WAIT_S)
    until(lambda: guarded.refused().get("peer_refused"), "a refusal")
    assert not heard(bad, QUIET_S)


def test_nobody_speaks_for_another(
    guarded: Guarded,
    keys: KeyFolder,
    message: Callable[[str], list[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = guarded.publisher(client(keys, "yard"))
    assert heard(publisher, WAIT_S)
    for source in ("cam", "yard", "yard2", "Yard", "yard"):
        publisher.send_multipart(message(source))
    until(lambda: len(guarded.came) == 2, "the frames of yard")
    assert guarded.came == ["yard", "yard"]
    assert guarded.tapped == 2, "a recording holds what nobody had the right to send"
    assert guarded.counters.snapshot() == {"yard": {"foreign_source": 3}, DETECTOR: {"foreign_source": 3}}
    assert guarded.counters.refused(60.0) == {"yard": "foreign_source"}
    assert caplog.messages[0] == "yard: foreign_source: sends as 'cam'; its key may speak for yard"


def test_a_header_cannot_name_another_source_than_the_topic_that_is_checked(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    publisher = guarded.publisher(client(keys, "yard"))
    assert heard(publisher, WAIT_S)
    topic, _, _ = message("yard")
    publisher.send_multipart([topic, *message("cam")[1:]])
    publisher.send_multipart([b"pose.cam.yard", *message("cam")[1:]])
    publisher.send_multipart([b"cam"])
    publisher.send_multipart(message("yard"))
    until(lambda: guarded.came, "the frame of yard")
    assert guarded.came == ["yard"]
    assert guarded.counters.of("yard") == {"source_mismatch": 1}


def test_revoked_while_connected_nothing_more_gets_in(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    gone, stays = guarded.publisher(client(keys, "cam")), guarded.publisher(client(keys, "yard"))
    shown = client(keys, "cam")
    for publisher, source in ((gone, "cam"), (stays, "yard")):
        assert heard(publisher, WAIT_S)
        publisher.send_multipart(message(source))
    until(lambda: len(guarded.came) == 2, "both before")
    keys.revoke("cam")
    began = time.monotonic()
    authentication = guarded.security._authentication
    assert authentication is not None
    until(lambda: authentication.list.now.peer(shown.public.decode()) is None, "the revocation")
    assert time.monotonic() - began < 3.0
    guarded.came.clear()
    for publisher, source in ((gone, "cam"), (stays, "yard")):
        publisher.send_multipart(message(source))
    until(lambda: guarded.came and guarded.refused().get("peer_revoked"), "the frame of yard and the refusal of cam")
    assert guarded.came == ["yard"]
    again = guarded.publisher(shown)
    until(lambda: guarded.refused().get("peer_refused"), "the refusal of a new connection")
    assert not heard(again, QUIET_S)


def test_the_first_handshake_after_a_revocation_is_refused(guarded: Guarded, keys: KeyFolder) -> None:
    shown = client(keys, "cam")
    keys.revoke("cam")  # the list that is read again every second need not have noticed
    publisher = guarded.publisher(shown)
    until(lambda: guarded.refused().get("peer_refused"), "a refusal")
    assert not heard(publisher, QUIET_S)


def test_a_name_that_was_revoked_and_made_anew_is_another_peer(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    old = client(keys, "cam")
    keys.revoke("cam")
    keys.add("cam", ["cam"])
    before, now = guarded.publisher(old), guarded.publisher(client(keys, "cam"))
    assert heard(now, WAIT_S)
    now.send_multipart(message("cam"))
    until(lambda: guarded.came == ["cam"], "the new key's frame")
    assert not heard(before, QUIET_S)


def test_a_revoked_listener_hears_no_more_and_the_others_miss_nothing_for_long(
    guarded: Guarded, keys: KeyFolder
) -> None:
    gone, stays = guarded.subscriber(client(keys, "wall")), guarded.subscriber(client(keys, "desk"))
    for socket in (gone, stays):
        assert heard(socket, WAIT_S)
    keys.revoke("wall")
    until(lambda: guarded.security.listeners_revoked == 1, "the revocation")
    at = guarded.sent + 1  # one may be under way
    numbers = []
    while not numbers or numbers[-1] < at + 200:
        assert heard(stays, WAIT_S), "who may still listen did not come back"
        numbers.append(int(stays.recv_multipart()[1]))
    missing = set(range(at + 1, numbers[-1])) - set(numbers)
    assert not missing, f"{len(missing)} messages were lost after the revocation"
    last = 0
    while gone.poll(100):
        last = int(gone.recv_multipart()[1])
    assert 0 < last <= at


def test_an_edit_of_the_list_by_hand_is_heeded(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    publisher = guarded.publisher(client(keys, "yard"))
    assert heard(publisher, WAIT_S)
    path = keys.path / "allowed.yaml"
    write_atomically(path, path.read_text().replace("- yard", "- garden").encode())
    guard = guarded.security.guard
    assert guard is not None
    until(lambda: guard.check(client(keys, "yard").public.decode(), "garden"), "the new right")
    publisher.send_multipart(message("yard"))
    publisher.send_multipart(message("garden"))
    until(lambda: guarded.came, "a frame")
    assert guarded.came == ["garden"]


def test_a_slip_in_the_list_leaves_the_one_before_in_force_and_a_lost_one_lets_nobody_in(
    guarded: Guarded, keys: KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    authentication = guarded.security._authentication
    assert authentication is not None
    live, yard = authentication.list, client(keys, "yard").public.decode()
    path = keys.path / "allowed.yaml"
    text = path.read_text()
    for slip, said in ((b"cam: [", "is no allow-list: "), (b"", "is empty; expected peers, or {} where nobody may")):
        write_atomically(path, slip)
        until(lambda said=said: f"{path} {said}" in caplog.text, "the complaint")
        assert live.refresh().may_speak(yard, "yard")
    path.unlink()
    until(lambda: not live.now.may_speak(yard, "yard"), "the end of all rights")
    write_atomically(path, text.encode())
    until(lambda: live.now.may_speak(yard, "yard"), "the way back")
    assert caplog.text.count("the one before stays in force") == 2


def test_without_its_authenticator_a_socket_lets_nobody_in(guarded: Guarded, keys: KeyFolder) -> None:
    """libzmq by itself lets every key in where nobody answers for the domain."""
    authentication = guarded.security._authentication
    assert authentication is not None
    authentication._zap.stop()
    publisher = guarded.publisher(client(keys, "cam"))
    assert not heard(publisher, 2 * QUIET_S)


def test_local_sockets_of_files_ask_for_keys_too(keys: KeyFolder, tmp_path: Path) -> None:
    with zmq.Context() as context, zmq.Context() as clients:
        security = Security(context, SecurityOptions(keys=str(keys.path)), {}, Counters(), DETECTOR)
        results = ResultsSocket(context, f"ipc://{tmp_path}/out", security)
        try:
            with clients.socket(zmq.SUB) as good, clients.socket(zmq.SUB) as bad:
                for socket in (good, bad):
                    socket.setsockopt(zmq.LINGER, 0)
                    socket.setsockopt(zmq.SUBSCRIBE, b"")
                client(keys, "wall").apply(good)
                for socket in (good, bad):
                    socket.connect(results.address)

                def good_hears() -> bool:
                    results.send([[b"topic", b"body"]])
                    return heard(good, 0.01)

                until(good_hears, "a message")
                assert not heard(bad, QUIET_S)
        finally:
            results.close()
            security.close()


@pytest.mark.parametrize("version", [1, 2])
def test_protocols_older_than_keys_are_no_way_in(
    guarded: Guarded, message: Callable[[str], list[bytes]], version: int
) -> None:
    """ZMTP 1.0 and 2.0 know no security; libzmq speaks them with peers that do not know better."""
    parts = message("cam")
    if version == 1:
        hello = b"\x01\x00"
        framed = [bytes([len(p) + 1, k < 2]) + p for k, p in enumerate(parts)]
    else:
        hello = b"\xff" + bytes(8) + b"\x7f\x01\x01\x00\x00"  # revision 1, PUB, no identity
        framed = [bytes([k < 2, len(p)]) + p for k, p in enumerate(parts)]
    assert all(len(p) < 250 for p in parts)

    def connect(address: str) -> sockets.socket:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        raw = sockets.create_connection((host, int(port)), timeout=WAIT_S)
        raw.sendall(hello + b"".join(framed))
        return raw

    with guarded.clients.socket(zmq.SUB) as open_one:
        open_one.setsockopt(zmq.SUBSCRIBE, b"")
        open_one.bind("tcp://127.0.0.1:*")
        with connect(open_one.getsockopt_string(zmq.LAST_ENDPOINT)):
            assert heard(open_one, WAIT_S), "the bytes of this test are no message"
            assert open_one.recv_multipart() == parts
    with connect(guarded.into):
        time.sleep(QUIET_S)
    assert (guarded.came, guarded.tapped) == ([], 0)


def test_a_handshake_flood_is_counted_and_does_not_keep_others_out(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    publisher = guarded.publisher(client(keys, "cam"))
    assert heard(publisher, WAIT_S)
    for _ in range(60):
        stray = guarded.publisher(None)
        stray.setsockopt(zmq.LINGER, 0)
    until(lambda: guarded.refused().get("peer_refused", 0) >= 60, "the refusals")
    publisher.send_multipart(message("cam"))
    until(lambda: guarded.came == ["cam"], "the good frame")
    assert len(caplog.messages) <= 4


def test_errors_of_keys_that_cannot_be_used(tmp_path: Path) -> None:
    with zmq.Context() as context, pytest.raises(ConfigError, match=r"where there is no server\.key_secret; make it"):
        Security(context, SecurityOptions(keys=str(tmp_path)), {}, Counters(), DETECTOR)


def test_a_handshake_without_end_costs_a_stranger_the_connection(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    """Memory is bounded before anybody has shown a key."""
    good = guarded.publisher(client(keys, "cam"))
    assert heard(good, WAIT_S)
    host, _, port = guarded.into.removeprefix("tcp://").rpartition(":")
    sent = 0
    with sockets.create_connection((host, int(port))) as stranger:
        stranger.settimeout(WAIT_S)
        stranger.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15 + 1 + 31))
        stranger.sendall(b"\x06" + (200 << 20).to_bytes(8, "big"))
        with suppress(OSError):
            while sent < 64 << 20:
                sent += stranger.send(bytes(1 << 16))
                time.sleep(0.001)
    assert sent < 16 << 20
    good.send_multipart(message("cam"))
    until(lambda: guarded.came == ["cam"], "a frame of the good one")


def test_who_has_a_key_is_held_to_the_same_bounds(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    publisher = guarded.publisher(client(keys, "cam"))
    assert heard(publisher, WAIT_S)
    publisher.send_multipart([*message("cam"), *[b"more"] * 40])
    until(lambda: guarded.refused("@detector").get("part_count"), "a cut")


def test_what_encryption_adds_to_a_message_is_not_taken_for_one_that_waits(
    guarded: Guarded, keys: KeyFolder, message: Callable[[str], list[bytes]]
) -> None:
    publisher = guarded.publisher(client(keys, "cam"))
    publisher.setsockopt(zmq.SNDHWM, 0)
    assert heard(publisher, WAIT_S)
    for n in range(2000):
        publisher.send_multipart(message("cam"))
        until(lambda n=n: len(guarded.came) > n - 200, "the messages before")
    until(lambda: len(guarded.came) == 2000, "the last message")
    guard = guarded.receiver._guard
    assert guard is not None
    time.sleep(0.1)  # the guard looks a few times
    assert [c.held for c in guard._connections.values()] == [0]
