"""The unit that runs the detector for good."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path("tools", "deploy", "dyadwatch.service")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze is installed")
def test_systemd_finds_nothing_wrong_with_the_unit(repo_root: Path) -> None:
    command = ["systemd-analyze", "verify", "--man=no", str(repo_root / UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    ours = [line for line in done.stderr.splitlines() if "dyadwatch.service" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_the_unit_runs_what_there_is(repo_root: Path) -> None:
    unit = (repo_root / UNIT).read_text("utf8")
    assert "ExecStart=/usr/bin/env dyadwatch up --data %S/dyadwatch\n" in unit
    assert "Restart=on-failure" in unit
