"""How many windows a run looks at: all that there are, or as many as its budget of time has room for.

What comes after the encoder cannot be hurried once it has begun, so its cost is measured on a few windows before
anything is learnt, and the windows are made few enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.iadnet.score_module import PairEncoder
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.training.density import FLOW_SHARE
from dyadwatch.core.training.encoder import encoder_config
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.time_budget import Budget

MOST_BROKEN = 400  # windows of each kind of breaking
_LEAST_BROKEN = 40
_LEAST_WINDOWS = 300
_NORMAL, _BROKEN = 0.25, 0.12  # of what is left: for all that grows with the normal and with the broken windows
_FITS = 9  # banks of neighbours that are fitted: one a fold, to judge, to keep and to report, and asking them
_PASSES = 3  # of normal windows through the encoder
_LOOKS = 20  # passes of broken windows through the encoder, those of its looks among them
_WRITING = 35  # report and export take about so many times as long as what is measured here
_LEAST_WRITING, _MOST_WRITING = 0.05, 0.4  # of the budget
_SAMPLE = 128


@dataclass(frozen=True)
class Sizes:
    """What a run has room for.

    Arguments:
        every: one of so many normal windows.
        broken: windows of each kind of breaking.
        rest_s: seconds that are kept for what comes after the encoder; 0 without a budget.
    """

    every: int = 1
    broken: int = MOST_BROKEN
    rest_s: float = 0.0


def sizes_within(
    budget: Budget,
    joints: NDArray[np.float32],
    statistics: Statistics,
    layout: Layout,
    options: TrainOptions,
    *,
    kinds: int,
    whiten: bool,
    learns: bool,
) -> Sizes:
    """What the budget has room for, by what a few windows cost on this machine.

    Arguments:
        joints: all normal windows, shape (N, 2, T, J, 3).
        kinds: of breaking that are looked at.
        whiten, learns: whether neighbours are compared in whitened directions, and an encoder is trained.
    """
    if not budget.limited:
        return Sizes()
    sample = joints[np.unique(np.linspace(0, len(joints) - 1, _SAMPLE).astype(int))]
    began = budget.clock()
    values = statistics(sample)
    described = budget.clock()
    NearestNeighbour.fit(statistics, values, most=options.support, whiten=whiten)(values)
    fitted = encoded = budget.clock()
    if learns:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            network = PairEncoder(encoder_config(layout, options)).eval()
            fitted = budget.clock()
            network(torch.from_numpy(sample[:32]))
        encoded = budget.clock()
    describe_s, encode_s = (described - began) / len(sample), (encoded - fitted) / len(sample[:32])
    fit_s = fitted - described
    pace = fit_s / _work(len(sample), len(statistics), options.support)

    def normal_s(every: int) -> float:
        count = math.ceil(len(joints) / every)
        fits = _FITS * pace * _work(count, len(statistics), options.support)
        return count * (describe_s + _PASSES * encode_s) + fits

    room, every = _NORMAL * budget.left, 1
    while normal_s(every) > room and len(joints) // (every + 1) >= _LEAST_WINDOWS:
        every += 1
    looks = _LOOKS if options.recipe == "default" else 2 * options.epochs
    each_s = 2 * kinds * (describe_s + pace * 4e3 * options.support + looks * encode_s)
    broken = MOST_BROKEN if each_s * MOST_BROKEN <= _BROKEN * budget.left else int(_BROKEN * budget.left / each_s)
    broken = max(broken, _LEAST_BROKEN)
    writing = min(max(_WRITING * (encoded - began), _LEAST_WRITING * budget.seconds), _MOST_WRITING * budget.seconds)
    rest_s = normal_s(every) + broken * each_s + FLOW_SHARE * budget.seconds * learns + writing
    return Sizes(every, broken, min(rest_s, 0.6 * budget.left))


def _work(windows: int, features: int, support: int) -> float:
    """Operations of fitting the bank in `core.scoring.memory_bank`: directions, projection, spreading, asking."""
    rows = 2 * windows
    least = min(rows, features)
    directions = 2 * rows * features * least + 10 * least**3
    return directions + 500 * rows * features + 4e3 * windows * min(windows, support)
