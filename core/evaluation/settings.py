"""Evaluation settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError, DyadwatchError
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.training.options import TrainOptions

Values = NDArray[np.floating]
# statistics of windows, (N, F), to scores (N,), higher is more anomalous
Scorer = Callable[[Values], NDArray[np.floating]]
# how statistics are made, and those of normal windows, to a scorer
Fit = Callable[[Statistics, Values], Scorer]

ClipScore = Literal["whole", "windows"]
MODEL = "dyadwatch"
# Categories of SBU.
PEACEFUL = ("approaching", "departing", "shaking_hands", "hugging", "exchanging_object")
VIOLENT = ("kicking", "punching", "pushing")
_MOST_FPS, _FEWEST_FRAMES, _MOST_FRAMES = 240, 8, 240  # bounds of training


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of all protocols; the same for every data set.

    Arguments:
        folds: names of the folds to test on; empty is all.
        categories: to take as normal; empty is all.
        methods: to run; empty is all.
        seeds: of training: 0, 1, ... up to this number. Baselines without chance run once.
        draws: of tests that are drawn at random: seeds of the generator of broken pairs.
        shot_draws: support sets drawn for each size in `few-shot`.
        bootstrap: resamplings of the test clips, for intervals.
        fps, window_s: of the windows.
        hop: grid steps between the windows of a clip that is judged by them.
        pair_hop: grid steps between the windows that are broken.
        fit_hop: grid steps between the windows that baselines are fitted to, to find broken pairs.
        clip_score: how a clip becomes windows in protocols that judge clips, see `core.evaluation.scored_clips`.
        layout: to map the clips onto; None leaves them as they are.
        trees, tree_windows: size of the extra trees, and how many intact windows they see, with as many broken ones.
        train: further options of training, by the names in `TrainOptions`.
        variants: training options by the name of a variant, beside or instead of the plain model: ablations.
        baselines: further plain methods by name, fitted as those of `core.evaluation.baselines` are.

    Raises:
        DyadwatchError: naming the option, its value and what was expected.
    """

    folds: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: int = 3
    draws: int = 2
    shot_draws: int = 5
    bootstrap: int = 500
    fps: float = 15.0
    window_s: float = 2.0
    hop: int = 3
    pair_hop: int = 5
    fit_hop: int = 5
    clip_score: ClipScore = "windows"
    layout: str | None = None
    trees: int = 300
    tree_windows: int = 12_000
    train: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    baselines: Mapping[str, Fit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("seeds", "draws", "shot_draws", "bootstrap", "hop", "pair_hop", "fit_hop", "trees", "tree_windows"):
            if getattr(self, key) < 1:
                raise DyadwatchError(f"evaluation option {key} = {getattr(self, key)!r}: expected at least 1")
        if not 1 <= self.fps <= _MOST_FPS:
            raise DyadwatchError(f"evaluation option fps = {self.fps!r}: expected 1 to {_MOST_FPS} frames per second")
        if not math.isfinite(self.window_s) or not _FEWEST_FRAMES <= self.frames <= _MOST_FRAMES:
            raise DyadwatchError(
                f"evaluation option window_s = {self.window_s!r}: expected {_FEWEST_FRAMES} to {_MOST_FRAMES} frames, "
                f"{_FEWEST_FRAMES / self.fps:.2f} to {_MOST_FRAMES / self.fps:.0f} s at {self.fps:g} fps"
            )
        if self.clip_score not in get_args(ClipScore):
            raise DyadwatchError(
                f"evaluation option clip_score = {self.clip_score!r}: expected {' or '.join(get_args(ClipScore))}"
            )

    @property
    def frames(self) -> int:
        """T, frames of a window."""
        return round(self.fps * self.window_s)

    def train_options(self, seed: int, **more: Any) -> TrainOptions:
        """Options of a training run.

        Raises:
            TrainingError: when one of them is out of bounds.
        """
        return TrainOptions(
            **{
                "layout": self.layout,
                "fps": self.fps,
                "window_s": self.window_s,
                "least_s": self.window_s,
                "seed": seed,
                **self.train,
                **more,
            }
        )

    def chosen_methods(self, protocol: str, known: Collection[str]) -> set[str]:
        """Those of the methods of a protocol that are wanted.

        Raises:
            ClipError: when a method is wanted that the protocol has not.
        """
        unknown = [name for name in self.methods if name not in known]
        if unknown:
            raise ClipError(
                f"{protocol} has no method {', '.join(unknown)}; there are {'; '.join(dict.fromkeys(known))}"
            )
        return set(self.methods or known)

    def identity(self) -> dict[str, Any]:
        """What changes results, as plain values; which part of them is wanted does not."""
        keys = ("bootstrap", "fps", "window_s", "hop", "pair_hop", "fit_hop", "clip_score", "layout")
        return {k: getattr(self, k) for k in keys}
