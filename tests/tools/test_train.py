"""`dyadwatch train` and `dyadwatch export`."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cyclopts import App
from rich.console import Console

from dyadwatch.core.data.clip_files import Clip, read_clips, write_clips
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration
from dyadwatch.core.errors import ClipError, CollapseError, TrainingError
from dyadwatch.core.model_file.artefact import file_sha256, read_info
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training import paper
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.training_state import load_state
from dyadwatch.model_files import write_report
from dyadwatch.tools.export import export
from dyadwatch.tools.learning_flags import LearningFlags
from dyadwatch.tools.train import show, time_words, train

QUICK = LearningFlags(window_s=0.8, hop=2)
# What is exported is looked at in test_train_simulated and test_python_api.
pytestmark = pytest.mark.usefixtures("untranslated")


TIME = {
    "budget_minutes": 5.0,
    "used_before_s": 90.0,
    "seconds": {"reading": 2.0, "encoder": 170.2},
    "schedules": {"encoder": {"steps": 2000, "taken": 640, "last_rate": 8e-9},
                  "critic": {"steps": 1500, "taken": 1500, "last_rate": 8e-9}},
}  # fmt: skip


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    upright = [[0, 1.65], [0, 1.45], [0, 0.95], [0.18, 1.4], [-0.18, 1.4], [0.22, 1.12], [-0.22, 1.12], [0.24, 0.88],
               [-0.24, 0.88], [0.1, 0.93], [-0.1, 0.93]]  # fmt: skip
    body = np.zeros((1, 2, 11, 3)) + np.pad(np.array(upright), ((0, 0), (0, 1)))
    body[:, 1] += [1.0, 0, 0.3]
    clips = [
        Clip(
            (body + 0.006 * rng.normal(size=(24, 2, 11, 3)).cumsum(axis=0)).astype(np.float32),
            UPPER11, 15.0, label="talk", clip_id=f"clip{i}", split="a",
        )
        for i in range(8)
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, clips)
    return folder


def test_train_writes_a_model_and_export_writes_it_again(clip_folder, tmp_path, capsys):
    clips = list(read_clips(clip_folder))
    nothing = replace(clips[0], joints=clips[0].joints[:0])
    write_clips(tmp_path / "data", [*clips, *(replace(nothing, clip_id=n, label=n) for n in ("talk", "hug"))])
    out = tmp_path / "talk.onnx"
    train([tmp_path / "data"], out=out, label=("talk",), learning=QUICK, threads=1, json=True)
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert re.search(r"^clips  windows 64  done in \d+ s$", captured.err, re.MULTILINE)
    assert re.search(r"^calibration  done in \d+ s\nexport …\nexport  done in \d+ s$", captured.err, re.MULTILINE)
    assert "1 of 9 clips was left out." in out.with_suffix(".report.html").read_text("utf8")
    assert report["skipped"] == {"that cannot be used: 0 frames; expected at least 2": ["talk"]}
    assert report["skipped_clips"] == 1
    info = read_info(out)
    assert (info.name, info.layout, info.frames, info.fps) == ("talk", "upper11", 12, 15.0)
    assert info.training["clips"] == report["clips"] == 8
    assert json.loads(out.with_suffix(".report.json").read_text("utf8")) == report
    calibration = read_calibration(calibration_path(out))
    assert calibration.model_sha256 == file_sha256(out)
    assert [msgspec.to_builtins(r) for r in calibration.rules] == report["calibration"]["rules"]

    again = tmp_path / "again.onnx"
    export(out.with_suffix(".state.npz"), out=again, name="talk")
    assert read_info(again) == info
    assert read_calibration(calibration_path(again)).rules == calibration.rules


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"out": Path("model.pt")}, "--out is model.pt; expected a name that ends in .onnx"),
        ({}, "nothing to train on: give clip files, or --simulated MINUTES"),
        ({"simulated": -1.0}, "--simulated is -1; expected minutes, more than 0 and at most a day"),
        (
            {"simulated": 1.0, "learning": LearningFlags(epochs=3)},
            "--epochs is 3; only the recipe paper has epochs; the default has --steps",
        ),
        (
            {"simulated": 1.0, "learning": LearningFlags(keep_going=True)},
            "--keep-going is for --recipe paper; the default recipe has no collapse to stop for",
        ),
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
    assert str(caught.value) == "no clip has label 'dance'; there are labels 'talk'"


@pytest.mark.parametrize(("given", "text"), [
    ({"label": ("talk", "dance")}, "no clip has label 'dance'; there are labels 'talk'"),
    ({"split": ("b", "a", "c")}, "no clip has split 'b' or 'c'; there are splits 'a'"),
])  # fmt: skip
def test_a_name_that_is_not_there_is_told_beside_one_that_is(clip_folder, tmp_path, given, text):
    with pytest.raises(ClipError) as caught:
        train([clip_folder], out=tmp_path / "m.onnx", **given)
    assert str(caught.value) == text


@pytest.mark.slow
def test_clips_shorter_than_a_window_serve_and_the_model_says_from_when_on(clip_folder, tmp_path, capsys):
    """0.8 s of every clip: a window begins with the pair."""
    out, short = tmp_path / "talk.onnx", tmp_path / "short"
    write_clips(short, [replace(c, joints=c.joints[: round(0.8 * c.fps)]) for c in read_clips(clip_folder)])
    train([short], out=out, learning=LearningFlags(hop=2, support=40), threads=1)
    assert "long enough" not in capsys.readouterr().err
    assert (read_info(out).frames, read_info(out).lead) == (22, 13)


def test_flags_reach_the_training_options() -> None:
    app = App()
    app.command(train)
    words = ("train a --out m.onnx --layout upper11 --fps 10 --window-s 3 --hop 4 --recipe paper --steps 7 --seed 5 "
             "--minutes 2 --mirror --support 9 --least-trust 0.5 --width 32 --attention-units 3 --units mm "
             "--keep-going")  # fmt: skip
    _, bound, _ = app.parse_args(words, exit_on_error=False)
    assert bound.arguments["learning"].options() == TrainOptions(
        layout="upper11", fps=10.0, window_s=3.0, hop=4, recipe="paper", steps=7, seed=5, max_minutes=2.0, mirror=True,
        support=9, least_trust=0.5, width=32, units=3, stop_on_collapse=False,
    )  # fmt: skip


def test_flags_not_given_are_the_defaults_of_training() -> None:
    assert LearningFlags().options() == TrainOptions()
    assert LearningFlags(recipe="paper").options().epochs == 50


def test_a_collapse_leaves_a_report_and_no_model(clip_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(paper, "_WATCH_FROM", 1)
    monkeypatch.setattr(paper, "_LEAST_GAP", 1e9)
    out = tmp_path / "talk.onnx"
    learning = replace(QUICK, recipe="paper", epochs=4, support=40, width=8, units=1)
    with pytest.raises(CollapseError, match=r"^collapsed in epoch 3 of 4: "):
        train([clip_folder], out=out, learning=learning, threads=1)
    page = out.with_suffix(".report.html")
    assert capsys.readouterr().err.splitlines()[-1] == f"what was seen is in {page}; no model was written"
    assert "The network collapsed: broken pairs lie only" in page.read_text("utf8")
    assert json.loads(out.with_suffix(".report.json").read_text("utf8"))["stopped"] is True
    assert sorted(p.name for p in tmp_path.iterdir()) == ["talk.report.html", "talk.report.json"]


@pytest.mark.slow
def test_the_published_recipe_keeps_going_past_a_collapse(clip_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(paper, "_WATCH_FROM", 1)
    monkeypatch.setattr(paper, "_LEAST_GAP", 1e9)
    out = tmp_path / "talk.onnx"
    learning = replace(QUICK, recipe="paper", epochs=6, support=40, width=12, units=3, keep_going=True)
    train([clip_folder], out=out, learning=learning, threads=1, json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["collapse"].startswith("broken pairs lie only ")
    assert [look["epoch"] for look in report["curve"]] == list(range(7))
    network = load_state(out.with_suffix(".state.npz")).scorer.encoder
    assert network is not None
    assert (network.config.width, network.config.units) == (12, 3)
    assert read_info(out).training["recipe"] == "paper"


def test_the_table_says_how_the_time_went() -> None:
    said = "4.8 min of 5, 1.5 of them before a stop: reading 2 s, encoder 3 min; for want of time "
    said += "encoder 640 of 2000 steps"
    assert time_words(4.8, TIME) == said
    unlimited = {**TIME, "budget_minutes": None, "used_before_s": 0.0, "schedules": {}}
    assert time_words(1.0, unlimited) == "1.0 min: reading 2 s, encoder 3 min"


@pytest.mark.parametrize("name", ["[/bold]", "[red]x", "\ud800"])
def test_a_clip_may_be_called_anything(name, tmp_path):
    report = {
        "clips": 5, "skipped_clips": 1, "skipped": {"without person 1": [name]}, "hours": 0.1, "windows": 9,
        "broken_pairs_mean": {"neighbours": 0.7, "flow": None}, "weights": {"neighbours": 1.0}, "minutes": 0.1,
        "calibration": {
            "raise_at": 1.0, "clear_at": 0.6, "rules": [{"part": "unusual", "over_s": 0.4, "raise_at": 2.5}],
            "evidence": {"method": "clips", "windows": 9, "hours": 0.1, "events": 1, "events_per_hour_95": 47.0,
                         "budget_per_hour": 6.0, "certified": False, "hours_needed": 0.5},
        },
        "time": TIME,
    }  # fmt: skip
    out = tmp_path / "m.onnx"
    out.write_bytes(b"0")
    page = write_report(report, out)
    assert "without person 1" in page.read_text("utf8")
    told = io.StringIO()
    show(report, out, page, Console(file=told, width=200))
    assert f"such as {name}" in told.getvalue()
    assert "unusual of 2.50 over 0.4 s" in told.getvalue()
    assert "1 event in 6 min of clips" in told.getvalue()
    assert "nothing: 6.0 minutes are too few for 6 false alarms an hour, which takes 30 minutes" in told.getvalue()


def test_export_wants_a_state(clip_folder, tmp_path):
    with pytest.raises(TrainingError, match=r"clips\.npz is not a training state of dyadwatch, or is damaged: "):
        export(clip_folder / "clips.npz", out=tmp_path / "m.onnx")
