"""Encounters: beats strung together, from where people stand to where they are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dyadwatch.stream.publishers.simulator import peaceful, violent
from dyadwatch.stream.publishers.simulator.acts import Beat, facing, pad, rest_arms, seconds
from dyadwatch.stream.publishers.simulator.figure import SimulatedPerson
from dyadwatch.stream.publishers.simulator.ik import Array
from dyadwatch.stream.publishers.simulator.motion import count, walk

Rng = np.random.Generator
FaceToFace = Callable[[Rng, Array, float], Beat]

GREETINGS: dict[str, FaceToFace] = {
    "talk": peaceful.talk,
    "handshake": peaceful.handshake,
    "handover": peaceful.handover,
    "hug": peaceful.hug,
    "pat": peaceful.pat,
}
VIOLENCE: dict[str, FaceToFace] = {
    "push": violent.push,
    "punch": violent.punch,
    "kick": violent.kick,
    "chase": violent.chase,
    "fall": violent.fall,
}
ANOMALIES = tuple(VIOLENCE)
NORMAL = (*GREETINGS, "wave", "stand", "pass", "walk together", "follow", "group", "wander")


def _place(rng: Rng, half: float) -> Array:
    return rng.uniform(-half, half, 2)


def _speed(rng: Rng, fig: SimulatedPerson) -> float:
    hurry = seconds(rng, 1.25, 1.6) if rng.random() < 0.07 else 1.0
    return fig.habits.speed * seconds(rng, 0.75, 1.15) * hurry


def _go(
    rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, goals: Array, kind: str, apart: float = 0.5
) -> Beat:
    """Everybody walks to their goal; who arrives first waits."""
    ways = [
        walk(p, g, _speed(rng, f), seconds(rng, -0.12, 0.12)) for f, p, g in zip(figures, poses, goals, strict=True)
    ]
    return Beat(kind, pad(ways), apart=apart)


def _tall(figures: Sequence[SimulatedPerson]) -> float:
    return float(np.mean([f.body.height for f in figures]))


def _meet(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float, distance: float) -> Beat:
    """Two people walk up to each other, somewhere between them."""
    middle = np.clip(poses[:, :2].mean(axis=0) + rng.normal(0, 0.9, 2), -half + 0.6, half - 0.6)
    line = poses[1, :2] - poses[0, :2]
    angle = float(np.arctan2(line[0], line[1])) + rng.normal(0, 0.5)
    u = np.asarray([np.sin(angle), np.cos(angle)]) * distance / 2
    goals = np.asarray([[*(middle - u), angle], [*(middle + u), angle + np.pi]])
    return _go(rng, figures, poses, goals, "meet")


def _part(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float, brisk: float = 1.0) -> Beat:
    """Two people turn and leave in different directions; sometimes one stays."""
    away = facing(poses[1, :2], poses[0, :2])
    ways: list[Array] = []
    stays = int(rng.integers(6))
    for k, (fig, pose) in enumerate(zip(figures, poses, strict=True)):
        if k == stays:
            ways.append(walk(pose, pose + np.asarray([0.0, 0.0, seconds(rng, -0.5, 0.5)]), 1.0))
            continue
        angle = away + np.pi * k + seconds(rng, -1.2, 1.2)
        goal = pose[:2] + seconds(rng, 1.6, 3.2) * np.asarray([np.sin(angle), np.cos(angle)])
        goal = np.clip(goal, -half, half)
        ways.append(walk(pose, np.asarray([*goal, angle + seconds(rng, -0.8, 0.8)]), _speed(rng, fig) * brisk))
    return Beat("part", pad(ways), apart=0.3)


def _visit(
    rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float, acts: Sequence[FaceToFace]
) -> list[Beat]:
    beats: list[Beat] = []
    if float(np.hypot(*(poses[0] - poses[1])[:2])) > 2.2 and rng.random() < 0.2:
        beats.append(peaceful.wave(rng, poses, _tall(figures)))
        poses = beats[-1].roots[:, -1]
    beats.append(_meet(rng, figures, poses, half, seconds(rng, 0.8, 1.5)))
    for act in acts:
        beats.append(act(rng, beats[-1].roots[:, -1], _tall(figures)))
    return beats


def visit(
    rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float, kinds: Sequence[str] = ()
) -> list[Beat]:
    """Two people meet, do one to three things face to face, and mostly part."""
    if not kinds:
        some = rng.choice(list(GREETINGS), int(rng.integers(1, 4)), p=[0.36, 0.2, 0.18, 0.13, 0.13])
        kinds = [str(k) for k, before in zip(some, ["", *some[:-1]], strict=True) if k != before]
    beats = _visit(rng, figures, poses, half, [GREETINGS[k] for k in kinds])
    if kinds[-1] not in ("hug", "pat") and rng.random() < 0.2:
        beats.append(peaceful.wave(rng, beats[-1].roots[:, -1], 0.0))
    if kinds[-1] in ("hug", "pat") or rng.random() < 0.85:  # nobody lingers that close
        beats.append(_part(rng, figures, beats[-1].roots[:, -1], half))
    return beats


def attack(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float, kind: str) -> list[Beat]:
    """Two people meet, perhaps talk, and then it happens; afterwards they part."""
    beats = _visit(rng, figures, poses, half, [peaceful.talk] if rng.random() < 0.5 else [])
    now = beats[-1].roots[:, -1]
    if kind == "chase":
        beats.append(violent.chase(rng, now, 0.0, half))
    else:
        beats.append(VIOLENCE[kind](rng, now, _tall(figures)))
    beats.append(_part(rng, figures, beats[-1].roots[:, -1], half, 1.15))
    return beats


def stand(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float) -> list[Beat]:
    """Two people come to stand near each other and mind their own business."""
    spot, angle, far = _place(rng, half), seconds(rng, -np.pi, np.pi), seconds(rng, 0.55, 2.6)
    u = np.asarray([np.sin(angle), np.cos(angle)])
    shared = rng.random() < 0.5  # side by side, looking the same way, as in a queue or before a show
    yaws = [angle + np.pi / 2] * 2 if shared else rng.uniform(-np.pi, np.pi, 2)
    goals = np.asarray([[*spot, yaws[0]], [*(spot + u * far), yaws[1]]])
    beats = [_go(rng, figures, poses, goals, "meet")]
    return [*beats, peaceful.stand(rng, beats[-1].roots[:, -1], _tall(figures))]


def cross(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float) -> list[Beat]:
    """Two people walk past each other, closely or not."""
    middle = _place(rng, 0.4 * half)
    angle = seconds(rng, -np.pi, np.pi)
    u = np.asarray([np.sin(angle), np.cos(angle)])
    side = np.asarray([u[1], -u[0]]) * seconds(rng, 0.25, 0.6)
    reach = seconds(rng, 1.6, 2.8)
    starts = np.asarray([[*(middle - u * reach + side), angle], [*(middle + u * reach - side), angle + np.pi]])
    ends = np.asarray([[*(middle + u * reach + side), angle], [*(middle - u * reach - side), angle + np.pi]])
    first = _go(rng, figures, poses, starts, "wander")
    now = first.roots[:, -1]
    speeds = [_speed(rng, f) for f in figures]
    ways = [walk(p, e, v) for p, e, v in zip(now, ends, speeds, strict=True)]
    return [first, Beat("pass", pad(ways), apart=0.45)]


def together(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float, follow: bool) -> list[Beat]:
    """Two people walk side by side, or one some way behind the other."""
    start, goal = _place(rng, half), _place(rng, half)
    if float(np.hypot(*(goal - start))) < 2.0:
        goal = -goal
    angle = facing(start, goal)
    u = np.asarray([np.sin(angle), np.cos(angle)])
    aside, behind = (0.0, seconds(rng, 0.9, 2.5)) if follow else (seconds(rng, 0.55, 0.95) * rng.choice([-1, 1]), 0.0)
    second = start - u * behind + np.asarray([u[1], -u[0]]) * aside
    goals = np.asarray([[*start, angle], [*second, angle]])
    beats = [_go(rng, figures, poses, goals, "wander")]
    return [*beats, peaceful.stroll(rng, beats[-1].roots[:, -1], goal, aside, behind)]


def group(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float) -> list[Beat]:
    """Three or more people stand in a ring and talk."""
    middle, radius = _place(rng, half - 0.8), seconds(rng, 0.65, 1.0)
    order = np.argsort(np.arctan2(*(poses[:, :2] - middle).T))
    angles = np.empty(len(poses))
    angles[order] = np.arange(len(poses)) * 2 * np.pi / len(poses) + seconds(rng, -0.2, 0.2)
    spots = middle + radius * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    goals = np.column_stack([spots, angles + np.pi])
    beats = [_go(rng, figures, poses, goals, "wander", apart=0.4)]
    return [*beats, peaceful.talk(rng, beats[-1].roots[:, -1], _tall(figures))]


def wander(rng: Rng, figures: Sequence[SimulatedPerson], poses: Array, half: float) -> list[Beat]:
    """One person goes somewhere and stands there for a while, or merely stands."""
    n = count(seconds(rng, 1.0, 4.0))
    if rng.random() < 0.15:
        goals = poses + np.asarray([0.0, 0.0, seconds(rng, -1.0, 1.0)])
    else:
        goals = np.asarray([[*_place(rng, half), seconds(rng, -np.pi, np.pi)]])
    first = _go(rng, figures, poses, goals, "wander")
    pose = first.roots[:, -1:]

    def play(figs: Sequence[SimulatedPerson], i: int) -> None:
        rest_arms(figs[0], rng, i, n)

    return [first, Beat("wander", np.repeat(pose, n, axis=1), play)]


def compose(rng: Rng, kind: str, figures: Sequence[SimulatedPerson], poses: Array, half: float) -> list[Beat]:
    """Beats of an encounter by the kind of its main beat.

    Arguments:
        kind: one of NORMAL or ANOMALIES, or `visit` for a mixture of things done face to face.
        figures: who takes part, K of them.
        poses: where they stand, shape (K, 3).
        half: metres from the middle of the floor to where people may stand.
    """
    if kind in VIOLENCE:
        return attack(rng, figures, poses, half, kind)
    if kind in GREETINGS:
        return visit(rng, figures, poses, half, [kind])
    if kind == "wave":
        return [peaceful.wave(rng, poses, 0.0), _meet(rng, figures, poses, half, seconds(rng, 0.9, 2.0))]
    if kind in ("walk together", "follow"):
        return together(rng, figures, poses, half, kind == "follow")
    return {"visit": visit, "stand": stand, "pass": cross, "group": group, "wander": wander}[kind](
        rng, figures, poses, half
    )
