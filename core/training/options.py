"""Training options, and the progress events of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from dyadwatch.core.decision.thresholds import BUDGET_PER_H
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.iadnet.sizes import Position

Recipe = Literal["default", "paper"]
# Parts of the default recipe that an ablation can leave out; the nearest neighbour is always there.
PARTS = ("encoder", "critic", "flow", "whitened")
FEWEST_FRAMES = 8  # of a window
_FEWEST_SEEN = 3  # of a window with a lead
_MOST_FRAMES = 240
_MOST_FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """One recipe for all data; nothing here needs to be set.

    Arguments:
        layout: name of the model's skeleton layout; None is the layout of the first clips.
        fps: frames per second of the model's time grid.
        window_s: length of a window, seconds.
        least_s: seconds of two people from which on they are judged, and the shortest clip that can be learnt from;
            what a window lacks at their beginning repeats their first frame.
        hop: grid steps between the windows that the model is fitted to and calibrated on.
        recipe: `default`, or the published end-to-end likelihood training, `paper`.
        seed: of everything random.
        steps: optimiser steps of the encoder; the default recipe.
        batch: intact windows a step, with as many broken ones beside them.
        epochs: passes over the clips; the `paper` recipe.
        width, units: size of the encoder, see `IADNetConfig`.
        position, relations, sharing: parts of the encoder, see `IADNetConfig`; anything but the defaults is an
            ablation.
        support: most normal windows kept in the model for comparison.
        mirror: also train on left-right mirrored people; harms where habits are one-sided.
        noise_m: standard deviation of the noise put on joints while the encoder trains.
        tempo: windows are played up to this part faster or slower while the encoder trains.
        scale: people and distances grow or shrink by up to this part while the encoder trains.
        dropped: part of the windows in which a joint is lost for a while, as a sensor loses it, while parts are
            learnt.
        without: parts left out, see `PARTS`: ablations.
        least_trust: smallest weight of the learnt parts, whatever their AUROC on broken pairs; of relation and flow as
            a part of the nearest neighbour's. 0 leaves out a part that learnt nothing, which is right
            for real data; simulated people hardly react to each other, so a model for demonstration needs a floor to
            show the network at work.
        folds: of the recordings; the levels of alarms rest on all of them, each judged by a model of the other folds,
            so what learns is learnt so many times more. Below 2, and with `max_minutes`, they rest on what is held
            back.
        budget_per_h: false alarms an hour that the levels are to vouch for.
        max_minutes: what the whole run may take; None is no limit. Where there is no time for everything, every stage
            does less and schedules still end annealed; such a run is not repeatable to the last digit.
        stop_on_collapse: whether the `paper` recipe ends with an error where it sees a collapse.

    Raises:
        TrainingError: naming the option, its value and what was expected.
    """

    layout: str | None = None
    fps: float = 15.0
    window_s: float = 1.5
    least_s: float = 0.6
    hop: int = 2
    recipe: Recipe = "default"
    seed: int = 0
    steps: int = 1200
    batch: int = 64
    epochs: int = 50
    width: int = 64
    units: int = 2
    position: Position = "synchronised"
    relations: bool = True
    sharing: bool = True
    support: int = 1024
    mirror: bool = False
    noise_m: float = 0.005
    tempo: float = 0.1
    scale: float = 0.0
    dropped: float = 0.1
    without: tuple[str, ...] = ()
    least_trust: float = 0.0
    folds: int = 2
    budget_per_h: float = BUDGET_PER_H
    max_minutes: float | None = None
    stop_on_collapse: bool = True

    def __post_init__(self) -> None:
        _expect(1 <= self.fps <= 240, "fps", self.fps, "1 to 240 frames per second")
        for key in ("hop", "steps", "batch", "epochs", "width", "units", "support"):
            _expect(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        _expect(self.width % 4 == 0, "width", self.width, "a multiple of 4, the number of attention heads")
        _expect(
            FEWEST_FRAMES <= self.frames <= _MOST_FRAMES,
            "window_s",
            self.window_s,
            f"{FEWEST_FRAMES} to {_MOST_FRAMES} frames, {FEWEST_FRAMES / self.fps:.2f} to "
            f"{_MOST_FRAMES / self.fps:.0f} s at {self.fps:g} fps",
        )
        _expect(self.least_s > 0, "least_s", self.least_s, "more than 0 s")
        _expect(self.position in get_args(Position), "position", self.position, " or ".join(get_args(Position)))
        _expect(self.recipe in get_args(Recipe), "recipe", self.recipe, " or ".join(get_args(Recipe)))
        _expect(0 <= self.noise_m <= 0.1, "noise_m", self.noise_m, "0 to 0.1 m")
        _expect(0 <= self.least_trust <= 1, "least_trust", self.least_trust, "0 to 1")
        for key in ("tempo", "scale"):
            _expect(0 <= getattr(self, key) <= 0.5, key, getattr(self, key), "0 to 0.5")
        _expect(0 <= self.dropped <= 1, "dropped", self.dropped, "0 to 1")
        _expect(set(self.without) <= set(PARTS), "without", self.without, f"some of {', '.join(PARTS)}")
        _expect(0 <= self.folds <= _MOST_FOLDS, "folds", self.folds, f"0 to {_MOST_FOLDS}")
        _expect(self.budget_per_h > 0, "budget_per_h", self.budget_per_h, "more than 0")
        _expect(self.max_minutes is None or self.max_minutes > 0, "max_minutes", self.max_minutes, "more than 0")

    @property
    def frames(self) -> int:
        """T, frames of a window."""
        return round(self.window_s * self.fps)

    @property
    def least_frames(self) -> int:
        """Frames of two people from which on they are judged."""
        if self.recipe == "paper":
            return self.frames  # as published: whole windows
        return min(max(round(self.least_s * self.fps), _FEWEST_SEEN), self.frames)

    @property
    def lead(self) -> int:
        """The most frames of a window that repeat the first that was seen."""
        return self.frames - self.least_frames


def _expect(holds: bool, key: str, value: object, expected: str) -> None:
    if not holds:
        raise TrainingError(f"training option {key} = {value!r}: expected {expected}")


@dataclass(frozen=True)
class Progress:
    """One step of a training run.

    Arguments:
        stage: what is being done, a few words.
        done, total: how far the stage is.
        values: figures worth watching, by name.
    """

    stage: str
    done: int
    total: int
    values: dict[str, float] = field(default_factory=dict)


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """A listener that listens to nothing."""
