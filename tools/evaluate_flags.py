"""Evaluation settings from the command line, beside data and protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter


def _help(text: str) -> Parameter:
    return Parameter(help=text, negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EvaluationFlags:
    """Which part of an evaluation, and how."""

    fold: Annotated[tuple[str, ...], _help("Only this fold as the test; may be repeated.")] = ()
    category: Annotated[tuple[str, ...], _help("Only this category as the normal one; may be repeated.")] = ()
    method: Annotated[
        tuple[str, ...], _help("Only this method, by its name in the table, such as dyadwatch; may be repeated.")
    ] = ()
    seeds: Annotated[
        int | None, _help("Trainings with different seeds; if not given three, and one of each variant of an ablation.")
    ] = None
    steps: Annotated[
        int | None,
        _help("Optimiser steps of the encoder; if not given those of the default recipe, and 300 in an ablation."),
    ] = None
    layout: Annotated[
        str | None, _help("Skeleton layout to map the clips onto, such as upper11; their own if not given.")
    ] = None
    fps: Annotated[float | None, _help("Frames per second of the windows; 15 if not given.")] = None
    window_s: Annotated[
        float | None,
        _help("Length of the windows in seconds; if not given 2, and in events and explanation as in training: 0.67, "
              "or 1.5 from little data."),
    ] = None  # fmt: skip
    clip_score: Annotated[
        Literal["whole", "windows"] | None,
        _help("How a clip is judged where clips are: whole, played in the frames of one window, or by the mean of its "
              "windows, which is what happens if not given."),
    ] = None  # fmt: skip
    base: Annotated[
        Path | None,
        _help("With few-shot: enrol on this model file, all its parts, instead of learning from the other categories; "
              "shipped is the one that comes with dyadwatch."),
    ] = None  # fmt: skip
    set_: Annotated[
        tuple[str, ...],
        Parameter(name="--set", negative=(), help="One configuration key of the detector that the protocol live runs, "
                  "such as --set alarm.min_duration_s=0; may be repeated. The default configuration if not given."),
    ] = ()  # fmt: skip
    cache: Annotated[
        Path | None, _help("Folder that results are kept in; ~/.cache/dyadwatch/evaluate if not given.")
    ] = None
    no_cache: Annotated[bool, Parameter(name="--no-cache", help="Keep and take no results.", negative=())] = False

    def settings(self) -> dict[str, Any]:
        """What was given, by the names in `core.evaluation.settings.Settings`."""
        given = {
            "folds": self.fold,
            "categories": self.category,
            "methods": self.method,
            "detector": self.set_,
            **{k: getattr(self, k) for k in ("seeds", "layout", "fps", "window_s", "clip_score")},
            "train": {} if self.steps is None else {"steps": self.steps},
        }
        return {k: v for k, v in given.items() if v not in (None, (), {})}


EVERYTHING = EvaluationFlags()
