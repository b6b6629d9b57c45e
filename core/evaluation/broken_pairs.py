"""Does a method see that two people belong together? Windows of the test split against the same ones broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.clips import ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.baselines import BASELINES, extra_trees, path_curvature
from dyadwatch.core.evaluation.breaking import HELD_BACK, KINDS, SIX, PairTest
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.jobs import Job, Plan, Result
from dyadwatch.core.evaluation.measures import Figure, Scored, figure, mean_figure, resamplings
from dyadwatch.core.evaluation.model import MODEL, MODEL_CODE, fit_model
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.evaluation.windows import Judged, folds_of
from dyadwatch.core.statistics import Statistics
from dyadwatch.core.training.broken import PairSampler
from dyadwatch.core.training.options import Listener
from dyadwatch.core.training.recordings import prepare

TREES = "extra trees on broken pairs"
LENGTH, CURVATURE = "clip length", "path curvature"
MEAN_OF_SIX, MEAN_HELD_BACK, VARIATIONS = "mean of six", "held back, mean", "variations"
_CODE = ("evaluation.broken_pairs", "evaluation.breaking", "evaluation.baselines", "statistics", "neighbours", "frame",
         "distance", "resample")  # fmt: skip
_TREE_CODE = (*_CODE, "training.broken", "training.recordings")

Rows = Mapping[str, NDArray[np.floating]]


class Material:
    """Normal windows to fit to, and the test; made once, when first needed."""

    def __init__(self, clips: ClipSet, settings: Settings) -> None:
        self.settings = settings
        folds = folds_of(clips)
        if len(folds) != 1:
            raise ClipError(f"{clips.name}: clips are split into folds; broken-pairs expects a train and a test split")
        fold = folds[0]
        self.train = ClipSet(tuple(clips[i] for i in fold.train), clips.layout, clips.name)
        normal = {c.label for c in self.train}
        test = ClipSet(tuple(clips[i] for i in fold.test), clips.layout, clips.name)
        self.test = PairTest(test.where(lambda c: c.label in normal), settings)
        others = test.where(lambda c: c.label not in normal)
        self.variations = PairTest(others, settings) if len(others) >= 2 else None

    @cached_property
    def statistics(self) -> Statistics:
        """How statistics of the windows are made."""
        return Statistics.of_layout(self.test.layout, self.settings.fps)

    @cached_property
    def normal_values(self) -> NDArray[np.float32]:
        """Statistics of the windows that baselines are fitted to."""
        judged = Judged.prepare(self.train, self.settings)
        judged = Judged(judged.clips, judged.layout, judged.fps, judged.frames, self.settings.fit_hop)
        return judged.values

    def tests(self) -> Iterator[tuple[str, int, NDArray[np.intp], NDArray[np.float32]]]:
        """Every kind and draw: (kind, draw, which intact windows, those broken)."""
        for draw in range(self.settings.draws):
            for kind in KINDS:
                found = self.test.broken(kind, draw)
                yield kind, draw, found.of, found.windows


def plan_broken_pairs(clips: ClipSet, settings: Settings) -> Plan:
    """Trained on the training split, tested on windows of normal test clips and the same ones broken.

    Raises:
        ClipError: when there is no training and test split.
    """
    material = Material(clips, settings)
    made_from = settings.identity() | {"draws": settings.draws}
    trees = {"trees": settings.trees, "tree_windows": settings.tree_windows}
    every: list[tuple[str, int, dict, tuple[str, ...], Callable[[Listener], Result]]] = [
        *((n, 0, {}, _CODE, partial(_baseline, material, n)) for n in BASELINES),
        (LENGTH, 0, {}, _CODE, partial(_plain_cues, material, LENGTH)),
        (CURVATURE, 0, {}, _CODE, partial(_plain_cues, material, CURVATURE)),
        (TREES, 0, trees, _TREE_CODE, partial(_trees, material)),
    ]
    for seed in range(settings.seeds):
        for name, variant in (settings.variants or {MODEL: {}}).items():
            options = settings.train_options(seed, **variant)
            made = {"train": asdict(options)}
            code = (*_CODE, "evaluation.model", *MODEL_CODE)
            every.append((name, seed, made, code, partial(_model, material, name, seed)))
    jobs = [
        Job(name, "", "test", seed, made_from | made, code, run)
        for name, seed, made, code, run in every
        if not settings.methods or name in settings.methods
    ]
    facts = {
        "training clips": len(material.train),
        "test clips": len(material.test.clips),
        "intact windows": len(material.test.clip),
        "clips of variations": len(material.variations.clips) if material.variations else 0,
    }
    notes = (
        "One of the two persons, drawn at random, is broken off; each alone stays as he was.",
        "Windows that are shifted, delayed or played at another tempo are compared with the same windows intact.",
        f"{MEAN_OF_SIX}: {', '.join(SIX)}. Held back from training and tuning: {', '.join(HELD_BACK)}.",
        f"{VARIATIONS}: windows of the authors' odd clips; clip length and path curvature alone tell many of them.",
    )
    return Plan("broken-pairs", data_digest(clips), jobs, facts, notes)


def measure(material: Material, score: Callable[[NDArray[np.float32]], Rows]) -> list[Figure]:
    """Figures of every kind from a function of windows to scores by row."""
    test, count = material.test, material.settings.bootstrap
    intact = score(test.intact)
    samples = resamplings([""] * len(test.clips), count)
    figures: dict[tuple[str, int], list[Figure]] = {}
    for kind, draw, of, windows in material.tests():
        broken = score(windows) if len(windows) else {row: np.zeros(0) for row in intact}
        for row, normal in intact.items():
            # kinds that not every window allows are compared with the windows that do
            pair = Scored(normal[of], test.clip[of]), Scored(broken[row], test.clip[of])
            figures.setdefault((row, draw), []).append(figure(row, kind, *pair, samples, draw))
    out = [f for group in figures.values() for f in group]
    for group in figures.values():
        for name, kinds in ((MEAN_OF_SIX, SIX), (MEAN_HELD_BACK, HELD_BACK)):
            out.append(mean_figure([f for f in group if f.measure in kinds], name))
    return out + _variations(material, intact, score)


def _variations(material: Material, intact: Rows, score: Callable[[NDArray[np.float32]], Rows]) -> list[Figure]:
    """Windows of clips of other labels against the intact ones."""
    odd = material.variations
    if odd is None:
        return []
    first = len(material.test.clips)
    strata = ["normal"] * first + ["odd"] * len(odd.clips)
    samples = resamplings(strata, material.settings.bootstrap)
    found = score(odd.intact)
    return [
        figure(row, VARIATIONS, Scored(normal, material.test.clip), Scored(found[row], first + odd.clip), samples)
        for row, normal in intact.items()
    ]


def _baseline(material: Material, name: str, listen: Listener) -> Result:
    score = BASELINES[name](material.statistics, material.normal_values)
    return Result(measure(material, lambda windows: {name: score(material.statistics(windows))}))


def _plain_cues(material: Material, name: str, listen: Listener) -> Result:
    """Clip length in seconds, or curvature of the paths; they see no partner, so only the variations are told."""
    odd, test = material.variations, material.test
    if odd is None:
        return Result([])

    def score(windows: NDArray[np.float32]) -> Rows:
        if name == CURVATURE:
            return {name: path_curvature(windows, test.at)}
        which = test if windows is test.intact else odd
        return {name: which.seconds[which.clip]}

    return Result(_variations(material, score(test.intact), score))


def _trees(material: Material, listen: Listener) -> Result:
    settings, statistics = material.settings, material.statistics
    options = settings.train_options(0)
    recordings = prepare([material.train], options).recordings
    sampler = PairSampler(recordings, settings.frames, settings.fps, statistics.at, tempo=options.tempo)
    rng = np.random.default_rng(0)
    batches = [sampler.training_batch(500, rng) for _ in range(max(1, settings.tree_windows // 500))]
    intact, broken = (np.concatenate([statistics(b[i]) for b in batches]) for i in (0, 1))
    score = extra_trees(statistics, intact, broken, settings.trees, seed=0)
    return Result(measure(material, lambda windows: {TREES: score(statistics(windows))}))


def _model(material: Material, name: str, seed: int, listen: Listener) -> Result:
    options = material.settings.train_options(seed, **material.settings.variants.get(name, {}))
    score, said = fit_model(material.train, options, listen, name)
    return Result(measure(material, score), said)
