"""Anomalous beats of two people: push, punch, kick, chase, and a fall that the partner ignores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from dyadwatch.stream.publishers.simulator.acts import Beat, close_up, seconds, then_stay
from dyadwatch.stream.publishers.simulator.figure import SimulatedPerson
from dyadwatch.stream.publishers.simulator.ik import Array, unit
from dyadwatch.stream.publishers.simulator.motion import RATE, along, bump, count, ease, envelope, smooth, stay, wrap

Rng = np.random.Generator


def _recoil(n: int, hits_s: Sequence[float], metres: Sequence[float], stop_s: float) -> Array:
    """Distance (n,) somebody is driven back by hits: starts hard, fades, over after `stop_s`."""
    t = np.arange(n) / RATE
    out = np.zeros(n)
    for hit, d in zip(hits_s, metres, strict=True):
        out += d * (1 - (1 - np.clip((t - hit) / stop_s, 0.0, 1.0)) ** 3)
    return smooth(out, 2.5)


def _away(roots: Array, who: int) -> Array:
    """Unit direction on the floor (2,) from the other person to person `who`, at the last root."""
    d = roots[who, -1, :2] - roots[1 - who, -1, :2]
    return d / max(float(np.hypot(*d)), 1e-6)


def push(rng: Rng, poses: Array, tall: float) -> Beat:
    """Both hands against the other's chest, once or twice; the other is thrown back."""
    roots = close_up(rng, poses, seconds(rng, 0.39, 0.45) * tall, off=0.1)
    lead = roots.shape[1]
    who = int(rng.integers(2))
    hits = [0.55, 1.75] if rng.random() < 0.4 else [0.55]
    thrown = [seconds(rng, 0.5, 0.9) for _ in hits]
    n = count(hits[-1] + seconds(rng, 1.5, 2.2))
    roots = then_stay(roots, n)
    away = _away(roots, 1 - who)
    back = _recoil(n, hits, thrown, 0.9)
    # The pusher follows up, and catches up before a second push.
    step = _recoil(n, [h - 0.3 for h in hits], [0.15, thrown[0]][: len(hits)], 0.75)
    roots[1 - who, lead:, :2] += back[:, None] * away
    roots[who, lead:, :2] += step[:, None] * away

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        me, other = figures[who], figures[1 - who]
        for hit in hits:
            other.bend(i, -seconds(rng, 0.25, 0.4) * bump(n, hit + 0.22, 0.24, 0.8))
            me.bend(i, 0.3 * bump(n, hit, 0.3, 0.5) - 0.06 * bump(n, hit - 0.22, 0.3, 0.2))
        n_arm = other.body.arm
        for side in (0, 1):
            s = 1.0 - 2.0 * side
            h = other.body.height
            chest = other.point(i, n, (-0.075 * s * h, -0.06 * h, 0.055 * h))
            t = np.arange(n) / RATE
            touch = np.max([ease((t - hit + 0.19) / 0.19) * ease((hit + 0.4 - t) / 0.36) for hit in hits], axis=0)
            raised = np.max([ease((t - hit + 0.55) / 0.35) * ease((hit + 0.8 - t) / 0.5) for hit in hits], axis=0)
            me.hold(side, i, stay(np.asarray([0.3 * s, -0.25, 0.5]) * me.body.arm, n), raised)
            me.reach(side, i, chest, touch)
            thrown_up = np.max([bump(n, hit + 0.35, 0.33, 0.7) for hit in hits], axis=0)
            other.hold(side, i, stay(np.asarray([0.55 * s, -0.12, 0.62]) * n_arm, n), thrown_up)

    return Beat("push", roots, play, anomalous=True, skip=lead)


