"""A model of simulated people whose network takes part, from `dyadwatch train` through the state to `export`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch

from dyadwatch import training
from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, read_calibration
from dyadwatch.core.enrolment.enrol import Base
from dyadwatch.core.model_file.artefact import file_sha256, read_info
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.training import density, material, recipe
from dyadwatch.core.training.training_state import TrainerState, load_state
from dyadwatch.exporters.parity import random_pairs
from dyadwatch.stream.publishers.simulator.samples import normal_clips
from dyadwatch.tools import main as program
from dyadwatch.tools import train as verb
from dyadwatch.tools.export import export
from dyadwatch.tools.learning_flags import LearningFlags


class Model(NamedTuple):
    """What `train` handed to the export, the state file it wrote and the report it printed."""

    learnt: TrainerState
    asked: tuple[Path, str, str]
    state: Path
    printed: dict


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A simulated minute, three steps; the model file is left to `export`, for translating a network is slow."""
    out = tmp_path_factory.mktemp("model") / "tiny.onnx"
    threads = torch.get_num_threads()
    printed: list[str] = []
    asked: list[tuple[TrainerState, Path, str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(material, "ENOUGH_S", 30.0)
        patch.setattr(recipe, "enough_to_whiten", lambda frames, window: True)
        patch.setattr(material, "_BROKEN_PER_KIND", 16)
        patch.setattr(density, "_FLOW_FROM", 100)
        patch.setattr(density, "_STEPS", 50)
        patch.setattr(training, "write_model", lambda *told: asked.append(told))
        patch.setattr(sys.stdout, "write", printed.append)
        verb.train(
            out=out, simulated=1.0, version="7", threads=1, json=True,
            learning=LearningFlags(layout="upper11", window_s=0.8, hop=4, steps=3, support=40, least_trust=0.2,
                                   width=8, units=1),
        )  # fmt: skip
    torch.set_num_threads(threads)
    ((learnt, path, name, version),) = asked
    return Model(learnt, (path, name, version), out.with_suffix(".state.npz"), json.loads("".join(printed)))


def test_what_train_writes(model: Model) -> None:
    folder = model.state.parent
    assert model.asked == (folder / "tiny.onnx", "tiny", "7")
    assert (model.learnt.layout, model.learnt.frames, model.learnt.fps) == ("upper11", 12, 15.0)
    assert model.learnt.summary["simulated_minutes"] == 1.0
    assert json.loads((folder / "tiny.report.json").read_text("utf8")) == model.printed
    assert model.printed["options"]["least_trust"] == 0.2
    assert model.printed["skipped_clips"] == 0
    assert (model.printed["name"], model.printed["simulated_minutes"]) == ("tiny", 1.0)
    page = (folder / "tiny.report.html").read_text("utf8")
    assert "1 minutes of it simulated" in page
    assert "While it learnt" in page


def test_the_network_takes_part_where_a_floor_says_so(model: Model) -> None:
    weights = model.printed["weights"]
    assert min(weights["flow"], weights["relation"]) > 0
    scorer = load_state(model.state).scorer
    assert scorer.encoder is not None
    assert scorer.density is not None
    windows = torch.from_numpy(random_pairs(8, 12, 11, seed=1))
    with torch.no_grad():
        before = scorer(windows)
        assert all(torch.isfinite(t).all() for t in before)
        forth, _ = scorer.encoder.features(scorer.frame(windows))
        assert float(forth.std(0).max()) > 0
        # without a say of the network the score is another, the explanation the same
        scorer.flow_map.slopes.zero_()
        scorer.relation_map.slopes.zero_()
        after = scorer(windows)
    assert not torch.allclose(before[0], after[0], atol=1e-3)
    torch.testing.assert_close(before[3:], after[3:])


@pytest.mark.slow
def test_export_from_the_state_computes_what_was_trained(model: Model, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    export(model.state, out=again, version="8")
    windows = random_pairs(5, 12, 11, seed=2)
    with torch.no_grad():
        expected = model.learnt.scorer(torch.from_numpy(windows))
    session = onnxruntime.InferenceSession(again, providers=["CPUExecutionProvider"])
    for found, wanted in zip(session.run(None, {"joints": windows}), expected, strict=True):
        np.testing.assert_allclose(np.asarray(found), wanted.numpy(), rtol=1e-3, atol=1e-3)
    info = read_info(again)
    assert (info.name, info.version, info.training) == ("again", "8", model.learnt.summary)
    # `dyadwatch enrol` finds every part by name.
    base = Base.of_model(again.read_bytes(), info, "model m")
    assert set(base.maps) == {"neighbours", "whitened", "flow", "relation", "unusual", "score", "timing"}
    calibration = read_calibration(calibration_path(again))
    assert calibration.model_sha256 == file_sha256(again)
    assert calibration == Calibration.of(calibration.model_sha256, model.learnt.calibration)


@pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")  # it reads sys.argv on purpose
def test_too_few_clips_are_one_sentence_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = normal_clips(1, 0.2, fps=15.0)[0]
    joints = JointMap.between(clip.layout, UPPER11).positions(clip.joints)[:40]
    assert len(joints) >= 35
    clips = [Clip(joints[: 6 if i == 2 else len(joints)], UPPER11, 15.0, clip_id=f"clip{i}") for i in range(3)]
    write_clips(tmp_path, clips)
    out, threads = tmp_path / "m.onnx", torch.get_num_threads()
    words = ["dyadwatch", "train", str(tmp_path), "--out", str(out), "--threads", str(threads)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == (
        "dyadwatch: 2 usable clips; expected at least 5 clips of 0.6 s or longer, or 100 s of one recording (skipped: "
        "1 shorter than 0.6 s, such as clip2); record more normal behaviour"
    )
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not out.exists()
