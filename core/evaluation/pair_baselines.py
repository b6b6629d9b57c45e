"""Plain methods on broken pairs, and what tells the variations without seeing a partner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.evaluation.baselines import baselines_of, extra_trees, path_curvature
from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.pair_material import PairMaterial, Rows, measure, variations
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.training.mismatched_pairs import PairSampler
from dyadwatch.core.training.options import Listener
from dyadwatch.core.training.training_data import prepare

TREES = "extra trees on broken pairs"
LENGTH, CURVATURE = "clip length", "path curvature"


def run_baseline(material: PairMaterial, name: str, listen: Listener) -> Result:
    """A plain method by its name."""
    score = baselines_of(material.settings)[name](material.statistics, material.normal_values)
    return Result(measure(material, lambda windows: {Row(name): score(material.statistics(windows))}))


def run_plain_cues(material: PairMaterial, name: str, listen: Listener) -> Result:
    """Clip length in seconds, or curvature of the paths; they see no partner, only the variations."""
    odd, test = material.variations, material.test
    if odd is None:
        return Result([])

    def score(windows: NDArray[np.float32]) -> Rows:
        if name == CURVATURE:
            return {Row(name): path_curvature(windows, test.at)}
        which = test if windows is test.intact else odd
        return {Row(name): which.seconds[which.clip]}

    return Result(variations(material, score(test.intact), score))


def run_trees(material: PairMaterial, listen: Listener) -> Result:
    """Extra trees, taught with pairs broken as the model's are."""
    settings, statistics = material.settings, material.statistics
    options = settings.train_options(0)
    recordings = prepare([material.train], options).recordings
    sampler = PairSampler(recordings, settings.frames, settings.fps, statistics.at, tempo=options.tempo)
    rng = np.random.default_rng(0)
    batches = [sampler.training_batch(500, rng) for _ in range(max(1, settings.tree_windows // 500))]
    intact, broken = (np.concatenate([statistics(b[i]) for b in batches]) for i in (0, 1))
    score = extra_trees(statistics, intact, broken, settings.trees, seed=0)
    return Result(measure(material, lambda windows: {Row(TREES): score(statistics(windows))}))
