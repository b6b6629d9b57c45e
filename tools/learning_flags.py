"""How to learn, on the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from dyadwatch.core.decision.event_budget import per_hour

if TYPE_CHECKING:
    from dyadwatch.core.training.options import TrainOptions


def _help(text: str) -> Parameter:
    return Parameter(help=text, negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LearningFlags:
    """The fields of `core.training.options.TrainOptions` that are given by hand."""

    layout: Annotated[
        str | None, _help("Skeleton layout of the model, such as upper11; the layout of the first clips if not given.")
    ] = None
    fps: Annotated[
        float, _help("Frames per second of the model's time grid; clips and live poses are resampled to it.")
    ] = 15.0
    window_s: Annotated[
        float | None,
        _help(
            "Length of a window in seconds; if not given 0.67 where the clips last ten minutes or more, else 1.5, or "
            "less where that fits few clips."
        ),
    ] = None
    hop: Annotated[int, _help("Frames from one training window to the next.")] = 2
    recipe: Annotated[
        Literal["default", "paper"],
        _help(
            "default, or paper: end to end by likelihood as published, which stops when it collapses; see --keep-going."
        ),
    ] = "default"  # fmt: skip
    steps: Annotated[int, _help("Optimiser steps of the encoder; the recipe paper has epochs instead.")] = 1200
    epochs: Annotated[
        int | None, _help("Passes over the clips of the recipe paper, 50 if not given; no other has any.")
    ] = None
    width: Annotated[int, _help("Channels of the encoder, a multiple of 4; the paper has 512.")] = 64
    units: Annotated[
        int,
        Parameter(name="--attention-units", help="Attention units that the encoder stacks; the paper has 8. With its "
                  "width that is some hundred times the work of the default."),
    ] = 2  # fmt: skip
    keep_going: Annotated[
        bool, _help("The recipe paper goes on to its last epoch where it sees a collapse, and the model is written.")
    ] = False
    seed: Annotated[int, _help("The same seed on the same machine gives the same model.")] = 0
    minutes: Annotated[
        float | None,
        _help("The whole run, from reading to export, fits into this many minutes: learning takes fewer steps."),
    ] = None
    mirror: Annotated[bool, _help("Also learn from left-right mirrored people.")] = False
    scale: Annotated[float, _help("Also learn from people up to this part larger or smaller.")] = 0.0
    dropped: Annotated[float, _help("Part of the windows in which a joint is lost for a while, as sensors do.")] = 0.1
    support: Annotated[
        int, _help("Most normal windows that the model keeps to compare with; fewer make a smaller file.")
    ] = 1024
    budget: Annotated[
        str, _help("False alarms that the thresholds are to vouch for, such as 6/hour or 1/day, if clips last so long.")
    ] = "6/hour"  # fmt: skip
    folds: Annotated[
        int,
        _help("The thresholds rest on all clips, each judged by a model of the other folds, which is trained besides; "
              "0 trains one model only, and they rest on a fifth of the clips."),
    ] = 2  # fmt: skip
    least_trust: Annotated[
        float,
        _help("Smallest weight of the learnt parts, even where they learnt nothing; for models that only demonstrate."),
    ] = 0.0

    def options(self) -> TrainOptions:
        """The same, as training takes it.

        Raises:
            TrainingError: naming the option, its value and what was expected.
        """
        from dyadwatch.core.training.options import TrainOptions

        told = asdict(self)
        told["budget_per_h"] = per_hour(told.pop("budget"))
        for key in ("epochs", "window_s"):
            if told[key] is None:
                del told[key]
        return TrainOptions(max_minutes=told.pop("minutes"), stop_on_collapse=not told.pop("keep_going"), **told)


AS_IT_IS = LearningFlags()
