"""Normal beats of two or more people: talk, shake hands, hand over, hug, pat, wave, stand about, walk along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from dyadwatch.stream.publishers.simulator.acts import (
    Beat,
    close_up,
    gesture,
    rest_arms,
    seconds,
    then_stay,
)
from dyadwatch.stream.publishers.simulator.figure import SimulatedPerson
from dyadwatch.stream.publishers.simulator.ik import Array
from dyadwatch.stream.publishers.simulator.motion import (
    RATE,
    along,
    bezier,
    count,
    drift,
    ease,
    envelope,
    stay,
    through,
    travel,
)

Rng = np.random.Generator


def talk(rng: Rng, poses: Array, tall: float) -> Beat:
    """Turn by turn, one speaks with the hands while the others listen."""
    n = count(seconds(rng, 2.5, 7.0))
    pair = len(poses) == 2
    roots = close_up(rng, poses, seconds(rng, 0.75, 1.7), off=0.4) if pair else poses[:, None]
    lead = roots.shape[1]

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        for fig in figures:
            fig.c.head[i : i + n] += envelope(n, 0.5, 0.5) * drift(rng, n, 0.06, 0.25)[:, 0]
        at, speaker = 0, int(rng.integers(len(figures)))
        while at < n:
            m = min(count(seconds(rng, 1.5, 4.0)), n - at)
            fig = figures[speaker]
            hands = [(fig.habits.hand,), (fig.habits.hand,), (0, 1), (0, 1), (1 - fig.habits.hand,), ()]
            for side in hands[int(rng.integers(6))]:
                gesture(fig, rng, side, i + at, m)
            fig.bend(i + at, envelope(m, 0.5, 0.5) * seconds(rng, -0.02, 0.08))
            for other in figures:
                if other is not fig and rng.random() < 0.4:
                    rest_arms(other, rng, i + at, m)
            at, speaker = at + m, int((speaker + rng.integers(1, len(figures))) % len(figures))

    return Beat("talk", then_stay(roots, n), play, skip=lead)


def handshake(rng: Rng, poses: Array, tall: float) -> Beat:
    """Right hands meet half-way, go up and down a few times, and part."""
    n = count(seconds(rng, 1.8, 3.4))
    roots = close_up(rng, poses, seconds(rng, 0.42, 0.49) * tall, aside=seconds(rng, 0.02, 0.08), off=0.08)
    lead = roots.shape[1]
    side = 1 if rng.random() < 0.95 else 0
    rises, beats, size = seconds(rng, 0.5, 0.8), seconds(rng, 1.4, 2.4), seconds(rng, 0.02, 0.05)

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        hold = envelope(n, rises, 0.6)
        for fig in figures:
            fig.bend(i, hold * seconds(rng, 0.06, 0.16), 0.0, hold * 0.22 * (1 if side == 1 else -1))
        spot = sum(f.point(i, n, (0.0, -0.2 * f.body.height, 0.0)) for f in figures) / 2
        t = np.arange(n) / RATE
        inside = ease((t - rises) / 0.25) * ease((n / RATE - 0.6 - t) / 0.25)
        spot = np.asarray(spot) + np.stack([0 * t, inside * size * np.sin(2 * np.pi * beats * (t - rises)), 0 * t], 1)
        for fig in figures:
            late = ease((t - seconds(rng, 0.0, 0.15)) / rises)
            fig.reach(side, i, spot, late * envelope(n, 1e-3, 0.6))

    return Beat("handshake", then_stay(roots, n), play, skip=lead)


def handover(rng: Rng, poses: Array, tall: float) -> Beat:
    """One holds something out, the other takes it to their chest."""
    roots = close_up(rng, poses, seconds(rng, 0.42, 0.53) * tall, off=0.12)
    lead = roots.shape[1]
    giver = int(rng.integers(2))
    both = rng.random() < 0.25
    offer, touch = seconds(rng, 0.6, 0.9), seconds(rng, 0.15, 0.4)
    meet = offer + seconds(rng, 0.35, 0.6)
    n = count(meet + touch + seconds(rng, 0.8, 1.6))

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        t = np.arange(n) / RATE
        for fig in figures:
            fig.bend(i, envelope(n, meet, 0.7) * seconds(rng, 0.08, 0.2))
        spot = sum(f.point(i, n, (0.0, -0.19 * f.body.height, 0.0)) for f in figures) / 2
        for who, fig in enumerate(figures):
            start, end = (0.0, meet + touch) if who == giver else (offer - 0.2, meet + touch)
            weight = ease((t - start) / (offer if who == giver else meet - start)) * ease((end + 0.7 - t) / 0.7)
            hands = (0, 1) if both else (fig.habits.hand,)
            for side in hands:
                s = 1.0 - 2.0 * side
                aside = fig.torso(i, n).chest_axes[..., 0] * s * (0.07 if both else 0.0)
                fig.reach(side, i, np.asarray(spot) + aside, weight)
                # Before (giver) and after (taker) the thing is kept in front of the belly.
                keeps = envelope(n, 0.5, 0.6)
                kept = np.asarray([0.1 * s, -0.62, 0.42]) * fig.body.arm
                only = ease((meet - t) / 0.4) if who == giver else ease((t - meet) / 0.4)
                fig.hold(side, i, stay(kept, n), keeps * only)

    return Beat("handover", then_stay(roots, n), play, skip=lead)


def hug(rng: Rng, poses: Array, tall: float) -> Beat:
    """Arms open, go round the other's back, stay, and let go."""
    n = count(seconds(rng, 2.2, 4.2))
    roots = close_up(rng, poses, seconds(rng, 0.2, 0.24) * tall, aside=seconds(rng, 0.05, 0.09))
    lead = roots.shape[1]
    low = int(rng.integers(2))
    early = min(lead, count(0.5))

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i, m = i + lead - early, n + early
        t = np.arange(m, dtype=np.float64) / RATE
        hold = envelope(m, 1.0, 0.8)
        for fig in figures:
            fig.bend(i, hold * seconds(rng, 0.06, 0.14), hold * 0.06)
        for who, (fig, other) in enumerate(zip(figures, figures[::-1], strict=True)):
            h = other.body.height
            y = (-0.17 if who == low else -0.03) * h
            torso = other.torso(i, m)
            for side in (0, 1):
                s = 1.0 - 2.0 * side
                # In the other's chest axes my left lies at their right; open wide first, then close behind the back.
                y_side = y + (0.05 * h if side == low else -0.03 * h)
                keys = np.asarray([(-0.3 * s * h, y_side, 0.1 * h), (-0.21 * s * h, y_side, -0.03 * h),
                                   (0.01 * s * h, y_side, -0.055 * h), (0.01 * s * h, y_side, -0.055 * h),
                                   (-0.23 * s * h, y_side, 0.02 * h)])  # fmt: skip
                end = m / RATE
                local = through(m, (0.0, 0.6, 1.1, end - 0.9, end - 0.3), keys)
                world = torso.spine_shoulder + np.einsum("tij,tj->ti", torso.chest_axes, local)
                fig.reach(side, i, world, ease(t / 0.7) * ease((end - t) / 0.7))

    return Beat("hug", then_stay(roots, n), play, skip=lead - early)