def punch(rng: Rng, poses: Array, tall: float) -> Beat:
    """One to three blows with alternate fists against head or chest; the other staggers."""
    roots = close_up(rng, poses, seconds(rng, 0.39, 0.43) * tall, off=0.1)
    lead = roots.shape[1]
    who = int(rng.integers(2))
    blows = int(rng.integers(2, 4))
    hits = list(0.5 + np.cumsum([0.0, *rng.uniform(0.55, 0.75, blows - 1)]))
    driven = [seconds(rng, 0.12, 0.25) for _ in hits]
    at_head = [rng.random() < 0.6 for _ in hits]
    n = count(hits[-1] + seconds(rng, 1.2, 1.9))
    roots = then_stay(roots, n)
    away = _away(roots, 1 - who)
    roots[1 - who, lead:, :2] += _recoil(n, hits, driven, 0.6)[:, None] * away
    chase = _recoil(n, [h + 0.1 for h in hits[:-1]], driven[:-1], 0.5)
    roots[who, lead:, :2] += chase[:, None] * away

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        me, other = figures[who], figures[1 - who]
        first = me.habits.hand
        for k, hit in enumerate(hits):
            s = 1.0 - 2.0 * ((first + k) % 2)
            snap = bump(n, hit + 0.12, 0.13, 0.45)
            other.bend(i, (-0.3 if at_head[k] else 0.32) * snap, 0.1 * s * snap, 0.3 * s * snap)
            other.c.head[i : i + n] += (-0.45 if at_head[k] else 0.2) * snap
            me.bend(i, 0.16 * bump(n, hit, 0.25, 0.4), 0.0, -s * (0.5 * bump(n, hit, 0.2, 0.35)))
        t = np.arange(n) / RATE
        toward = unit(me.torso(i, n).spine_shoulder - other.torso(i, n).spine_shoulder)
        for side in (0, 1):
            mine = [k for k in range(len(hits)) if (first + k) % 2 == side]
            s = 1.0 - 2.0 * side
            guard = np.asarray([0.16 * s, -0.1, 0.42]) * me.body.arm
            me.hold(side, i, stay(guard, n), ease(t / 0.4) * ease((hits[-1] + 0.8 - t) / 0.5))
            if mine:
                torso = other.torso(i, n)
                spots = np.zeros((n, 3))
                weight = np.zeros(n)
                for k in mine:
                    near = np.abs(t - hits[k]) <= np.min([np.abs(t - hits[j]) for j in mine], axis=0) + 1e-9
                    target = torso.head if at_head[k] else torso.spine_shoulder - [0.0, 0.09, 0.0]
                    spots[near] = (target + toward * 0.09)[near]
                    weight = np.maximum(weight, ease((t - hits[k] + 0.16) / 0.16) * ease((hits[k] + 0.3 - t) / 0.25))
                me.reach(side, i, spots, weight)
            shield = ease((t - hits[0] - 0.1) / 0.35) * ease((n / RATE - t) / 0.6)
            other.hold(side, i, stay(np.asarray([0.18 * s, 0.12, 0.36]) * other.body.arm, n), shield)

    return Beat("punch", roots, play, anomalous=True, skip=lead)


def kick(rng: Rng, poses: Array, tall: float) -> Beat:
    """A foot against the other's hip or belly, once or twice."""
    roots = close_up(rng, poses, seconds(rng, 0.44, 0.49) * tall, off=0.1)
    lead = roots.shape[1]
    who = int(rng.integers(2))
    hits = [0.6, 1.9] if rng.random() < 0.5 else [0.6]
    driven = [seconds(rng, 0.3, 0.55) for _ in hits]
    n = count(hits[-1] + seconds(rng, 1.4, 2.0))
    roots = then_stay(roots, n)
    away = _away(roots, 1 - who)
    roots[1 - who, lead:, :2] += _recoil(n, hits, driven, 0.7)[:, None] * away
    if len(hits) > 1:
        t = np.arange(n) / RATE
        roots[who, lead:, :2] += (driven[0] * ease((t - hits[0] - 0.4) / 0.5))[:, None] * away
    height = seconds(rng, -0.02, 0.14)

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        me, other = figures[who], figures[1 - who]
        t = np.arange(n) / RATE
        for hit in hits:
            me.bend(i, -0.28 * bump(n, hit, 0.4, 0.5))
            me.c.tilt[i : i + n, 0] -= 0.1 * bump(n, hit, 0.4, 0.5)
            other.bend(i, 0.45 * bump(n, hit + 0.26, 0.28, 0.8))
            other.c.head[i : i + n] += 0.2 * bump(n, hit + 0.2, 0.22, 0.8)
        side = me.habits.hand
        torso, mine = other.torso(i, n), me.torso(i, n)
        toward = unit(mine.pelvis - torso.pelvis)
        spot = torso.pelvis + [0.0, height, 0.0] + toward * 0.13
        knee_up = mine.pelvis - toward * 0.3 + [0.0, -0.42, 0.0]
        chamber = np.max([ease((t - hit + 0.5) / 0.36) * ease((hit + 0.7 - t) / 0.4) for hit in hits], axis=0)
        strike = np.max([ease((t - hit + 0.21) / 0.21) * ease((hit + 0.38 - t) / 0.32) for hit in hits], axis=0)
        me.foot[i : i + n, side] = knee_up + strike[:, None] * (spot - knee_up)
        me.foot_weight[i : i + n, side] = chamber
        me.foot_toe[i : i + n, side] = 0.2 - 0.9 * strike
        fists = envelope(n, 0.4, 0.6)
        clutch = np.max([bump(n, hit + 0.48, 0.44, 0.8) for hit in hits], axis=0)
        for hand in (0, 1):
            s = 1.0 - 2.0 * hand
            me.hold(hand, i, stay(np.asarray([0.3 * s, -0.3, 0.4]) * me.body.arm, n), fists)
            other.hold(hand, i, stay(np.asarray([0.08 * s, -0.62, 0.3]) * other.body.arm, n), clutch)

    return Beat("kick", roots, play, anomalous=True, skip=lead)


def _sprint(n: int, speed: float, wait_s: float) -> Array:
    """Distance run (n,): off after a wait, up to speed within 0.8 s, and down again at the end."""
    t = np.arange(n) / RATE
    v = speed * ease((t - wait_s) / 1.1) * ease((n / RATE - t) / 1.0)
    return np.cumsum(v) / RATE


