"""On what a figure was measured, and how figures are summed up."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def describe_machine() -> dict[str, str | int | float]:
    """Processor, cores, load and versions, to stand beside every figure."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """p50, p95 and p99 of the values, and how many there were; zeros without any."""
    if not len(values):
        return {"n": 0, "p50": 0.0, "p95": 0.0, "p99": 0.0}
    p50, p95, p99 = (round(float(p), digits) for p in np.percentile(np.asarray(values), [50, 95, 99]))
    return {"n": len(values), "p50": p50, "p95": p95, "p99": p99}