def pat(rng: Rng, poses: Array, tall: float) -> Beat:
    """A friendly hand on the other's shoulder, softly, once or a few times."""
    n = count(seconds(rng, 1.6, 2.6))
    roots = close_up(rng, poses, seconds(rng, 0.36, 0.44) * tall, off=0.25)
    lead = roots.shape[1]
    who = int(rng.integers(2))
    taps, size = seconds(rng, 0.0, 2.2), seconds(rng, 0.02, 0.05)

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        me, other = figures[who], figures[1 - who]
        hold = envelope(n, 0.7, 0.7)
        s = 1.0 - 2.0 * me.habits.hand
        me.bend(i, hold * 0.1, 0.0, -hold * 0.2 * s)
        t = np.arange(n) / RATE
        lift = size * (1 - np.cos(2 * np.pi * taps * t)) + 0.04
        h = other.body.height
        spot = other.point(i, n, (-0.11 * s * h, 0.0, 0.02 * h)) + lift[:, None] * np.asarray([0.0, 1.0, 0.0])
        me.reach(me.habits.hand, i, spot, hold)

    return Beat("pat", then_stay(roots, n), play, skip=lead)


def wave(rng: Rng, poses: Array, tall: float) -> Beat:
    """One or both wave from where they are."""
    n = count(seconds(rng, 1.4, 2.6))
    roots = close_up(rng, poses, float(np.hypot(*(poses[0] - poses[1])[:2])), off=0.2)
    lead = roots.shape[1]
    both = rng.random() < 0.6

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        for fig in figures if both else figures[:1]:
            side, arm = fig.habits.hand, fig.body.arm
            s, t = 1.0 - 2.0 * side, np.arange(n) / RATE
            sweep = seconds(rng, 0.06, 0.14) * np.sin(2 * np.pi * seconds(rng, 1.2, 2.2) * t)
            high = seconds(rng, 0.0, 0.35)
            track = np.stack([s * (0.42 * arm + sweep), 0 * t + high * arm, 0 * t + 0.45 * arm], axis=1)
            fig.hold(side, i, track, envelope(n, 0.55, 0.55))

    return Beat("wave", then_stay(roots, n), play, skip=lead)


def stand(rng: Rng, poses: Array, tall: float) -> Beat:
    """Standing about, each minding their own business; now and then a step or a turn."""
    n = count(seconds(rng, 2.0, 6.0))
    turn = rng.uniform(-0.6, 0.6, len(poses)) * (rng.random(len(poses)) < 0.5)
    roots = np.stack([through(n, (0.5, 1.7), [p, [p[0], p[1], p[2] + a]]) for p, a in zip(poses, turn, strict=True)])

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        for fig in figures:
            rest_arms(fig, rng, i, n)

    return Beat("stand", roots, play)


def stroll(rng: Rng, poses: Array, goal: Array, aside: float, behind: float) -> Beat:
    """Walking along together.

    Arguments:
        poses: both at the start, the second already in its place beside or behind the first, shape (2, 3).
        goal: x, z where the first ends.
        aside, behind: metres that the second walks to the left of and behind the first.
    """
    speed = seconds(rng, 0.7, 1.45)
    way = bezier(poses[0, :2], goal, seconds(rng, -0.15, 0.15))
    length = float(np.hypot(*np.diff(way, axis=0).T).sum())
    first = along(way, travel(length, speed, 0.7))
    back = way[0] - (way[1] - way[0]) / np.hypot(*(way[1] - way[0])) * behind
    run_up = cast("Array", np.linspace(back, way[0], 12))
    longer = np.concatenate([run_up[:-1], way]) if behind > 0 else way
    second = along(longer, travel(length, speed, 0.7))
    second[:, 0] += aside * np.cos(second[:, 2])
    second[:, 1] -= aside * np.sin(second[:, 2])
    second[:, :2] += poses[1, :2] - second[0, :2]
    for path, pose in ((first, poses[0]), (second, poses[1])):
        path[:, 2] += pose[2] - path[0, 2]
    return Beat("follow" if behind > 0 else "walk together", np.stack([first, second]), apart=0.4)
