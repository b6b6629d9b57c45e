"""Everything a training run measured, as plain values that go into JSON."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.recordings import Prepared, Windows

_BINS = 40
_MOST_UNUSUAL = 10


def make_report(
    prepared: Prepared,
    judges: Windows,
    options: TrainOptions,
    scores: dict[str, NDArray[np.floating]],
    figures: dict[str, Any],
) -> dict[str, Any]:
    """The report.

    Arguments:
        prepared: what was trained on.
        judges: the normal windows that were scored without having been trained on.
        scores: their surprise by name, `score` among them; shape (N,).
        figures: whatever else was measured; not-a-number becomes None.
    """
    used = {r.name.split(" from ")[0] for r in prepared.recordings}
    report = {
        "options": asdict(options),
        "layout": prepared.layout.name,
        "joints": list(prepared.layout.joints),
        "clips": len(used),
        "recordings": len(prepared.recordings),
        "skipped_clips": sum(len(names) for names in prepared.skipped.values()),
        "skipped": prepared.skipped,
        "hours": round(prepared.frames / options.fps / 3600, 4),
        "labels": dict(Counter(r.label or "unlabelled" for r in prepared.recordings)),
        "held_out_windows": len(judges),
        "histograms": {name: _histogram(values) for name, values in scores.items()},
        "most_unusual_normal": _most_unusual(prepared, judges, scores["score"], options.fps),
        **figures,
    }
    return _plain(report)


def _histogram(values: NDArray[np.floating]) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, bins=_BINS, range=(0, max(4.0, float(values.max(initial=0)))))
    return {"counts": counts.tolist(), "edges": [round(float(e), 4) for e in edges]}


def _most_unusual(prepared: Prepared, judges: Windows, score: NDArray[np.floating], fps: float) -> list[dict[str, Any]]:
    """The normal recordings with the highest peaks: where to look for mistakes in the data."""
    out: list[dict[str, Any]] = []
    seen: set[int] = set()
    for i in np.argsort(-score, kind="stable"):
        recording = int(judges.recording[i])
        if recording in seen:
            continue
        seen.add(recording)
        at = round(float(judges.start[i] / fps), 2)
        out.append({"clip": prepared.recordings[recording].name, "start_s": at, "score": round(float(score[i]), 3)})
        if len(out) == _MOST_UNUSUAL:
            break
    return out


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no numpy."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
