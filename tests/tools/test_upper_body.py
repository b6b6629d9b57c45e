"""A sensor that sees upper bodies only: its model is trained, judges files and live poses alike, and is enrolled on."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import dyadwatch
from dyadwatch.core.data.clip_files import Clip, read_clips, write_clips
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.training.training_state import load_state
from dyadwatch.live_detector import tell_live
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.publishers.simulator.samples import normal_clips
from dyadwatch.tools.detect import detect
from dyadwatch.tools.enrol import enrol
from dyadwatch.tools.learning_flags import LearningFlags
from dyadwatch.tools.train import train

pytestmark = pytest.mark.slow
ARMS = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "hand")]
UPPER_BODY = Layout.custom(["torso", "head", *ARMS])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated minute as such a sensor sees it."""
    seen = JointMap.between(KINECT25, UPPER_BODY)
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, [replace(c, joints=seen.positions(c.joints), layout=UPPER_BODY) for c in normal_clips(1, 1.0)])
    return folder


@pytest.fixture(scope="module")
def model(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "upper.onnx"
    train([clips], out=out, learning=LearningFlags(window_s=1.0, hop=6, support=64), threads=1)
    return out


def found(paths: list[Path], model: Path) -> list[tuple]:
    """Scores that `detect` gives: end, score and how unusual."""
    out = io.TextIOWrapper(io.BytesIO())
    with redirect_stdout(out):
        detect(paths, model=model, json=True, scores=True)
    out.flush()
    messages = map(json.loads, out.buffer.getvalue().splitlines())  # type: ignore[attr-defined]
    return [(m["end"], m["score"], m["unusual"]) for m in messages if m["kind"] == "score"]


@pytest.fixture(scope="module")
def offline(clips: Path, model: Path) -> list[tuple]:
    return found([clips], model)


def test_it_is_trained_and_says_what_pairs_are_placed_by(model: Path) -> None:
    info = read_info(model)
    assert info.joints == UPPER_BODY.joints
    assert info.training["placed_by"] == {"low": ["torso"], "high": ["left_shoulder", "right_shoulder"], "trunk": 0.6}
    assert "torso to middle of left_shoulder and right_shoulder" in model.with_suffix(".report.html").read_text("utf8")


def test_the_model_file_computes_what_the_network_does(clips: Path, model: Path) -> None:
    parity = read_info(model).parity
    assert parity["batch_invariant"] is True
    assert max(parity["relative"].values()) < 1e-3
    detector = dyadwatch.load_detector(model)
    windows = detector.windows(read_clips(clips)[0])
    with torch.no_grad():
        expected = load_state(model.with_suffix(".state.npz")).scorer(torch.from_numpy(windows))[0].numpy()
    np.testing.assert_allclose([s.score for s in detector.score(windows)], expected, rtol=1e-3, atol=1e-3)


def test_live_scores_are_those_of_files(clips: Path, model: Path, offline: list[tuple]) -> None:
    assert len(offline) > 50
    messages, _ = tell_live(model, clip_frames(read_clips(clips).clips), 20.0)
    live = [(m.end, m.score, m.unusual) for m in messages if isinstance(m, ScoreMessage)]
    assert live == offline


def test_a_source_with_more_joints_in_another_order_scores_the_same(
    clips: Path, model: Path, offline: list[tuple], tmp_path: Path
) -> None:
    """It has a pelvis and a neck; the model places pairs by the torso it was trained with."""
    rich = Layout.custom(["pelvis", "neck", *reversed(UPPER_BODY.joints)])
    chosen = JointMap.between(rich, UPPER_BODY)

    def seen(clip: Clip) -> Clip:
        joints = np.empty((len(clip), 2, len(rich), 3), np.float32)
        joints[..., :2, :] = clip.joints[..., :1, :] + np.array([[0.05, -0.3, 0], [0, 0.25, 0.05]], np.float32)
        joints[..., 2:, :] = clip.joints[..., ::-1, :]
        assert (chosen.positions(joints) == clip.joints).all()
        return replace(clip, joints=joints, layout=rich)

    write_clips(tmp_path, [seen(c) for c in read_clips(clips)])
    assert found([tmp_path], model) == offline


def test_it_is_enrolled_on(clips: Path, model: Path, tmp_path: Path) -> None:
    few = read_clips(clips).clips[:4]
    write_clips(tmp_path / "few", few)
    enrol(model, [tmp_path / "few"], out=tmp_path / "few.onnx")
    assert read_info(tmp_path / "few.onnx").training["placed_by"]["low"] == ["torso"]
    scores = [score for _, score, _ in found([tmp_path / "few"], tmp_path / "few.onnx")]
    assert scores
    assert max(scores) < 3
