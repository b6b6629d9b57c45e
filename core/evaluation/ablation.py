"""What each part is worth: the same protocol with parts of the model changed or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dyadwatch.core.evaluation.settings import MODEL

# All variants learn alike, and less than a model for use, and see one draw of the test or two folds: they are many.
STEPS, SEEDS, DRAWS, FOLDS = 300, 1, 1, 2

# The published ablations: Tables II (position), III (DREM) and V (sharing). The default is synchronised, with both.
_PUBLISHED: dict[str, dict[str, Any]] = {
    "unsynchronised position": {"position": "unsynchronised"},
    "sinusoidal position": {"position": "sinusoidal"},
    "without DREM": {"relations": False},
    "without sharing": {"sharing": False},
}
# Our own parts. The flow sees through the encoder, so the two go together.
_OWN: dict[str, dict[str, Any]] = {
    "without encoder and flow": {"without": ("encoder", "flow")},
    "without critic": {"without": ("critic",)},
    "without flow": {"without": ("flow",)},
    "without whitened distance": {"without": ("whitened",)},
    "nearest neighbour alone": {"without": ("encoder", "critic", "flow", "whitened")},
}
_RECIPE: dict[str, dict[str, Any]] = {
    "without tempo and noise": {"tempo": 0.0, "noise_m": 0.0},
    "without lost joints": {"dropped": 0.0},
    "with mirrored people": {"mirror": True},
}
_PAPER = {"recipe": "paper", "stop_on_collapse": False}
_PAPER_EPOCHS = 10  # where clips are many; the published 50 take the better part of an hour there
_QUICK = ("without encoder and flow", "without critic")

Variants = Mapping[str, Mapping[str, Any]]


def variants_of(protocol: str, *, quick: bool = False) -> Variants:
    """Training options by the name of the variant.

    On broken pairs parts of the default recipe are changed. On small sets of clips the default recipe trains no
    network, so there the published parts are compared in the published recipe, as the paper did.

    Arguments:
        quick: the published ablations and two of ours.
    """
    own = {k: v for k, v in (_OWN | _RECIPE).items() if k in _QUICK} if quick else _OWN | _RECIPE
    if protocol == "broken-pairs":
        variants = {f"{MODEL}, {name}": change for name, change in (_PUBLISHED | own).items()}
        paper = {f"paper recipe, {_PAPER_EPOCHS} epochs": _PAPER | {"epochs": _PAPER_EPOCHS}}
        return {MODEL: {}} | variants | ({} if quick else paper)
    ours = {f"{MODEL}, {name}": change for name, change in own.items() if name in _OWN}
    paper = {f"paper recipe, {name}": _PAPER | change for name, change in _PUBLISHED.items()}
    return {MODEL: {}} | ours | {"paper recipe": _PAPER} | paper
