"""What acts are made of: a beat plans the ways of its people, and moves their bodies once it is staged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dyadwatch.stream.publishers.simulator.figure import SimulatedPerson
from dyadwatch.stream.publishers.simulator.ik import Array
from dyadwatch.stream.publishers.simulator.motion import RATE, envelope, shift, stay, through

Play = Callable[[Sequence[SimulatedPerson], int], None]


def still(figures: Sequence[SimulatedPerson], i: int) -> None:
    """Nothing but the ways."""


@dataclass(frozen=True)
class Beat:
    """A stretch of time in which K people do one thing.

    Arguments:
        kind: what they do.
        roots: x, z, yaw of each, shape (K, n, 3).
        play: writes arms, trunk and feet on the figures, given the sample at which the beat starts.
        anomalous: whether it is one of the things to be found.
        skip: samples at the start that are not yet the thing itself, such as closing up.
        apart: metres that the K people must stay apart at least; contact brings them closer.
    """

    kind: str
    roots: Array
    play: Play = still
    anomalous: bool = False
    skip: int = 0
    apart: float = 0.0

    def __len__(self) -> int:
        return self.roots.shape[1]


def seconds(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform draw."""
    return float(rng.uniform(low, high))


def facing(a: Array, b: Array) -> float:
    """Yaw that looks from place a to place b."""
    return float(np.arctan2(b[0] - a[0], b[1] - a[1]))


def pad(ways: Sequence[Array]) -> Array:
    """Ways (n_k, 3) made equally long by waiting at their ends: (K, n, 3)."""
    n = max(map(len, ways))
    return np.stack([np.concatenate([w, stay(w[-1], n - len(w))]) if len(w) < n else w for w in ways])


def close_up(rng: np.random.Generator, poses: Array, distance: float, aside: float = 0.0, off: float = 0.0) -> Array:
    """Two people step to stand face to face at a distance: roots (2, n, 3).

    Arguments:
        poses: where they are, shape (2, 3).
        distance: metres between them afterwards.
        aside: metres by which each stands to their own left of the line between them.
        off: largest angle by which they look past each other.
    """
    a, b = poses[:, :2]
    u = (b - a) / max(float(np.hypot(*(b - a))), 1e-6)
    share = rng.choice([0.0, 0.5, 0.5, 1.0])
    excess = float(np.hypot(*(b - a))) - distance
    side = np.asarray([u[1], -u[0]]) * aside
    goal_a, goal_b = a + u * excess * share + side, b - u * excess * (1 - share) - side
    yaws = [facing(goal_a - side, goal_b + side), facing(goal_b + side, goal_a - side)]
    ways: list[Array] = []
    for start, goal, yaw in zip(poses, (goal_a, goal_b), yaws, strict=True):
        target = np.asarray([*goal, yaw + seconds(rng, -off, off)])
        step = float(np.hypot(*(goal - start[:2])))
        turn = abs((target[2] - start[2] + np.pi) % (2 * np.pi) - np.pi)
        ways.append(shift(start, target, 0.4 + step / 0.55 + turn / 3.0))
    return pad(ways)


def then_stay(roots: Array, n: int) -> Array:
    """Roots (K, m, 3) followed by n samples of standing."""
    return np.concatenate([roots, np.repeat(roots[:, -1:], n, axis=1)], axis=1)


def gesture(fig: SimulatedPerson, rng: np.random.Generator, side: int, i: int, n: int) -> None:
    """Talking with a hand: from place to place in front of the chest."""
    arm, s, size = fig.body.arm, 1.0 - 2.0 * side, fig.habits.lively
    times = np.cumsum(rng.uniform(0.35, 0.85, 64))
    times = times[times < n / RATE]
    if n < 1.4 * RATE:
        return
    keys = rng.uniform([0.02, -0.62, 0.38], [0.42, -0.28, 0.62], (len(times), 3)) * arm
    middle = np.asarray([0.2, -0.5, 0.48]) * arm
    keys = middle + (keys - middle) * size
    keys[:, 0] *= s
    fig.hold(side, i, through(n, times, keys), envelope(n, 0.6, 0.6))


def rest_arms(fig: SimulatedPerson, rng: np.random.Generator, i: int, n: int) -> None:
    """One of the ways in which people keep their arms while they do nothing."""
    arm, h = fig.body.arm, fig.body.height
    if n < 1.8 * RATE:
        return
    habit = rng.choice(["hang", "hang", "folded", "hips", "back", "phone", "front"])
    fade = envelope(n, 0.7, 0.7)
    spots = {
        "folded": [(-0.06 * h, -0.17 * h, 0.13 * h), (0.07 * h, -0.15 * h, 0.12 * h)],
        "hips": [(0.1 * h, -0.265 * h, 0.03 * h), (-0.1 * h, -0.265 * h, 0.03 * h)],
        "back": [(0.02 * h, -0.29 * h, -0.1 * h), (-0.02 * h, -0.3 * h, -0.11 * h)],
        "front": [(0.02 * h, -0.31 * h, 0.12 * h), (-0.02 * h, -0.3 * h, 0.13 * h)],
    }
    if habit == "phone":
        s = 1.0 - 2.0 * fig.habits.hand
        spot = np.asarray([0.12 * s, -0.3, 0.5]) * arm + rng.normal(0, 0.02, 3)
        fig.hold(fig.habits.hand, i, stay(spot, n), fade)
        fig.c.head[i : i + n] += 0.4 * fade
    elif habit != "hang":
        for side in (0, 1):
            spot = np.asarray(spots[habit][side]) + rng.normal(0, 0.01, 3)
            fig.hold(side, i, stay(spot, n), fade)
