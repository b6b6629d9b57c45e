"""A new normal from 1 to 20 clips, without training: the support set of a model changes, what it has learnt stays.

The clips' windows become the support set, and every map from raw score to surprise is fitted again to them
(`core.model_file.onnx_calibration`). Centre and scale of the statistics move towards those of the clips, the further
the more clips there are (`Metric.moved`): another sensor has other noise, and other people stand elsewhere. Encoder
and flow are those of the base, and are believed only as far as the clips do not surprise them. Directions of equal
spread, which a base with much data also compares in, are left out: how little each varies takes hundreds of windows of
just that normal, and guessing it from others turned the order around (measured with five clips as support, mean AUROC
over five categories of SBU: 0.72 with the whitening of simulated people, 0.96 without; on simulated hugs 0.40 and
0.99).

With `keep` the clips' windows join the support set of the base, and everything else stays. That suits one more
activity at the same place and sensor.

How far apart two performances of the same thing are is measured by leaving one clip out: its windows against those of
the other clips. A single clip has no other; it is compared with variations of itself (`core.enrolment.augment_clip`),
which is a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.windows import CleanRecording, Windows, cut, led
from dyadwatch.core.decision.rules import Rule
from dyadwatch.core.decision.thresholds import events_bound, thresholds
from dyadwatch.core.enrolment.augment_clip import varied
from dyadwatch.core.enrolment.normal_clips import Normal
from dyadwatch.core.errors import ArtefactError, LayoutError
from dyadwatch.core.features.pair_statistics import Scaling, Statistics
from dyadwatch.core.model_file.artefact import ArtefactInfo
from dyadwatch.core.model_file.onnx_calibration import (
    METRIC,
    NEIGHBOURS,
    PRECISION,
    SUPPORT,
    WHITENED_NORM,
    MapSite,
    Run,
    map_sites,
    refit,
)
from dyadwatch.core.model_file.onnx_graph import OnnxGraph
from dyadwatch.core.scoring.memory_bank import ENOUGH_FOR_NEAREST
from dyadwatch.core.scoring.nearest import Metric, Support

_MOST_ASKED = 200  # windows that the learnt parts are tried on
_HOP_S = 0.2  # between windows that are judged
_FEW_WINDOWS = 10  # fewer are judged together with variations of themselves
_VARIATIONS = 8
_CHECKED = 8  # windows on which graph and metric are compared
_SAME = 0.02


@dataclass(frozen=True)
class Extent:
    """How much of the clips enters a model.

    Arguments:
        support: windows that it compares with, about, at most.
        judged: windows that its maps and levels are fitted to, at most: where the clips are longer, they lie farther
            apart than `_HOP_S`, and a mean over several is one over a longer time.
        may_exceed: so many clips at most may exceed the levels; None leaves it to the budget.
    """

    support: int = 1024
    judged: int = 600
    may_exceed: int | None = None


@dataclass(frozen=True)
class Base:
    """A model that normals are enrolled on.

    Arguments:
        graph: of its file.
        info: what it says of itself.
        metric: how it compares windows.
        support: what it finds normal.
        maps: its surprise maps.
        what: names it in errors.
    """

    graph: OnnxGraph
    info: ArtefactInfo
    metric: Metric
    support: Support
    maps: dict[str, MapSite]
    what: str

    @classmethod
    def of_model(cls, model: bytes, info: ArtefactInfo, what: str) -> Base:
        """From the bytes of a verified model file; `what` names it in errors.

        Raises:
            ArtefactError: when it has no support set that could be exchanged.
        """
        graph = OnnxGraph(model, what)
        missing = [name for name in (*SUPPORT, *METRIC) if name not in graph.names]
        if missing:
            raise ArtefactError(
                f"{what} has no tensors {', '.join(missing)}: it was made by an older dyadwatch; export it again"
            )
        others = sorted(n for n in graph.names if n.endswith(".support") and n != "neighbours.support")
        if others:
            raise ArtefactError(
                f"{what} has further support sets, {', '.join(others)}; expected neighbours.support alone"
            )
        maps = map_sites(graph, what)
        if not maps[NEIGHBOURS].surprise.slopes.any() or NEIGHBOURS not in maps["score"].after:
            raise ArtefactError(
                f"{what} does not score by its support set (recipe {info.training.get('recipe', 'unknown')!r}); enrol "
                "on a model of the default recipe"
            )
        try:
            statistics = Statistics.of_layout(info.skeleton, info.fps, info.training.get("placed_by"))
        except LayoutError as error:
            raise ArtefactError(f"{what} has unusable metadata: {error}") from None
        support, compared, residual, half_norm, distances = (graph.read(name).astype(np.float32) for name in SUPPORT)
        centre, scale, axes = (graph.read(name) for name in METRIC)
        precision = graph.read(PRECISION) if PRECISION in graph.names else None
        count, r, size = len(half_norm), len(statistics.joints), len(statistics)
        shapes = [a.shape for a in (support, compared, residual, distances, centre, scale, axes)]
        wanted = [(count, statistics.sizes[0]), (count, len(axes)), (count,), (count, r, r), (size,), (size,)]
        if shapes != [*wanted, (len(axes), size)] or (precision is not None and precision.shape != (len(axes),)):
            raise ArtefactError(_other_way(what))
        metric = Metric(statistics, Scaling(centre, scale), axes, precision)
        whole = np.concatenate([compared, residual[:, None]], axis=1)
        return cls(graph, info, metric, Support(support, whole, distances), maps, what)

    def check(self, windows: NDArray[np.float32], run: Run) -> None:
        """Compares distances that the graph computes with those of `metric`.

        Raises:
            ArtefactError: when they are others.
        """
        takes = self.maps[NEIGHBOURS].takes
        theirs = run(self.graph.part([], [takes]), {"joints": windows}, [takes])[0].ravel()
        ours = self.metric.distances(self.metric.statistics(windows), self.support).plain
        if not np.allclose(ours, theirs, rtol=_SAME, atol=_SAME):
            raise ArtefactError(_other_way(self.what))


def _other_way(what: str) -> str:
    return (
        f"{what} compares windows in another way than this dyadwatch: it was made by an older one; export it again, or "
        "train it again"
    )


@dataclass(frozen=True)
class Enrolled:
    """A model with a new normal.

    Arguments:
        model: bytes of the file, not yet sealed.
        info: its description.
        calibration: `raise_at`, `clear_at`, `rules` and `evidence`, see `thresholds`.
        support: windows it compares with.
        oddest: the clip that is least like the others.
    """

    model: bytes
    info: ArtefactInfo
    calibration: dict[str, Any]
    support: int
    oddest: str


def enrol(
    base: Base,
    normal: Normal,
    run: Run,
    *,
    keep: bool = False,
    least: Sequence[Rule] = (),
    extent: Extent | None = None,
    seed: int = 0,
) -> Enrolled:
    """The model whose normal is `normal`; with `keep`, besides what the base finds normal.

    Arguments:
        run: an inference engine.
        least: rules that stay, at their levels or above: those of the base where its normal is kept.
        extent: how much of the clips enters; None: what suits twenty.
        seed: of the variations of a single clip.

    Raises:
        ArtefactError: when the base does not compute what its tensors say.
    """
    info, metric, extent = base.info, base.metric, extent or Extent()
    windows = _at_most(extent.support, normal.recordings, info.frames, 1)
    real = len(windows)
    seen = windows.joints[:: math.ceil(real / _MOST_ASKED)]
    if not keep:
        metric = metric.moved(metric.statistics(windows.joints), normal.units)
    if real < ENOUGH_FOR_NEAREST:  # the graph takes a mean of several; of the same one it is the nearest alone
        windows = windows.take(np.repeat(np.arange(len(windows)), ENOUGH_FOR_NEAREST))
    support, own = Support.of_windows(metric, windows.joints), windows.unit
    if keep:
        support, own = base.support + support, np.concatenate([np.full(len(base.support), -1), windows.unit])

    judged, hop, guessed = _judged(normal, metric.statistics, info, extent.judged, seed)
    alone = normal.units == 1
    allowed = None if alone else judged.unit[:, None] != own
    base.check(judged.joints[:_CHECKED], run)
    distances = metric.distances(metric.statistics(judged.joints), support, allowed)
    fitted = refit(base.graph, base.maps, judged.joints, distances, run, seen=seen, keep=keep)

    calibration = thresholds(fitted.scores, judged, hop / info.fps, may_exceed=extent.may_exceed)
    calibration["rules"] = _not_below(calibration["rules"], least)
    evidence = calibration["evidence"]
    # variations are no time that anybody watched: the bound rests on the real recordings alone
    hours = sum(len(r.seen) for r in normal.recordings) / info.fps / 3600
    bound = events_bound(evidence["events"], hours)
    evidence |= {
        "method": _method(normal, guessed) + "; " + evidence["method"],
        "enrolled_clips": normal.clips,
        "real_windows": real,
        "hours": round(hours, 4),
        "certified": bound <= evidence["budget_per_hour"],
        "events_per_hour_95": round(bound, 1),
        "distance_median": round(float(np.median(distances.plain)), 3),
    }
    summary = {
        **{k: v for k, v in info.training.items() if k not in ("clips", "windows", "hours", "support", "labels")},
        "enrolled": {
            "on": info.name,
            "keeps_base": keep,
            "clips": [r.name for r in normal.recordings],
            "windows": len(windows),
            "support": len(support),
            "calibrated_by": _method(normal, guessed),
            "learnt_parts": "of the base; none says more than it did there, and less where the clips prove it wrong",
            "believed": {part: round(share, 2) for part, share in fitted.belief.items()},
        },
    }
    worst = judged.recording[int(np.argmax(fitted.scores["score"]))]
    return Enrolled(
        base.graph.replaced(bank(support, metric, whitened=base.metric.precision is not None) | fitted.tensors),
        msgspec.structs.replace(info, training=summary, parity={}),
        calibration,
        len(support),
        normal.recordings[worst % len(normal.recordings)].name,
    )


def _not_below(rules: list[dict[str, Any]], least: Sequence[Rule]) -> list[dict[str, Any]]:
    """The rules of `least`, raised where the clips ask for it: those may be calm in a part that the base watches."""
    if not least:
        return rules
    asked = {(r["part"], r["over_s"]): r["raise_at"] for r in rules}
    return [
        {"part": str(r.part), "over_s": r.over_s, "raise_at": max(r.raise_at, asked.get((str(r.part), r.over_s), 0.0))}
        for r in least
    ]


def _method(normal: Normal, guessed: bool) -> str:
    left_out = f"each of {normal.units} {'clips' if normal.clips > 1 else 'pieces of one clip'} against the others"
    if normal.units == 1:
        return f"a single clip against {_VARIATIONS} variations of itself, a guess at how repeats would differ"
    return left_out + (f", with {_VARIATIONS} variations of each" if guessed else "")


def _at_most(most: int, recordings: Sequence[CleanRecording], frames: int, hop: int) -> Windows:
    """All windows at least `hop` apart, farther where there would be more than about `most`."""
    steps = sum(len(r.joints) - frames + 1 for r in recordings)
    return cut(recordings, frames, max(hop, math.ceil(steps / most)))


def _judged(
    normal: Normal, statistics: Statistics, info: ArtefactInfo, most: int, seed: int
) -> tuple[Windows, int, bool]:
    """Windows that stand for the new normal, the frames between them, and whether variations are among them."""
    recordings = list(normal.recordings)
    hop = max(1, round(_HOP_S * info.fps))
    few = sum((len(r.joints) - info.frames) // hop + 1 for r in recordings) < _FEW_WINDOWS
    if guessed := few or normal.units == 1:
        rng = np.random.default_rng(seed)
        for _ in range(_VARIATIONS):
            recordings += [
                replace(r, joints=led(varied(r.seen, statistics.at, info.fps, info.frames - r.lead, rng), r.lead))
                for r in normal.recordings
            ]
        if normal.units == 1:
            recordings = recordings[len(normal.recordings) :]  # against itself a clip is at no distance
    steps = sum(len(r.joints) - info.frames + 1 for r in recordings)
    hop = max(hop, math.ceil(steps / most))
    return cut(recordings, info.frames, hop), hop, guessed


def bank(support: Support, metric: Metric, *, whitened: bool) -> dict[str, NDArray[np.floating]]:
    """A support set, and how it is compared with, as a model file keeps them; `whitened` where it has a precision."""
    inside, residual = support.compared[:, :-1], support.compared[:, -1]
    half_norm = 0.5 * np.square(support.compared).sum(axis=1)
    tensors = dict(zip(SUPPORT, (support.scaled, inside, residual, half_norm, support.distances), strict=True))
    axes = np.zeros((0, 0), np.float32) if metric.axes is None else metric.axes
    tensors |= zip(METRIC, (metric.scaling.centre, metric.scaling.scale, axes), strict=True)
    if whitened:  # the graph goes on computing it, though nothing listens any more
        precision = np.ones(len(axes), np.float32) if metric.precision is None else metric.precision
        tensors[PRECISION] = precision
        tensors[WHITENED_NORM] = 0.5 * np.square(inside * precision).sum(axis=1)
    return tensors
