"""One measurement of whichever checkout is imported, for `dyadwatch bench compare`: prints a JSON object.

Uses only what both sides of a comparison have: decoding, `Pipeline` and `Scorer`. The cost of a message is that of the
default configuration, and of the same work: windows as often, and bodies not judged by a checkout that does that.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import numpy as np

import dyadwatch.stream
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.wire import decode_pose, encode_pose

try:
    from dyadwatch.loading import configure, load_scorer
except ImportError:  # a checkout from before the Python API
    from dyadwatch.tools.detector import configure  # pyright: ignore[reportMissingImports]
    from dyadwatch.tools.detector import load_detector as load_scorer  # pyright: ignore[reportMissingImports]

_BATCH = 32


def _same_work() -> tuple[str, ...]:
    """Settings with which checkouts do the same."""
    if not hasattr(configure(None, (), None), "sense"):  # from before bodies were judged
        return ("windows.hop=3",)
    from dyadwatch.core.sense.sense_codes import Oddity

    return "windows.hop=3", f"sense.ignore=[{', '.join(Oddity)}]"


def _cost(settings: Sequence[str], seconds: float) -> tuple[list[int], float]:
    """Nanoseconds of processor time of each message, from its bytes to windows, and how many windows it makes."""
    config = configure(None, settings, None)
    scorer, thresholds = load_scorer(config)
    frames = list(make_scenario(seed=1, people=4, duration_s=20).frames(30))
    messages = [encode_pose(f) for f in frames]
    spent: list[int] = []
    made = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        intake = Pipeline(scorer, thresholds, config).intake
        for parts in messages:
            began = time.thread_time_ns()  # of this thread alone: others use the machine too
            items = intake.push(decode_pose(parts, config.wire), 0)
            spent.append(time.thread_time_ns() - began)
            made += sum(hasattr(item, "joints") for item in items)
    return spent, made / len(spent)


def measure(seconds: float) -> dict[str, float | str]:
    """Microseconds of processor time from message to windows, how many those are, and how many are scored a second."""
    spent, made = _cost((), seconds / 3)
    same, same_made = _cost(_same_work(), seconds / 3)
    scorer, _ = load_scorer(configure(None, (), None))
    shape = scorer.shape
    rng = np.random.default_rng(0)
    windows = (0.3 * rng.standard_normal((_BATCH, 2, shape.frames, len(shape.layout), 3))).astype(np.float32)
    windows[:, 1, ..., 0] += 1.0
    batches: list[int] = []
    until = time.monotonic() + seconds / 3
    while time.monotonic() < until or len(batches) < 4:
        began = time.perf_counter_ns()
        scorer.score(list(windows))
        batches.append(time.perf_counter_ns() - began)
    return {
        "checkout": str(next(iter(dyadwatch.stream.__path__))),
        "message_us_p50": float(np.percentile(spent, 50)) / 1e3,
        "message_us_mean": float(np.mean(spent)) / 1e3,
        "windows_per_message": made,
        "same_work_us_p50": float(np.percentile(same, 50)) / 1e3,
        "same_work_us_mean": float(np.mean(same)) / 1e3,
        "same_work_windows_per_message": same_made,
        "windows_per_s": _BATCH / float(np.percentile(batches[1:], 50)) * 1e9,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(float(sys.argv[1]))) + "\n")
