"""What the protocols that judge whole clips share: which are normal, what is reported of the test, and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.figures import Result, Scored, figure, resamplings
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import Fold, ScoredClips
from dyadwatch.core.evaluation.settings import Settings

MEASURE = "AUROC"


def categories_of(clips: ClipSet, settings: Settings) -> list[str]:
    """The categories that are taken as normal, each in turn.

    Raises:
        ClipError: when the clips have fewer than two labels, or lack those that are wanted.
    """
    labels = sorted({c.label for c in clips})
    if len(labels) < 2:
        raise ClipError(f"{clips.name}: clips have the labels {labels}; expected two or more categories")
    unknown = sorted(set(settings.categories) - set(labels))
    if unknown:
        raise ClipError(f"{clips.name}: no category {', '.join(unknown)}; there are {', '.join(labels)}")
    return [n for n in labels if not settings.categories or n in settings.categories]


def facts_of(judged: ScoredClips, folds: Sequence[Fold]) -> dict[str, Any]:
    """Of the test, as plain values for the report."""
    return {
        "clips": len(judged.clips),
        "too short": list(judged.too_short),
        "folds": {f.name: {"train": len(f.train), "test": len(f.test)} for f in folds},
    }


def how_judged(settings: Settings) -> str:
    """A sentence for the report."""
    if settings.clip_score == "whole":
        return "Each clip is judged whole: played in the frames of one window, whatever its length."
    return "A clip gets the mean score of its windows; one shorter than a window is stretched to one."


def clip_figures(
    judged: ScoredClips, fold: Fold, labels: Sequence[str], settings: Settings, rows: Mapping[Row, NDArray[np.floating]]
) -> Result:
    """AUROC of each row from the scores of the windows of the test clips."""
    names = [judged.clips[i].label for i in fold.test]
    normal = np.isin(names, list(labels))
    samples = resamplings(names, settings.bootstrap)
    where = np.arange(len(names))
    out = []
    for row, scores in rows.items():
        every = Scored(judged.clip_scores(scores, fold.test), where)
        out.append(figure(row, MEASURE, every.take(normal), every.take(~normal), samples))
    return Result(out)


def normal_clips(judged: ScoredClips, fold: Fold, labels: Sequence[str]) -> NDArray[np.intp]:
    """Training clips with one of these labels; rising indices."""
    return fold.train[np.isin([judged.clips[i].label for i in fold.train], list(labels))]
