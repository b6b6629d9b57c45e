"""Scores one window on one execution provider, in a process of its own: a broken driver may well end the process."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from dyadwatch.core.errors import ProviderError
from dyadwatch.stream.configuration.config import ScorerOptions
from dyadwatch.stream.scoring.scorer import Scorer


def try_provider(provider: str, model: Path, timeout_s: float = 180.0) -> str:
    """Whether a provider truly computes, as a sentence with the time of one window.

    Arguments:
        provider: as `scorer.provider` of the configuration.
        model: a model file.
        timeout_s: TensorRT may build its engine for minutes; beyond this the trial has failed.

    Raises:
        ProviderError: with the last line that the trial wrote.
    """
    command = [sys.executable, "-m", "dyadwatch.tools.provider_trial", provider, str(model)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise ProviderError(f"no window was scored within {timeout_s:g} s") from None
    if done.returncode == 0:
        return done.stdout.strip()
    said = done.stderr.strip().splitlines() or ["it said nothing"]
    raise ProviderError(f"the trial ended with code {done.returncode}: {said[-1]}")


def trial(provider: str, model: Path) -> str:
    """Scores a window of two people standing still and tells how long that took.

    Raises:
        DyadwatchError: the model or the provider cannot be loaded.
        ProviderError: the scores are not numbers.
    """
    scorer = Scorer(model, msgspec.structs.replace(ScorerOptions(), provider=provider))
    shape = scorer.shape
    pose = np.random.default_rng(0).normal(0, 0.4, (2, 1, len(shape.layout), 3)).astype(np.float32)
    pose[1, ..., 0] += 1.0
    window = np.repeat(pose, shape.frames, axis=1)
    scorer.score([window])  # the first one allocates and, on a GPU, compiles
    start = time.perf_counter()
    score = scorer.score([window])[0]
    took_ms = 1e3 * (time.perf_counter() - start)
    if not np.isfinite(score.score):
        raise ProviderError(f"the score of a still window is {score.score}; expected a finite number")
    return f"scored a window in {took_ms:.1f} ms on {scorer.provider}"


if __name__ == "__main__":
    sys.stdout.write(trial(sys.argv[1], Path(sys.argv[2])) + "\n")
