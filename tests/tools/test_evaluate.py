"""`dyadwatch evaluate` end to end on a tiny data set."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from cyclopts import App
from rich.console import Console

from dyadwatch import evaluation_runs
from dyadwatch.core.data.clip_files import Clip, ClipSet, read_clips, write_clips
from dyadwatch.core.errors import ClipError, ConfigError, DyadwatchError
from dyadwatch.core.evaluation.protocols import PROTOCOLS
from dyadwatch.core.evaluation.settings import PEACEFUL, VIOLENT
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.evaluation_request import Report, Request, chosen_settings
from dyadwatch.evaluation_runs import data_sets, fewer_training_clips
from dyadwatch.live_evaluation import ClipResult, evaluate_live, summarise
from dyadwatch.model_files import shipped_model
from dyadwatch.tools import evaluate as verb
from dyadwatch.tools.evaluate import Protocol, evaluate, run
from dyadwatch.tools.evaluate_flags import EvaluationFlags
from dyadwatch.tools.evaluate_live_page import configuration_words, live_markdown
from dyadwatch.tools.evaluate_progress import progress
from dyadwatch.tools.tables_file import BEGIN, END


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories, near and far, in two folds."""
    rng = np.random.default_rng(0)
    body = rng.normal(scale=0.3, size=(2, len(UPPER11), 3))
    clips = [
        Clip(
            (body + np.reshape([0, 1, 0, gap, 1, 0], (2, 1, 3)) + rng.normal(scale=0.02, size=(34, 2, 11, 3)))
            .astype(np.float32),
            UPPER11, 15.0, label, f"{label}-{fold}-{i}", fold,
        )
        for fold in ("fold1", "fold2")
        for label, gap in (("near", 0.8), ("far", 2.0))
        for i in range(5)
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("pairs")
    write_clips(folder, clips)
    return folder


def test_every_protocol_is_offered() -> None:
    assert set(get_args(Protocol)) == {*PROTOCOLS, "live", "all"}


def test_table_and_files_are_written_and_kept(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, document = tmp_path / "t.md", tmp_path / "t.json"
    flags = EvaluationFlags(cache=tmp_path / "cache")
    for _ in range(2):
        evaluate(data, protocol="one-class", quick=True, flags=flags, out=out, json_out=document, threads=1)
    captured = capsys.readouterr()
    assert captured.out == 2 * (out.read_text("utf8") + "\n")
    assert "0 of 10 done; nearest neighbour, far, fold1, seed 0" in captured.err
    assert "10 jobs, 10 of them from the cache" in captured.err
    table = {e["row"]: e["value"] for e in json.loads(document.read_text("utf8"))["table"]}
    assert table["nearest neighbour"] == 1
    assert table["dyadwatch"] > 0.9
    assert "A quick run: one fold, one seed, fewer steps." in out.read_text("utf8")
    assert "20 clips, 0 skipped" in out.read_text("utf8")
    assert "No *relation* of dyadwatch: there were fewer than ten minutes of pairs" in out.read_text("utf8")
    assert "| dyadwatch: " not in out.read_text("utf8")
    evaluate(data, protocol="one-class", quick=True, flags=flags, json=True, threads=1)
    assert json.loads(capsys.readouterr().out) == json.loads(document.read_text("utf8"))


# A shell's background job ignores Ctrl-C and so would the programs it starts: it is brought back.
PROGRAM = """import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from dyadwatch.tools.main import main
main()"""


def test_a_stopped_evaluation_says_what_is_kept(data: Path, tmp_path: Path) -> None:
    words = "evaluate --protocol one-class --quick --threads 1 --category far --category near --method dyadwatch"
    more = [str(data), "--method", "nearest neighbour", "--cache", str(tmp_path)]
    command = [sys.executable, "-c", PROGRAM, *words.split(), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 60
        while not list(tmp_path.rglob("*.json")) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    # Which of the four were ready depends on how soon Ctrl-C came.
    last = (
        rf"stopped; (1 of 4 results is|[23] of 4 results are) kept in {tmp_path}, the same command goes on from there"
    )
    assert re.fullmatch(last, err.decode().splitlines()[-1])
    assert (process.returncode, out) == (130, b"")


class Impatient(io.StringIO):
    """Presses Ctrl-C at the first line."""

    def write(self, text: str) -> int:
        signal.raise_signal(signal.SIGINT)
        return len(text)


def test_a_stopped_evaluation_without_a_cache_says_that_nothing_is_kept(
    data: Path,
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    told: list[str] = []
    impatient = Console(file=Impatient())
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Request(data, "one-class", True, tell=told.append, progress=lambda: progress(impatient)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == ["stopped; nothing was kept"]


def test_few_shot_on_a_model_file(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_once(request: Request) -> Report:
        return run(replace(request, settings=request.settings | {"shot_draws": 1}))

    monkeypatch.setattr(verb, "run", run_once)
    flags = EvaluationFlags(base=Path("shipped"), fold=("fold1",), category=("near",), no_cache=True)
    evaluate(data, protocol="few-shot", quick=True, flags=flags)
    told = capsys.readouterr().out
    assert "Enrolled on simulated 1, with all its parts." in told
    rows = [line.split("|")[1].strip() for line in told.splitlines() if line.startswith("| ")]
    assert rows == ["method", "nearest neighbour, scaled by the clips", "enrolled: score", "enrolled: unusual"]


def test_options_reach_the_settings(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Request] = []

    def spy(request: Request) -> Report:
        requests.append(request)
        return Report("", {})

    monkeypatch.setattr(verb, "run", spy)
    app = App()
    app.default(evaluate)
    words = "--protocol broken-pairs --seeds 2 --steps 9 --method Mahalanobis --method x --no-cache --window-s 1 --json"
    app([str(data), *words.split()], result_action="return_value")
    (request,) = requests
    assert request.settings == {"seeds": 2, "methods": ("Mahalanobis", "x"), "window_s": 1.0, "train": {"steps": 9}}
    assert request.cache is None
    assert not request.quick


def test_tables_go_into_a_document(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "run", lambda request: Report("## Tables\n", {}))
    out = tmp_path / "accuracy.md"
    out.write_text(f"Prose.\n\n{BEGIN}\n{END}\n")
    evaluate(data, protocol="all", out=out, threads=1)
    assert out.read_text() == f"Prose.\n\n{BEGIN}\n\n## Tables\n\n{END}\n"


def test_every_option_is_explained() -> None:
    app = App()
    app.default(evaluate)
    found = app.assemble_argument_collection(parse_docstring=True)
    assert {a.name for a in found} >= {"--fold", "--category", "--method", "--json", "--json-out", "--out", "--cache"}
    assert [a.name for a in found if not a.children and not (a.parameter.help or "").strip()] == []


def test_what_is_given_goes_before_what_a_quick_run_or_an_ablation_changes() -> None:
    def of(given: dict, protocol: str = "one-class", *, quick: bool = False, ablation: bool = False) -> dict:
        return chosen_settings(given, protocol, quick=quick, ablation=ablation, folds=("fold1", "fold2"))

    assert of({"fps": 10.0}) == {"fps": 10.0, "train": {}}
    assert of({}, ablation=True) == {"seeds": 1, "draws": 1, "train": {"steps": 300}}
    many = chosen_settings({}, "one-class", quick=False, ablation=True, folds=("a", "b", "c"))
    assert many["folds"] == ("a", "b")
    assert of({"seeds": 2, "train": {"steps": 7}}, ablation=True) == {"seeds": 2, "draws": 1, "train": {"steps": 7}}
    quick = of({"draws": 4, "train": {"steps": 7}}, "broken-pairs", quick=True, ablation=True)
    assert (quick["seeds"], quick["draws"], quick["folds"]) == (1, 4, ("fold1",))
    assert quick["train"]["steps"] == 7
    assert quick["train"]["hop"] > 3
    assert "hop" not in of({}, quick=True, ablation=True)["train"]
    assert of({}, "broken-pairs", quick=True)["train"] == {"steps": 300, "max_minutes": 3.0}


def test_windows_of_an_evaluation_are_those_of_the_training_it_asks_for() -> None:
    minutes = ClipSet(tuple(Clip(np.ones((460, 2, 11, 3), np.float32), UPPER11, 15.0) for _ in range(20)), UPPER11)

    def of(given: dict) -> dict:
        made = chosen_settings(given, "events", quick=False, ablation=False, folds=("a",), train=minutes.clips)
        return {key: made.get(key) for key in ("window_s", "hop")}

    assert of({}) == {"window_s": 2 / 3, "hop": TrainOptions.hop}
    assert of({"fps": 10.0}) == {"window_s": 0.8, "hop": TrainOptions.hop}, "8 frames are the fewest"
    assert of({"train": {"recipe": "paper", "hop": 5}}) == {"window_s": 1.5, "hop": 5}
    assert of({"layout": "pelvis"}) == {"window_s": 1.5, "hop": TrainOptions.hop}, "which the evaluation complains of"
    assert of({"fps": 2.0, "window_s": 5.0}) == {"window_s": 5.0, "hop": TrainOptions.hop}


def test_the_fold_that_is_wanted_says_how_long_windows_are(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt_from: list[set[str]] = []

    def spy(*words: object, train: tuple[Clip, ...], **options: object) -> dict:
        learnt_from.append({clip.split for clip in train})
        raise DyadwatchError("enough")

    monkeypatch.setattr(evaluation_runs, "chosen_settings", spy)
    for fold in ("fold1", "fold2"):
        with pytest.raises(DyadwatchError, match="enough"):
            run(Request(data, "events", settings={"folds": (fold,)}))
    assert learnt_from == [{"fold2"}, {"fold1"}]


LOW = ("alarm.rules=[]", "alarm.raise_at=1e-9", "alarm.clear_at=1e-9")
CONFIGURATION = {
    "changed": [],
    "window_s": 0.6667,
    "rate": 4.0,
    "windows.hop": 2,
    "alarm.min_duration_s": 0.0,
    "raise_at": {"fold1": "unusual of 2.50 over 0.4 s, cleared below 60% of that"},
}
SAID = (
    "Detector: the default configuration (windows.hop = 2, alarm.min_duration_s = 0); windows of 0.67 s, clips "
    "played at 4 times real time. An alarm is raised by unusual of 2.50 over 0.4 s, cleared below 60% of that."
)


def test_live_has_its_own_runner(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "configuration": CONFIGURATION,
        "folds": [{"fold": "fold1", "live": 0.9, "baseline": 0.95}],
        "classes": [{"label": "kicking", "clips": 3, "unscored": 0, "alarm_rate": 1.0, "peak_median": 4.0}],
        "raised": {"violent": {"raised": 1, "clips": 2}, "peaceful": {"raised": 0, "clips": 1}},
        "auroc": {"live": {"mean": 0.9, "std": 0.0}, "baseline": {"mean": 0.95, "std": 0.0}},
        "clips": [
            {"clip": "k1", "label": "kicking", "fold": "fold1", "peak": 4.0, "alarm": True, "baseline": 1.0},
            {"clip": "k2", "label": "kicking", "fold": "fold1", "peak": None, "alarm": False, "baseline": 1.0},
        ],
    }
    asked: list[dict] = []

    def live(place: Path, **options: object) -> dict:
        asked.append(options)
        return found

    monkeypatch.setattr("dyadwatch.tools.evaluate_live_page.evaluate_live", live)
    report = run(Request(data, "live", quick=True, settings={"detector": ("alarm.hold_s=1",), "window_s": 0.8}))
    assert report.markdown.count(SAID) == 3  # beside every table
    assert "| fold1 | 0.900 | 0.950 |" in report.markdown
    assert "| mean +- spread | 0.900 +- 0.000 | 0.950 +- 0.000 |" in report.markdown
    assert "| kicking | 3 | 0 | 1.0 | 4.0 |" in report.markdown
    assert "| k1 | kicking | 4.0 | yes |" in report.markdown
    assert "| k2 | kicking | - |  |" in report.markdown
    assert "An alarm was raised in 1 of 2 violent clips and 0 of 1 peaceful clips." in report.markdown
    apart = CONFIGURATION | {"raise_at": {"fold1": "score of 2.50", "fold2": "score of 2.75"}}
    assert configuration_words(apart).endswith("An alarm is raised by fold1: score of 2.50; fold2: score of 2.75.")
    assert json.loads(report.json) == {"protocol": "live", **found}
    assert (asked[0]["folds"], asked[0]["steps"]) == (("fold1",), 300)
    assert (asked[0]["settings"], asked[0]["window_s"]) == (("alarm.hold_s=1",), 0.8)
    changed = CONFIGURATION | {"changed": ["alarm.hold_s=1", "windows.hop=1"]}
    assert "the default configuration, with alarm.hold_s=1 windows.hop=1 (" in configuration_words(changed)


def test_a_setting_of_the_detector_is_for_live_only(data: Path) -> None:
    flags = EvaluationFlags(set_=("alarm.hold_s=1",))
    message = (
        "--set alarm.hold_s=1 with --protocol one-class: expected --protocol live, the only one that runs a detector"
    )
    with pytest.raises(ConfigError, match=message):
        evaluate(data, protocol="one-class", flags=flags)


@pytest.mark.slow
def test_live_runs_the_default_configuration_unless_told_otherwise(
    sbu: ClipSet, untranslated: None, tmp_path: Path
) -> None:
    """A real detector, trained models whose graph is none of theirs."""
    still = [c for c in sbu for _ in range(2)]  # eight peaceful clips a fold to train on
    write_clips(tmp_path, [replace(c, clip_id=f"{c.label}{i}") for i, c in enumerate(still)])
    settings = (*LOW, f"sense.ignore=[{', '.join(Oddity)}]")  # these people have no bodies
    found = evaluate_live(tmp_path, folds=("fold1",), rate=20, settings=settings)
    assert found["configuration"] == {
        "changed": list(settings),
        "window_s": 0.6667, "rate": 20, "windows.hop": 2, "pairs.enter_m": 3.0, "pairs.leave_m": 4.0,
        "alarm.min_duration_s": 0.0, "alarm.hold_s": 2.0,
        "raise_at": {"fold1": "score of 0.00, cleared below 100% of that"},
    }  # fmt: skip
    assert {c["alarm_rate"] for c in found["classes"]} == {1.0}
    with pytest.raises(ConfigError, match=r"option 'alarm\.min=1': alarm\.min is not a key"):
        evaluate_live(tmp_path, settings=("alarm.min=1",))


@pytest.fixture(scope="module")
def sbu(data: Path) -> ClipSet:
    """A clip of every category of SBU in each of two folds, 34 frames at 15 fps."""
    clips = read_clips(data)
    every = [replace(c, label=n) for f in ("fold1", "fold2") for n in (*PEACEFUL, *VIOLENT) for c in clips
             if c.clip_id == f"near-{f}-0"]  # fmt: skip
    return ClipSet(tuple(every), clips.layout)


@pytest.mark.parametrize(
    ("keep", "options", "message"),
    [
        (lambda c: c.label != "kicking", {}, "has no clips labelled kicking; expected SBU with its folds in split"),
        (lambda c: c.split == "fold1", {}, "all clips have the split 'fold1'; expected SBU with two or more folds"),
        (lambda c: True, {"folds": ("fold2", "nosuch")}, "no fold nosuch; there are fold1, fold2"),
        (lambda c: c.split == "fold1" or c.label in VIOLENT, {},
         "only fold1 has peaceful clips; expected some in another fold, to train on"),
        (lambda c: True, {"window_s": 3.0},
         r"the longest clip of fold1, fold2 has 2\.27 s; expected one as long as a window, 3\.00 s"),
    ],
)  # fmt: skip
def test_live_says_before_any_training_what_is_missing(
    sbu: ClipSet, tmp_path: Path, keep: Callable[[Clip], bool], options: dict, message: str
) -> None:
    write_clips(tmp_path, sbu.where(keep))
    told: list[str] = []
    with pytest.raises(ClipError, match=message):
        evaluate_live(tmp_path, **options, tell=told.append)
    assert told == []


def test_live_has_a_dash_where_no_clip_was_scored() -> None:
    results = [
        ClipResult("a", "hugging", "fold1", 1.0, False, 0.5),
        ClipResult("b", "kicking", "fold1", 3.0, True, 0.7),
        ClipResult("c", "kicking", "fold2", 3.0, True, 0.7),
        ClipResult("d", "hugging", "fold3", None, False, 0.5),
    ]
    found = summarise(results)
    assert found["raised"] == {"violent": {"raised": 2, "clips": 2}, "peaceful": {"raised": 0, "clips": 2}}
    assert found["folds"] == [{"fold": f, "live": v, "baseline": v} for f, v in (("fold1", 1), ("fold2", None),
                                                                                ("fold3", None))]  # fmt: skip
    assert found["auroc"]["live"] == {"mean": 1.0, "std": 0.0}
    nothing = {"configuration": CONFIGURATION | {"raise_at": {}}, **summarise(results[3:])}
    assert nothing["auroc"] == {key: {"mean": None, "std": None} for key in ("live", "baseline")}
    report = Report(live_markdown(nothing), nothing)
    assert "| fold3 | - | - |" in report.markdown
    assert "| mean +- spread | - | - |" in report.markdown
    assert "nan" not in report.markdown + report.json


@pytest.fixture(scope="module")
def collection(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with folds, with a train and a test split, and with what serves nothing."""
    root = tmp_path_factory.mktemp("collection")
    pairs, handovers = (read_clips(data) for _ in range(2))
    write_clips(root / "pairs", pairs)
    long = [
        replace(c, joints=np.concatenate([c.joints] * 3), split="train" if c.split == "fold1" else "test", label=label)
        for c in handovers
        for label in (("odd" if c.label == "far" else "normal"),)
        if (label == "normal" if c.split == "fold1" else c.clip_id[-1] in "012")
    ]
    write_clips(root / "handovers", long)
    write_clips(root / "unlabelled", [replace(c, label="", split="") for c in pairs])
    (root / "notes").mkdir()
    (root / "notes" / "read.me").write_text("nothing")
    return root


def test_all_is_one_document_with_a_summary(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = evaluation_runs.variants_of

    def fewer(protocol: str, *, quick: bool) -> dict:
        every = chosen(protocol, quick=quick)
        return {k: {**v, "batch": 4, "width": 8} for k, v in every.items() if k == "dyadwatch" or "DREM" in k}

    monkeypatch.setattr(evaluation_runs, "variants_of", fewer)
    told: list[str] = []
    settings = {
        "bootstrap": 20,
        "shot_draws": 1,
        "trees": 10,
        "tree_windows": 500,
        "pair_hop": 30,
        "train": {"steps": 2},
    }
    request = Request(collection, "all", True, False, settings, tmp_path, told.append)
    reports = [run(request) for _ in range(2)]
    text, documents = reports[0].markdown, [json.loads(r.json) for r in reports]
    assert text == reports[1].markdown
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["## Summary", "## handovers: broken-pairs", "## handovers: events",
                      "## handovers: explanation", "## handovers: broken-pairs, ablation", "## pairs: one-class",
                      "## pairs: few-shot", "## pairs: one-class, ablation"]  # fmt: skip
    assert "| broken pairs, mean of six kinds | handovers |" in text
    assert "| one-class, mean of categories | pairs |" in text
    assert "| few-shot, 5 clips, unseen category | pairs |" in text
    assert text.count("Every variant learns 2 steps where it has an encoder to train") == 2
    assert text.count("; the paper recipe 2 epochs. The row dyadwatch is the default recipe") == 1
    assert [p["protocol"] for p in documents[0]["parts"]] == ["broken-pairs", "events", "explanation", "broken-pairs",
                                                              "one-class", "few-shot", "one-class"]  # fmt: skip
    assert [p["from_cache"] for p in documents[1]["parts"]] == [len(p["jobs"]) for p in documents[1]["parts"]]
    left_out = [t for t in told if t.startswith("left out")]
    assert [t.partition(":")[0] for t in left_out] == ["left out notes", "left out unlabelled"] * 2
    expected = "no protocol fits splits [''] and labels ['']; expected a train and a test split, or two or more folds"
    assert expected in left_out[1]


def test_all_leaves_out_data_that_does_not_map(collection: Path) -> None:
    told: list[str] = []
    with pytest.raises(ClipError, match=r"collection.*: no protocol could be planned"):
        run(Request(collection, "all", True, settings={"layout": "openpose25"}, tell=told.append))
    planned = [t for t in told if " on " in t]
    assert [t.partition(":")[0] for t in planned] == [
        "left out broken-pairs on handovers", "left out events on handovers",
        "left out explanation on handovers", "left out broken-pairs on handovers",
        "left out one-class on pairs",
        "left out few-shot on pairs", "left out one-class on pairs",
    ]  # fmt: skip


def test_a_quick_ablation_learns_from_every_nth_clip(collection: Path) -> None:
    data = read_dataset(collection / "handovers")
    train, test = (data.where(lambda c, s=s: c.split == s) for s in ("train", "test"))
    seconds = sum(len(c) / c.fps for c in train)
    fewer = fewer_training_clips(data, seconds / 2.5)
    assert [c.clip_id for c in fewer if c.split == "train"] == [c.clip_id for c in train][::2]
    assert [c.clip_id for c in fewer if c.split == "test"] == [c.clip_id for c in test]
    assert len(fewer_training_clips(data, 2 * seconds)) == len(data)


def test_a_folder_that_is_a_data_set_itself_will_do(collection: Path) -> None:
    (found,) = data_sets(Request(collection / "pairs", "all"))
    assert found.name == "pairs"


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (Request(Path("nowhere"), "one-class"), ClipError, "nowhere: no such file or folder"),
        (Request(Path("data"), "few-shot", ablation=True), DyadwatchError, "--ablation with --protocol few-shot"),
        (Request(Path("data"), "one-class", settings={"methods": ("magic",)}), ClipError,
         "one-class has no method magic; there are nearest neighbour; Mahalanobis;"),
        (Request(Path("data"), "all", ablation=True, settings={"folds": ("fold1",)}), DyadwatchError,
         "--fold, --ablation with --protocol all: expected one of the other protocols; all has the ablations"),
        (Request(Path("nowhere"), "all"), ClipError, "nowhere: no such file or folder"),
        (Request(Path("data"), "one-class", base=shipped_model()), DyadwatchError,
         "^--base with --protocol one-class: expected --protocol few-shot$"),
        (Request(Path("data"), "few-shot", base=shipped_model(), settings={"layout": "sbu15", "window_s": 1.0}),
         DyadwatchError, "^--layout, --window-s with --base: windows are those of the model; leave it out$"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(data: Path, request_: Request, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(replace(request_, data=data if request_.data == Path("data") else request_.data))


def test_a_file_that_cannot_be_written_is_told_before_the_work(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "no" / "t.md"
    expected = r"cannot write .*t\.md: there is no folder .*; make it first"
    with pytest.raises(DyadwatchError, match=expected):
        evaluate(data, protocol="one-class", out=file)
    with pytest.raises(DyadwatchError, match=expected):
        evaluate(data, protocol="one-class", json_out=file)
