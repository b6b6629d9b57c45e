"""Few clips enrolled on a model file, judged on the clips of another data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.enrolment.enrol import Base
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.cache import ResultCache
from dyadwatch.core.evaluation.few_shot_base import ALONE, ENROLLED, UNUSUAL, plan_few_shot_on
from dyadwatch.core.evaluation.jobs import run_plans
from dyadwatch.core.evaluation.results_table import entries
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.model_file.artefact import read_sealed
from dyadwatch.exporters.engine import run_model
from dyadwatch.model_files import shipped_model

MODEL = shipped_model().read_bytes()
BASE = Base.of_model(MODEL, read_sealed(MODEL, "m"), "m")
FAST = Settings(window_s=1.0, shot_draws=1, bootstrap=20, layout="upper11", folds=("fold2",), categories=("near",))


def test_score_and_unusual_stand_beside_the_plain_nearest_neighbour(folded: ClipSet) -> None:
    asked: list[int] = []

    def run(model, given, wanted):
        asked.append(len(given.get("joints", ())))
        return run_model(model, given, wanted)

    plan = plan_few_shot_on(folded, FAST, BASE, MODEL, run)
    assert [(j.method, j.category, j.fold) for j in plan.jobs] == [("enrolled on simulated", "near", "fold2")]
    found = {
        (str(e.row), e.measure): e.value
        for e in entries(run_plans([("", plan)], ResultCache(None), lambda status: None)[0])
    }
    assert {row for row, _ in found} == {ALONE, ENROLLED, UNUSUAL}
    assert {measure for _, measure in found} == {"1 clip", "5 clips", "20 clips"}
    assert max(asked) > 0
    assert all(value is not None and value > 0.7 for value in found.values()), found


def test_results_are_kept_by_the_model(folded: ClipSet) -> None:
    jobs = [plan_few_shot_on(folded, FAST, BASE, data, run_model).jobs for data in (MODEL, MODEL + b"x")]
    assert jobs[0][0].made_from != jobs[1][0].made_from
    assert jobs[0][0].made_from == plan_few_shot_on(folded, FAST, BASE, MODEL, run_model).jobs[0].made_from


def test_what_cannot_be_enrolled_is_told(folded: ClipSet) -> None:
    rare = folded.where(lambda c: c.label != "near" or c.split == "fold2")
    with pytest.raises(ClipError, match=r"^folded: no category has clips to train on and clips to test on$"):
        plan_few_shot_on(rare, FAST, BASE, MODEL, run_model)
    with pytest.raises(ClipError, match="no category kick; there are far, middle, near"):
        plan_few_shot_on(folded, replace(FAST, categories=("kick",)), BASE, MODEL, run_model)


def test_the_shared_clips_of_another_sensor(shared_data: Path) -> None:
    """Five handshakes of SBU on the model of simulated people: other actions stand out."""
    from dyadwatch.core.data.clip_files import read_clips

    clips = read_clips(shared_data / "sbu")
    settings = replace(FAST, folds=("fold1",), categories=("shaking_hands",))
    plan = plan_few_shot_on(clips, settings, BASE, MODEL, run_model)
    found = {
        (str(e.row), e.measure): e.value
        for e in entries(run_plans([("", plan)], ResultCache(None), lambda status: None)[0])
    }
    for row in (ALONE, ENROLLED):
        assert np.greater(found[row, "5 clips"] or 0, 0.9), found
