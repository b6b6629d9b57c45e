"""`dyadwatch train` and `dyadwatch export`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dyadwatch.core.artefact import file_sha256, read_info
from dyadwatch.core.calibration import calibration_path, read_calibration
from dyadwatch.core.clips import Clip, write_clips
from dyadwatch.core.errors import ClipError, TrainingError
from dyadwatch.core.layouts import UPPER11
from dyadwatch.tools.export import export
from dyadwatch.tools.train import train


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    body = rng.uniform([-0.3, 0, -0.2], [0.3, 1.6, 0.2], (1, 2, 11, 3))
    body[:, 1] += [1.0, 0, 0.3]
    clips = [
        Clip(
            (body + 0.02 * rng.normal(size=(24, 2, 11, 3)).cumsum(axis=0)).astype(np.float32),
            UPPER11, 15.0, label="talk", clip_id=f"clip{i}", split="a",
        )
        for i in range(8)
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, clips)
    return folder


def test_train_writes_a_model_and_export_writes_it_again(clip_folder, tmp_path, capsys):
    out = tmp_path / "talk.onnx"
    train([clip_folder], out=out, window_s=0.8, hop=2, threads=1, json=True)
    report = json.loads(capsys.readouterr().out)
    info = read_info(out)
    assert (info.name, info.layout, info.frames, info.fps) == ("talk", "upper11", 12, 15.0)
    assert info.training["clips"] == report["clips"] == 8
    assert info.parity["batch_invariant"] is True
    assert json.loads(out.with_suffix(".report.json").read_text("utf8")) == report
    calibration = read_calibration(calibration_path(out))
    assert calibration.model_sha256 == file_sha256(out)
    assert calibration.raise_at == report["calibration"]["raise_at"]

    again = tmp_path / "again.onnx"
    export(out.with_suffix(".state.npz"), out=again, name="talk")
    assert read_info(again) == info
    assert read_calibration(calibration_path(again)).raise_at == calibration.raise_at


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"out": Path("model.pt")}, "--out is model.pt; expected a name that ends in .onnx"),
        ({}, "nothing to train on: give clip files, or --simulated MINUTES"),
        ({"simulated": -1.0}, "--simulated is -1; expected minutes, more than 0 and at most a day"),
        (
            {"out": Path("nowhere/model.onnx"), "simulated": 1.0},
            "--out is nowhere/model.onnx, but there is no folder nowhere; make it first",
        ),
    ],
)
def test_what_is_asked_is_checked_first(given, text):
    with pytest.raises(TrainingError) as caught:
        train(None, **{"out": Path("model.onnx"), **given})
    assert str(caught.value) == text


def test_a_label_that_is_not_there_names_those_that_are(clip_folder, tmp_path):
    with pytest.raises(ClipError) as caught:
        train([clip_folder], out=tmp_path / "m.onnx", label=("dance",))
    assert str(caught.value) == "no clip has label ['dance'] and split []; there are ['talk'] and ['a']"


def test_export_wants_a_state(clip_folder, tmp_path):
    with pytest.raises(TrainingError, match=r"clips\.npz is not a training state of dyadwatch, or is damaged: "):
        export(clip_folder / "clips.npz", out=tmp_path / "m.onnx")
