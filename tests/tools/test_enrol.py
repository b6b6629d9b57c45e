"""`dyadwatch enrol`: from a few clips to a model that runs, without torch and without onnx."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet, read_clips, write_clips
from dyadwatch.core.data.windows import usable_runs
from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, read_calibration, write_calibration
from dyadwatch.core.decision.thresholds import events_bound
from dyadwatch.core.enrolment.enrol import Base, Extent
from dyadwatch.core.enrolment.enrol import enrol as enrol_clips
from dyadwatch.core.enrolment.normal_clips import take_clips
from dyadwatch.core.errors import ArtefactError, ClipError, LayoutError
from dyadwatch.core.features.pair_statistics import Scaling
from dyadwatch.core.model_file.artefact import ArtefactInfo, file_sha256, read_info, read_sealed, seal
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.recipe import train
from dyadwatch.exporters.engine import check_steady, run_model
from dyadwatch.exporters.onnx_export import export
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.publishers.simulator.samples import normal_clips
from dyadwatch.tools.enrol import enrol

# what a detector host has not got
BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "onnxscript", "onnx_ir", "sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one simulated minute, too little for a network to take part."""
    out = tmp_path_factory.mktemp("base") / "base.onnx"
    trained = train([normal_clips(1, 1.0)], TrainOptions(layout="upper11", window_s=2.0, hop=6))
    info = ArtefactInfo(
        name="base", version="1", layout="upper11", joints=UPPER11.joints, frames=30, fps=15.0, training=trained.summary
    )
    export(trained.scorer, info, out)
    write_calibration(calibration_path(out), Calibration.of(file_sha256(out), trained.calibration))
    return out


def greeting(number: int, *, seconds: float = 4.0, reach: float = 0.35) -> Clip:
    """Two people who stand 1.2 m apart and each hold a hand out; no two clips are the same."""
    rng = np.random.default_rng(number)
    names = UPPER11.joints
    body = {
        "head": (0, 1.65), "neck": (0, 1.45), "pelvis": (0, 0.95), "left_shoulder": (0.18, 1.4),
        "right_shoulder": (-0.18, 1.4), "left_elbow": (0.22, 1.12), "right_elbow": (-0.22, 1.12),
        "left_wrist": (0.24, 0.88), "right_wrist": (-0.24, 0.88), "left_hip": (0.1, 0.93), "right_hip": (-0.1, 0.93),
    }  # fmt: skip
    count = round(15 * seconds)
    joints = np.zeros((count, 2, len(names), 3))
    out = reach * np.sin(np.linspace(0, np.pi, count)) ** 2
    for person, facing in ((0, 1.0), (1, -1.0)):
        height = rng.normal(1, 0.02)
        for j, name in enumerate(names):
            side, up = body[name]
            joints[:, person, j] = [-facing * 0.6, up * height, facing * side]
        for name, part in (("right_wrist", 1.0), ("right_elbow", 0.5)):
            joints[:, person, names.index(name), 0] += facing * part * out
            joints[:, person, names.index(name), 1] += part * out
    joints[:, 1, :, 0] += rng.normal(scale=0.05)
    joints += np.cumsum(rng.normal(scale=0.003, size=joints.shape), axis=0) * 0.5
    return Clip(joints.astype(np.float32), UPPER11, 15.0, "greeting", f"g{number}")


@pytest.fixture(scope="module")
def greetings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five to enrol (split a), four more of the same (split b), four of another kind."""
    folder = tmp_path_factory.mktemp("greetings")
    clips = [greeting(i) for i in range(9)]
    clips = [Clip(c.joints, c.layout, c.fps, c.label, c.clip_id, "a" if i < 5 else "b") for i, c in enumerate(clips)]
    for i in range(4):
        other = greeting(20 + i)
        joints = other.joints.copy()
        joints[:, 0, :, 0] -= 0.9  # too far to greet
        joints[:, 1, 8, 1] += 0.6  # one holds his hand up high
        clips.append(Clip(joints, UPPER11, 15.0, "waving off", f"w{i}", "b"))
    write_clips(folder, clips)
    return folder


def without_training_packages(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The program in a process in which torch and onnx cannot be imported."""
    code = f"{BLOCKED}sys.argv = {['dyadwatch', *map(str, words)]!r}\nfrom dyadwatch.tools.main import main\nmain()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)


