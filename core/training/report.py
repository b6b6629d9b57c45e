"""Everything a training run measured, as plain values that go into JSON."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.windows import Windows
from dyadwatch.core.features.pair_frame import anchors, placed_by
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.outliers import most_unusual
from dyadwatch.core.training.training_data import Prepared
from dyadwatch.core.words import of_clips

_BINS = 40


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
        figures: whatever else was measured; not-a-number becomes None. `core.training.report_page` draws `weights`,
            `broken_pairs` (part -> kind -> AUROC), `broken_pairs_mean`, `curve` (numbers at steps or epochs),
            `collapse`, `monitor`, `calibration` and `needed` (`minutes`, `units` and `auroc` without which learnt
            parts are left out), and lists what else there is.
    """
    used = {r.clip for r in prepared.recordings}
    report = {
        "options": asdict(options),
        "layout": prepared.layout.name,
        "joints": list(prepared.layout.joints),
        "placed_by": placed_by(prepared.layout, anchors(prepared.layout)),
        "clips": len(used),
        "recordings": len(prepared.recordings),
        "units": prepared.units,
        "skipped_clips": sum(len(names) for _, names in prepared.skipped),
        "skipped": {of_clips(why): names for why, names in prepared.skipped},
        "hours": round(prepared.frames / options.fps / 3600, 4),
        "labels": dict(Counter(r.label or "unlabelled" for r in prepared.recordings)),
        "held_out_windows": len(judges),
        "histograms": {name: _histogram(values) for name, values in scores.items()},
        "most_unusual_normal": most_unusual(prepared, judges, scores, options.fps),
        **figures,
    }
    return _plain(report)


def _histogram(values: NDArray[np.floating]) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, bins=_BINS, range=(0, max(4.0, float(values.max(initial=0)))))
    return {"counts": counts.tolist(), "edges": [round(float(e), 4) for e in edges]}


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no numpy."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
