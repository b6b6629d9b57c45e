"""Real clips through the running detector: what an operator of peaceful people would have seen.

For every fold of SBU a model is trained on the peaceful clips of the other folds, the fold's clips are published over
ZeroMQ into a detector in a process of its own, and each clip gets the highest score that came back while it played.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.data.resample import interpolate
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.settings import PEACEFUL, VIOLENT
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.scoring.auroc import auroc
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.live_detector import tell_live
from dyadwatch.loading import configure, load_thresholds
from dyadwatch.model_files import write_model
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage
from dyadwatch.stream.publishers.clip_player import clip_frames, clip_intervals

_SOURCE = "sbu"
_BASELINE_FRAMES = 32
_SHOWN = ("windows.hop", "pairs.enter_m", "pairs.leave_m", "alarm.min_duration_s", "alarm.hold_s")


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What one clip led to; `peak` is None where no window of it was scored: too short, or too far apart."""

    clip_id: str
    label: str
    fold: str
    peak: float | None
    alarm: bool
    baseline: float


def evaluate_live(
    data: Path,
    *,
    declared: ReadOptions | None = None,
    window_s: float = 2 / 3,
    rate: float = 4.0,
    folds: Sequence[str] = (),
    steps: int | None = None,
    settings: Sequence[str] = (),
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """The live evaluation on SBU, with the default configuration of the detector unless told otherwise.

    Arguments:
        data: folder of SBU, in the shared clip format or its own.
        declared: what the user says of files that do not say it themselves.
        window_s: length of the model's window; by default the ten frames that the shortest clips have.
        rate: how many times real time the clips are published at.
        folds: which folds are tested; all without any.
        steps: optimiser steps of the training; None is the recipe's own.
        settings: options put over the default configuration, such as `alarm.hold_s=3`; the result names them.
        tell: called with a line about what goes on.

    Raises:
        ClipError: when the data is not SBU, has no such fold, or no clip as long as a window.
        ConfigError: when an option is none of the detector.
    """
    configuration = _configuration(settings, window_s, rate)
    clips = read_dataset(data, declared)
    results: list[ClipResult] = []
    for fold in tested_folds(clips, data, folds, window_s):
        tell(f"{fold}: training on the peaceful clips of the other folds")
        normal = clips.where(lambda c, fold=fold: c.split != fold and c.label in PEACEFUL)
        test = clips.where(lambda c, fold=fold: c.split == fold)
        with tempfile.TemporaryDirectory(prefix="dyadwatch-live-") as folder:
            model = Path(folder) / "fold.onnx"
            _train(normal, model, window_s, steps)
            tell(f"{fold}: publishing {len(test)} clips at {rate:g} times real time")
            configuration["raise_at"][fold] = _raised_at(model, settings)
            messages, dropped = tell_live(model, clip_frames(test.clips, _SOURCE), rate, settings)
        lost = {k: n for k, n in dropped.get(_SOURCE, {}).items() if n}
        tell(f"{fold}: {len(messages)} messages came back" + (f"; dropped {lost}" if lost else ""))
        results += _by_clip(test.clips, fold, messages, whole_clip_baseline(normal, test))
    return {"configuration": configuration, **summarise(results)}


def _configuration(settings: Sequence[str], window_s: float, rate: float) -> dict[str, Any]:
    """The configuration that figures were made with, as plain values: what was changed, and what alarms rest on."""
    values = msgspec.to_builtins(configure(None, settings, None))
    return {
        "changed": list(settings),
        "window_s": round(window_s, 4),
        "rate": rate,
        **{key: values[key.split(".")[0]][key.split(".")[1]] for key in _SHOWN},
        "raise_at": {},
    }


def _raised_at(model: Path, settings: Sequence[str]) -> str:
    """What raises an alarm, as the detector takes it."""
    return str(load_thresholds(configure(None, settings, model), model))


def tested_folds(clips: ClipSet, data: Path, wanted: Sequence[str], window_s: float) -> list[str]:
    """The folds to test: those that are wanted, or all.

    Raises:
        ClipError: when one of them cannot be tested; names `data` and what is missing.
    """
    missing = [label for label in (*PEACEFUL, *VIOLENT) if label not in {c.label for c in clips}]
    if missing:
        raise ClipError(f"{data}: has no clips labelled {', '.join(missing)}; expected SBU with its folds in split")
    known = sorted({c.split for c in clips})
    if len(known) < 2:
        raise ClipError(f"{data}: all clips have the split {known[0]!r}; expected SBU with two or more folds in split")
    unknown = [fold for fold in wanted if fold not in known]
    if unknown:
        raise ClipError(f"{data}: no fold {', '.join(unknown)}; there are {', '.join(known)}")
    tested = list(dict.fromkeys(wanted)) or known
    for fold in tested:
        if not any(c.split != fold and c.label in PEACEFUL for c in clips):
            raise ClipError(f"{data}: only {fold} has peaceful clips; expected some in another fold, to train on")
    longest = max(len(c) / c.fps for c in clips if c.split in tested)
    if longest < window_s - 1e-6:
        raise ClipError(
            f"{data}: the longest clip of {', '.join(tested)} has {longest:.2f} s; expected one as long as a window, "
            f"{window_s:.2f} s"
        )
    return tested


def _train(normal: ClipSet, model: Path, window_s: float, steps: int | None) -> None:
    from dyadwatch.core.training.options import TrainOptions
    from dyadwatch.core.training.recipe import train
    from dyadwatch.core.training.training_state import state_of

    changes: dict[str, Any] = {} if steps is None else {"steps": steps}
    trained = train([normal], TrainOptions(window_s=window_s, hop=1, **changes))
    write_model(state_of(trained), model, "sbu-peaceful", "1")


def whole_clip_baseline(normal: ClipSet, test: ClipSet) -> NDArray[np.float32]:
    """Distance to the nearest normal clip in relational statistics, each clip brought to one length; shape (N,)."""

    def stretched(clips: ClipSet) -> NDArray[np.float32]:
        length = [interpolate(c.joints, np.linspace(0, len(c) - 1, _BASELINE_FRAMES)) for c in clips]
        return np.stack(length).swapaxes(1, 2)

    statistics = Statistics.of_layout(normal.layout, normal[0].fps)
    nearest = NearestNeighbour.fit(statistics, statistics(stretched(normal)))
    return nearest(statistics(stretched(test))).distance


def _by_clip(
    clips: Sequence[Clip], fold: str, messages: Sequence[Message], baseline: NDArray[np.float32]
) -> list[ClipResult]:
    peaks: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    alarms: set[tuple[str, ...]] = set()
    for m in messages:
        pair = tuple(map(str, m.pair)) if isinstance(m, ScoreMessage | EventMessage) else ()
        if isinstance(m, ScoreMessage):
            peaks[pair].append(m.score)
        elif isinstance(m, EventMessage) and m.type == "open":
            alarms.add(pair)
    out: list[ClipResult] = []
    for played, nearest in zip(clip_intervals(clips), baseline, strict=False):
        pair = tuple(map(str, played.ids))
        clip = played.clip
        peak = max(peaks[pair]) if peaks[pair] else None
        out.append(ClipResult(clip.clip_id, clip.label, fold, peak, pair in alarms, float(nearest)))
    return out


def _fold_auroc(results: Sequence[ClipResult], value: Callable[[ClipResult], float]) -> float | None:
    """None where no clip of one kind was scored."""
    peaceful = np.asarray([value(r) for r in results if r.label in PEACEFUL])
    violent = np.asarray([value(r) for r in results if r.label in VIOLENT])
    return round(auroc(peaceful, violent), 4) if len(peaceful) and len(violent) else None


def _peak(result: ClipResult) -> float:
    return result.peak or 0.0


def _baseline(result: ClipResult) -> float:
    return result.baseline


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"mean": None, "std": None}
    return {"mean": round(float(np.mean(values)), 4), "std": round(float(np.std(values)), 4)}


