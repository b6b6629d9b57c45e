"""A budget that is used on the page of a real `dyadwatch up`: the detector takes its levels up at once."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration
from dyadwatch.stream.memory.store import Store

pytestmark = [pytest.mark.slow]
PATIENCE_S = 120.0  # the machine may be busy


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(*words: str) -> list[str]:
    return [sys.executable, "-m", "dyadwatch.tools.main", *words]


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"did not come about in {PATIENCE_S} s: {what}"
        time.sleep(0.2)


@pytest.fixture
def operator(own_site: Any, tmp_path: Path) -> Iterator[httpx.Client]:
    """An operator at the page of a detector that goes on with what it recorded."""
    data, log, bind = own_site.folder, tmp_path / "log", f"127.0.0.1:{free_port()}"
    options = (f"wire.bind=tcp://127.0.0.1:{free_port()}", f"sinks.bind=tcp://127.0.0.1:{free_port()}",
               f"page.bind={bind}", "record.min_free_mb=0")  # fmt: skip
    words = [word for option in options for word in ("--set", option)]
    with log.open("wb") as said:
        up = subprocess.Popen(program("up", "--data", str(data), *words), cwd=tmp_path, stdout=said, stderr=said)
    try:
        until(lambda: "?token=" in log.read_text() or up.poll() is not None, "the start")
        made = program(
            "page", "add-token", "ann", "--role", "operator", "--set", f"memory.file={data / 'incidents.db'}"
        )
        token = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
        with httpx.Client(base_url=f"http://{bind}/api/v1/learning", trust_env=False, timeout=30.0) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            yield client
    finally:
        up.send_signal(signal.SIGTERM)
        code = up.wait(60)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_detector_judges_by_the_levels_that_are_used(operator: httpx.Client, own_site: Any) -> None:
    def now() -> dict[str, Any]:
        return operator.get("/budgets", params={"days": 1}).json()

    def judged_by() -> tuple[object, object]:
        with Store(own_site.folder / "incidents.db") as store:
            run = store.runs(1)[0]
        return run.thresholds.get("rules"), run.evidence.get("budget")

    def levels(version: int) -> list[dict[str, Any]]:
        return [r.rule.plain for r in read_calibration(calibration_path(own_site.models.path(version))).rules]

    until(lambda: not now()["reading"], "the answer")
    assert now()["failed"] == ""
    table = now()["table"]
    until(lambda: judged_by()[0] == levels(1), "the run")
    used = operator.post("/budgets/use", json={"budget": "6/hour", "table": table["id"]}).json()
    assert (used["current"], used["before"]) == (2, 1)
    assert levels(2) != levels(1)
    until(lambda: judged_by() == (levels(2), "6/hour"), "the levels")
    assert operator.post("/back").json()["current"] == 1
    until(lambda: judged_by()[0] == levels(1), "the levels before")
    with Store(own_site.folder / "incidents.db") as store:
        changes = store.runs(1)[0].changes
    assert {c.who for c in changes} == {"ann"}
    assert own_site.models.read().version(2).by == "ann"
