"""`dyadwatch evaluate` end to end on a tiny data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from dyadwatch.core.clips import Clip, write_clips
from dyadwatch.core.errors import ClipError, DyadwatchError
from dyadwatch.core.evaluation.protocols import PROTOCOLS
from dyadwatch.core.layouts import UPPER11
from dyadwatch.tools import evaluate as verb
from dyadwatch.tools.evaluate import RUNNERS, Protocol, Report, Request, evaluate, run_offline


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


def test_every_protocol_has_a_runner() -> None:
    assert set(get_args(Protocol)) == set(RUNNERS) == {*PROTOCOLS, "live"}


def test_table_and_files_are_written_and_kept(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, document, cache = tmp_path / "t.md", tmp_path / "t.json", tmp_path / "cache"
    for _ in range(2):
        evaluate(data, protocol="one-class", quick=True, cache=cache, out=out, json=document, threads=1)
    captured = capsys.readouterr()
    assert captured.out == 2 * (out.read_text("utf8") + "\n")
    assert "10/10 dyadwatch, near, fold1, seed 0 about" in captured.err
    assert "10 jobs, 10 of them from the cache" in captured.err
    table = {e["row"]: e["value"] for e in json.loads(document.read_text("utf8"))["table"]}
    assert table["nearest neighbour"] == 1
    assert table["dyadwatch"] > 0.9
    assert "A quick run: one fold, one seed, fewer steps." in out.read_text("utf8")
    assert "20 clips, 0 skipped" in out.read_text("utf8")


def test_options_reach_the_settings(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Request] = []

    def spy(request: Request) -> Report:
        requests.append(request)
        return Report("", "")

    monkeypatch.setitem(verb.RUNNERS, "broken-pairs", spy)
    evaluate(
        data, protocol="broken-pairs", seeds=2, steps=9, method=("Mahalanobis",), no_cache=True, window_s=1.0, threads=1
    )
    (request,) = requests
    assert request.settings == {"seeds": 2, "methods": ("Mahalanobis",), "window_s": 1.0, "train": {"steps": 9}}
    assert request.cache is None
    assert not request.quick


def test_live_has_its_own_runner(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "folds": [{"fold": "fold1", "live": 0.9, "baseline": 0.95}],
        "classes": [{"label": "kicking", "clips": 3, "too_short": 0, "alarm_rate": 1.0, "peak_median": 4.0}],
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

    monkeypatch.setattr("dyadwatch.tools.evaluate_live.evaluate_live", live)
    report = RUNNERS["live"](Request(data, "live", quick=True))
    assert "| fold1 | 0.900 | 0.950 |" in report.markdown
    assert "| mean +- spread | 0.900 +- 0.000 | 0.950 +- 0.000 |" in report.markdown
    assert "| kicking | 3 | 0 | 1.0 | 4.0 |" in report.markdown
    assert "| k1 | kicking | 4.0 | yes |" in report.markdown
    assert "| k2 | kicking | None |  |" in report.markdown
    assert json.loads(report.json) == {"protocol": "live", **found}
    assert (asked[0]["folds"], asked[0]["steps"]) == (("fold1",), 300)


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (Request(Path("nowhere"), "one-class"), ClipError, "nowhere: no such file or folder"),
        (Request(Path("data"), "few-shot", ablation=True), DyadwatchError, "--ablation with --protocol few-shot"),
        (Request(Path("data"), "one-class", settings={"methods": ("magic",)}), DyadwatchError,
         "nothing to do: no method of one-class is called magic"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(data: Path, request_: Request, error: type[Exception], message: str) -> None:
    place = data if request_.data == Path("data") else request_.data
    with pytest.raises(error, match=message):
        run_offline(Request(place, request_.protocol, ablation=request_.ablation, settings=request_.settings))


def test_a_file_that_cannot_be_written_is_told_before_the_work(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DyadwatchError, match=r"cannot write .*t\.md: there is no folder .*; make it first"):
        evaluate(data, protocol="one-class", out=tmp_path / "no" / "t.md")
