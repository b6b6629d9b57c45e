"""The surprise maps of a model file: where they sit in its graph, and how they are fitted again to another normal.

A scorer joins its parts through maps from a raw score to surprise (`core.scoring.tail_calibration`), one map a part
and one wherever parts are summed. In the graph a map `x` is a pair of tensors `x_map.knots` and `x_map.slopes`; what it
is applied to is found from the graph itself, so a model with further parts needs nothing new here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ArtefactError
from dyadwatch.core.model_file.onnx_graph import OnnxGraph
from dyadwatch.core.scoring.nearest import Distances
from dyadwatch.core.scoring.tail_calibration import TailCalibration

NEIGHBOURS = "neighbours"
WHITENED = "whitened"
# the support set, and how windows are compared with it
SUPPORT = tuple(f"{NEIGHBOURS}.{n}" for n in ("support", "compared", "residual", "half_norm", "distances"))
METRIC = tuple(f"{NEIGHBOURS}.{n}" for n in ("centre", "scale", "axes"))
# only where windows are compared in directions of equal spread as well
PRECISION, WHITENED_NORM = f"{NEIGHBOURS}.precision", f"{NEIGHBOURS}.whitened_norm"
_SCORES = ("score", "relation", "unusual", "timing")
# The more a typical window of the new normal surprises a learnt part, the less it is believed: wholly up to the first
# figure, not at all from the second on. Clips of its own sensor surprise it by 0.3 in the median, nine in ten of them
# by less than 0.8; those of another by 2 and more, and then what it says is noise as loud as an alarm.
_BELIEVED_UP_TO, _BELIEVED_BELOW = 0.6, 1.2
_KNOTS, _SLOPES = "_map.knots", "_map.slopes"

# a model's bytes, what it is given by name, names of what is wanted -> their values
Run = Callable[[bytes, Mapping[str, NDArray[np.float32]], Sequence[str]], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class MapSite:
    """A map in the graph.

    Arguments:
        name: `neighbours` for `neighbours_map.knots`.
        surprise: the map as it is.
        takes: tensor it is applied to.
        after: names of the maps whose results are part of that.
    """

    name: str
    surprise: TailCalibration
    takes: str
    after: frozenset[str]


@dataclass(frozen=True)
class Refitted:
    """Maps fitted again.

    Arguments:
        maps: by name.
        scores: what the windows they were fitted to then get: score, relation, unusual and, where the model judges
            it, timing, each (N,).
        belief: by name, how much of each learnt part is still believed, 0 to 1.
    """

    maps: dict[str, TailCalibration]
    scores: dict[str, NDArray[np.float32]]
    belief: dict[str, float]

    @property
    def tensors(self) -> dict[str, NDArray[np.floating]]:
        """The maps as a model file keeps them."""
        return _tensors(self.maps)


def is_replaceable(tensor: str) -> bool:
    """Whether a tensor of the exported scorer must keep its name, for enrolling reads or replaces it."""
    return tensor in (*SUPPORT, *METRIC, PRECISION, WHITENED_NORM) or tensor.endswith((_KNOTS, _SLOPES))


def map_sites(graph: OnnxGraph, what: str) -> dict[str, MapSite]:
    """All maps of a graph, a map after those it depends on.

    Raises:
        ArtefactError: when there is none for the nearest neighbour, or one is not applied as expected.
    """
    names = sorted(name.removesuffix(_KNOTS) for name in graph.names if name.endswith(_KNOTS))
    wanted = {NEIGHBOURS, "unusual", "score", *names}
    missing = [n + end for n in sorted(wanted) for end in (_KNOTS, _SLOPES) if n + end not in graph.names]
    if missing:
        raise ArtefactError(
            f"{what} has no tensors {', '.join(missing)}: it was made by an older dyadwatch; export it again"
        )
    sites: dict[str, MapSite] = {}
    for name in names:
        knots = name + _KNOTS
        takes = [i for node in graph.nodes if node.op == "Sub" and knots in node.inputs for i in node.inputs[:1]]
        if len(takes) != 1 or takes[0] == knots:
            raise ArtefactError(
                f"{what} applies {knots} to {len(takes)} tensors; expected one: it was made by another dyadwatch; "
                "export it again"
            )
        above = graph.above(takes[0])
        after = frozenset(other for other in names if other != name and other + _KNOTS in above)
        surprise = TailCalibration(graph.read(knots).astype(np.float64), graph.read(name + _SLOPES).astype(np.float64))
        sites[name] = MapSite(name, surprise, takes[0], after)
    return dict(sorted(sites.items(), key=lambda item: (len(item[1].after), item[0])))


def refit(
    graph: OnnxGraph,
    sites: Mapping[str, MapSite],
    windows: NDArray[np.float32],
    distances: Distances,
    run: Run,
    *,
    seen: NDArray[np.float32],
    keep: bool,
) -> Refitted:
    """Fits the maps to the windows of another normal.

    A part that was learnt (all that do not depend on the nearest neighbours) then never says more than it did: its map
    is the lower of the old and the new one. A few clips can show that it is wrong about them, not that it is right
    about others. And a part that most of the clips surprise, as those of another sensor do, is believed in less, down
    to nothing. Directions of equal spread are no longer listened to, for their spread is that of another normal.

    With `keep` only the learnt parts change: the support set grows, and all else was fitted to more than these clips.

    Arguments:
        windows: shape (N, 2, T, J, 3).
        distances: of each window to the nearest support windows that are not from the same recording.
        run: an inference engine.
        seen: windows of the clips as they are, without variations of them, shape (M, 2, T, J, 3).
    """
    near = {sites[NEIGHBOURS].takes: distances.plain}
    if WHITENED in sites:
        near[sites[WHITENED].takes] = distances.whitened
    leaves = [site.takes for site in sites.values() if not site.after]
    learnt = [site for site in sites.values() if site.takes in leaves and site.takes not in near]
    given: dict[str, NDArray[np.float32]] = {"joints": windows, **{t: d[:, None] for t, d in near.items()}}
    belief: dict[str, float] = {}
    if learnt:
        every = {"joints": np.concatenate([windows, seen])}
        takes = [site.takes for site in learnt]
        for site, raw in zip(learnt, run(graph.part([], takes), every, takes), strict=True):
            given[site.takes] = raw[: len(windows)]
            if not keep:
                belief[site.name] = _belief(site.surprise, raw[len(windows) :])
    maps: dict[str, TailCalibration] = {}
    while len(maps) < len(sites):
        ready = [site for site in sites.values() if site.name not in maps and site.after <= maps.keys()]
        below = [site.takes for site in ready if site.takes not in given]
        values = dict(given)
        if below:
            part = OnnxGraph(graph.replaced(_tensors(maps)), "part").part(leaves, below)
            values |= zip(below, run(part, given, below), strict=True)
        for site in ready:
            fitted = _fitted(site, values[site.takes].ravel(), site.takes in near, keep)
            maps[site.name] = fitted.times(belief.get(site.name, 1.0))
    scores = [name for name in _SCORES if name in graph.makers]
    whole = OnnxGraph(graph.replaced(_tensors(maps)), "part").part(leaves, scores)
    return Refitted(maps, dict(zip(scores, run(whole, given, scores), strict=True)), belief)


def _belief(before: TailCalibration, raw: NDArray[np.float32]) -> float:
    """How much of a learnt part is believed, by how much a typical window surprised it before."""
    median = float(np.median(before(raw.ravel())))
    return float(np.clip((_BELIEVED_BELOW - median) / (_BELIEVED_BELOW - _BELIEVED_UP_TO), 0, 1))


def _fitted(site: MapSite, values: NDArray[np.float32], near: bool, keep: bool) -> TailCalibration:
    if not near and NEIGHBOURS not in site.after:
        return TailCalibration.fit(values).lower_of(site.surprise)
    if keep:
        return site.surprise
    return TailCalibration.zero() if site.name == WHITENED else TailCalibration.fit(values)


def _tensors(maps: Mapping[str, TailCalibration]) -> dict[str, NDArray[np.floating]]:
    tensors: dict[str, NDArray[np.floating]] = {}
    for name, surprise in maps.items():
        tensors |= {name + _KNOTS: surprise.knots, name + _SLOPES: surprise.slopes}
    return tensors
