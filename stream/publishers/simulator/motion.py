"""Building blocks of smooth motion, sampled at `RATE`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dyadwatch.stream.publishers.simulator.ik import Array

RATE = 60  # samples a second of everything that is planned


def count(seconds: float) -> int:
    """Samples in so many seconds, at least one."""
    return max(1, round(seconds * RATE))


def wrap(angle: float) -> float:
    """The same angle within -pi..pi."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def ease(u: Array) -> Array:
    """Minimum-jerk rise from 0 to 1 while u goes from 0 to 1; flat outside."""
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def envelope(n: int, rise_s: float, fall_s: float) -> Array:
    """Weight (n,) that rises from 0 to 1, stays, and is back at 0 in the end."""
    t = np.arange(n) / RATE
    total = max((n - 1) / RATE, 1e-6)
    scale = min(1.0, total / max(rise_s + fall_s, 1e-6))
    return ease(t / (rise_s * scale + 1e-9)) * ease((total - t) / (fall_s * scale + 1e-9))


def bump(n: int, peak_s: float, rise_s: float, fall_s: float) -> Array:
    """Weight (n,) that is 1 at `peak_s` and 0 outside of rise and fall around it."""
    t = np.arange(n) / RATE - peak_s
    return np.where(t < 0, ease(1.0 + t / rise_s), ease(1.0 - t / fall_s))


def through(n: int, times_s: ArrayLike, points: ArrayLike) -> Array:
    """Track (n, D) that comes to each point at its time, minimum jerk from one to the next; still outside."""
    t = np.arange(n) / RATE
    times, spots = np.asarray(times_s, np.float64), np.asarray(points, np.float64)
    i = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    u = ease((t - times[i]) / np.maximum(times[i + 1] - times[i], 1e-9))
    return spots[i] + u[:, None] * (spots[i + 1] - spots[i])


def smooth(x: Array, sigma: float) -> Array:
    """Values (n,) or (n, D) averaged over time with a Gaussian of `sigma` samples; the ends go on as they are."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(x, [(reach, reach), *[(0, 0)] * (x.ndim - 1)], mode="edge")
    if x.ndim == 1:
        return np.convolve(padded, kernel, mode="valid").astype(np.float64)
    return np.stack([smooth(column, sigma) for column in x.T], axis=1)


def drift(rng: np.random.Generator, n: int, scale: float | Array, slow_s: float, dims: int = 1) -> Array:
    """Smooth random wandering (n, dims) about zero with standard deviation `scale`, within about `slow_s`."""
    coarse = max(1.0, slow_s * RATE / 6)
    sigma = slow_s * RATE / coarse
    edge = int(np.ceil(3 * sigma))
    white = rng.standard_normal((int(n / coarse) + 2 + 2 * edge, dims))
    # White noise through a Gaussian keeps 1 / (2 sqrt(pi) sigma) of its variance.
    knots = smooth(white, sigma)[edge:-edge] * np.sqrt(2.0 * np.sqrt(np.pi) * sigma)
    at = np.arange(n) / coarse
    low = at.astype(np.int64)
    u = (at - low)[:, None]
    return (knots[low] + u * (knots[low + 1] - knots[low])) * scale


def travel(length: float, speed: float, ramp_s: float) -> Array:
    """Distance covered (n,) on a way of `length`, with a soft start and a soft stop of `ramp_s` each."""
    speed = min(speed, length / ramp_s)
    total = length / max(speed, 1e-6) + ramp_s
    t = np.arange(count(total) + 1) / RATE

    def ramped(time: Array) -> Array:
        u = np.clip(time / ramp_s, 0.0, 1.0)
        return ramp_s * (u**3 - 0.5 * u**4) + np.maximum(time - ramp_s, 0.0)

    return np.minimum(speed * (ramped(t) - ramped(t - (total - ramp_s))), length)


def stay(pose: Array, n: int) -> Array:
    """Standing at a pose (3,) for n samples: (n, 3)."""
    return np.repeat(np.asarray(pose, np.float64)[None], n, axis=0)


def shift(start: Array, goal: Array, seconds: float) -> Array:
    """A few steps from one pose (3,) to another without turning round: (n, 3)."""
    goal = np.asarray([goal[0], goal[1], start[2] + wrap(goal[2] - start[2])])
    return through(count(seconds), (0.0, seconds - 1.0 / RATE), np.stack([start, goal]))


def bezier(p0: Array, p1: Array, bow: float, n: int = 96) -> Array:
    """A bowed way (n, 2) between two places; `bow` is its bend as a part of its length, to the left."""
    d = p1 - p0
    side = np.asarray([d[1], -d[0]])
    u = np.linspace(0.0, 1.0, n)[:, None]
    c0, c1 = p0 + d / 3 + side * bow, p0 + 2 * d / 3 + side * bow
    return (1 - u) ** 3 * p0 + 3 * u * (1 - u) ** 2 * c0 + 3 * u**2 * (1 - u) * c1 + u**3 * p1


def along(way: Array, distance: Array) -> Array:
    """Poses x, z, yaw (n, 3) at distances (n,) along a way (m, 2), facing where it leads."""
    steps = np.diff(way, axis=0)
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
    heading = np.unwrap(np.arctan2(steps[:, 0], steps[:, 1]))
    middle = (s[1:] + s[:-1]) / 2
    return np.stack(
        [np.interp(distance, s, way[:, 0]), np.interp(distance, s, way[:, 1]), np.interp(distance, middle, heading)],
        axis=1,
    )


def walk(start: Array, goal: Array, speed: float, bow: float = 0.0) -> Array:
    """Poses (n, 3) of walking from one pose to another: turn, go, stop, turn to the wanted heading.

    Arguments:
        start, goal: x, z, yaw; metres and radians.
        speed: metres a second on the way.
        bow: bend of the way, see `bezier`.
    """
    start, goal = np.asarray(start, np.float64), np.asarray(goal, np.float64)
    length = float(np.hypot(*(goal - start)[:2]))
    if length < 0.45:
        turn = abs(wrap(goal[2] - start[2]))
        return shift(start, goal, 0.5 + length / 0.7 + turn / 3.0)
    way = bezier(start[:2], goal[:2], bow)
    ramp = 0.35 + 0.3 * speed
    distance = travel(float(np.hypot(*np.diff(way, axis=0).T).sum()), speed, ramp)
    poses = along(way, distance)
    before = wrap(start[2] - poses[0, 2])
    after = wrap(goal[2] - poses[-1, 2])
    turn_in, turn_out = 0.35 + abs(before) / 2.4, 0.35 + abs(after) / 2.4
    wait, early = 0.55 * turn_in if abs(before) > 0.7 else 0.0, min(0.5 * turn_out, ramp)
    n = count(wait) + len(poses) + count(max(turn_out - early, 0.0))
    i = np.clip(np.arange(n) - count(wait), 0, len(poses) - 1)
    out = poses[i]
    t = np.arange(n) / RATE
    arrival = (count(wait) + len(poses)) / RATE
    out[:, 2] += before * (1 - ease(t / turn_in)) + after * ease((t - arrival + early) / turn_out)
    # Headings stay continuous from one walk to the next, however often somebody has turned round.
    out[:, 2] += start[2] - out[0, 2]
    return out
