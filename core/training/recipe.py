"""The default recipe: relational statistics always, learnt parts where there is enough to learn from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from dyadwatch.core.auroc import auroc
from dyadwatch.core.clips import ClipSet
from dyadwatch.core.iadnet.scorer import FeatureDensity, Maps, PairEncoder, PairScorer, Weights
from dyadwatch.core.neighbours import NearestNeighbour, enough_to_whiten
from dyadwatch.core.statistics import mean_distances
from dyadwatch.core.surprise import Surprise
from dyadwatch.core.training.calibrate import (
    held_out_distances,
    neighbour_weight,
    thresholds,
    trust,
)
from dyadwatch.core.training.density import feature_nll, fit_density
from dyadwatch.core.training.encoder import Look, broken_logits, train_encoder
from dyadwatch.core.training.material import Material, Trained, gather, summarise
from dyadwatch.core.training.options import Listener, Progress, TrainOptions, silent
from dyadwatch.core.training.paper import train_paper
from dyadwatch.core.training.report import make_report

_ENOUGH_S = 600.0  # seconds of pairs from which an encoder learns what belongs together
_ENOUGH_UNITS = 10


@dataclass(frozen=True)
class Learnt:
    """The encoder, the density of its features, and how it got there."""

    encoder: PairEncoder
    density: FeatureDensity
    looks: list[Look]


def train(clip_sets: Sequence[ClipSet], options: TrainOptions, progress: Listener | None = None) -> Trained:
    """Trains on normal clips, by `options.recipe`.

    Raises:
        LayoutError: when joints of a set do not map onto the model's layout; names the missing ones.
        TrainingError: when too few clips are usable, or the `paper` recipe collapses.
    """
    listen = progress or silent
    started = time.monotonic()
    listen(Progress("clips", 0, 1))
    material = gather(clip_sets, options)
    listen(Progress("clips", 1, 1, {"windows": float(len(material.windows))}))
    if options.recipe == "paper":
        return train_paper(material, options, listen, started)
    learnt = _learn(material, options, listen)
    listen(Progress("calibration", 0, 1))
    trained = assemble(material, learnt, options, started)
    listen(Progress("calibration", 1, 1))
    return trained


def _learn(material: Material, options: TrainOptions, listen: Listener) -> Learnt | None:
    """The learnt parts; None where there is too little to learn from."""
    prepared = material.prepared
    if prepared.units < _ENOUGH_UNITS or prepared.frames < _ENOUGH_S * options.fps:
        return None
    encoder, looks = train_encoder(material.train, material.broken, prepared.layout, options, listen)
    joints, held = material.windows.joints, material.held
    density = fit_density(encoder, joints[~held], joints[held], options.seed, listen)
    return Learnt(encoder, density, looks)


def assemble(material: Material, learnt: Learnt | None, options: TrainOptions, started: float) -> Trained:
    """Weighs and calibrates the parts and joins them into the scorer."""
    statistics, values, windows = material.statistics, material.values, material.windows
    held = material.held
    whiten = enough_to_whiten(material.prepared.frames, options.frames)
    fitted = {"most": options.support, "whiten": whiten, "seed": options.seed}
    bank = NearestNeighbour.fit(statistics, values[~held], **fitted)
    judged: dict[str, dict[str, float]] = {"neighbours": {}, "relation": {}, "flow": {}}
    for kind, (intact, broken) in material.broken.items():
        judged["neighbours"][kind] = auroc(*(bank(statistics(w)).distance for w in (intact, broken)))
        if learnt is not None:
            judged["relation"][kind] = auroc(*(broken_logits(learnt.encoder, w) for w in (intact, broken)))
            judged["flow"][kind] = auroc(*(feature_nll(learnt.density, learnt.encoder, w) for w in (intact, broken)))
    mean = {part: float(np.mean(list(k.values()))) if k else float("nan") for part, k in judged.items()}

    # every window is compared with other units only; the learnt parts know all but the held-back ones
    distances = held_out_distances(statistics, values, windows.unit, **fitted)
    nearest_map = Surprise.fit(distances)
    judges = windows if learnt is None else windows.take(held)
    unusual = nearest_map(distances if learnt is None else distances[held])
    relation = np.zeros(len(judges))
    flow_map = relation_map = Surprise.zero()
    weights = Weights()
    if learnt is not None:
        nearest = neighbour_weight(mean["neighbours"])
        weights = Weights(
            flow=max(trust(mean["flow"]), options.least_trust),
            unusual=nearest,
            relation=max(trust(mean["relation"]), options.least_trust * nearest),
        )
        if weights.flow:
            nll = feature_nll(learnt.density, learnt.encoder, judges.joints)
            flow_map = Surprise.fit(nll)
            unusual = unusual + weights.flow * flow_map(nll)
        if weights.relation:
            logits = broken_logits(learnt.encoder, judges.joints)
            relation_map = Surprise.fit(logits)
            relation = relation_map(logits)
    unusual_map = Surprise.fit(unusual)
    unusual = unusual_map(unusual)
    joined = weights.unusual * unusual + weights.relation * relation
    score_map = Surprise.fit(joined)
    score = score_map(joined)

    bank = NearestNeighbour.fit(statistics, values, **fitted)
    scorer = PairScorer(
        bank=bank,
        distances=mean_distances(windows.joints[bank.chosen], statistics.joints),
        joints=len(material.prepared.layout),
        frames=options.frames,
        maps=Maps(nearest_map, flow_map, unusual_map, relation_map, score_map),
        weights=weights,
        encoder=None if learnt is None else learnt.encoder,
        density=None if learnt is None else learnt.density,
    ).eval()
    calibration = thresholds(score, judges, material.hop / options.fps)
    report = make_report(
        material.prepared,
        judges,
        options,
        scores={"score": score, "relation": relation, "unusual": unusual},
        figures={
            "weights": asdict(weights),
            "broken_pairs": judged,
            "broken_pairs_mean": mean,
            "curve": [asdict(look) for look in learnt.looks] if learnt else [],
            "calibration": calibration,
            "windows": len(windows),
            "support": len(bank.support),
            "whitened": whiten,
            "minutes": round((time.monotonic() - started) / 60, 3),
        },
    )
    return Trained(scorer, material.prepared.layout, options, summarise(report, options), calibration, report)
