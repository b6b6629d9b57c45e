"""A pose model is only used when it is the right one."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera import pose_model as models
from dyadwatch.stream.publishers.camera.pose_model import MODELS, fetch_model, find_model, models_folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DYADWATCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_missing_model_is_told_with_the_command_that_gets_it(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"lite\.task is missing; get it with: dyadwatch models fetch lite"):
        find_model("lite")
    with pytest.raises(ConfigError, match="pose model is 'huge'; expected one of lite, full, heavy"):
        find_model("huge")


def test_models_live_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DYADWATCH_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_folder() == tmp_path / "dyadwatch" / "models"


def test_a_wrong_file_is_not_kept(tmp_path: Path, folder: Path) -> None:
    wrong = tmp_path / "wrong.task"
    wrong.write_bytes(b"PK nonsense")
    says = f"is not the pose model lite: sha256 is {hashlib.sha256(b'PK nonsense').hexdigest()}, expected 59929e1d"
    with pytest.raises(ConfigError, match=says):
        fetch_model("lite", str(wrong))
    assert not folder.exists()


def test_the_right_file_is_kept_and_a_damaged_one_is_noticed(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = tmp_path / "right.task"
    right.write_bytes(b"PK the right one")
    known = MODELS["lite"]._replace(official=hashlib.sha256(right.read_bytes()).hexdigest())
    monkeypatch.setitem(models.MODELS, "lite", known)
    assert fetch_model("lite", right.as_uri()) == folder / "pose_landmarker_lite.task" == find_model("lite")
    find_model("lite").write_bytes(b"PK the right onf")
    with pytest.raises(ConfigError, match="fetch it again with: dyadwatch models fetch lite"):
        find_model("lite")


def test_another_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("package/pose_solution_packed_assets.data")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(ConfigError, match=r"pose_solution_packed_assets\.data is not that of @mediapipe/pose@0\.5"):
        fetch_model("lite", str(path))
    path.write_bytes(b"\x1f\x8b torn")
    with pytest.raises(ConfigError, match="is not the npm package @mediapipe/pose"):
        fetch_model("lite", str(path))


def test_an_address_that_does_not_answer_is_told() -> None:
    with pytest.raises(ConfigError, match=r"cannot be fetched .* where only npm is reachable"):
        fetch_model("lite", "http://127.0.0.1:9/pose.task")