def chase(rng: Rng, poses: Array, tall: float, room: float = 4.0) -> Beat:
    """One runs away through the room, the other runs after them.

    Arguments:
        room: metres from the middle of the floor to its walls.
    """
    who = int(rng.integers(2))
    a, b = poses[who], poses[1 - who]
    gap = float(np.hypot(*(b - a)[:2]))
    n = count(seconds(rng, 4.0, 5.5))
    speed = seconds(rng, 2.3, 2.7)
    flee = _sprint(n, speed, 0.45)
    heading = float(np.arctan2(b[0] - a[0], b[1] - a[1])) + seconds(rng, -0.7, 0.7)
    bias = seconds(rng, -0.35, 0.35)
    x, z, ds = float(b[0]), float(b[1]), 0.05
    way = [a[:2], b[:2]]
    for _ in range(int(flee[-1] / ds) + 2):
        # Bend towards the middle the more, the nearer the wall ahead is.
        ahead = max(abs(x + 1.2 * np.sin(heading)), abs(z + 1.2 * np.cos(heading))) / room
        inward = wrap(float(np.arctan2(-x, -z)) - heading)
        pull = float(np.clip((ahead - 0.55) / 0.35, 0.0, 1.0))
        heading += ds * (bias * (1 - pull) + pull * 1.15 * (1.0 if inward >= 0 else -1.0))
        x, z = x + ds * np.sin(heading), z + ds * np.cos(heading)
        way.append(np.asarray([x, z]))
    run_up = cast("Array", np.linspace(a[:2], b[:2], max(int(gap / ds), 2)))
    path = np.concatenate([run_up[:-1], np.asarray(way[1:])])
    path = smooth(path, 4)
    nearest = seconds(rng, 0.75, 1.1)
    hunt = np.minimum(_sprint(n, speed * 1.06, 0.6), np.maximum(flee + gap - nearest, 0.0))
    hunt = np.maximum.accumulate(smooth(hunt, 8))
    hunt -= hunt[0]
    roots = np.empty((2, n, 3))
    t = np.arange(n) / RATE
    for person, distance, start in ((who, hunt, a), (1 - who, flee + gap, b)):
        steps = along(path, distance)
        steps[:, :2] += start[:2] - steps[0, :2]
        steps[:, 2] = smooth(steps[:, 2], 6)
        turn = wrap(start[2] - steps[0, 2])
        steps[:, 2] += turn * (1 - ease(t / (0.4 + abs(turn) / 3.5)))
        steps[:, 2] += start[2] - steps[0, 2]
        roots[person] = steps

    return Beat("chase", roots, anomalous=True, apart=0.3)


def fall(rng: Rng, poses: Array, tall: float) -> Beat:
    """One collapses, lies, and gets up again, while the other stands by without moving."""
    roots = close_up(rng, poses, seconds(rng, 0.9, 1.6), off=0.4)
    lead = roots.shape[1]
    who = int(rng.integers(2))
    down, lies, up = seconds(rng, 0.75, 1.1), seconds(rng, 2.0, 4.0), seconds(rng, 1.8, 2.6)
    n = count(0.2 + down + lies + up + 0.3)
    roots = then_stay(roots, n)
    forward = rng.random() < 0.25
    t = np.arange(n) / RATE
    falling, risen = np.clip((t - 0.2) / down, 0, 1), ease((t - 0.2 - down - lies) / up)
    # Slow at first and fast at the end, as a fall is; the ground stops it within a tenth of a second.
    drop = smooth(np.where(falling < 1, falling**2.2, 1.0), 4) * (1 - risen)
    yaw = roots[who, -1, 2]
    slide = (0.3 if forward else -0.42) * tall / 1.7
    roots[who, lead:, :2] += (drop * slide)[:, None] * np.asarray([np.sin(yaw), np.cos(yaw)])

    def play(figures: Sequence[SimulatedPerson], i: int) -> None:
        i += lead
        me, other = figures[who], figures[1 - who]
        me.stepping[i : i + n] = 0.0
        me.c.drop[i : i + n] += drop * (me.body.pelvis_height - 0.13)
        me.c.tilt[i : i + n, 0] += drop * (1.35 if forward else -1.3)
        me.c.tilt[i : i + n, 1] += drop * seconds(rng, -0.3, 0.3)
        me.bend(i, (0.1 if forward else 0.18) * drop)
        fling = bump(n, 0.2 + 0.8 * down, 0.7 * down, 1.2) + 0.6 * drop
        for side in (0, 1):
            s = 1.0 - 2.0 * side
            spot = np.asarray([0.62 * s, -0.35 if not forward else 0.25, 0.25]) * me.body.arm
            me.hold(side, i, stay(spot, n), np.clip(fling, 0, 1))
        other.c.head[i : i + n] += 0.15 * envelope(n, 0.8, 0.8)

    return Beat("fall", roots, play, anomalous=True, skip=lead)
