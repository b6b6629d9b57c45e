"""A handful of clips enrolled on a model file, as `dyadwatch enrol` does it, with all its parts: across sensors.

`few_shot` learns from other categories of the same data. Here the base is whatever the file was trained on, usually
clips of another sensor; beside it stands the nearest neighbour that knows the same clips and nothing else. The support
comes from the training folds, the test is every clip of the test fold, and windows are those of the model.
"""

from __future__ import annotations

import hashlib
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.enrolment.enrol import Base, enrol
from dyadwatch.core.enrolment.normal_clips import take_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.baselines import nearest_neighbour
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.clip_figures import categories_of, facts_of, how_judged
from dyadwatch.core.evaluation.few_shot import SHOTS, support_sets
from dyadwatch.core.evaluation.figures import Result, Scored, figure, resamplings
from dyadwatch.core.evaluation.jobs import Job, Plan
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import Fold, ScoredClips, folds_of
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.model_file.onnx_calibration import Run
from dyadwatch.core.training.options import Listener

ALONE = "nearest neighbour, scaled by the clips"
ENROLLED = "enrolled: score"
UNUSUAL = "enrolled: unusual"
_BATCH = 500  # windows at a time; bounds memory, changes nothing


def plan_few_shot_on(clips: ClipSet, settings: Settings, base: Base, model: bytes, run: Run) -> Plan:
    """Every category that has training clips in turn is the new normal.

    Arguments:
        settings: `layout`, `fps` and `window_s` are those of the model.
        base: the model that is enrolled on.
        model: bytes of its file.
        run: an inference engine.

    Raises:
        ClipError: when the clips have fewer than two labels or no folds, or lack the categories that are wanted, or a
            method is wanted that there is not.
        LayoutError: when joints do not map onto the model's layout.
    """
    settings.chosen_methods("few-shot --base", (ENROLLED,))
    categories = categories_of(clips, settings)
    judged = ScoredClips.prepare(clips, settings, settings.clip_score)
    folds = folds_of(judged.clips, settings.folds)
    made_from = settings.identity() | {
        "shot_draws": settings.shot_draws,
        "base": hashlib.sha256(model).hexdigest(),
    }
    labels = np.asarray([c.label for c in judged.clips])
    jobs = [
        Job(
            f"enrolled on {base.info.name}",
            category,
            fold.name,
            0,
            made_from,
            __name__,
            partial(_run, judged, fold, category, settings, base, run),
        )
        for fold in folds
        for category in categories
        if (labels[fold.train] == category).any() and (labels[fold.test] == category).any()
    ]
    if not jobs:
        raise ClipError(f"{clips.name or 'clips'}: no category has clips to train on and clips to test on")
    notes = (
        how_judged(settings),
        f"Enrolled on {base.info.name} {base.info.version}, with all its parts.",
        f"Means of {settings.shot_draws} support sets of each size, drawn from the training folds; all clips of the "
        "category where there are no more.",
    )
    return Plan("few-shot", data_digest(clips), jobs, facts_of(judged, folds), notes)


def _run(
    judged: ScoredClips, fold: Fold, category: str, settings: Settings, base: Base, run: Run, listen: Listener
) -> Result:
    labels = np.asarray([c.label for c in judged.clips])
    candidates = fold.train[labels[fold.train] == category]
    normal = labels[fold.test] == category
    samples = resamplings(labels[fold.test].tolist(), settings.bootstrap)
    windows = judged.windows[judged.of(fold.test)]
    values = judged.statistics(windows)
    result = Result([])
    for shots in SHOTS:
        for draw, support in enumerate(support_sets(candidates, shots, settings.shot_draws, category)):
            own = judged.statistics(judged.windows[judged.of(support)])
            rows = {ALONE: nearest_neighbour(judged.statistics, own)(values)}
            taken = take_clips([(judged.clips[i].clip_id, judged.clips[i]) for i in support], base.info)
            made = enrol(base, taken, run)
            rows[ENROLLED], rows[UNUSUAL] = _scores(made.model, windows, run)
            measure = f"{shots} {'clip' if shots == 1 else 'clips'}"
            for row, scores in rows.items():
                scored = Scored(judged.clip_scores(scores, fold.test), np.arange(len(fold.test)))
                found = figure(Row(row), measure, scored.take(normal), scored.take(~normal), samples, draw)
                result.figures.append(found)
    return result


def _scores(model: bytes, windows: NDArray[np.float32], run: Run) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Score and unusual of windows, each (N,)."""
    wanted = ("score", "unusual")
    parts = [run(model, {"joints": windows[i : i + _BATCH]}, wanted) for i in range(0, len(windows), _BATCH)]
    score, unusual = (np.concatenate([part[n].ravel() for part in parts]) for n in (0, 1))
    return score, unusual
