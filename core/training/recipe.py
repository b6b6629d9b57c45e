"""The default recipe: nearest neighbours always, learnt parts where there is enough to learn from.

What is learnt is what belongs together: encoder and critic tell windows from the same windows broken, and a flow takes
the density of the encoder's features. Each is then measured on held-back recordings, broken in the kinds of
`ValidationKind`, and counts by how well it tells them; no anomaly is ever seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.errors import CollapseError, TrainingError
from dyadwatch.core.features.pair_statistics import mean_distances
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.iadnet.score_module import FeatureDensity, Maps, PairEncoder, PairScorer, Weights
from dyadwatch.core.iadnet.timing import lag_frames
from dyadwatch.core.scoring.auroc import auroc
from dyadwatch.core.scoring.memory_bank import NearestNeighbour, enough_to_whiten
from dyadwatch.core.scoring.tail_calibration import TailCalibration
from dyadwatch.core.training.calibrate_scores import (
    TRUST_FROM,
    held_out_distances,
    neighbour_weight,
    thresholds,
    trust,
)
from dyadwatch.core.training.checkpoint import Checkpoint, identity
from dyadwatch.core.training.density import feature_nll, fit_density
from dyadwatch.core.training.encoder import EvalPoint, broken_logits, train_encoder
from dyadwatch.core.training.material import (
    ENOUGH_S,
    ENOUGH_UNITS,
    Material,
    Trained,
    arrange,
    enough_to_learn,
    summarise,
)
from dyadwatch.core.training.options import Listener, Progress, TrainOptions, silent
from dyadwatch.core.training.paper import train_paper
from dyadwatch.core.training.report import make_report
from dyadwatch.core.training.time_budget import Budget
from dyadwatch.core.training.train_classifier import critic_logits, timing_gain, train_critic
from dyadwatch.core.training.training_data import Prepared, Windows, cut, prepare, skipped_words

_FEWEST_FOLDS = 2
_CHUNK = 256
_PARTS = ("neighbours", "encoder", "critic", "relation", "flow")


@dataclass(frozen=True)
class LearntParts:
    """The encoder, the density of its features, the critic, and how the encoder got there."""

    encoder: PairEncoder
    density: FeatureDensity
    critic: MismatchClassifier
    looks: list[EvalPoint]


def train(
    clip_sets: Sequence[ClipSet],
    options: TrainOptions,
    progress: Listener | None = None,
    checkpoint: Path | None = None,
    budget: Budget | None = None,
) -> Trained:
    """Trains on normal clips, by `options.recipe`.

    Arguments:
        checkpoint: file that the default recipe keeps the encoder's standing in, and goes on from where one of the
            same clips and options is there; it is removed at the end.
        budget: that has begun already, as with the reading of the clips; None begins one of `options.max_minutes` now.

    Raises:
        LayoutError: when joints of a set do not map onto the model's layout; names the missing ones.
        TrainingError: when too few clips are usable, or the `paper` recipe collapses.
    """
    listen = progress or silent
    budget = budget or Budget(options.max_minutes)
    listen(Progress("clips", 0, 1))
    prepared = prepare(clip_sets, options)
    kept = None
    if checkpoint is not None and options.recipe == "default":
        kept = Checkpoint(checkpoint, identity(prepared.recordings, options))
        budget.before = kept.used_s()
    try:
        trained = _train(prepared, options, listen, kept, budget)
    except CollapseError as error:
        raise CollapseError(_with_skipped(error, prepared), error.report) from None
    except TrainingError as error:
        raise TrainingError(_with_skipped(error, prepared)) from None
    if kept is not None:
        kept.remove()
    return trained


def _with_skipped(error: TrainingError, prepared: Prepared) -> str:
    """A failed training may lack just the clips that were left out."""
    lost = skipped_words(prepared)
    return f"{error}" + (f" ({lost})" if lost else "")


def _train(
    prepared: Prepared, options: TrainOptions, listen: Listener, kept: Checkpoint | None, budget: Budget
) -> Trained:
    material = arrange(prepared, options, budget)
    listen(Progress("clips", 1, 1, {"windows": float(len(material.windows))}))
    budget.charge("clips")
    if options.recipe == "paper":
        return train_paper(material, options, listen, budget)
    learnt = _learn(material, options, listen, kept, budget) if enough_to_learn(prepared, options) else None
    listen(Progress("calibration", 0, 1))
    return assemble(material, learnt, options, listen, budget)


def _learn(
    material: Material, options: TrainOptions, listen: Listener, checkpoint: Checkpoint | None, budget: Budget
) -> LearntParts:
    """The learnt parts."""
    prepared = material.prepared
    critic = train_critic(material.train, material.statistics, options, listen, budget)
    if {"encoder", "flow"} <= set(options.without):  # nothing will ask it
        options = replace(options, steps=1)
    encoder, looks = train_encoder(
        material.train, material.broken, prepared.layout, options, listen, checkpoint, budget, material.rest_s
    )
    budget.charge("encoder")
    joints, held = material.windows.joints, material.held
    density = fit_density(encoder, joints[~held], joints[held], options.seed, listen, budget)
    budget.charge("flow")
    return LearntParts(encoder, density, critic, looks)


@dataclass(frozen=True)
class Joined:
    """The parts, weighed, calibrated and joined.

    Arguments:
        scorer: the module to export.
        judged: normal windows that were scored without having been learnt from.
        scores: their surprise by name, each (N,).
        auroc: of every part on broken pairs, by part and kind.
        support: windows that it compares with.
        whitened: whether it also compares in directions of equal spread.
    """

    scorer: PairScorer
    judged: Windows
    scores: dict[str, NDArray[np.float64]]
    auroc: dict[str, dict[str, float]]
    support: int
    whitened: bool


def join(material: Material, learnt: LearntParts | None, options: TrainOptions) -> Joined:
    """Weighs and calibrates the parts and joins them into the scorer."""
    statistics, values, windows, held = material.statistics, material.values, material.windows, material.held
    fitted = {
        "most": options.support,
        "whiten": enough_to_whiten(material.prepared.frames, options.frames),
        "seed": options.seed,
    }
    judged = _judge(material, learnt, NearestNeighbour.fit(statistics, values[~held], **fitted))
    weights = _weigh(_means(judged), learnt, options, fitted["whiten"])

    # every window is compared with other units only; the learnt parts know all but the held-back ones
    distances = held_out_distances(statistics, values, windows.unit, **fitted)
    judges, mine = (windows, slice(None)) if learnt is None else (windows.take(held), held)
    maps: dict[str, TailCalibration] = {"neighbours": TailCalibration.fit(distances.plain)}
    unusual = maps["neighbours"](distances.plain)
    if weights.whitened:
        maps["whitened"] = TailCalibration.fit(distances.whitened)
        unusual = np.maximum(unusual, weights.whitened * maps["whitened"](distances.whitened))
    maps["unusual"] = TailCalibration.fit(unusual)  # to all windows: their tail is too rare in those held back
    unusual = maps["unusual"](unusual)[mine]
    relation = density = timing = np.zeros(len(judges))
    if learnt is not None:
        if weights.flow:
            nll = feature_nll(learnt.density, learnt.encoder, judges.joints)
            maps["flow"] = TailCalibration.fit(nll)
            density = maps["flow"](nll)
        if weights.encoder or weights.critic:
            logit = _logit(learnt, weights, judges.joints, values[mine])
            maps["relation"] = TailCalibration.fit(logit)
            relation = maps["relation"](logit)
        if weights.timing:
            gain = timing_gain(learnt.critic, statistics, judges.joints)
            maps["timing"] = TailCalibration.fit(gain)
            timing = maps["timing"](gain)
    joined = weights.unusual * unusual + weights.relation * relation + weights.flow * density
    maps["score"] = TailCalibration.fit(joined)
    score = maps["score"](joined)

    bank = NearestNeighbour.fit(statistics, values, **fitted)
    scorer = PairScorer(
        bank=bank,
        distances=mean_distances(windows.joints[bank.chosen], statistics.joints),
        joints=len(material.prepared.layout),
        frames=options.frames,
        maps=Maps(**maps),
        weights=weights,
        encoder=None if learnt is None else learnt.encoder,
        density=None if learnt is None else learnt.density,
        critic=None if learnt is None else learnt.critic,
    ).eval()
    scores = {"score": score, "relation": relation, "unusual": unusual, "timing": timing}
    return Joined(scorer, judges, scores, judged, len(bank.support), fitted["whiten"])


def assemble(
    material: Material, learnt: LearntParts | None, options: TrainOptions, listen: Listener, budget: Budget
) -> Trained:
    """The scorer, the levels of its alarms, and the report."""
    joined = join(material, learnt, options)
    listen(Progress("calibration", 1, 1))
    calibration = _calibrate(material, joined, learnt is not None, options, listen, budget)
    budget.charge("calibration")
    report = make_report(
        material.prepared,
        joined.judged,
        options,
        scores=dict(joined.scores),
        figures={
            "weights": asdict(joined.scorer.weights),
            "broken_pairs": joined.auroc,
            "broken_pairs_mean": _means(joined.auroc),
            "curve": [asdict(look) for look in learnt.looks] if learnt else [],
            "calibration": calibration,
            "windows": len(material.windows),
            "support": joined.support,
            "whitened": joined.whitened,
            "needed": {"minutes": ENOUGH_S / 60, "units": ENOUGH_UNITS, "auroc": TRUST_FROM},
            "minutes": round(budget.used / 60, 3),
        },
    )
    budget.charge("report")
    report["time"] = budget.report()
    return Trained(joined.scorer, material.prepared.layout, options, summarise(report, options), calibration, report)


def _calibrate(
    material: Material, joined: Joined, learns: bool, options: TrainOptions, listen: Listener, budget: Budget
) -> dict[str, Any]:
    """The levels of alarms: from all recordings, each judged by a model that did not know it, where there is time.

    The nearest neighbour judges every recording without itself as it is. Parts that learn are learnt again without each
    fold of the recordings.
    """
    hop_s = material.hop / options.fps
    if not learns or options.folds < _FEWEST_FOLDS or budget.limited:
        how = "normal recordings that were held back" if learns else "every normal recording, without itself"
        return thresholds(joined.scores, joined.judged, hop_s, options.budget_per_h, how)
    scores, windows = cross_fitted(material, options, listen)
    how = f"normal recordings, each judged by a model of the other {options.folds - 1}/{options.folds}"
    return thresholds(scores, windows, hop_s, options.budget_per_h, how)


def cross_fitted(
    material: Material, options: TrainOptions, listen: Listener
) -> tuple[dict[str, NDArray[np.float64]], Windows]:
    """Scores of all windows of all recordings, none by a model that knew its unit; and the windows."""
    prepared = material.prepared
    units = np.random.default_rng([options.seed, 5]).permutation(prepared.units)
    scores: list[NDArray[np.float64]] = []
    parts: list[Windows] = []
    for i, fold in enumerate(np.array_split(units, options.folds), 1):
        rest = tuple(r for r in prepared.recordings if r.unit not in set(fold.tolist()))
        named = _named(listen, f"calibration {i} of {options.folds}: ")
        others = arrange(Prepared(prepared.layout, rest, ()), options, Budget())
        joined = join(others, _learn(others, options, named, None, Budget()), options)
        held = [(n, r) for n, r in enumerate(prepared.recordings) if r.unit in set(fold.tolist())]
        windows = cut([r for _, r in held], options.frames, material.hop)
        numbers = np.asarray([n for n, _ in held], np.intp)
        scores.append(scored(joined.scorer, windows.joints))
        parts.append(Windows(windows.joints, windows.unit, numbers[windows.recording], windows.start))
    table = np.concatenate(scores)
    fields = ("joints", "unit", "recording", "start")
    together = Windows(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))
    return {str(name): table[:, i] for i, name in enumerate(ScorePart)}, together


@torch.no_grad()
def scored(scorer: PairScorer, joints: NDArray[np.float32]) -> NDArray[np.float64]:
    """The parts of the score of windows, shape (N, len(ScorePart)), as in `core.decision.rules.COLUMN`."""
    count = len(ScorePart)
    parts = [scorer(torch.from_numpy(joints[i : i + _CHUNK]))[:count] for i in range(0, len(joints), _CHUNK)]
    return np.concatenate([torch.stack(p, dim=1).double().numpy() for p in parts])


def _named(listen: Listener, before: str) -> Listener:
    return lambda p: listen(replace(p, stage=before + p.stage))


def _means(judged: dict[str, dict[str, float]]) -> dict[str, float]:
    return {part: float(np.mean(list(k.values()))) if k else float("nan") for part, k in judged.items()}


def _judge(material: Material, learnt: LearntParts | None, bank: NearestNeighbour) -> dict[str, dict[str, float]]:
    """AUROC of every part on held-back windows against the same ones broken, by kind."""
    judged: dict[str, dict[str, float]] = {part: {} for part in _PARTS}
    for kind, pair in material.broken.items():
        values = [material.statistics(w) for w in pair]
        judged["neighbours"][kind] = auroc(*(bank(v).distance for v in values))
        if learnt is None:
            continue
        logits = [broken_logits(learnt.encoder, w) for w in pair], [critic_logits(learnt.critic, v) for v in values]
        judged["encoder"][kind] = auroc(*logits[0])
        judged["critic"][kind] = auroc(*logits[1])
        judged["relation"][kind] = auroc(*(a + b for a, b in zip(*logits, strict=True)))
        judged["flow"][kind] = auroc(*(feature_nll(learnt.density, learnt.encoder, w) for w in pair))
    return judged


def _weigh(mean: dict[str, float], learnt: LearntParts | None, options: TrainOptions, whiten: bool) -> Weights:
    """What each part counts, by its mean AUROC on broken pairs."""
    weights = Weights(whitened=float(whiten))
    if learnt is not None:
        nearest = neighbour_weight(mean["neighbours"])
        floor = options.least_trust
        weights = replace(
            weights,
            flow=max(trust(mean["flow"]), floor * nearest),
            encoder=max(trust(mean["encoder"]), floor),
            critic=max(trust(mean["critic"]), floor),
            unusual=nearest,
            relation=max(trust(mean["relation"]), floor * nearest),
        )
    weights = replace(weights, **dict.fromkeys(options.without, 0.0))
    if not weights.encoder and not weights.critic:
        weights = replace(weights, relation=0.0)
    if weights.critic and lag_frames(options.frames, options.fps):
        weights = replace(weights, timing=1.0)
    return weights


def _logit(learnt: LearntParts, weights: Weights, joints: NDArray[np.float32], values: NDArray) -> NDArray[np.float64]:
    """The weighted sum of both logits of windows and their statistics."""
    return weights.encoder * broken_logits(learnt.encoder, joints) + weights.critic * critic_logits(
        learnt.critic, values
    )
