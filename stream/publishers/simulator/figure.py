"""One simulated person: a body, habits, and a timeline of controls that acts write on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dyadwatch.stream.publishers.simulator.body import SIDES, Body, Controls, Torso, pose_body, pose_torso, turned
from dyadwatch.stream.publishers.simulator.gait import feet
from dyadwatch.stream.publishers.simulator.ik import Array
from dyadwatch.stream.publishers.simulator.motion import RATE, drift, ease, smooth

LEFT, RIGHT = 0, 1


@dataclass(frozen=True)
class Habits:
    """How one person moves, whatever they do."""

    hand: int  # side of the better hand
    speed: float  # metres a second of easy walking
    swing: float  # how far the arms swing
    lively: float  # size of gestures
    stoop: float  # pitch of the chest, radians
    width: float  # metres from the middle line to each foot

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Habits:
        """Somebody new."""
        return cls(
            hand=RIGHT if rng.random() < 0.9 else LEFT,
            speed=float(np.clip(rng.normal(1.15, 0.16), 0.75, 1.6)),
            swing=float(rng.uniform(0.6, 1.3)),
            lively=float(rng.uniform(0.7, 1.25)),
            stoop=float(rng.normal(0.03, 0.04)),
            width=float(rng.uniform(0.075, 0.115)),
        )


class SimulatedPerson:
    """Controls of one person over N samples of 1/RATE seconds; acts write on slices, `settle` adds the gait.

    Arguments:
        rng: decides on body, habits and idle sway.
        samples: N.
        start: x, z, yaw at first.
    """

    def __init__(self, rng: np.random.Generator, samples: int, start: Array) -> None:
        self.body = Body.sample(rng)
        self.habits = Habits.sample(rng)
        n = samples
        lean = drift(rng, n, np.asarray([0.02, 0.012, 0.03]), 1.2, 3)
        lean[:, 0] += self.habits.stoop
        self.c = Controls(
            root=np.repeat(np.asarray(start, np.float64)[None], n, axis=0),
            sway=drift(rng, n, np.asarray([0.014, 0.009]), 1.5, 2),
            drop=np.zeros(n),
            tilt=np.zeros((n, 2)),
            hip_yaw=np.zeros(n),
            lean=lean,
            head=drift(rng, n, 0.07, 0.8)[:, 0],
            hang=np.stack([drift(rng, n, 0.03, 1.0, 2) + 0.02, drift(rng, n, 0.05, 1.0, 2) + 0.28], axis=2),
            near=np.zeros((n, 2, 3)),
            near_weight=np.zeros((n, 2)),
            far=np.zeros((n, 2, 3)),
            far_weight=np.zeros((n, 2)),
            ankle=np.zeros((n, 2, 3)),
            toe=np.zeros((n, 2)),
        )
        self.stepping = np.ones(n)
        self.foot = np.zeros((n, 2, 3))
        self.foot_weight = np.zeros((n, 2))
        self.foot_toe = np.zeros((n, 2))

    def follow(self, i: int, roots: Array) -> None:
        """Goes where `roots` (n, 3) say from sample i on, and stands there afterwards."""
        self.c.root[i : i + len(roots)] = roots
        self.c.root[i + len(roots) :] = roots[-1]

    def hold(self, side: int, i: int, points: Array, weight: Array) -> None:
        """Guides a palm through points (n, 3) in chest axes, as far as weight (n,) says."""
        self.c.near[i : i + len(points), side] = points
        self.c.near_weight[i : i + len(points), side] = weight

    def reach(self, side: int, i: int, points: Array, weight: Array) -> None:
        """Guides a palm through points (n, 3) in the world, as far as weight (n,) says."""
        self.c.far[i : i + len(points), side] = points
        self.c.far_weight[i : i + len(points), side] = weight

    def bend(self, i: int, pitch: Array | float = 0.0, roll: Array | float = 0.0, twist: Array | float = 0.0) -> None:
        """Adds to the lean of the chest from sample i on; arrays (n,)."""
        for axis, value in enumerate((pitch, roll, twist)):
            if isinstance(value, np.ndarray):
                self.c.lean[i : i + len(value), axis] += value

    def torso(self, i: int, n: int) -> Torso:
        """Where the trunk is during n samples, as far as acts have written."""
        c, s = self.c, slice(i, i + n)
        part = Controls(
            c.root[s], c.sway[s], c.drop[s], c.tilt[s], c.hip_yaw[s], c.lean[s], c.head[s], c.hang[s], c.near[s],
            c.near_weight[s], c.far[s], c.far_weight[s], c.ankle[s], c.toe[s],
        )  # fmt: skip
        return pose_torso(self.body, part)

    def point(self, i: int, n: int, local: tuple[float, float, float]) -> Array:
        """A point in chest axes from between the shoulders, brought into the world: (n, 3)."""
        torso = self.torso(i, n)
        return torso.spine_shoulder + turned(torso.chest_axes, local)

    def settle(self) -> None:
        """Adds what walking does to feet, hips, chest and arms. To be called once, after all acts."""
        c, h = self.c, self.habits
        gait = feet(c.root, self.stepping, self.body, h.width)
        # Who staggers back or sidesteps does not swing the arms.
        v = np.clip(gait.ahead, 0.0, 4.0)
        going = ease(v / 0.8)
        run = smooth(ease((gait.ahead - 1.1) / 1.7), 15)
        wave = np.sin(2 * np.pi * gait.phase)
        double = np.cos(4 * np.pi * gait.phase)
        c.drop += going * (0.014 + 0.013 * double) + run * 0.03
        c.sway[:, 0] += going * 0.018 * np.cos(2 * np.pi * gait.phase)
        c.hip_yaw += going * 0.07 * wave
        c.lean[:, 2] -= going * 0.09 * wave
        c.lean[:, 0] += 0.02 * going + 0.13 * run
        reach = going * h.swing * (0.1 + 0.2 * np.minimum(v, 1.6)) * (1 - 0.5 * run) + 0.2 * run
        for side, (_, s) in enumerate(SIDES):
            c.hang[:, side, 0] += s * wave * reach - 0.25 * run
            c.hang[:, side, 1] += going * (0.12 - 0.08 * run) * (1 + s * wave) + 1.15 * run
        w = self.foot_weight[..., None]
        c.ankle[:] = gait.ankle + w * (self.foot - gait.ankle)
        c.toe[:] = gait.toe + self.foot_weight * (self.foot_toe - gait.toe)

    def joints(self, at: Array) -> Array:
        """All joints at times `at` (seconds, within the timeline): metres, shape (len(at), 25, 3)."""
        x = np.clip(at * RATE, 0, len(self.c.drop) - 1)
        low = np.minimum(x.astype(np.int64), len(self.c.drop) - 2)
        u = x - low

        def mix(a: Array) -> Array:
            f = u.reshape(-1, *[1] * (a.ndim - 1))
            return a[low] + f * (a[low + 1] - a[low])

        return pose_body(self.body, Controls(**{k: mix(v) for k, v in vars(self.c).items()}))
