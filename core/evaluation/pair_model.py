"""The model, or a variant of it, on broken pairs."""

from __future__ import annotations

from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.model_method import fit_model
from dyadwatch.core.evaluation.pair_material import PairMaterial, measure
from dyadwatch.core.training.options import Listener


def run_model(material: PairMaterial, name: str, seed: int, listen: Listener) -> Result:
    """Trains on the training split, then scores the test."""
    options = material.settings.train_options(seed, **material.settings.variants.get(name, {}))
    score, said = fit_model(material.train, options, listen, name)
    return Result(measure(material, score), said)