def detected(model: Path, clips: Path, *selection: str) -> list[dict]:
    """Messages of `dyadwatch detect` with all scores."""
    done = without_training_packages("detect", clips, "--model", model, "--json", "--scores", *selection)
    assert done.returncode == 0, done.stderr
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


@pytest.fixture
def detected_here(ran: Callable[..., Any]) -> Callable[..., list[dict]]:
    """As `detected`, in this process."""

    def run(model: Path, clips: Path, *selection: str) -> list[dict]:
        done = ran("detect", clips, "--model", model, "--json", "--scores", *selection)
        assert done.code == 0, done.err
        return [msgspec.json.decode(line) for line in done.out.splitlines()]

    return run


def scores(messages: list[dict]) -> list[float]:
    return [m["score"] for m in messages if m["kind"] == "score"]


def opened(messages: list[dict]) -> int:
    return sum(m["kind"] == "event" and m["type"] == "open" for m in messages)


@pytest.fixture(scope="module")
def enrolled(base: Path, greetings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the five greetings of split a."""
    out = tmp_path_factory.mktemp("enrolled") / "greeting.onnx"
    done = without_training_packages("enrol", base, greetings, "--split", "a", "--out", out, "--name", "hello")
    assert done.returncode == 0, done.stderr
    assert "5 / 0" in done.stdout
    assert "each of 5 clips against the others" in done.stdout
    return out


class TestAsAProgram:
    def test_enrolled_clips_are_calm_and_others_are_not(
        self, enrolled: Path, base: Path, greetings: Path, tmp_path: Path, detected_here: Callable[..., list[dict]]
    ) -> None:
        lowest = min(rule.raise_at for rule in read_calibration(calibration_path(enrolled)).rules)
        own = detected(enrolled, greetings, "--split", "a")
        assert len(scores(own)) > 20
        assert max(scores(own)) < 0.5
        assert opened(own) == 0
        again = detected_here(enrolled, write_clips(tmp_path / "again", [greeting(i) for i in range(5, 20)]))
        assert np.median(scores(again)) < lowest
        # one more recording is odder than all of five in one case of six; levels leave a margin above the oddest
        assert len({tuple(m["pair"]) for m in again if m["kind"] == "event"}) < 15 / 6
        others = detected_here(enrolled, greetings, "--label", "waving off")
        assert np.median(scores(others)) > lowest
        assert opened(others) == 4
        # the base itself never saw a greeting
        assert np.median(scores(detected_here(base, greetings, "--split", "a"))) > 1.0

    def test_the_file_says_what_it_is(self, enrolled: Path, base: Path) -> None:
        info, old = read_info(enrolled), read_info(base)
        assert (info.name, info.layout, info.frames, info.fps) == ("hello", old.layout, old.frames, old.fps)
        told = info.training["enrolled"]
        assert (told["on"], told["keeps_base"], told["windows"]) == ("base", False, 5 * 31)
        assert [name.rpartition(": ")[2] for name in told["clips"]] == [f"g{i}" for i in range(5)]
        assert info.parity["batch_invariant"] is True
        assert info.parity["base"] == old.parity
        calibration = read_calibration(calibration_path(enrolled))
        assert calibration.model_sha256 == file_sha256(enrolled)
        evidence = calibration.evidence
        assert evidence["method"].startswith("each of 5 clips against the others; normal recordings that no")
        assert (evidence["enrolled_clips"], evidence["real_windows"]) == (5, 155)
        # twenty seconds of two people are no proof: three false alarms in them could not be told from none
        assert evidence["events_per_hour_95"] == pytest.approx(3.0 / (5 * 60 / 15 / 3600), rel=0.01)

    def test_errors_are_one_sentence_and_code_2(self, base: Path, greetings: Path, tmp_path: Path) -> None:
        done = without_training_packages("enrol", base, greetings, "--label", "hug", "--out", tmp_path / "m.onnx")
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == (
            "dyadwatch: no clip has label 'hug'; there are labels 'greeting', 'waving off'"
        )
        assert list(tmp_path.iterdir()) == []

    def test_real_clips(
        self, base: Path, shared_data: Path, tmp_path: Path, detected_here: Callable[..., list[dict]]
    ) -> None:
        """Five handshakes of SBU, in a layout other than the model's, from a sensor that it never saw."""
        out, clips = tmp_path / "handshake.onnx", shared_data / "sbu"
        chosen = [c.clip_id for c in read_clips(clips) if c.label == "shaking_hands" and len(c) >= 32][:5]
        ids = [word for name in chosen for word in ("--clip", name)]
        done = without_training_packages("enrol", base, clips, *ids, "--out", out)
        assert done.returncode == 0, done.stderr
        write_clips(tmp_path / "own", [c for c in read_clips(clips) if c.clip_id in chosen])
        own = detected_here(out, tmp_path / "own")
        assert len(scores(own)) >= 5
        assert max(scores(own)) < 0.5
        assert opened(own) == 0
        hugs = detected_here(out, clips, "--label", "hugging")
        assert np.median(scores(hugs)) > min(rule.raise_at for rule in read_calibration(calibration_path(out)).rules)


class TestKept:
    def test_the_old_normal_stays_calm_and_the_new_one_becomes_so(
        self, base: Path, greetings: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "both.onnx"
        enrol(base, [greetings], out=out, split=("a",), keep=True)
        layout = read_info(base).skeleton
        old = np.concatenate([_windows(c, layout) for c in normal_clips(3, 0.5)])
        new = np.concatenate([_windows(c, layout) for c in read_clips(greetings) if c.split == "a"])
        other = np.concatenate([_windows(c, layout) for c in read_clips(greetings) if c.label == "waving off"])
        before, after = (
            [run_model(path.read_bytes(), {"joints": w}, ["score"])[0] for w in (old, new, other)]
            for path in (base, out)
        )
        assert np.all(after[0] <= before[0] + 1e-3)
        assert np.median(after[0]) > 0.9 * np.median(before[0])
        assert np.median(before[1]) > 1.0
        assert after[1].max() < 0.5
        assert np.median(after[2]) > 0.6
        levels, before_it = (
            {(r.part, r.over_s): r.raise_at for r in read_calibration(calibration_path(p)).rules} for p in (out, base)
        )
        assert levels.keys() == before_it.keys()
        assert all(levels[rule] >= before_it[rule] for rule in before_it)
        assert read_info(out).training["enrolled"]["keeps_base"] is True


def _windows(clip: Clip, layout: Layout, frames: int = 30) -> np.ndarray:
    runs, _ = usable_runs(clip, JointMap.between(clip.layout, layout), 15.0, frames)
    found = [j[i : i + frames].transpose(1, 0, 2, 3) for _, j in runs for i in range(0, len(j) - frames + 1, 5)]
    return np.stack(found) if found else np.zeros((0, 2, frames, len(layout), 3), np.float32)


class TestFewWindows:
    @pytest.mark.parametrize(
        ("count", "seconds", "units", "method"),
        [
            (1, 2.0, 1, "a single clip against 8 variations of itself, a guess at how repeats would differ"),
            (1, 40.0, 2, "each of 2 pieces of one clip against the others"),
            (2, 2.0, 2, "each of 2 clips against the others, with 8 variations of each"),
            (20, 2.4, 20, "each of 20 clips against the others"),
        ],
    )
    def test_what_is_left_out(self, base: Path, count: int, seconds: float, units: int, method: str) -> None:
        data, info = base.read_bytes(), read_info(base)
        clips = [(f"c{i}", greeting(i, seconds=seconds)) for i in range(count)]
        normal = take_clips(clips, info)
        assert (normal.clips, normal.units) == (count, units)
        made = enrol_clips(Base.of_model(data, info, "model m"), normal, run_model)
        assert made.calibration["evidence"]["method"].startswith(method + ";")
        assert {1.0 <= rule["raise_at"] < 6 for rule in made.calibration["rules"]} == {True}
        evidence, hours = made.calibration["evidence"], count * seconds / 3600
        assert evidence["certified"] is False  # variations are no time that anybody watched
        assert evidence["hours"] == pytest.approx(hours, rel=0.05, abs=1e-4)
        assert evidence["events_per_hour_95"] == pytest.approx(events_bound(evidence["events"], hours), rel=0.05)
        assert made.support >= 3
        check_steady(made.model, "model m")
        own = np.concatenate([_windows(c, UPPER11) for _, c in clips])
        assert run_model(made.model, {"joints": own}, ["score"])[0].max() < 0.5

    def test_how_much_of_the_clips_enters(self, base: Path) -> None:
        data = base.read_bytes()
        info = read_sealed(data, "base")
        of_base = Base.of_model(data, info, "base")
        normal = take_clips([(f"g{i}", greeting(i)) for i in range(6)], info)
        few = enrol_clips(of_base, normal, run_model, extent=Extent(support=60, judged=24, may_exceed=0))
        whole = enrol_clips(of_base, normal, run_model)
        assert few.support <= 60 < whole.support <= 1024
        told = [e.calibration["evidence"]["windows"] for e in (few, whole)]
        assert told[0] <= 24 + 6 < told[1], "a window more each clip"
        assert few.calibration["evidence"]["events"] == 0

    def test_the_same_clips_give_the_same_file(self, base: Path) -> None:
        data, info = base.read_bytes(), read_info(base)
        made = [
            enrol_clips(Base.of_model(data, info, "m"), take_clips([("c", greeting(1))], info), run_model)
            for _ in range(2)
        ]
        assert made[0].model == made[1].model
        assert made[0].calibration == made[1].calibration


class TestRefusals:
    """Each names the file and the reason."""

    def refusal(
        self, tmp_path: Path, base: Path, clips: list[Path], out: Path | None = None, clip: tuple[str, ...] = ()
    ) -> str:
        with pytest.raises((ArtefactError, ClipError, LayoutError)) as caught:
            enrol(base, clips, out=out or tmp_path / "new.onnx", clip=clip)
        assert not (tmp_path / "new.onnx").exists()
        return str(caught.value)

    def test_clips(self, base: Path, greetings: Path, tmp_path: Path) -> None:
        assert self.refusal(tmp_path, base, []) == "no clips given; expected 1 to 20 clips of a new normal"
        many = write_clips(tmp_path / "many", [greeting(i, seconds=2.1) for i in range(21)])
        assert self.refusal(tmp_path, base, [many]) == (
            "21 clips to enrol; expected 1 to 20: use 20 of them, evenly spread, with --take 20, or choose some with "
            "--label, --split or --clip, or learn from all of them with 'dyadwatch train'"
        )
        assert self.refusal(tmp_path, base, [greetings], clip=("g1", "x")) == (
            "no clip has the id x; there are g0, g1, g2, g3, g4, g5, g6, g7, g8, w0, w1, w2, w3"
        )
        whole = greeting(0)
        blind, headless = (Clip(whole.joints.copy(), UPPER11, 15.0, "", n) for n in ("blind", "headless"))
        blind.joints[:, 1] = np.nan
        headless.joints[:, :, 0] = np.nan
        short = Clip(whole.joints[:29], UPPER11, 15.0, "", "short")
        nothing = Clip(whole.joints[:0], UPPER11, 15.0, "", "")
        bad = write_clips(tmp_path / "bad", [blind, headless, short, nothing])
        assert self.refusal(tmp_path, base, [bad]) == (
            "none of 2 clips can be enrolled; expected 1 to 20 of 2 s or longer in which both people are seen "
            "(bad: headless: never shows head; bad: short: shorter than 2 s)"
        )

    @pytest.mark.parametrize("person", [0, 1])
    def test_a_body_without_extent(self, base: Path, tmp_path: Path, person: int) -> None:
        point = greeting(0).joints.copy()
        point[:, person] = point[:, person, :1]
        bad = write_clips(tmp_path / "bad", [Clip(point, UPPER11, 15.0, "", "point")])
        assert f"(bad: point: person {person} is 0.00 m large; expected joints 0.2 m apart or more)" in self.refusal(
            tmp_path, base, [bad]
        )

    def test_an_infinite_joint_is_one_that_is_not_seen(self, base: Path, tmp_path: Path) -> None:
        joints = greeting(0).joints.copy()
        joints[:, 0, 0] = np.inf
        bad = write_clips(tmp_path / "bad", [Clip(joints, UPPER11, 15.0, "", "endless")])
        assert "(bad: endless: never shows head)" in self.refusal(tmp_path, base, [bad])

    def test_a_bad_clip_among_good_ones_is_named_and_left_out(
        self, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        short = Clip(greeting(0).joints[:20], UPPER11, 15.0, "", "short")
        write_clips(tmp_path / "clips", [short, greeting(1), greeting(2)])
        enrol(base, [tmp_path / "clips"], out=tmp_path / "new.onnx")
        told = capsys.readouterr()
        assert "skipped" in told.err
        assert "short: shorter than 2 s" in " ".join(told.err.split())
        assert "2 / 1" in told.out

    def test_layouts(self, base: Path, tmp_path: Path) -> None:
        arms = Layout("custom", ("left_wrist", "right_wrist"))
        apart = np.linspace(0, 1, 720, dtype=np.float32).reshape(60, 2, 2, 3)
        apart[:, 1] += 1
        odd = write_clips(tmp_path / "odd", [Clip(apart, arms, 30.0)])
        found = self.refusal(tmp_path, base, [odd])
        assert found.startswith("odd: layout 'custom' cannot feed a model of layout 'upper11': no joint for head, ")

    def test_models(self, base: Path, greetings: Path, tmp_path: Path) -> None:
        none, text, cut = tmp_path / "none.onnx", tmp_path / "text.onnx", tmp_path / "cut.onnx"
        text.write_text("no model")
        cut.write_bytes(base.read_bytes()[:-100])
        assert self.refusal(tmp_path, none, [greetings]) == (
            f"model {none} cannot be read: No such file or directory; expected a model file (.onnx), or shipped for "
            "the one that comes with dyadwatch"
        )
        assert self.refusal(tmp_path, text, [greetings]) == f"model {text} is not an ONNX file"
        assert f"model {cut} is " in self.refusal(tmp_path, cut, [greetings])
        assert self.refusal(tmp_path, base, [greetings], out=tmp_path / "new.bin") == (
            f"--out is {tmp_path / 'new.bin'}; expected a name that ends in .onnx"
        )
        assert self.refusal(tmp_path, base, [greetings], out=tmp_path / "no" / "new.onnx") == (
            f"--out is {tmp_path / 'no' / 'new.onnx'}, but there is no folder {tmp_path / 'no'}; make it first"
        )
        assert self.refusal(tmp_path, base, [greetings], out=base) == (
            f"--out is {base}, the base model itself; give the new model another name"
        )

    def test_models_of_another_make(self, base: Path) -> None:
        data, info = base.read_bytes(), read_info(base)

        def refused(changed: bytes) -> str:
            sealed = seal(changed, info)
            with pytest.raises(ArtefactError) as caught:
                Base.of_model(sealed, read_sealed(sealed, "m"), "model m")
            return str(caught.value)

        graph = Base.of_model(data, info, "m").graph
        assert refused(data.replace(b"neighbours.support", b"neighbours.banking")) == (
            "model m has no tensors neighbours.support: it was made by an older dyadwatch; export it again"
        )
        assert refused(graph.replaced({"neighbours.centre": np.zeros(7)})) == (
            "model m compares windows in another way than this dyadwatch: it was made by an older one; export it "
            "again, or train it again"
        )
        assert refused(graph.replaced({"neighbours_map.slopes": np.zeros(1), "neighbours_map.knots": np.zeros(1)})) == (
            "model m does not score by its support set (recipe 'default'); enrol on a model of the default recipe"
        )


def test_a_graph_that_computes_other_distances(base: Path) -> None:
    """As an older or newer dyadwatch might: here the longest rows are nearest."""
    data, info = base.read_bytes(), read_info(base)
    graph = Base.of_model(data, info, "m").graph
    half_norm = -5 * graph.read("neighbours.half_norm")
    other = Base.of_model(graph.replaced({"neighbours.half_norm": half_norm}), info, "model m")
    with pytest.raises(ArtefactError, match="model m compares windows in another way than this dyadwatch"):
        enrol_clips(other, take_clips([("c", greeting(1))], info), run_model)


def test_clips_of_several_files_are_one_set(base: Path, greetings: Path, tmp_path: Path) -> None:
    more = write_clips(tmp_path / "more", list(ClipSet((greeting(30), greeting(31)), UPPER11)))
    out = tmp_path / "new.onnx"
    enrol(base, [greetings, more], out=out, clip=("g0", "g30"))
    assert [n.rpartition(": ")[2] for n in read_info(out).training["enrolled"]["clips"]] == ["g0", "g30"]


def test_some_of_many_on_the_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the message for too many clips says: 20 of them, evenly spread; on a model that is named, not a file."""
    monkeypatch.chdir(tmp_path)
    write_clips(tmp_path / "many", [greeting(i, seconds=2.1) for i in range(24)])
    done = without_training_packages("enrol", "shipped", "many", "--take", "4", "--out", "new.onnx")
    assert done.returncode == 0, done.stderr
    rows = " ".join(done.stdout.split())
    assert "clips used / skipped │ 4 / 0" in rows
    assert "usable, not taken │ 20" in rows
    assert "relation of the base │ believed" in rows
    info = read_info(tmp_path / "new.onnx")
    assert info.training["enrolled"]["on"] == "simulated"
    assert [n.rpartition(": ")[2] for n in info.training["enrolled"]["clips"]] == ["g3", "g9", "g15", "g21"]
    assert set(info.training["enrolled"]["believed"]) == {"flow", "relation"}


def test_a_wider_sensor_is_scaled_by_what_it_shows(base: Path) -> None:
    """Clips of another sensor: the file takes half its scale from five of them, and all of the base's with keep."""
    data, info = base.read_bytes(), read_info(base)
    on = Base.of_model(data, info, "m")
    rng = np.random.default_rng(3)
    clips = []
    for i in range(5):
        clip = greeting(i)
        wide = clip.joints + np.cumsum(rng.normal(scale=0.02, size=clip.joints.shape), axis=0)
        clips.append((f"c{i}", Clip(wide.astype(np.float32), UPPER11, 15.0)))
    normal = take_clips(clips, info)
    moved = enrol_clips(on, normal, run_model)
    kept = enrol_clips(on, normal, run_model, keep=True)
    after = Base.of_model(moved.model, moved.info, "new").metric
    own = np.concatenate([_windows(c, UPPER11) for _, c in clips])
    scale = Scaling.fit(after.statistics(own), after.statistics).scale
    ratio = np.log(after.scaling.scale / on.metric.scaling.scale) / np.log(scale / on.metric.scaling.scale)
    np.testing.assert_allclose(np.median(ratio), 0.5, atol=0.1)
    before = Base.of_model(kept.model, kept.info, "kept").metric
    np.testing.assert_array_equal(before.scaling.scale, on.metric.scaling.scale)
    np.testing.assert_array_equal(before.axes, on.metric.axes)
    # an enrolled model is a base in turn
    again = enrol_clips(Base.of_model(moved.model, moved.info, "new"), normal, run_model)
    check_steady(again.model, "model m")


def test_a_base_with_every_part(greetings: Path) -> None:
    """The shipped model: network, critic, flow and directions of equal spread take part. See test_train_simulated for
    the parts of one that was trained a moment ago."""
    path = shipped_model()
    info = read_info(path)
    base = Base.of_model(path.read_bytes(), info, "model m")
    assert {"neighbours", "whitened", "flow", "relation", "unusual", "score"} == set(base.maps)
    clips = [c for c in read_clips(greetings) if c.split == "a"]
    other = np.concatenate(
        [_windows(c, UPPER11, info.frames) for c in read_clips(greetings) if c.label == "waving off"]
    )
    own = np.concatenate([_windows(c, UPPER11, info.frames) for c in clips])
    for keep in (False, True):
        made = enrol_clips(base, take_clips([(c.clip_id, c) for c in clips], info), run_model, keep=keep)
        check_steady(made.model, "model m")
        calm, odd = (run_model(made.model, {"joints": w}, ["score"])[0] for w in (own, other))
        before = run_model(path.read_bytes(), {"joints": own}, ["score"])[0]
        assert np.median(calm) < 0.7 * np.median(before)
        assert np.median(odd) > 2 * np.median(calm)
        relation = [run_model(m, {"joints": own}, ["relation"])[0] for m in (path.read_bytes(), made.model)]
        assert np.all(relation[1] <= relation[0] + 1e-3)
