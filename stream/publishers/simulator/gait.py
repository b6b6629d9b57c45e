"""Legs under a moving person: where the feet are planted, and when they swing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dyadwatch.stream.publishers.simulator.body import Body
from dyadwatch.stream.publishers.simulator.ik import Array
from dyadwatch.stream.publishers.simulator.motion import RATE, ease, smooth

_REST = 0.25  # phase in which both feet stand side by side; the left is mid-stance at 0, the right at 0.5


@dataclass
class Gait:
    """Feet of one person at N samples.

    Arguments:
        ankle: metres, shape (N, 2, 3).
        toe: pitch of the feet, shape (N, 2).
        phase: strides made, shape (N,).
        speed: metres a second, shape (N,).
        ahead: metres a second in the direction of the heading, shape (N,).
    """

    ankle: Array
    toe: Array
    phase: Array
    speed: Array
    ahead: Array


def stride_length(speed: Array, ahead: Array) -> Array:
    """Metres from one step of a foot to its next.

    Longer steps when faster, as people do; short ones sideways and backwards.

    Arguments:
        speed: metres a second.
        ahead: 1 going forward .. -1 going backward.
    """
    forward = 0.42 + 0.74 * np.minimum(speed, 1.5) + 0.5 * np.maximum(speed - 1.5, 0.0)
    return forward + (1.0 - ease((ahead + 0.2) / 0.9)) * (0.38 + 0.25 * speed - forward)


def _phases(root: Array, stepping: Array) -> tuple[Array, Array, Array, list[tuple[int, float]]]:
    """Strides made, speed, speed ahead, each (N,), and each rest as (last sample, phase)."""
    velocity = smooth(np.gradient(root[:, :2], 1 / RATE, axis=0), 3)
    turning = np.abs(smooth(np.gradient(root[:, 2], 1 / RATE), 3))
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    ahead = velocity[:, 0] * np.sin(root[:, 2]) + velocity[:, 1] * np.cos(root[:, 2])
    stride = stride_length(speed, ahead / np.maximum(speed, 0.05))
    # Who sets off takes quick short steps first; otherwise the hind leg is left behind.
    speeding_up = np.maximum(np.gradient(speed, 1 / RATE), 0.0)
    rate = np.minimum(speed / stride + 0.16 * turning + 0.22 * speeding_up, 2.0) * stepping
    moving = smooth((rate > 0.06).astype(np.float64), 2) > 0.2
    runs = np.cumsum(np.diff(moving, prepend=False) & moving) * moving
    totals = np.bincount(runs, weights=rate) / RATE
    # Whole strides only, so that nobody comes to rest with a foot in the air.
    whole = np.maximum(np.round(totals), 1.0)
    scale = np.concatenate([[0.0], whole[1:] / np.maximum(totals[1:], 1e-9)])
    phase = _REST + np.cumsum(smooth(rate * scale[runs], 5)) / RATE
    edges = np.diff(moving.astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1) + 1, np.flatnonzero(edges == -1) + 1
    strides = np.cumsum(whole[1:])
    rests = [(0, _REST)] if not moving[0] else []
    for run, end in enumerate(ends):
        after = starts[starts > end]
        until = int(after[0]) if len(after) else len(moving) - 1
        rests.append((min(int(end) + 6, (int(end) + until) // 2), _REST + float(strides[run])))
    return phase, speed, ahead, rests


def feet(root: Array, stepping: Array, body: Body, width: float) -> Gait:
    """Feet for a way over the floor: planted while they carry, swung to the next place otherwise.

    Arguments:
        root: x, z, yaw, shape (N, 3).
        stepping: 1 where the person may step, 0 where the feet stay (a fall), shape (N,).
        body: whose feet.
        width: metres from the middle line to each foot.
    """
    phase, speed, ahead, rests = _phases(root, stepping)
    duty = np.interp(speed, [0.0, 1.5, 3.0], [0.68, 0.6, 0.3])
    duty = smooth(duty, 6)
    strides = int(np.ceil(phase[-1])) + 2
    n = len(root)
    ankle, toe = np.empty((n, 2, 3)), np.empty((n, 2))
    at = np.arange(n, dtype=np.float64)
    for k, (side, offset) in enumerate(((1.0, 0.0), (-1.0, 0.5))):
        # Plant m carries while the phase is around m + offset; lie it under the body at that moment.
        marks = np.arange(-1, strides) + offset
        when = np.interp(marks, phase, at)
        pose = np.stack([np.interp(when, at, root[:, d]) for d in range(3)], axis=1)
        for sample, rest in rests:
            pose[round(rest - _REST) + 1] = root[sample]
        x = pose[:, 0] + side * width * np.cos(pose[:, 2])
        z = pose[:, 1] - side * width * np.sin(pose[:, 2])
        nearest = np.floor(phase - offset + 0.5)
        past = phase - offset - nearest
        half = duty / 2
        leaving, coming = past > half, past < -half
        u = np.where(leaving, (past - half) / (1 - duty), np.where(coming, (past + 1 - half) / (1 - duty), 0.0))
        i = np.clip((nearest + 1 - coming).astype(int), 0, len(marks) - 1)
        j = np.clip(i + (leaving | coming), 0, len(marks) - 1)
        w = 0.5 * u + 0.5 * ease(u)
        w = u * u * (3 - 2 * u) * 0.7 + 0.3 * w
        far = np.hypot(x[j] - x[i], z[j] - z[i])
        lift = np.minimum(0.02 + 0.07 * far, 0.2) + 0.1 * np.clip(speed - 2.0, 0.0, 1.0)
        ankle[:, k, 0] = x[i] + w * (x[j] - x[i])
        ankle[:, k, 2] = z[i] + w * (z[j] - z[i])
        ankle[:, k, 1] = body.ankle + lift * np.sin(np.pi * u) ** 2
        toe[:, k] = 0.42 + np.clip(far, 0.0, 1.2) * (0.6 * np.sin(np.pi * u) * (1 - u) - 0.35 * u * np.sin(np.pi * u))
    return Gait(ankle, toe, phase, speed, ahead)
