"""The same clips give the same events offline, live, and at any speed; the service stops cleanly on signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from dyadwatch.core.data.clip_files import write_clips
from dyadwatch.live_detector import free_address
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips

DYADWATCH = [sys.executable, "-m", "dyadwatch.tools.main"]
# Low enough that the few seconds of a test hold several events.
SETTINGS = [
    "--set",
    "scorer.model=simulated",
    "--set",
    "alarm.rules=[]",
    "--set",
    "alarm.raise_at=1.5",
    "--set",
    "alarm.clear_at=1",
    "--set",
    "alarm.hold_s=0.5",
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a few simulated clips with something to find in them."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, list(anomaly_clips(seed=3, n_per_kind=1)))
    return folder


def events_in(lines: bytes) -> list[dict[str, Any]]:
    """The events among JSON lines."""
    return [m for m in map(json.loads, lines.splitlines()) if m["kind"] == "event"]


def detect(clips: Path) -> bytes:
    """What `dyadwatch detect --json` prints."""
    command = [*DYADWATCH, "detect", str(clips), "--json", *SETTINGS]
    return subprocess.run(command, capture_output=True, check=True, timeout=100).stdout


@pytest.fixture(scope="module")
def detected(clips: Path) -> bytes:
    """What it prints of these clips."""
    return detect(clips)


def wait_for_status(address: str) -> None:
    """Returns once the detector at the address says anything."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, b"status.")
        socket.connect(address)
        assert socket.poll(60_000), "the detector said nothing for a minute"


def told_live(clips: Path, rate: float, stop: signal.Signals) -> tuple[list[dict[str, Any]], int]:
    """The events of a detector in a process of its own to which the clips are published, and its exit code."""
    into, out = free_address(), free_address()
    sockets = ["--set", f"wire.bind={into}", "--set", f"sinks.bind={out}"]
    command = [*DYADWATCH, "run", "--json", *SETTINGS, *sockets]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as detector:
        wait_for_status(out)
        publish = [*DYADWATCH, "publish", "clips", str(clips), "--rate", str(rate), "--to", into]
        subprocess.run(publish, capture_output=True, check=True, timeout=100)
        detector.send_signal(stop)
        lines, _ = detector.communicate(timeout=30)
    return events_in(lines), detector.returncode


def test_detect_twice_gives_the_same_bytes(clips: Path, detected: bytes) -> None:
    assert detect(clips) == detected
    assert {e["type"] for e in events_in(detected)} >= {"open", "close"}


@pytest.mark.parametrize(("rate", "stop"), [(4.0, signal.SIGINT), (8.0, signal.SIGTERM)])
def test_published_clips_give_the_events_of_detect(
    clips: Path, detected: bytes, rate: float, stop: signal.Signals
) -> None:
    offline = events_in(detected)
    live, code = told_live(clips, rate, stop)
    assert code == 0
    opened = {e["id"] for e in live if e["type"] == "open"}
    assert opened
    assert opened == {e["id"] for e in live if e["type"] == "close"}  # also what was open when it was stopped
    for event in offline:
        assert event.pop("clip")["id"]  # what only files have; all the rest is the message
    # Only the reason why the last pair ended may differ: a stream that ends, or a detector that is stopped.
    for event in (*offline, *live):
        if event["reason"] in ("end_of_stream", "shutdown"):
            event["reason"] = event["text"] = "over"
    assert live == offline


def test_a_port_in_use_is_told_in_one_sentence(refused: Callable[..., str]) -> None:
    with zmq.Context() as context, context.socket(zmq.REP) as taken:
        taken.bind("tcp://127.0.0.1:0")
        address = taken.getsockopt_string(zmq.LAST_ENDPOINT)
        said = refused("run", "--set", f"wire.bind={address}")
    assert f"dyadwatch: wire.bind is '{address}'; expected an address this machine can bind" in said
    assert "another program uses the port; stop it or choose another" in said
