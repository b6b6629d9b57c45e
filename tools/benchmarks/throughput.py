"""Windows a second through the model alone."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np

from dyadwatch.stream.configuration.config import ScorerOptions
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.tools.benchmarks.machine import spread

BATCHES = (1, 8, 32)


def measure_throughput(model: Path, options: ScorerOptions, seconds: float) -> list[dict[str, float]]:
    """Milliseconds a batch and windows a second at batch 1, 8 and 32.

    Arguments:
        model: the artefact.
        options: provider and threads.
        seconds: how long each batch size is measured.
    """
    scorer = Scorer(model, msgspec.structs.replace(options, max_batch=max(BATCHES)))
    shape = scorer.shape
    rng = np.random.default_rng(0)
    # Two bodies a metre apart: random points would do as well for time, but not for the value of a score.
    size = (max(BATCHES), 2, shape.frames, len(shape.layout), 3)
    windows = (0.3 * rng.standard_normal(size)).astype(np.float32)
    windows[:, 1, ..., 0] += 1.0
    rows: list[dict[str, float]] = []
    for batch in BATCHES:
        scorer.score(list(windows[:batch]))
        times: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(times) < 3:
            began = time.perf_counter_ns()
            scorer.score(list(windows[:batch]))
            times.append((time.perf_counter_ns() - began) / 1e6)
        ms = spread(times)
        rows.append({"batch": batch, "windows_per_s": round(batch / ms["p50"] * 1e3, 1), **ms})
    return rows
