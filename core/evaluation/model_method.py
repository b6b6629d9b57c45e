"""The model as one more method: trained on normal clips, its module scores windows as the artefact does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.evaluation.row import Row, RowPart
from dyadwatch.core.evaluation.settings import MODEL
from dyadwatch.core.training.options import Listener, TrainOptions
from dyadwatch.core.training.recipe import train

_BATCH = 256

WindowScores = Callable[[NDArray[np.floating]], dict[Row, NDArray[np.float64]]]


def fit_model(
    clips: ClipSet, options: TrainOptions, listen: Listener, name: str = MODEL
) -> tuple[WindowScores, dict[str, Any]]:
    """Trains on normal clips.

    Returns:
        A function from windows (N, 2, T, J, 3) to scores (N,) by row, the joined score first; and what the
        training says of itself.

    Raises:
        TrainingError: when there are too few clips, or a recipe gives up.
    """
    trained = train([clips], options, listen)
    scorer = trained.scorer.eval()

    @torch.no_grad()
    def scores(windows: NDArray[np.floating]) -> dict[Row, NDArray[np.float64]]:
        parts = [
            torch.stack(scorer(torch.from_numpy(np.ascontiguousarray(windows[i : i + _BATCH], np.float32)))[:3])
            for i in range(0, len(windows), _BATCH)
        ]
        joined = torch.cat([torch.zeros(3, 0), *parts], dim=1).double().numpy()
        return {Row(name, part): scores for part, scores in zip(RowPart, joined, strict=True)}

    return scores, {"summary": trained.summary, "weights": asdict(scorer.weights)}
