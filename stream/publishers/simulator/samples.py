"""Clips of simulated pairs: normal ones to train on, anomalous ones to test with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.simulator.encounters import ANOMALIES
from dyadwatch.stream.publishers.simulator.scenario import Scenario, make_scenario

_SCENE_S = 60.0
_LONGEST_S = 10.0
_SHORTEST_S = 2.5
_FAR_M = 4.5  # pairs farther apart are not looked at
_HEAD_M = 0.04  # standard deviation of where along its axis a sensor puts the head: crown, ears, base of the skull
_BYSTANDERS = 0.4  # part of the time that goes to pairs who have nothing to do with each other


def _near_runs(joints: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Stretches [first, end) in which two people (T, 2, J, 3) are near enough to be looked at."""
    gap = joints[:, 0, 0] - joints[:, 1, 0]
    near = np.hypot(gap[:, 0], gap[:, 2]) < _FAR_M
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _label(scene: Scenario, pair: tuple[int, int], start: float, end: float) -> str:
    """What two people (ids) do with each other for most of a time (seconds), or `bystanders`."""
    shares: dict[str, float] = {"bystanders": 0.0}
    for what in scene.truth:
        if set(pair) <= set(what.people):
            overlap = min(end, what.end / NS) - max(start, what.start / NS)
            if overlap > 0:
                shares[what.kind] = shares.get(what.kind, 0.0) + overlap
    # Meeting and parting frame nearly everything; they name a clip only when nothing else does.
    main = {k: v for k, v in shares.items() if k not in ("meet", "part")} if len(shares) > 1 else shares
    best = max(main, key=main.__getitem__)
    return best if main[best] >= 0.5 else max(shares, key=shares.__getitem__)


def _move_head(joints: NDArray[np.float32], metres: float) -> None:
    """Moves everybody's head so much farther from the neck, in place; joints of shape (..., 25, 3)."""
    head, neck = (joints[..., KINECT25.index[j], :] for j in ("head", "neck"))
    axis = head - neck
    joints[..., KINECT25.index["head"], :] = head + metres * axis / np.linalg.norm(axis, axis=-1, keepdims=True)


def _scene_clips(scene: Scenario, fps: float, rng: np.random.Generator) -> list[Clip]:
    joints = scene.joints(fps)
    clips: list[Clip] = []
    for b in range(scene.people):
        for a in range(b):
            for first, end in _near_runs(joints[:, [a, b]]):
                while end - first >= _SHORTEST_S * fps:
                    n = min(int(rng.uniform(4.0, _LONGEST_S) * fps), end - first)
                    if end - first - n < _SHORTEST_S * fps:
                        n = end - first if end - first <= _LONGEST_S * fps else n
                    label = _label(scene, (a + 1, b + 1), first / fps, (first + n) / fps)
                    part = np.ascontiguousarray(joints[first : first + n, [a, b]])
                    _move_head(part, float(rng.normal(scale=_HEAD_M)))
                    name = f"sim{scene.seed}-{a + 1}-{b + 1}-{first}"
                    clips.append(Clip(part, KINECT25, fps, label, name, session=str(scene.seed)))
                    first += n
    return clips


def normal_clips(seed: int, minutes: float, *, fps: float = 30.0, noise_m: float = 0.006) -> ClipSet:
    """Two-person clips of 2.5-10 s cut from normal lives of two to six people, no nearer to each other than life is.

    Both those who do something together and those who merely are near each other (label `bystanders`), up to 4.5 m
    apart; the session of a clip is the seed of its scene: split by it.

    Arguments:
        seed: same arguments, same bits.
        minutes: total length of the clips.
        fps: frames per second.
        noise_m: largest standard deviation of the sensor's error, metres; each scene draws its own. Each clip draws
            where the head is, 0.04 m up or down.
    """
    rng = np.random.default_rng([seed, 77])
    wanted = {True: minutes * 60 * _BYSTANDERS * fps, False: minutes * 60 * (1 - _BYSTANDERS) * fps}
    chosen: list[Clip] = []
    scene = 0
    while max(wanted.values()) > 0:
        number = seed * 100_000 + scene
        people = 2 + scene % 5
        life = make_scenario(number, people, _SCENE_S, noise_m=noise_m * float(rng.uniform(0.3, 1.0)))
        found = _scene_clips(life, fps, rng)
        order: list[int] = rng.permutation(len(found)).tolist()
        for k in order:
            apart = found[k].label == "bystanders"
            if wanted[apart] > 0:
                wanted[apart] -= len(found[k])
                chosen.append(found[k])
        scene += 1
    return ClipSet(tuple(chosen), KINECT25, "simulated normal")


def anomaly_clips(seed: int, n_per_kind: int, *, fps: float = 30.0, noise_m: float = 0.006) -> ClipSet:
    """Clips of the two people of staged anomalies, from a second before to a second after; the label is the kind.

    Arguments:
        seed: same arguments, same bits.
        n_per_kind: clips of each kind.
        fps: frames per second.
        noise_m: standard deviation of the sensor's error, metres.
    """
    chosen: list[Clip] = []
    for k in range(n_per_kind):
        for m, kind in enumerate(ANOMALIES):
            number = (seed * 1000 + k) * 100 + m
            scene = make_scenario(number, 2 + k % 3, 40.0, [kind], noise_m=noise_m)
            clip = next(c for c in scene.clips(fps) if c.label == kind)
            chosen.append(replace(clip, clip_id=f"{kind}-{k}"))
    return ClipSet(tuple(chosen), KINECT25, "simulated anomalies")
