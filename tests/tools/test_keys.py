"""Keys from the command line: made, listed, shown to a running detector, revoked; and what runs without them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from dyadwatch.live_detector import free_address, running_detector
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.messages import StatusMessage, decode_json
from dyadwatch.stream.sockets.client_keys import ClientKeys, read_client_keys

WAIT_S = 60.0


def test_keys_are_made_listed_and_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: Callable[..., Any], refused: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = ran("keys", "new", "cam", "--sources", "cam, door", "--folder", "site")
    assert made.code == 0, made
    assert made.err.splitlines() == [
        "site: the detector's keys; start it with --keys site",
        "cam speaks for cam, door, does not listen",
        "site/handout/cam.key_secret: secret; move it to the machine of cam over a safe way, delete it here, and give "
        "it there as --key",
    ]
    assert ran("keys", "new", "wall", "--folder", "site").code == 0
    both = ("keys", "new", "both", "--sources", "*", "--results", "--folder", "site")
    assert ran(*both).code == 0
    shown = {name: read_client_keys(tmp_path / f"site/handout/{name}.key_secret") for name in ("both", "cam", "wall")}
    listed = ran("keys", "list", "--folder", "site").out.splitlines()
    rights = [
        "speaks for any source, listens",
        "speaks for cam, door, does not listen",
        "speaks for no source, listens",
    ]
    assert listed == [
        f"{name}: {keys.public.decode()[:8]}... {right}"
        for (name, keys), right in zip(shown.items(), rights, strict=True)
    ]
    assert ran("keys", "revoke", "cam", "--folder", "site").code == 0
    left = ran("keys", "list", "--folder", "site").out
    assert [line.split(":")[0] for line in left.splitlines()] == ["both", "wall"]
    error = refused("keys", "revoke", "cam", "--folder", "site")
    assert error == "dyadwatch: name is 'cam'; expected one that has a key: both, wall\n"


REACHED = "which other machines can reach; expected a loopback address such as 127.0.0.1, or "
KEYS = (
    "keys for its peers (dyadwatch keys new NAME, then security.keys), or --insecure (security.insecure: true) to let "
    "everybody in"
)
BRIDGE = "--insecure to let everybody send who reaches it: this protocol knows no keys"


@pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")  # it reads sys.argv on purpose
@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("run", "--set", "wire.bind=tcp://*:5570"), f"wire.bind is 'tcp://*:5570', {REACHED}{KEYS}"),
        (("run", "--set", "sinks.bind=tcp://0.0.0.0:1"), f"sinks.bind is 'tcp://0.0.0.0:1', {REACHED}{KEYS}"),
        (("record", "--out", "r", "--listen", "tcp://[::]:5570"), f"wire.bind is 'tcp://[::]:5570', {REACHED}{KEYS}"),
        (("publish", "jsonl", "--listen", "udp://0.0.0.0:0"), f"--listen is 'udp://0.0.0.0:0', {REACHED}{BRIDGE}"),
        (("publish", "vmc", "--host", "::", "--performer", "0"), f"--host is 'udp://[::]:0', {REACHED}{BRIDGE}"),
        (
            ("run", "--keys", "none"),
            "keys is 'none', where there is no server.key_secret; make it with: dyadwatch keys new",
        ),
        (
            ("run", "--keys", "none", "--insecure"),
            "option 'security.insecure=true': security.insecure is true; expected false where security.keys is set: "
            "everybody needs a key then",
        ),
        (
            ("publish", "simulator", "--key", "none"),
            "keys is 'none', which cannot be read (No such file or directory); expected the NAME.key_secret that "
            "`dyadwatch keys new NAME` made",
        ),
    ],
    ids=lambda v: " ".join(v[:2]) if isinstance(v, tuple) else "",
)
def test_what_is_open_without_keys_is_refused_with_the_ways_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str], words: tuple[str, ...], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(*words) == f"dyadwatch: {error}\n"


def test_what_is_open_on_purpose_runs_and_is_told_of(tmp_path: Path) -> None:
    address = free_address().replace("127.0.0.1", "*")
    command = [sys.executable, "-m", "dyadwatch.tools.main", "record", "--out", "r", "--insecure", "--listen", address]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.terminate()
        process.communicate(timeout=WAIT_S)
    assert first == (
        f"WARNING open to anyone who can reach it, without keys: wire.bind {address} (see `dyadwatch docs security`)\n"
    )


def last_status(address: str, keys: ClientKeys, source: str, frames: int) -> StatusMessage:
    """The first status of a source that has taken so many frames."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SUBSCRIBE, f"status.{source}".encode())
        keys.apply(socket)
        socket.connect(address)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if socket.poll(100):
                message = decode_json(socket.recv_multipart()[1])
                if isinstance(message, StatusMessage) and message.frames >= frames:
                    return message
    raise AssertionError(f"no status of {source} with {frames} frames in {WAIT_S} s")


@pytest.mark.slow
def test_publishers_show_their_keys_to_a_detector_that_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: Callable[..., Any], refused: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, right in (("cam", ("--sources", "cam")), ("yard", ("--sources", "yard")), ("wall", ("--results",))):
        made = ran("keys", "new", name, *right)
        assert made.code == 0, made
    file = {name: str(tmp_path / "keys" / "handout" / f"{name}.key_secret") for name in ("cam", "yard", "wall")}
    wall = read_client_keys(Path(file["wall"]))
    with running_detector(shipped_model(), (f"security.keys={tmp_path / 'keys'}", "sinks.status_s=0.2"), wall) as (
        into,
        out,
    ):
        send = ("publish", "simulator", "--duration", "2", "--rate", "0", "--to", into)
        for shown in ((), ("--key", file["wall"])):
            error = refused(*send, "--source", "cam", "--wait", "2", *shown)
            keys = "these keys" if shown else "a publisher without keys"
            assert error.startswith(
                f"dyadwatch: the detector at {into} refuses {keys}; expected --key NAME.key_secret of a peer"
            )
        foreign = ran(*send, "--source", "cam", "--key", file["yard"])
        assert foreign.code == 0, foreign  # a publisher is not told; the detector's log and status are
        right = ran(*send, "--source", "cam", "--key", file["cam"])
        assert right.code == 0, right
        status = last_status(out, wall, "cam", 60)
        assert status.frames == 60
        assert status.dropped == {}
        own = last_status(out, wall, "@detector", 0)
        assert own.dropped["peer_refused"] >= 2
