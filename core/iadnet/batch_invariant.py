"""Sums and logarithms that give a window the same bits whatever else is in its batch.

A detector promises the same events at any replay speed, so a score must not depend on which windows happen
to be scored together. ONNX Runtime's matrix products, softmax, normalisation and exact element-wise
operations keep that promise; measured with 1.31, two things break it. ReduceMean over time sums in another
order when the batch is one, and over a last axis that is not a multiple of four floats it depends on where
a row lies in memory. Log computes the last few elements of each thread's share by another routine than the
others. Asinh keeps the promise, but at seven times the cost of what is here in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_over_time(x: Tensor) -> Tensor:
    """Mean over the T axis of (..., T, C), shape (..., C), as one product of fixed size for each window."""
    frames = x.shape[-2]
    row = torch.full((1, frames), 1 / frames, dtype=x.dtype, device=x.device)
    return (row @ x).squeeze(-2)


def row_dot(a: Tensor, b: Tensor) -> Tensor:
    """Dot products along the last axis, shape (..., C) twice to (...), as matrix products of fixed size."""
    return (a.unsqueeze(-2) @ b.unsqueeze(-1)).squeeze(-1).squeeze(-1)


def steady_log(x: Tensor) -> Tensor:
    """The natural logarithm within 2 % from 0.02 to 50, out of correctly rounded operations only.

    log x = 8 log r with r = x^(1/8), and log r = 2 (r - 1) / (r + 1) near one (Padé).
    """
    r = x.sqrt().sqrt().sqrt()
    return 16 * (r - 1) / (r + 1)


def steady_asinh(x: Tensor) -> Tensor:
    """The inverse hyperbolic sine within 1e-5 up to 1e3, out of correctly rounded operations only.

    asinh |x| = log(|x| + sqrt(x^2 + 1)) = 16 log r with r that to the 1/16, and the series of
    log r = 2 artanh u, u = (r - 1) / (r + 1), to its fourth term.
    """
    size = x.abs()
    r = (size + (size * size + 1).sqrt()).sqrt().sqrt().sqrt().sqrt()
    u = (r - 1) / (r + 1)
    square = u * u
    return x.sign() * u * (32 + square * (32 / 3 + square * (32 / 5 + square * (32 / 7))))
