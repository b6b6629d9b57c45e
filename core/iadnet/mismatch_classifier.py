"""Tells broken pairs from intact ones by their relational statistics alone: a small network beside the encoder.

The encoder sees who moves when; the statistics see at once what the encoder must learn, how near whom was and how
fast that changed. Each errs elsewhere, so the sum of their logits is better than either.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.iadnet.batch_invariant import steady_asinh

_HIDDEN, _LAST = 256, 64
_DROPOUT = 0.3
_LEAST_SPREAD = 1e-3


class MismatchClassifier(nn.Module):
    """Logit of a pair being broken, from its relational statistics; the same for both orders of the persons.

    Arguments:
        statistics: how vectors are made.
        centre, spread: of normal and broken windows, entry by entry, shape (F,).
    """

    centre: Tensor
    spread: Tensor
    swap: Tensor

    def __init__(self, statistics: Statistics, centre: np.ndarray, spread: np.ndarray) -> None:
        super().__init__()
        # one scale for both orders of the persons, else it would matter who is person 0
        centre, spread = (0.5 * (v + v[statistics.swap]) for v in (centre, np.maximum(spread, _LEAST_SPREAD)))
        self.register_buffer("centre", torch.from_numpy(centre.astype(np.float32)))
        self.register_buffer("spread", torch.from_numpy(spread.astype(np.float32)))
        self.register_buffer("swap", torch.from_numpy(statistics.swap))
        self.layers = nn.Sequential(
            nn.Dropout(_DROPOUT / 2),
            nn.Linear(len(statistics), _HIDDEN),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, _LAST),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_LAST, 1),
        )

    def scaled(self, values: Tensor) -> Tensor:
        """Statistics (B, F) to what the network sees, same shape."""
        return steady_asinh((values - self.centre) / self.spread)

    def one_order(self, scaled: Tensor) -> Tensor:
        """Logit from scaled statistics (B, F) in the order of persons they are in; shape (B,)."""
        return self.layers(scaled).squeeze(-1)

    def forward(self, values: Tensor) -> Tensor:
        """Statistics (B, F) to logits (B,), the mean of both orders of the persons."""
        scaled = self.scaled(values)
        return 0.5 * (self.one_order(scaled) + self.one_order(scaled.index_select(1, self.swap)))
