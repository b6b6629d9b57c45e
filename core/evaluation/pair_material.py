"""Intact windows of normal test clips and the same ones broken, and the figures of whatever scores both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.figures import Figure, Scored, figure, mean_figure, resamplings
from dyadwatch.core.evaluation.perturbations import HELD_BACK, KINDS, SIX, Kind, PairTest
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import ScoredClips, folds_of
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.features.pair_statistics import Statistics

MEAN_OF_SIX, MEAN_HELD_BACK, VARIATIONS = "mean of six", "held back, mean", "variations"

Rows = Mapping[Row, NDArray[np.floating]]


class PairMaterial:
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
        judged = ScoredClips.prepare(self.train, self.settings)
        judged = ScoredClips(judged.clips, judged.layout, judged.fps, judged.frames, self.settings.fit_hop)
        return judged.values

    def tests(self) -> Iterator[tuple[Kind, int, NDArray[np.intp], NDArray[np.float32]]]:
        """Every kind and draw: (kind, draw, which intact windows, those broken)."""
        for draw in range(self.settings.draws):
            for kind in KINDS:
                found = self.test.broken(kind, draw)
                yield kind, draw, found.of, found.windows


def measure(material: PairMaterial, score: Callable[[NDArray[np.float32]], Rows]) -> list[Figure]:
    """Figures of every kind from a function of windows to scores by row."""
    test, count = material.test, material.settings.bootstrap
    intact = score(test.intact)
    samples = resamplings([""] * len(test.clips), count)
    figures: dict[tuple[Row, int], list[Figure]] = {}
    for kind, draw, of, windows in material.tests():
        broken = score(windows) if len(windows) else {row: np.zeros(0) for row in intact}
        for row, normal in intact.items():
            # kinds that not every window allows are compared with the windows that do
            pair = Scored(normal[of], test.clip[of]), Scored(broken[row], test.clip[of])
            figures.setdefault((row, draw), []).append(figure(row, kind.value, *pair, samples, draw))
    out = [f for group in figures.values() for f in group]
    for group in figures.values():
        for name, kinds in ((MEAN_OF_SIX, SIX), (MEAN_HELD_BACK, HELD_BACK)):
            out.append(mean_figure([f for f in group if f.measure in kinds], name))
    return out + variations(material, intact, score)


def variations(material: PairMaterial, intact: Rows, score: Callable[[NDArray[np.float32]], Rows]) -> list[Figure]:
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
