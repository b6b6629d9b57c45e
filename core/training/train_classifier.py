"""Trains the critic: a few thousand intact windows and the same ones broken, seen through their statistics."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.iadnet.frame_module import PairFrame
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.iadnet.statistics_module import RelationalStatistics
from dyadwatch.core.iadnet.timing import TimingGain
from dyadwatch.core.training.augment_window import augment
from dyadwatch.core.training.mismatched_pairs import PairSampler
from dyadwatch.core.training.options import Listener, Progress, TrainOptions
from dyadwatch.core.training.time_budget import Budget, RateSchedule

_STEPS = 4000
_WINDOWS = 24_000  # intact ones, with as many broken ones
_BATCH = 128
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.05
_WARM_UP = 0.15
_CHUNK = 250
_ROWS, _COLUMNS = 1024, 128  # at a time, for memory
_DRAWING, _LEARNING = 0.08, 0.12  # of what is left of a budget; learning begins with the spread of what was drawn


def train_critic(
    sampler: PairSampler,
    statistics: Statistics,
    options: TrainOptions,
    listen: Listener,
    budget: Budget | None = None,
) -> MismatchClassifier:
    """Binary cross-entropy between intact and broken windows.

    Statistics cost far more than a step of this network, so the windows are drawn once and seen some twenty times,
    in either order of the persons; dropout keeps it from knowing them by heart. Fewer `options.steps` than usual draw
    and take as many fewer; a budget does so, too, where there is no time for all.
    """
    budget = budget or Budget()
    learning_s = _LEARNING * budget.left
    share = min(1.0, options.steps / TrainOptions.steps)
    steps, count = max(1, round(share * _STEPS)), max(_BATCH, round(share * _WINDOWS))
    intact, broken = _draw(sampler, statistics, options, count, listen, budget)
    budget.charge("broken pairs")
    learning = budget.clock()
    centre, spread = _middle_and_spread(intact, broken)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        critic = MismatchClassifier(statistics, centre, spread)
        for values in (intact, broken):
            for i in range(0, len(values), _ROWS):
                values[i : i + _ROWS] = critic.scaled(values[i : i + _ROWS])
        optimiser = torch.optim.AdamW(critic.layers.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps, pct_start=_WARM_UP)
        target = torch.cat([torch.zeros(_BATCH), torch.ones(_BATCH)])
        learning_s = max(learning_s - (budget.clock() - learning), 0.3 * learning_s)
        pace, position, taken, rate = budget.pace(steps, learning_s), 0, 0, 0.0
        while position < steps:
            chosen = torch.randint(len(intact), (_BATCH,))
            scaled = torch.cat([intact[chosen], broken[chosen]])
            turned = torch.rand(len(scaled), 1) < 0.5
            scaled = torch.where(turned, scaled.index_select(1, critic.swap), scaled)
            loss = functional.binary_cross_entropy_with_logits(critic.one_order(scaled), target)
            rate = optimiser.param_groups[0]["lr"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            before, position, taken = position, pace.after(position), taken + 1
            rates.last_epoch = position - 1
            rates.step()
            if position // 50 > before // 50 or position == steps:
                listen(Progress("critic", position, steps, {"loss": float(loss.detach())}))
    budget.schedules["critic"] = RateSchedule(steps, taken, rate)
    budget.charge("critic")
    return critic.eval().requires_grad_(False)


@torch.no_grad()
def _draw(
    sampler: PairSampler,
    statistics: Statistics,
    options: TrainOptions,
    count: int,
    listen: Listener,
    budget: Budget,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Statistics of intact windows and of the same ones broken, (count, F) each, or as many as there is time for."""
    until = budget.clock() + _DRAWING * budget.left
    rng = np.random.default_rng([options.seed, 4])
    generator = torch.Generator().manual_seed(options.seed)
    measure, frame = RelationalStatistics(statistics, options.frames), PairFrame(statistics.at)
    found = torch.empty(count, len(statistics)), torch.empty(count, len(statistics))
    drawn = 0
    for start in range(0, count, _CHUNK):
        for windows, values in zip(sampler.training_batch(min(_CHUNK, count - start), rng), found, strict=True):
            joints = augment(torch.from_numpy(windows), generator, dropped=options.dropped)
            values[start : start + len(joints)] = measure(joints, frame(joints))[0]
            drawn = start + len(joints)
        late = budget.clock() >= until
        listen(Progress("broken pairs", count if late else min(start + _CHUNK, count), count))
        if late:
            break
    return found[0][:drawn], found[1][:drawn]


def _middle_and_spread(intact: torch.Tensor, broken: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and standard deviation of each statistic over both; some columns at a time, for they are large."""
    middle: list[torch.Tensor] = []
    spread: list[torch.Tensor] = []
    for i in range(0, intact.shape[1], _COLUMNS):
        both = torch.cat([intact[:, i : i + _COLUMNS], broken[:, i : i + _COLUMNS]]).double()
        middle.append(both.median(0).values)
        spread.append(both.std(0))
    return torch.cat(middle).numpy(), torch.cat(spread).numpy()


@torch.no_grad()
def critic_logits(critic: MismatchClassifier, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """How surely windows with these statistics (N, F) are broken; shape (N,)."""
    parts = [critic(torch.from_numpy(values[i : i + 1024].astype(np.float32))) for i in range(0, len(values), 1024)]
    return torch.cat([torch.zeros(0), *parts]).double().numpy()


@torch.no_grad()
def timing_gain(
    critic: MismatchClassifier, statistics: Statistics, windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """`TimingGain` of windows (N, 2, T, J, 3); shape (N,)."""
    gain = TimingGain(critic, statistics, windows.shape[2])
    parts = [gain(torch.from_numpy(windows[i : i + _CHUNK])) for i in range(0, len(windows), _CHUNK)]
    return torch.cat([torch.zeros(0), *parts]).double().numpy()
