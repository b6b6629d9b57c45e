"""A collapse stops the published recipe, and what was seen is not lost with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from dyadwatch.core.errors import CollapseError, TrainingError
from dyadwatch.core.training import paper
from dyadwatch.core.training.material import gather
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.recipe import train
from dyadwatch.core.training.report_page import report_page


def test_a_collapse_has_a_report(few_clips, monkeypatch):
    monkeypatch.setattr(paper, "_WATCH_FROM", 1)
    monkeypatch.setattr(paper, "_LEAST_GAP", 1e9)
    options = TrainOptions(window_s=0.8, hop=2, width=16, units=1, support=64, recipe="paper", epochs=5)
    with pytest.raises(CollapseError) as caught:
        train([few_clips], options)
    assert isinstance(caught.value, TrainingError)
    assert re.search(r"; expected 1e\+09 or more \(measured on \d+ windows of \d clips?", str(caught.value))
    assert str(caught.value).startswith("collapsed in epoch 3 of 5: broken pairs lie only ")
    report = caught.value.report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["stopped"] is True
    assert report["collapse"] in str(caught.value)
    assert [e["epoch"] for e in report["curve"]] == [0, 1, 2, 3]
    assert report["monitor"]["gap"] == 1e9
    assert report["monitor"]["spread"] == pytest.approx(0.1 * report["curve"][0]["spread"], rel=1e-3)
    assert "no model was written" in report_page(report)


def test_a_collapse_measured_on_little_says_so(few_clips):
    found = gather([few_clips], TrainOptions(window_s=0.8, hop=2))
    held = np.flatnonzero(found.held)
    said = [paper.measured_on(replace(found, held=np.isin(np.arange(len(found.held)), held[:n]))) for n in (1, 30)]
    assert said[0] == "measured on 1 window of 1 clip, which is noisy"
    assert re.fullmatch(r"measured on 30 windows of \d+ clips", said[1])
