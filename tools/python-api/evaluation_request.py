"""What an evaluation is asked for, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.readers.dataset import Dataset
from dyadwatch.core.readers.read_options import ReadOptions

if TYPE_CHECKING:
    from dyadwatch.core.evaluation.jobs import Status

# One fold, one seed, and less of everything that takes long: minutes on two cores.
QUICK_STEPS, QUICK_MINUTES = 300, 3.0
_QUICK: dict[str, Any] = {
    "seeds": 1, "draws": 1, "shot_draws": 3, "bootstrap": 200, "pair_hop": 10, "fit_hop": 10, "trees": 100,
    "tree_windows": 3000,
}  # fmt: skip
# Many variants in as many minutes: enough to see that they run, too little to tell them apart.
_QUICK_ABLATION: dict[str, Any] = {"steps": 20, "max_minutes": 0.3, "epochs": 2}
_QUICK_HOP, _QUICK_PAIR_HOP = 60, 30  # of long clips: grid steps between windows that are fitted to, and tested
# Protocols that judge as the detector does.
LIVE = ("events", "explanation")
QUICK_SECONDS = 660.0  # of training clips, a little more than a relation is learnt from


def _unseen() -> AbstractContextManager[Callable[[Status], None]]:
    return nullcontext(lambda status: None)


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Arguments:
        data: file or folder of a data set, or a folder of such; or a data set itself.
        protocol: its name.
        quick: one fold, one seed, fewer steps.
        ablation: variants of the model instead of the baselines.
        settings: what was set by hand, by the names in `core.evaluation.settings.Settings`.
        cache: where results are kept; None keeps nothing.
        tell: called with a line about what goes on.
        progress: gives a listener that shows how far the jobs are until its context ends.
        declared: what the user says of files that do not say it themselves.
        base: model file that `few-shot` enrols on; None learns from the other categories.
    """

    data: Path | Dataset
    protocol: str
    quick: bool = False
    ablation: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    tell: Callable[[str], None] = lambda text: None
    progress: Callable[[], AbstractContextManager[Callable[[Status], None]]] = _unseen
    declared: ReadOptions | None = None
    base: Path | None = None


@dataclass(frozen=True)
class Report:
    """What came out of an evaluation.

    Arguments:
        markdown: tables for people.
        document: everything measured, as plain values: AUROC 0 to 1, `None` where there is nothing to compare.
    """

    markdown: str
    document: dict[str, Any]

    @property
    def json(self) -> str:
        """The document as text."""
        return json.dumps(self.document, indent=1, allow_nan=False) + "\n"


def chosen_settings(
    given: dict[str, Any],
    protocol: str,
    *,
    quick: bool,
    ablation: bool,
    folds: Sequence[str],
    train: Sequence[Clip] = (),
) -> dict[str, Any]:
    """Settings of an evaluation: what was given goes before what a quick run or an ablation changes.

    Arguments:
        folds: of the data; a quick run tests the first, an ablation the first two.
        train: normal clips that a model learns from; what runs live has windows of the length that fits them.
    """
    less: dict[str, Any] = {}
    options: dict[str, Any] = {}
    if protocol in LIVE:
        from dyadwatch.core.training.options import TrainOptions
        from dyadwatch.core.training.window_length import usual_window

        told = {k: given[k] for k in ("fps", "layout") if k in given} | dict(given.get("train", {}))
        less |= {"hop": told.get("hop", TrainOptions.hop)}
        if "window_s" not in given:
            usual = TrainOptions(**told)
            if train:
                usual = usual_window([ClipSet(tuple(train), train[0].layout)], usual)
            less |= {"window_s": usual.window_s}
    if ablation:
        from dyadwatch.core.evaluation.ablation import DRAWS, FOLDS, SEEDS, STEPS

        less |= {"seeds": SEEDS, "draws": DRAWS}
        options = {"steps": STEPS}
        if len(folds) > FOLDS:
            less["folds"] = tuple(folds[:FOLDS])
    if quick:
        less |= _QUICK | {"folds": tuple(folds[:1])}
        options |= {"steps": QUICK_STEPS, "max_minutes": QUICK_MINUTES}
        if ablation:
            options |= _QUICK_ABLATION
        if ablation and protocol == "broken-pairs":
            less |= {"pair_hop": _QUICK_PAIR_HOP}
            options |= {"hop": _QUICK_HOP}
    return less | given | {"train": options | given.get("train", {})}
