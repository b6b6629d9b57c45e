from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import onnx
import onnx.parser
import pytest

from dyadwatch.core.errors import ProviderError
from dyadwatch.core.extras import install_command
from dyadwatch.core.model_file.artefact import ArtefactInfo, seal
from dyadwatch.core.skeletons.layouts import LAYOUTS
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.tools import doctor as room
from dyadwatch.tools.doctor import (
    EXTRAS,
    check_address,
    check_engine,
    check_libraries,
    check_model,
    check_provider,
    check_threads,
    doctor,
    examine,
)
from dyadwatch.tools.provider_trial import trial, try_provider

TINY = """
<ir_version: 8, opset_import: ["": 18]>
tiny (float[B,2,30,11,3] joints) =>
     (float[B] score, float[B] relation, float[B] unusual, float[B,11,11] joint_pairs, float[B,11,11] shift) {
  all = Constant<value = int64[4] {1, 2, 3, 4}>()
  but_joints = Constant<value = int64[3] {1, 2, 4}>()
  mean = ReduceMean<keepdims = 0>(joints, all)
  score = SCORE(mean)
  relation = Identity(score)
  unusual = Identity(score)
  row = ReduceMean<keepdims = 0>(joints, but_joints)
  at = Constant<value = int64[1] {1}>()
  rows = Unsqueeze(row, at)
  columns = Transpose<perm = [0, 2, 1]>(rows)
  joint_pairs = MatMul(columns, rows)
  shift = Identity(joint_pairs)
}
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the doctor believes to be installed; tests put packages in."""
    packages: dict[str, str] = {}
    monkeypatch.setattr(room, "_version", packages.get)
    return packages


def write_model(path: Path, score: str = "Abs") -> Path:
    """A model that computes something in no time; `score` is the operator that makes the score of the mean."""
    model = onnx.parser.parse_model(TINY.replace("SCORE", score))
    joints = LAYOUTS["upper11"].joints
    info = ArtefactInfo(name="tiny", version="1", layout="upper11", joints=joints, frames=30, fps=15.0)
    path.write_bytes(seal(model.SerializeToString(), info))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.onnx")


@pytest.fixture
def free_ports() -> tuple[str, ...]:
    """Options that bind wherever the system has a port."""
    return ("wire.bind=tcp://127.0.0.1:*", "sinks.bind=tcp://127.0.0.1:*")


def test_extras_are_those_of_the_package(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text("utf8"))["project"]
    for extra, packages in EXTRAS.items():
        listed = " ".join(project["optional-dependencies"][extra])
        assert all(package in listed for package in packages), extra


def test_two_engines_are_a_failure(installed: dict[str, str]) -> None:
    installed.update({"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.30.0"})
    check = check_engine()
    assert check.state == "fail"
    assert check.detail == (
        "both onnxruntime 1.31.1 and onnxruntime-gpu 1.30.0 are installed; each overwrites files of the other"
    )
    assert check.advice.startswith("pip uninstall -y onnxruntime onnxruntime-gpu")


def test_no_engine_is_a_failure(installed: dict[str, str]) -> None:
    check = check_engine()
    assert (check.state, check.detail) == ("fail", "neither onnxruntime nor onnxruntime-gpu is installed")
    assert check.advice.startswith("pip install 'onnxruntime>=1.20', or in the checkout of dyadwatch: pip install -c ")


@pytest.mark.parametrize("package", ["onnxruntime", "onnxruntime-gpu"])
def test_one_engine_is_fine(installed: dict[str, str], package: str) -> None:
    installed[package] = "1.31.1"
    assert (check_engine().state, check_engine().detail) == ("ok", f"{package} 1.31.1")


def test_half_an_extra_is_told(installed: dict[str, str]) -> None:
    installed.update({"torch": "2.13.0", "onnx": "1.23.2", "scikit-learn": "1.9.1"})
    checks = {check.name: check for check in check_libraries()}
    assert checks["extra train"].state == "warn"
    assert checks["extra train"].detail == "has torch 2.13.0, onnx 1.23.2, scikit-learn 1.9.1; lacks onnxscript"
    assert checks["extra train"].advice == install_command("train")
    assert (checks["extra camera"].state, checks["extra camera"].detail) == ("info", "not installed")


def test_a_port_in_use_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        check = check_address("wire.bind", address)
    assert check.state == "fail"
    assert check.detail == f"{address} cannot be bound: Address already in use"
    assert "--set wire.bind=..." in check.advice
    assert check_address("wire.bind", address).state == "ok"


