"""The model, or a variant of it, and the events it raises."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.decision.thresholds import thresholds_of
from dyadwatch.core.evaluation.event_material import EventTest
from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.training.options import Listener, TrainOptions
from dyadwatch.core.training.recipe import scored, train


def run_model(test: EventTest, name: str, options: TrainOptions, listen: Listener) -> Result:
    """Trains with the levels that training finds, then plays the test."""
    trained = train([test.train], options, listen)
    scorer, made = trained.scorer.eval(), trained.calibration

    def parts(windows: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        return dict(zip(map(str, ScorePart), scored(scorer, windows).T, strict=True))

    figures = test.measure(Row(name), parts, thresholds_of(made), made["evidence"]["events_per_hour_95"])
    said = {"summary": trained.summary, "weights": asdict(scorer.weights), "calibration": made}
    return Result(figures, said)
