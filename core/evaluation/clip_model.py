"""The model, or a variant of it, on whole clips."""

from __future__ import annotations

from collections.abc import Sequence

from dyadwatch.core.evaluation.clip_figures import clip_figures, normal_clips
from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.model_method import fit_model
from dyadwatch.core.evaluation.scored_clips import Fold, ScoredClips
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.training.options import Listener


def run_model(
    judged: ScoredClips, fold: Fold, labels: Sequence[str], settings: Settings, method: str, seed: int, listen: Listener
) -> Result:
    """Trains on the normal training clips, then scores the test fold."""
    train = normal_clips(judged, fold, labels)
    if not len(train):
        return Result([])
    options = settings.train_options(seed, **settings.variants.get(method, {}))
    score, said = fit_model(judged.clip_set(train), options, listen, method)
    result = clip_figures(judged, fold, labels, settings, score(judged.windows[judged.of(fold.test)]))
    result.remarks = said
    return result
