"""`dyadwatch up` without a model, for real: it hears people, proposes a model, and watches by it once told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from testing_waits import until

from dyadwatch.stream.sockets.free_port import free_port

pytestmark = [pytest.mark.slow]
PATIENCE_S = 240.0  # the machine may be busy
patiently = partial(until, within_s=PATIENCE_S)


def program(*words: str) -> list[str]:
    return [sys.executable, "-m", "dyadwatch.tools.main", *words]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[httpx.Client]:
    """An operator at the page of a detector that learns three simulated people."""
    data, log, bind = tmp_path / "data", tmp_path / "log", f"127.0.0.1:{free_port()}"
    into = f"tcp://127.0.0.1:{free_port()}"
    options = (f"wire.bind={into}", f"sinks.bind=tcp://127.0.0.1:{free_port()}", f"page.bind={bind}",
               "record.min_free_mb=0", "learning.enough_min=0.5")  # fmt: skip
    words = [word for option in options for word in ("--set", option)]
    with log.open("wb") as said:
        up = subprocess.Popen(program("up", "--data", str(data), *words), cwd=tmp_path, stdout=said, stderr=said)
    patiently(lambda: "?token=" in log.read_text() or up.poll() is not None, "the start")
    sends = (
        "publish",
        "simulator",
        "--to",
        into,
        "--source",
        "hall",
        "--people",
        "3",
        "--duration",
        "900",
    )
    publisher = subprocess.Popen(program(*sends, "--rate", "2"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        made = program(
            "page", "add-token", "ann", "--role", "operator", "--set", f"memory.file={data / 'incidents.db'}"
        )
        token = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
        with httpx.Client(base_url=f"http://{bind}/api/v1", trust_env=False, timeout=30.0) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            yield client
    finally:
        publisher.terminate()
        publisher.wait(20)
        up.send_signal(signal.SIGTERM)
        code = up.wait(60)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_site_is_heard_proposed_and_watched(page: httpx.Client) -> None:
    def hall() -> dict[str, Any]:
        found = [s for s in page.get("/state").json()["sources"] if s["source"] == "hall"]
        return found[0] if found else {}

    patiently(lambda: hall().get("learning"), "the source")
    patiently(lambda: page.get("/learning").json()["state"] == "proposed", "a proposal")
    now = page.get("/learning").json()
    assert now["alive"]
    assert now["progress"]["heard"][0]["source"] == "hall"
    assert hall()["learning"] is not None, "nobody is judged before somebody says so"
    used = page.post("/learning/use", json={}).json()
    assert (used["state"], used["current"]) == ("watching", 1)
    patiently(lambda: hall()["model"] == "site-v1 1" and hall()["learning"] is None, "the detector")
    assert page.post("/learning/back").json()["state"] in ("learning", "proposed")
    patiently(lambda: hall()["learning"] is not None, "learning again")
