"""The README's first command, at ten times the speed of life."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def test_make_demo_runs_the_demo() -> None:
    _, _, rest = MAKEFILE.read_text(encoding="utf8").partition("\ndemo: ")
    recipe = rest.splitlines()[1].strip()
    assert recipe == "@$(BIN)/dyadwatch demo $(ARGS)"


@pytest.mark.slow
def test_the_demo_finds_what_is_staged_and_says_so() -> None:
    """Real sockets, a publisher of its own process, the shipped model; the same people as `make demo`, only faster."""
    command = [sys.executable, "-m", "dyadwatch.tools.main", "demo", "--rate", "10", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["passed"] is True
    assert (summary["staged"], summary["found"] >= 4, summary["false_alarms"] <= 1) == (5, True, True)
    assert summary["windows"] > 1000
    assert "passed" in done.stderr
    assert "4 simulated people for 10 s" in done.stderr


def test_a_rate_that_is_none_is_refused(refused: Callable[..., str]) -> None:
    assert "--rate is 0; expected a positive factor of real time" in refused("demo", "--rate", "0")
