"""What runs the detector for good: a systemd unit and a compose file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dyadwatch.stream.configuration.config import Config

DEPLOY = Path("tools", "deploy")
UNIT = DEPLOY / "dyadwatch.service"
COMPOSE = DEPLOY / "compose.yaml"
PATIENCE_S = 45  # a stop that scores all that waits may take 30


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False, timeout=60)
    return done.returncode == 0


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
    assert f"TimeoutStopSec={PATIENCE_S}\n" in unit


@pytest.mark.skipif(not _has_compose(), reason="no `docker compose` is installed; the file is looked at as YAML alone")
def test_docker_finds_nothing_wrong_with_the_compose_file(repo_root: Path) -> None:
    command = ["docker", "compose", "--file", str(repo_root / COMPOSE), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def service(repo_root: Path) -> dict[str, Any]:
    document = yaml.safe_load((repo_root / COMPOSE).read_text("utf8"))
    assert set(document) == {"name", "services", "volumes"}
    assert set(document["volumes"]) == {"data"}
    (found,) = document["services"].values()
    return found


def test_the_container_runs_what_there_is_and_keeps_its_data(service: dict[str, Any]) -> None:
    assert service["command"] == ["dyadwatch", "up", "--data", "/data"]
    assert service["volumes"] == ["data:/data"]
    assert (service["restart"], service["stop_grace_period"]) == ("unless-stopped", f"{PATIENCE_S}s")
    assert f"http://{Config().page.bind}/api/v1/health" in service["healthcheck"]["test"][-1]


def test_the_container_may_do_little_and_others_cannot_reach_it(service: dict[str, Any]) -> None:
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    # its addresses stay on loopback, where no key and no certificate is asked for
    assert service["network_mode"] == "host"
    assert "ports" not in service


def test_the_image_is_made_of_what_there_is(service: dict[str, Any], repo_root: Path) -> None:
    assert service["pull_policy"] == "build", "another's image of that name is not asked for"
    lines = service["build"]["dockerfile_inline"].splitlines()
    assert lines[0].startswith("FROM python:3.")
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert [name for name in copied if not (repo_root / name).exists()] == []
    rooms = {"core", "stream", "exporters", "tools", "docs"}
    assert rooms | {"pyproject.toml", "constraints.txt", "LICENSE", "README.md"} == set(copied)
    assert lines[-2:] == ["USER dyadwatch", "WORKDIR /data"]


@pytest.mark.parametrize(("by", "file"), [("systemd", UNIT), ("compose", COMPOSE)])
def test_it_is_printed(by: str, file: Path, repo_root: Path) -> None:
    command = [sys.executable, "-m", "dyadwatch.tools.main", "deploy", by]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == (repo_root / file).read_text("utf8")
