"""Does the explanation name the right limb of the right person? Real windows with one limb altered."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.data.windows import Windows
from dyadwatch.core.decision.thresholds import thresholds
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.figures import Figure, Result, resamplings
from dyadwatch.core.evaluation.jobs import Job, Plan
from dyadwatch.core.evaluation.limb_edits import Alteration, Altered, altered
from dyadwatch.core.evaluation.pair_material import PairMaterial
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import ScoredClips
from dyadwatch.core.evaluation.settings import MODEL, Settings
from dyadwatch.core.explanation.odd_limb import LimbReference
from dyadwatch.core.features.pair_statistics import PER_PAIR, mean_distances
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.scoring.tail_calibration import TailCalibration
from dyadwatch.core.skeletons.limbs import LimbJoints, members
from dyadwatch.core.training.calibrate_scores import held_out_distances
from dyadwatch.core.training.options import Listener, TrainOptions

PAIR, Z_SCORE, CHANCE = "leading joint pair", "z-score of the distance map", "chance"
OVER, RARE = "both, over the threshold", "both, rarer than 1 normal window in 100"
INTACT, COUNT = "the same windows intact", "altered windows over the threshold"
_RARE = 2.0  # surprise

# windows (N, 2, T, J, 3) to how odd each limb is, person 0's and then person 1's: (N, limbs of both)
Blame = Callable[[NDArray[np.float32]], NDArray[np.floating]]


class LimbTest:
    """The support set of the training windows, and test windows with a limb altered."""

    def __init__(self, clips: ClipSet, settings: Settings) -> None:
        self.material = PairMaterial(clips, settings)
        self.settings = settings

    @cached_property
    def _judged(self) -> ScoredClips:
        judged = ScoredClips.prepare(self.material.train, self.settings)
        return ScoredClips(judged.clips, judged.layout, judged.fps, judged.frames, self.settings.fit_hop)

    @cached_property
    def bank(self) -> NearestNeighbour:
        """The support set, as a model file keeps it."""
        return NearestNeighbour.fit(self.material.statistics, self._judged.values, most=TrainOptions().support)

    @cached_property
    def limbs(self) -> tuple[LimbJoints, ...]:
        """Of one person, as the joints that enter the statistics have them."""
        names = self.material.test.layout.joints
        return members([names[j] for j in self.material.statistics.joints])

    @cached_property
    def threshold(self) -> tuple[TailCalibration, float]:
        """How surprising a distance is, and the lowest level that raises an alarm; each clip judged by others."""
        judged, statistics, hop_s = self._judged, self.material.statistics, self.settings.fit_hop / self.settings.fps
        clip, most = judged.clip, TrainOptions().support
        raw = held_out_distances(statistics, judged.values, clip, most=most, whiten=False, seed=0).plain
        surprise = TailCalibration.fit(raw)
        start = np.concatenate([np.arange(n) * self.settings.fit_hop for n in np.bincount(clip)])
        windows = Windows(judged.windows, clip, clip, start)
        made = thresholds({"score": surprise(raw)}, windows, hop_s)
        return surprise, made["raise_at"] * min(rule["raise_at"] for rule in made["rules"])

    def surprise(self, windows: NDArray[np.float32]) -> NDArray[np.float64]:
        """How unusual windows are, by the nearest neighbour."""
        return self.threshold[0](self.bank(self.material.statistics(windows)).distance)

    def normal_distances(self) -> NDArray[np.float32]:
        """Mean distance of each pair of joints in the training windows, metres, shape (N, R, R)."""
        return mean_distances(self._judged.windows, self.material.statistics.joints)


def plan_explanation(clips: ClipSet, settings: Settings) -> Plan:
    """Fitted to windows of the training split; tested on those of normal test clips with a limb altered.

    Raises:
        ClipError: when there is no training and test split, or a method is wanted that there is not.
    """
    test = LimbTest(clips, settings)
    blames = {MODEL: _by_limb, PAIR: _by_pair, Z_SCORE: _by_z_score, CHANCE: _by_chance}
    wanted = settings.chosen_methods("explanation", list(blames))
    made_from = settings.identity() | {"draws": settings.draws}
    jobs = [
        Job(name, "", "test", 0, made_from, __name__, partial(_run, test, name, blame))
        for name, blame in blames.items()
        if name in wanted
    ]
    facts = {
        "training clips": len(test.material.train),
        "test clips": len(test.material.test.clips),
        "windows": len(test.material.test.clip),
    }
    notes = (
        "A figure is the share of windows in which the altered limb of the altered person is named first.",
        f"{PAIR}: what was told before, a joint of each; half a hit where one of the two is of the altered limb.",
        "Over the threshold: would raise an alarm if what the window shows lasted, by the nearest neighbour alone. "
        f"{INTACT}: control, how often the same limb is named where nothing was altered.",
        f"Windows of {settings.window_s:.2f} s.",
    )
    return Plan("explanation", data_digest(clips), jobs, facts, notes)


def _run(test: LimbTest, name: str, blame: Callable[[LimbTest], Blame], listen: Listener) -> Result:
    row, pairs, settings = Row(name), test.material.test, test.settings
    odd = blame(test)
    samples = resamplings([""] * len(pairs.clips), settings.bootstrap)
    intact, level = odd(pairs.intact), test.threshold[1]
    figures: list[Figure] = []
    for draw in range(settings.draws):
        hits: list[NDArray[np.float64]] = []
        surprise: list[NDArray[np.float64]] = []
        control: list[NDArray[np.float64]] = []
        for what in Alteration:
            found = altered(pairs, what, draw)
            hits.append(_hits(odd(found.windows), found, test.limbs))
            surprise.append(test.surprise(found.windows))
            control.append(_hits(intact, found, test.limbs))
            figures.append(_share(row, what, draw, hits[-1], pairs.clip, samples))
        clip, all_hits, how = np.tile(pairs.clip, len(hits)), np.concatenate(hits), np.concatenate(surprise)
        for measure, least in ((OVER, level), (RARE, _RARE)):
            figures.append(_share(row, measure, draw, all_hits[how >= least], clip[how >= least], samples))
        figures.append(_share(row, INTACT, draw, np.concatenate(control), clip, samples))
        figures.append(Figure(row, COUNT, draw, float((how >= level).sum())))
    return Result(figures, {"level": round(level, 4)})


def _hits(odd: NDArray[np.floating], found: Altered, limbs: tuple[LimbJoints, ...]) -> NDArray[np.float64]:
    """1 where the altered limb is the oddest; equals share."""
    which = {m.limb: i for i, m in enumerate(limbs)}
    truth = found.person * len(limbs) + np.asarray([which[limb] for limb in found.limb])
    best = odd == odd.max(axis=1, keepdims=True)
    return best[np.arange(len(odd)), truth] / best.sum(axis=1)


def _share(
    row: Row,
    measure: str,
    draw: int,
    hits: NDArray[np.float64],
    clip: NDArray[np.intp],
    samples: NDArray[np.float64],
) -> Figure:
    """The mean over windows, and that of every resampling of the clips."""
    if not len(hits):
        return Figure(row, measure, draw, None)
    clips = samples.shape[1]
    right, all_ = np.bincount(clip, hits, clips), np.bincount(clip, minlength=clips)
    value = float(hits.mean())
    seen = samples @ all_
    replicates = np.where(seen > 0, samples @ right / np.maximum(seen, 1), value)
    return Figure(row, measure, draw, round(value, 6), tuple(np.round(replicates, 5).tolist()))


def _by_limb(test: LimbTest) -> Blame:
    bank, statistics = test.bank, test.material.statistics
    assert bank.axes is not None, "fitted with project=True"
    reference = LimbReference.of_support(
        statistics, test.material.test.layout.joints, bank.scaling, bank.axes, bank.compared(bank.support)[:, :-1]
    )
    return lambda windows: reference.scores(statistics(windows))


def _by_pair(test: LimbTest) -> Blame:
    """The joint pair that differs most from the nearest normal window, as the graph of a model has it."""
    bank, statistics = test.bank, test.material.statistics
    r, size = len(statistics.joints), statistics.sizes[0]

    def blame(windows: NDArray[np.float32]) -> NDArray[np.floating]:
        values = statistics(windows)
        near = bank(values)
        scaled = bank.scaling(values)
        scaled[near.swapped] = scaled[near.swapped][:, statistics.swap]
        square = np.square(scaled[:, :size] - bank.support[near.entry, :size])
        maps = square.reshape(-1, PER_PAIR, r, r).mean(axis=1)
        maps[near.swapped] = maps[near.swapped].transpose(0, 2, 1)
        leading = maps.reshape(len(maps), -1).argmax(axis=1)
        named = np.stack(np.divmod(leading, r), axis=1)  # (N, 2): a joint of each person
        return np.concatenate(
            [np.stack([np.isin(named[:, p], m.joints) for m in test.limbs], axis=1) for p in (0, 1)], axis=1
        ).astype(np.float64)

    return blame


def _by_z_score(test: LimbTest) -> Blame:
    """How far the mean distances of a limb's joints to the partner's joints are from those of normal windows."""
    normal = test.normal_distances()
    both = np.concatenate([normal, normal.transpose(0, 2, 1)])
    mean, spread = both.mean(axis=0), both.std(axis=0) + 1e-6
    joints = test.material.statistics.joints

    def blame(windows: NDArray[np.float32]) -> NDArray[np.floating]:
        odd = np.abs(mean_distances(windows, joints) - mean) / spread
        return np.stack(
            [odd.mean(axis=axis)[:, list(m.joints)].mean(axis=1) for axis in (2, 1) for m in test.limbs], axis=1
        )

    return blame


def _by_chance(test: LimbTest) -> Blame:
    return lambda windows: np.zeros((len(windows), 2 * len(test.limbs)))
