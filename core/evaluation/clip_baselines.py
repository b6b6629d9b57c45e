"""Plain methods on whole clips."""

from __future__ import annotations

from collections.abc import Sequence

from dyadwatch.core.evaluation.baselines import baselines_of
from dyadwatch.core.evaluation.clip_figures import clip_figures, normal_clips
from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import Fold, ScoredClips
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.training.options import Listener


def run_baseline(
    judged: ScoredClips, fold: Fold, labels: Sequence[str], settings: Settings, method: str, listen: Listener
) -> Result:
    """Fits a plain method to the normal training clips, then scores the test fold."""
    train = normal_clips(judged, fold, labels)
    if not len(train):
        return Result([])
    score = baselines_of(settings)[method](judged.statistics, judged.values[judged.of(train)])
    return clip_figures(judged, fold, labels, settings, {Row(method): score(judged.values[judged.of(fold.test)])})
