"""What a recipe starts from and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.iadnet.score_module import PairScorer
from dyadwatch.core.scoring.memory_bank import enough_to_whiten
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.training.calibrate_scores import split_units
from dyadwatch.core.training.encoder import BrokenPairs
from dyadwatch.core.training.mismatched_pairs import PairSampler, ValidationKind
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.time_budget import Budget
from dyadwatch.core.training.training_data import Prepared, Windows, cut, prepare
from dyadwatch.core.training.window_counts import MOST_BROKEN, sizes_within

HELD_BACK = 0.2  # of the units, for calibration and weights
_MOST_WINDOWS = 40000
_BROKEN_PER_KIND = MOST_BROKEN
ENOUGH_S = 600.0  # seconds of pairs from which an encoder learns what belongs together
ENOUGH_UNITS = 10


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Arguments:
        scorer: the module to export.
        layout, options: what it is for and how it was made.
        summary: a few plain values for the model's metadata.
        calibration: `raise_at`, `clear_at`, `rules` and `evidence`, see `thresholds`.
        report: everything measured, as plain values.
    """

    scorer: PairScorer
    layout: Layout
    options: TrainOptions
    summary: dict[str, Any]
    calibration: dict[str, Any]
    report: dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What both recipes start from.

    Arguments:
        prepared: clean recordings.
        windows: all normal windows.
        values: their statistics, shape (N, F).
        held: which windows are held back, shape (N,).
        broken: held-back windows and the same ones broken, by kind.
        train: sampler of the recordings that are not held back.
        rest_s: seconds that a budget keeps for what comes after the encoder.
    """

    prepared: Prepared
    statistics: Statistics
    windows: Windows
    hop: int
    values: NDArray[np.float32]
    held: NDArray[np.bool_]
    broken: BrokenPairs
    train: PairSampler
    rest_s: float = 0.0


def gather(clip_sets: Sequence[ClipSet], options: TrainOptions) -> Material:
    """Cleans the clips, cuts windows, holds some back and breaks those.

    Raises:
        LayoutError: when joints do not map onto the model's layout.
        TrainingError: when there is too little.
    """
    return arrange(prepare(clip_sets, options), options, Budget())


def arrange(prepared: Prepared, options: TrainOptions, budget: Budget) -> Material:
    """Cuts windows, holds some back and breaks those; fewer of both where the budget has no room for all."""
    statistics = Statistics.of_layout(prepared.layout, options.fps)
    hop = max(options.hop, prepared.frames // _MOST_WINDOWS)
    windows = cut(prepared.recordings, options.frames, hop)
    sizes = sizes_within(
        budget,
        windows.joints,
        statistics,
        prepared.layout,
        options,
        kinds=len(ValidationKind),
        whiten=enough_to_whiten(prepared.frames, options.frames),
        learns=enough_to_learn(prepared, options) or options.recipe == "paper",
    )
    if sizes.every > 1:
        hop *= sizes.every
        windows = cut(prepared.recordings, options.frames, hop)
    held = split_units(windows.unit, HELD_BACK, options.seed)
    held_units = set(np.unique(windows.unit[held]).tolist())
    samplers = [
        PairSampler(
            [r for r in prepared.recordings if (r.unit in held_units) == back],
            options.frames,
            options.fps,
            statistics.at,
            tempo=0.0 if back else options.tempo,
        )
        for back in (True, False)
    ]
    count = min(_BROKEN_PER_KIND, sizes.broken, 4 * int(held.sum()))
    pairs = {str(kind): samplers[0].validation_set(kind, count, options.seed) for kind in ValidationKind}
    broken = {kind: pair for kind, pair in pairs.items() if len(pair[0]) >= 10}
    values = statistics(windows.joints)
    return Material(prepared, statistics, windows, hop, values, held, broken, samplers[1], sizes.rest_s)


def enough_to_learn(prepared: Prepared, options: TrainOptions) -> bool:
    """Whether there is enough for parts that learn."""
    return prepared.units >= ENOUGH_UNITS and prepared.frames >= ENOUGH_S * options.fps


def summarise(report: dict[str, Any], options: TrainOptions) -> dict[str, Any]:
    """What the model's metadata say about its training."""
    return {
        "recipe": options.recipe,
        "seed": options.seed,
        **{k: report[k] for k in ("clips", "skipped_clips", "hours", "windows", "support", "labels", "weights")},
        "placed_by": report["placed_by"],
        "broken_pairs_auroc": {k: round(v, 4) for k, v in report["broken_pairs_mean"].items() if v is not None},
    }
