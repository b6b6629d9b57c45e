"""`import dyadwatch`: light, complete and documented, and the same detector as the command line's."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, assert_type, cast

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import dyadwatch
from dyadwatch.core.data.clip_files import Clip, ClipSet, write_clips
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration
from dyadwatch.core.errors import ArtefactError, ClipError, ConfigError, DyadwatchError, LayoutError, TrainingError
from dyadwatch.core.model_file.artefact import OUTPUTS, read_info
from dyadwatch.core.readers.dataset import Dataset
from dyadwatch.core.skeletons.layouts import COCO17, UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.detector import Detector
from dyadwatch.stream.messages import EventMessage, ScoreMessage, encode_json
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips

LOW = {
    "alarm.rules": [],
    "alarm.raise_at": 1.5,
    "alarm.clear_at": 1,
    "alarm.hold_s": 0.5,
}  # seconds of clips hold several events


def python(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return list(anomaly_clips(seed=3, n_per_kind=1))[:4]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return dyadwatch.load_detector(config=LOW)


def test_importing_it_loads_next_to_nothing(tmp_path: Path) -> None:
    loaded = python("import dyadwatch, sys; print(*sys.modules)", tmp_path).split()
    heavy = {"torch", "mediapipe", "cv2", "onnx", "onnxruntime", "sklearn", "scipy", "numpy", "zmq", "rich"}
    assert heavy & {name.partition(".")[0] for name in loaded} == set()
    assert [name for name in loaded if name.startswith("dyadwatch.")] == []


def test_importing_it_takes_a_fraction_of_what_numpy_takes(tmp_path: Path) -> None:
    def seconds(module: str) -> float:
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        return min(float(python(code, tmp_path)) for _ in range(3))

    assert seconds("dyadwatch") < seconds("numpy")


def test_a_detector_is_loaded_without_torch_scipy_or_a_camera(tmp_path: Path) -> None:
    loaded = python("import dyadwatch, sys; dyadwatch.load_detector(); print(*sys.modules)", tmp_path).split()
    assert {"torch", "mediapipe", "cv2", "onnx", "scipy", "sklearn"} & set(loaded) == set()


def test_every_name_is_there_and_type_checkers_are_told_the_same(repo_root: Path) -> None:
    assert dyadwatch.__version__ == version("dyadwatch")
    assert set(dyadwatch.__all__) <= set(dir(dyadwatch))
    tree = ast.parse(Path(dyadwatch.__file__).read_text("utf8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    homes = {a.name: str(n.module) for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert {*homes, "__version__"} == set(dyadwatch.__all__)
    for name, home in homes.items():
        assert getattr(dyadwatch, name) is getattr(import_module(home), name), name
    with pytest.raises(AttributeError, match=r"^module 'dyadwatch' has no attribute 'load_model'$"):
        _ = dyadwatch.load_model  # pyright: ignore[reportAttributeAccessIssue]


def test_types_of_what_comes_out(clips: list[Clip]) -> None:
    """Wrong values fail here, wrong types in `make types`."""
    data = ClipSet(tuple(clips), clips[0].layout)
    assert assert_type(data[0], dyadwatch.Clip) is clips[0]
    assert assert_type(data[:2], tuple[dyadwatch.Clip, ...]) == tuple(clips[:2])
    detector = assert_type(dyadwatch.load_detector(config=LOW), dyadwatch.Detector)
    scores = assert_type(detector.score(detector.windows(data[0], hop=20)), list[dyadwatch.Score])
    assert {type(score) for score in scores} == {dyadwatch.Score}
    events = assert_type(detector.run(dyadwatch.clip_frames(data[:1])), list[dyadwatch.EventMessage])
    assert {type(event) for event in events} <= {dyadwatch.EventMessage}


def test_all_errors_are_there() -> None:
    from dyadwatch.core import errors

    own = {n for n, e in vars(errors).items() if inspect.isclass(e) and issubclass(e, DyadwatchError)}
    assert own <= set(dyadwatch.__all__)


UNITLESS = {"what_if", "clip_frames", "export", "get_layout", "load_detector"}  # no array goes in or comes out


def test_every_name_is_documented() -> None:
    for name in set(dyadwatch.__all__) - {"__version__"}:
        thing = getattr(dyadwatch, name)
        text = inspect.getdoc(thing) or ""
        assert text, name
        if inspect.isclass(thing):
            own = [m for n, m in vars(thing).items() if inspect.isfunction(m) and not n.startswith("_")]
            assert [m.__name__ for m in own if not inspect.getdoc(m)] == [], name
            continue
        undescribed = [p for p in inspect.signature(thing).parameters if not re.search(rf"\b{p}\b", text)]
        assert undescribed == [], name
        assert "Raises:" in text or name in ("normal_clips", "anomaly_clips"), name
        assert name in UNITLESS or re.search(r"metres|shape|minutes", text), name


def test_the_page_tells_every_name_but_the_errors(repo_root: Path) -> None:
    page = (repo_root / "docs" / "python.md").read_text("utf8")
    told = set(re.findall(r"\b\w+\b", page))
    results = {"ArtefactInfo", "Config", "EnrolledModel", "Score", "Service", "Sink", "Thresholds", "TrainedModel"}
    errors = {name for name in dyadwatch.__all__ if name.endswith("Error")}
    assert set(dyadwatch.__all__) - errors - results - {"__version__"} <= told


def test_run_gives_the_events_of_detect(detector: Detector, clips: list[Clip], tmp_path: Path) -> None:
    write_clips(tmp_path, clips)
    options = [word for key, value in LOW.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "dyadwatch.tools.main", "detect", str(tmp_path), "--json", *options]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=100).stdout.splitlines()
    detected = [{k: v for k, v in json.loads(line).items() if k != "clip"} for line in lines]
    detected = [message for message in detected if message["kind"] == "event"]
    events = detector.run(clip_frames(clips))
    assert [json.loads(encode_json(e)) for e in events] == detected
    assert {e.type for e in events} >= {"open", "close"}
    assert detector.run(clip_frames(clips)) == events


def test_push_and_finish_give_the_same_as_run(detector: Detector, clips: list[Clip]) -> None:
    events = detector.run(clip_frames(clips[:2]))
    for _ in range(2):  # the end of a stream is a fresh start
        messages = [m for frame in clip_frames(clips[:2]) for m in detector.push(frame)] + detector.finish()
        assert [m for m in messages if isinstance(m, EventMessage)] == events
        assert any(isinstance(m, ScoreMessage) for m in messages)


def test_windows_of_a_clip_are_those_that_training_cuts_and_have_a_score(detector: Detector, clips: list[Clip]) -> None:
    windows = detector.windows(clips[0], hop=4)
    assert windows.shape[1:] == (2, detector.frames, len(detector.layout), 3)
    assert len(detector.windows(clips[0])) > 3 * len(windows)
    scores = detector.score(windows)
    assert len(scores) == len(windows)
    assert detector.score(windows[3:4])[0].score == scores[3].score
    assert scores[0].joint_pairs.shape == (len(detector.layout), len(detector.layout))
    with pytest.raises(ClipError, match=r"^hop is 0; expected at least 1 frame$"):
        detector.windows(clips[0], hop=0)
    seconds = (detector.frames - detector.lead) / detector.model.fps
    said = rf"^clip short: no window can be cut from clips shorter than {seconds:g} s$"
    with pytest.raises(ClipError, match=said):
        detector.windows(replace(clips[0], joints=clips[0].joints[:20], clip_id="short"))


def frame(**changes: Any) -> PoseFrame:
    plain = PoseFrame("lab", 0, 7, 0, "unix", UPPER11, np.zeros((2, 11, 3), np.float32), np.ones((2, 11), np.float32),
                      (1, 2))  # fmt: skip
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"source": "a b"}, ConfigError, "source is 'a b'; expected 1-64 characters"),
        ({"layout": COCO17}, LayoutError, r"frame 7 of 'lab': joints are float32 of shape \(2, 11, 3\); expected "
         r"float32 of shape \(P, 17, 3\), the joints of its layout coco17"),
        ({"joints": np.zeros((2, 11, 3))}, LayoutError, r"frame 7 of 'lab': joints are float64 of shape \(2, 11, 3\)"),
        ({"joints": np.zeros((2, 11, 2), np.float32)}, LayoutError, r".*float32 of shape \(2, 11, 2\); expected"),
        ({"confidence": np.ones((2, 10), np.float32)}, LayoutError,
         r".*confidence has shape \(2, 10\); expected \(2, 11\), one each joint"),
        ({"ids": (1, 1)}, LayoutError, r".*ids are \(1, 1\) for 2 people; expected each one's own"),
    ],
)  # fmt: skip
def test_frames_are_looked_at(
    detector: Detector, changes: dict[str, Any], kind: type[DyadwatchError], text: str
) -> None:
    with pytest.raises(kind, match=f"^{text}"):
        detector.push(frame(**changes))
    with pytest.raises(kind, match=f"^{text}"):
        detector.run([frame(**changes)])


def test_windows_are_looked_at(detector: Detector) -> None:
    frames = detector.frames
    with pytest.raises(
        LayoutError, match=rf"^windows have shape \(30, 2, 11, 3\); expected \(N, 2, {frames}, 11, 3\)$"
    ):
        detector.score(np.zeros((30, 2, 11, 3), np.float32))
    with pytest.raises(LayoutError, match=rf"^windows are list; expected an array \(N, 2, {frames}, 11, 3\)$"):
        detector.score([["a"]])  # pyright: ignore[reportArgumentType]
    holed = np.zeros((2, 2, frames, 11, 3), np.float32)
    holed[1, 0, 3] = np.nan
    with pytest.raises(ClipError, match=r"^window 1 holds NaN or infinite joints; expected metres, every joint seen$"):
        detector.score(holed)
    assert detector.score(np.zeros((0, 2, frames, 11, 3), np.float32)) == []


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"model": "none.onnx"}, ArtefactError, "model none.onnx cannot be read: No such file or directory; expected"),
        ({"model": 3}, ArtefactError, r"model is 3; expected a model file \(.onnx\), or shipped$"),
        ({"config": 3}, ConfigError, "config is 3; expected a file, a mapping such as {'alarm.hold_s': 3}, a Config"),
        ({"config": "none.yaml"}, ConfigError, "none.yaml cannot be read"),
        ({"config": {"alarm.hold": 3}}, ConfigError, "option 'alarm.hold=3': alarm.hold is not a key"),
        ({"config": {"alarm.hold_s": -1}}, ConfigError, "option 'alarm.hold_s=-1': alarm.hold_s is -1; expected"),
        ({"config": {"sinks.scores": "no"}}, ConfigError, "option 'sinks.scores=no': sinks.scores is no; expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded(arguments: dict[str, Any], kind: type[DyadwatchError], text: str) -> None:
    with pytest.raises(kind, match=f"^{text}"):
        dyadwatch.load_detector(**arguments)


def test_a_detector_is_loaded_from_a_file_a_mapping_or_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("alarm: {hold_s: 7}\nsinks: {scores: false}\n")
    chosen = {"alarm.hold_s": 7, "sinks.scores": False, "scorer.model": None}
    ways = [dyadwatch.load_detector(config=config) for config in (tmp_path / "site.yaml", chosen)]
    ways.append(dyadwatch.load_detector("shipped", ways[0].config))
    assert [(d.config.alarm.hold_s, d.config.sinks.scores) for d in ways] == [(7, False)] * 3
    assert {d.model.name for d in ways} == {"simulated"}
    assert ways[0].thresholds.raise_at >= ways[0].thresholds.clear_at


def test_a_new_normal_is_enrolled(clips: list[Clip], tmp_path: Path) -> None:
    said: list[str] = []
    made = dyadwatch.enrol("shipped", [*clips[:2], ("third", clips[2])], tmp_path / "site.onnx", progress=said.append)
    assert made.normal.clips == 3
    assert said[-1] == "checking that scores are steady"
    assert dyadwatch.load_detector(made.model).model.name == "site"
    for clip, out, text in ((clips[0], "site.bin", "out is .*site.bin; expected a name that ends in .onnx"),
                            (clips[0], "no/site.onnx", "out is .*, but there is no folder .*; make it first"),
                            (3, "site.onnx", r"clips\[0\] is 3; expected a Clip, or a name and a Clip")):  # fmt: skip
        with pytest.raises(DyadwatchError, match=f"^{text}$"):
            dyadwatch.enrol("shipped", [clip], tmp_path / out)  # pyright: ignore[reportArgumentType]


def test_a_model_is_trained_and_loaded(untranslated: None, tmp_path: Path) -> None:
    """What a model file computes is held against the network in test_upper_body."""
    options = dyadwatch.TrainOptions(layout="upper11", support=64, without=("encoder", "critic", "flow"))
    normal = dyadwatch.normal_clips(seed=1, minutes=2)
    made = dyadwatch.train(normal, tmp_path / "site.onnx", options=options, summary={"simulated_minutes": 2.0})
    assert all(file.is_file() for file in (made.model, made.state, made.page))
    assert made.report["simulated_minutes"] == 2.0
    assert list(made.report["time"]["seconds"]) == ["clips", "calibration", "report", "export"]
    info = read_info(made.model)
    assert (info.layout, len(info.joints), info.training["support"]) == ("upper11", 11, made.report["support"])
    assert 0 < made.report["support"] <= 64
    detector = dyadwatch.load_detector(made.model)
    assert len(detector.score(detector.windows(normal[0]))) == len(detector.windows(normal[0]))


def test_a_model_is_exported_again_under_another_name(untranslated: None, tmp_path: Path) -> None:
    """What an export computes is held against the network in test_train_simulated."""
    options = dyadwatch.TrainOptions(layout="upper11", support=64, without=("encoder", "critic", "flow"))
    made = dyadwatch.train(dyadwatch.normal_clips(seed=1, minutes=1), tmp_path / "site.onnx", options=options)
    told = dyadwatch.export(made.state, tmp_path / "again.onnx", name="again", version="2")
    assert told == {"relative": dict.fromkeys(OUTPUTS, 0.0), "batch_invariant": True}
    first, again = read_info(made.model), read_info(tmp_path / "again.onnx")
    assert (again.name, again.version) == ("again", "2")
    assert again == msgspec.structs.replace(first, name="again", version="2")
    levels = [read_calibration(calibration_path(m)).rules for m in (made.model, tmp_path / "again.onnx")]
    assert levels[0] == levels[1]


@pytest.mark.slow
@pytest.mark.parametrize("max_minutes", [None, 3.0])
def test_training_fits_windows_to_the_clips(max_minutes: float | None, untranslated: None, tmp_path: Path) -> None:
    """0.8 s of every clip: whole windows of 1 s would use none."""
    whole_windows = dyadwatch.TrainOptions(window_s=1.0, least_s=1.0, max_minutes=max_minutes)
    whole = dyadwatch.normal_clips(seed=1, minutes=1)
    short = [replace(c, joints=c.joints[:24], clip_id=f"c{i}") for i, c in enumerate([*whole, *whole][:12])]
    told: list[str] = []
    clips = ClipSet(tuple(short), whole.layout)
    made = dyadwatch.train(clips, tmp_path / "a.onnx", options=whole_windows, fit_windows=True, tell=told.append)
    said = "windows of 0.66 s, for which 12 of 12 clips are long enough; 0 are for the usual 1 s"
    assert told == [said]
    assert made.report["window"]["window_s"] == 0.66
    assert made.report["time"]["budget_minutes"] == max_minutes
    assert len(dyadwatch.load_detector(made.model).windows(short[0])) > 0
    with pytest.raises(TrainingError, match="shorter than 1 s"):
        dyadwatch.train(clips, tmp_path / "b.onnx", options=whole_windows)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda out: dyadwatch.train([], out / "model.pt"), "out is .*model.pt; expected a name that ends in .onnx"),
        (
            lambda out: dyadwatch.train(cast("Any", [3]), out / "a.onnx"),
            "clips holds 3; expected ClipSets, as read_poses gives",
        ),
        (lambda out: dyadwatch.export(out / "a.npz", out / "a.onnx"), ".*a.npz: no such file; expected the .state.npz"),
    ],
)
def test_nothing_is_trained_in_vain(call: Callable[[Path], object], text: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=f"^{text}"):
        call(tmp_path)


def of_two_kinds(clips: list[Clip]) -> Dataset:
    labelled = [replace(c, label="ab"[i % 2], split=f"fold{i // 2 % 2}") for i, c in enumerate([*clips, *clips])]
    return Dataset(tuple(labelled), labelled[0].layout, "two")


def constant(value: float) -> Callable[..., Callable[[NDArray], NDArray]]:
    return lambda statistics, normal: lambda values: np.full(len(values), value)


def table_of(report: dyadwatch.Report) -> dict[str, float]:
    return {entry["row"]: entry["value"] for entry in report.document["table"]}


@pytest.mark.parametrize("protocol", ["one-class", "few-shot"])
def test_a_baseline_stands_in_the_table_and_is_not_kept(protocol: Any, clips: list[Clip], tmp_path: Path) -> None:
    def evaluated(value: float) -> dyadwatch.Report:
        settings = {"methods": ("nearest neighbour", "mine"), "bootstrap": 20, "shot_draws": 1}
        mine = {"mine": constant(value)}
        return dyadwatch.evaluate(of_two_kinds(clips), protocol, baselines=mine, settings=settings, cache=tmp_path)

    first, second = evaluated(1.0), evaluated(2.0)
    assert set(table_of(first)) == {"nearest neighbour", "mine"}
    assert table_of(first)["mine"] == 0.5
    assert "| mine | 0.500" in first.markdown
    jobs = second.document["jobs"]
    assert second.document["from_cache"] == sum(job["method"] != "mine" for job in jobs) > 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"protocol": "live"}, "protocol is 'live'; expected one of one-class, peaceful-violent, broken-pairs, few-"),
        ({"settings": {"fold": 1}}, "settings has 'fold'; expected some of bootstrap, categories, clip_score, draws"),
        ({"settings": {"seeds": 0}}, "evaluation option seeds = 0: expected at least 1"),
        ({"baselines": {"dyadwatch": constant(0)}}, "baselines has the name 'dyadwatch'; expected one that no other"),
        ({"baselines": {"mine": 3}}, "baseline 'mine' is 3; expected a function of statistics and normal values"),
        ({"baselines": {"mine": constant(0)}, "ablation": True}, "baselines with ablation: there none stand beside"),
        ({"baselines": {"mine": constant(np.nan)}, "settings": {"methods": ("mine",)}},
         r"baseline 'mine' gave float64 of shape \(\d+,\) for \d+ windows; expected \(\d+,\) finite numbers, higher"),
    ],
)  # fmt: skip
def test_an_evaluation_that_cannot_be(arguments: dict[str, Any], text: str, clips: list[Clip]) -> None:
    with pytest.raises(DyadwatchError, match=f"^{text}"):
        dyadwatch.evaluate(of_two_kinds(clips), **{"protocol": "one-class", **arguments})


def test_a_format_of_ones_own_is_read_in_folders_too_and_before_all_others(tmp_path: Path) -> None:
    def read(path: Path, declared: dyadwatch.ReadOptions) -> list[dyadwatch.Person]:
        if declared.units is None:
            raise ClipError(f"{path}: tells no units; expected them to be declared")
        walk = np.random.default_rng(0).normal(0, 0.3, (1, 11, 3)) + np.zeros((40, 1, 1))
        moved = [(walk + [far, 0, 0] + np.linspace(0, far, 40)[:, None, None]).astype(np.float32) for far in (0, 1)]
        return [dyadwatch.Person(str(i), joints, UPPER11, 30.0) for i, joints in enumerate(moved)]

    lab = dyadwatch.PoseFormat("lab", (".lab", ".csv"), lambda head: head.startswith(b"LAB"), read)
    for name in ("hug/a.lab", "hug/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"LAB" if name.endswith("csv") else b"?")
    declared = dyadwatch.ReadOptions(units="m")
    (data,) = dyadwatch.read_poses([tmp_path], declared, formats=[lab])
    assert (data.kind, [c.label for c in data]) == ("lab", ["hug", "hug"])
    (alone,) = dyadwatch.read_poses(tmp_path / "hug" / "a.lab", declared, [lab])
    assert isinstance(alone, ClipSet)
    with pytest.raises(ClipError, match=r"a\.lab: tells no units; expected them to be declared$"):
        dyadwatch.read_poses(tmp_path / "hug" / "a.lab", formats=[lab])
    with pytest.raises(ClipError, match=r"a\.lab: not a pose file; expected one of"):
        dyadwatch.read_poses(tmp_path / "hug" / "a.lab")


def test_a_service_does_not_listen_openly_unasked() -> None:
    with pytest.raises(ConfigError, match=r"^wire.bind is 'tcp://0.0.0.0:5570', which other machines can reach"):
        dyadwatch.load_detector(config={"wire.bind": "tcp://0.0.0.0:5570"}).service()
