"""A model is named alike in every verb: a file, or `shipped` for the one that comes with the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dyadwatch.core.data.clip_files import write_clips
from dyadwatch.core.errors import ArtefactError
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.loading import model_path
from dyadwatch.model_files import named_model, shipped_model
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips
from dyadwatch.tools.bench import bench
from dyadwatch.tools.benchmarks.scenarios import scenarios
from dyadwatch.tools.demo import demo
from dyadwatch.tools.detect import detect
from dyadwatch.tools.doctor import doctor
from dyadwatch.tools.run import run
from dyadwatch.tools.view import view

SHIPPED = Path("shipped")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_clips(folder, list(anomaly_clips(seed=1, n_per_kind=1))[:1])
    return folder


def test_shipped_is_the_model_of_the_package_and_anything_else_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.onnx").write_bytes(b"")
    assert named_model("shipped") == named_model(SHIPPED) == shipped_model()
    assert named_model("mine.onnx") == Path("mine.onnx")
    with pytest.raises(ArtefactError) as refused:
        named_model("site.onx")
    assert str(refused.value) == (
        "model site.onx cannot be read: No such file or directory; expected a model file (.onnx), or shipped for the "
        "one that comes with dyadwatch"
    )
    with pytest.raises(ArtefactError, match=r"^model \. cannot be read: Is a directory; expected a model file"):
        named_model(".")


@pytest.mark.parametrize("value", ["", "shipped"])
def test_the_configuration_names_it_likewise(value: str) -> None:
    assert model_path(set_option(Config(), f"scorer.model={value}")) == shipped_model()


def test_verbs_take_the_shipped_model_by_name(clips: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    detect([clips], model=SHIPPED)
    assert "1 clip," in capsys.readouterr().err
    view([clips], html=tmp_path / "page.html", model=SHIPPED)
    assert "page.html" in capsys.readouterr().err.replace("\n", "")
    scenarios(model=SHIPPED, count=1, json=True)
    assert json.loads(capsys.readouterr().out)["staged"] == 5
    doctor(model=SHIPPED, set_=("wire.bind=ipc:///tmp/none", "sinks.bind="), json=True)
    checks = {c["name"]: c["detail"] for c in json.loads(capsys.readouterr().out)["checks"]}
    info = read_info(shipped_model())
    assert checks["model"].startswith(f"{info.name} {info.version}: ")


@pytest.mark.parametrize(
    "verb",
    [
        lambda clips, model: detect([clips], model=model),
        lambda clips, model: view([clips], model=model),
        lambda _, model: run(model=model),
        lambda _, model: demo(model=model),
        lambda _, model: bench(model=model),
        lambda _, model: scenarios(model=model),
    ],
)
def test_every_verb_says_what_a_model_may_be(verb: Callable[[Path, Path], None], clips: Path) -> None:
    with pytest.raises(ArtefactError, match=r"^model no\.onnx cannot be read: .*, or shipped for the one that comes"):
        verb(clips, Path("no.onnx"))
