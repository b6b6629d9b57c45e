"""What each part is worth: the same protocol with parts of the model changed or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dyadwatch.core.evaluation.model import MODEL

# The published ablations, then those of our own recipe.
_PARTS: dict[str, dict[str, Any]] = {
    "unsynchronised position": {"position": "unsynchronised"},
    "sinusoidal position": {"position": "sinusoidal"},
    "without DREM": {"relations": False},
    "without sharing": {"sharing": False},
}
_RECIPE: dict[str, dict[str, Any]] = {
    "without tempo and noise": {"tempo": 0.0, "noise_m": 0.0},
    "with mirrored people": {"mirror": True},
    "paper recipe": {"recipe": "paper", "stop_on_collapse": False},
}
_PAPER = {"recipe": "paper", "stop_on_collapse": False}

Variants = Mapping[str, Mapping[str, Any]]


def variants_of(protocol: str) -> Variants:
    """Training options by the name of the variant.

    On broken pairs parts of the default recipe are changed. On small sets of clips the default recipe trains no
    encoder, so there the parts are compared in the published recipe, as the paper did, beside the default.
    """
    if protocol == "broken-pairs":
        return {MODEL: {}} | {f"{MODEL}, {name}": change for name, change in (_PARTS | _RECIPE).items()}
    paper = {f"paper recipe, {name}": _PAPER | change for name, change in _PARTS.items()}
    return {MODEL: {}, "paper recipe": _PAPER} | paper