def summarise(results: Sequence[ClipResult]) -> dict[str, Any]:
    """Per class alarm rates and peaks, per fold AUROC of violent against peaceful clips, live and baseline.

    A figure that nothing was scored for is None.
    """
    scored = [r for r in results if r.peak is not None]
    classes: list[dict[str, Any]] = []
    for label in (*PEACEFUL, *VIOLENT):
        mine = [r for r in results if r.label == label]
        peaks = [r.peak for r in mine if r.peak is not None]
        classes.append(
            {
                "label": label,
                "clips": len(mine),
                "unscored": len(mine) - len(peaks),
                "alarm_rate": round(float(np.mean([r.alarm for r in mine])), 3) if mine else None,
                "peak_median": round(float(np.median(peaks)), 2) if peaks else None,
            }
        )
    folds: list[dict[str, Any]] = []
    for fold in sorted({r.fold for r in results}):
        mine = [r for r in scored if r.fold == fold]
        live, baseline = _fold_auroc(mine, _peak), _fold_auroc(mine, _baseline)
        folds.append({"fold": fold, "live": live, "baseline": baseline})
    spread = {key: _spread([f[key] for f in folds if f[key] is not None]) for key in ("live", "baseline")}
    clips = [{"clip": r.clip_id, "label": r.label, "fold": r.fold, "peak": r.peak, "alarm": r.alarm,
              "baseline": round(r.baseline, 4)} for r in results]  # fmt: skip
    raised = {
        kind: {"raised": sum(r.alarm for r in results if r.label in labels),
               "clips": sum(r.label in labels for r in results)}
        for kind, labels in (("violent", VIOLENT), ("peaceful", PEACEFUL))
    }  # fmt: skip
    return {"classes": classes, "raised": raised, "folds": folds, "auroc": spread, "clips": clips}