def test_an_open_address_is_a_warning() -> None:
    check = check_address("sinks.bind", "tcp://0.0.0.0:*")
    assert (check.state, check.detail) == ("warn", "tcp://0.0.0.0:* is free, and open to the whole network")


def test_ipc_addresses_are_not_taken_from_a_running_detector(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("in use")
    assert check_address("wire.bind", f"ipc://{path}").state == "ok"
    assert path.read_text() == "in use"
    lost = check_address("wire.bind", f"ipc://{tmp_path}/none/in")
    assert (lost.state, lost.detail) == ("fail", f"{tmp_path}/none is not a folder that can be written to")


def test_more_threads_than_cores_is_a_warning() -> None:
    check = check_threads(set_option(Config(), "scorer.threads=4096"))
    assert check.state == "warn"
    assert check.detail.startswith("scorer.threads is 4096; this process may use ")


def test_a_damaged_model_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    (check,) = check_model(set_option(Config(), f"scorer.model={path}"))
    assert (check.name, check.state) == ("model", "fail")
    assert str(path) in check.detail or path.name in check.detail
    assert "dyadwatch export" in check.advice


def test_a_provider_the_engine_lacks_fails_only_where_it_is_configured(tmp_path: Path) -> None:
    wanted = check_provider("cuda", "NoSuchExecutionProvider", tmp_path, wanted=True)
    assert (wanted.name, wanted.state) == ("provider cuda (configured)", "fail")
    assert wanted.detail == "not in the installed ONNX Runtime"
    assert check_provider("cuda", "NoSuchExecutionProvider", tmp_path, wanted=False).state == "info"


def test_a_provider_that_does_not_run_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "none.onnx"
    check = check_provider("cpu", "CPUExecutionProvider", missing, wanted=True)
    assert check.state == "fail"
    assert check.detail.startswith("offered, but does not run: the trial ended with code 1: ")
    assert "none.onnx" in check.detail


def test_a_trial_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"no window was scored within 0\.05 s"):
        try_provider("cpu", tmp_path / "none.onnx", timeout_s=0.05)


def test_a_wrong_configuration_is_one_failure_among_the_checks(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("alarm:\n  hold_s: -3\n")
    checks = {check.name: check for check in examine(path, (), None)}
    assert checks["configuration"].state == "fail"
    assert checks["configuration"].detail == f"{path} line 2: alarm.hold_s is -3; expected a number >= 0"
    assert "wire.bind" in checks


THRESHOLDS = ("alarm.rules=[]", "alarm.raise_at=3", "alarm.clear_at=2.5")


def test_a_whole_detector_is_found_fit(
    model: Path, free_ports: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(model=model, set_=(*free_ports, *THRESHOLDS), json=True)
    report = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is True
    assert checks["model"]["detail"] == "tiny 1: layout upper11, 11 joints, 30 frames at 15 fps (2 s)"
    assert checks["thresholds"]["detail"] == "score of 3.00, cleared below 83% of that"
    assert checks["provider cpu (configured)"]["state"] == "ok"
    assert re.fullmatch(
        r"scored a window in [0-9.]+ ms on CPUExecutionProvider", checks["provider cpu (configured)"]["detail"]
    )


def test_a_model_without_thresholds_is_a_failure(model: Path) -> None:
    checks = {check.name: check for check in check_model(set_option(Config(), f"scorer.model={model}"))}
    assert checks["thresholds"].state == "fail"
    assert "tiny.calibration.yaml" in checks["thresholds"].detail


def test_scores_that_are_not_numbers_fail_the_trial(tmp_path: Path) -> None:
    bad = write_model(tmp_path / "bad.onnx", score="Acosh")
    with pytest.raises(ProviderError, match="the score of a still window is nan; expected a finite number"):
        trial("cpu", bad)


def test_the_table_keeps_brackets_and_the_exit_code_tells(model: Path) -> None:
    command = [sys.executable, "-m", "dyadwatch.tools.main", "doctor", "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "200", "PATH": ""})
    assert done.returncode == 1, done.stderr
    assert "a detector would not run here: thresholds" in done.stdout
    for extra in set(room.EXTRAS) - {"cpu", "gpu"}:
        assert f"extra {extra}" in done.stdout
    missing = [c.advice for c in room.check_libraries() if c.advice]
    assert all(advice.partition("pip")[2] in done.stdout for advice in missing)
