"""Plain methods through the same alarms: their scores become surprise, and levels are found, on left-out clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.windows import CleanRecording, Windows, cut
from dyadwatch.core.decision.thresholds import thresholds, thresholds_of
from dyadwatch.core.evaluation.baselines import extra_trees, nearest_neighbour
from dyadwatch.core.evaluation.event_material import EventTest, alarm_options
from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.pair_baselines import TREES
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.scoring.tail_calibration import TailCalibration
from dyadwatch.core.training.mismatched_pairs import PairSampler
from dyadwatch.core.training.options import Listener
from dyadwatch.core.training.training_data import prepare

NEAREST = "nearest neighbour"
_FOLDS = 5
_BATCH = 500

# from recordings to a score of statistics
Fit = Callable[[list[CleanRecording]], Callable[[NDArray[np.floating]], NDArray[np.floating]]]


def run_nearest(test: EventTest, listen: Listener) -> Result:
    """The distance to the nearest normal window in relational statistics."""
    statistics, settings = _statistics(test), test.settings

    def fit(recordings: list[CleanRecording]) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
        return nearest_neighbour(statistics, statistics(cut(recordings, settings.frames, settings.fit_hop).joints))

    return _through_alarms(test, statistics, fit, NEAREST)


def run_trees(test: EventTest, listen: Listener) -> Result:
    """Extra trees, taught with pairs broken as the model's are; their logit."""
    statistics, settings = _statistics(test), test.settings
    tempo = settings.train_options(0).tempo

    def fit(recordings: list[CleanRecording]) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
        sampler = PairSampler(recordings, settings.frames, settings.fps, statistics.at, tempo=tempo)
        rng = np.random.default_rng(0)
        batches = [sampler.training_batch(_BATCH, rng) for _ in range(max(1, settings.tree_windows // _BATCH))]
        intact, broken = (np.concatenate([statistics(b[i]) for b in batches]) for i in (0, 1))
        return extra_trees(statistics, intact, broken, settings.trees, seed=0)

    return _through_alarms(test, statistics, fit, TREES)


def _statistics(test: EventTest) -> Statistics:
    return Statistics.of_layout(test.played[0].clip.layout, test.settings.fps)


def _through_alarms(test: EventTest, statistics: Statistics, fit: Fit, name: str) -> Result:
    settings = test.settings
    recordings = list(prepare([test.train], alarm_options(settings, 0)).recordings)
    windows = cut(recordings, settings.frames, settings.hop)
    values = statistics(windows.joints)
    raw = _left_out(recordings, windows, values, fit)
    surprise, score = TailCalibration.fit(raw), fit(recordings)
    made = thresholds({"score": surprise(raw)}, windows, settings.hop / settings.fps)

    def parts(played: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        return {"score": surprise(score(statistics(played)))}

    levels = thresholds_of(made)
    return Result(test.measure(Row(name), parts, levels, made["evidence"]["events_per_hour_95"]), {"calibration": made})


def _left_out(
    recordings: list[CleanRecording], windows: Windows, values: NDArray[np.float32], fit: Fit
) -> NDArray[np.float64]:
    """Scores of all windows, each by what was fitted to the recordings of other units."""
    units = np.random.default_rng(0).permutation(np.unique(windows.unit))
    raw = np.zeros(len(windows))
    for fold in np.array_split(units, min(_FOLDS, len(units))):
        held = np.isin(windows.unit, fold)
        raw[held] = fit([r for r in recordings if r.unit not in set(fold.tolist())])(values[held])
    return raw
