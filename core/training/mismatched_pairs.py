"""Windows of pairs that belong together, and the same windows with the bond broken.

Every window is a table of instants, one a person and frame, read from the recordings by linear interpolation. To
break a pair is to change one person's instants, so each person alone stays as he was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.features.pair_frame import Anchors
from dyadwatch.core.training.training_data import CleanRecording


class TrainingKind(StrEnum):
    """Kinds to learn from: what they have in common is that the two do not answer each other."""

    PARTNER = "partner"
    SHIFTED = "shifted"
    FROZEN = "frozen"
    DISPLACED = "displaced"


class ValidationKind(StrEnum):
    """Kinds to measure with, on recordings held back. The last is never trained on.

    Attributes:
        shift_s: seconds by which person 1 is earlier or later.
        step_m: metres by which person 1 is moved.
    """

    shift_s: float
    step_m: float

    def __new__(cls, name: str, shift_s: float = 0.0, step_m: float = 0.0) -> Self:
        """A member, with its amounts beside its name."""
        kind = str.__new__(cls, name)
        kind._value_, kind.shift_s, kind.step_m = name, shift_s, step_m
        return kind

    PARTNER = "partner"
    SHIFTED_05_S = "shifted 0.5 s", 0.5
    SHIFTED_1_S = "shifted 1 s", 1.0
    DISPLACED_03_M = "displaced 0.3 m", 0.0, 0.3
    MIRRORED_PATH = "mirrored path"


_DRAWN = {  # how often each is
    TrainingKind.PARTNER: 0.4,
    TrainingKind.SHIFTED: 0.4,
    TrainingKind.FROZEN: 0.05,
    TrainingKind.DISPLACED: 0.15,
}
_SHIFT_S = (0.2, 2.0)
_LOG_SHIFT = (math.log(_SHIFT_S[0]), math.log(_SHIFT_S[1]))
_DISPLACED_M = (0.1, 0.6)


@dataclass
class Instants:
    """Windows not yet read.

    Arguments:
        at: frames on the time axis of all recordings in a row, shape (B, 2, T).
        first, last: bounds of the recording each person is read from, shape (B, 2).
    """

    at: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]


class PairSampler:
    """Draws windows of recordings, intact and broken.

    Arguments:
        recordings: each at least `frames` long; two or more units, else nobody has another partner.
        frames: T.
        fps: frames per second.
        at: joints that place a pair.
        tempo: windows are read up to this part faster or slower.
    """

    def __init__(
        self, recordings: Sequence[CleanRecording], frames: int, fps: float, at: Anchors, tempo: float = 0.0
    ) -> None:
        self.frames, self.fps, self.anchors, self.tempo = frames, fps, at, tempo
        lengths = np.asarray([len(r.joints) for r in recordings])
        self._joints = np.concatenate([r.joints for r in recordings])
        self._first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self._last = self._first + lengths - 1
        self._unit = np.asarray([r.unit for r in recordings])
        # long recordings are drawn more often: each window as often as any other
        weight = lengths - frames + 1.0
        self._share = weight / weight.sum()

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Instants, NDArray[np.intp]]:
        """Intact windows and the recording each is from."""
        which = rng.choice(len(self._share), count, p=self._share)
        span = self._last[which] - self._first[which]
        rate = np.minimum(1 + self.tempo * rng.uniform(-1, 1, count), span / (self.frames - 1))
        start = self._first[which] + rng.uniform(0, 1, count) * (span - rate * (self.frames - 1))
        if not self.tempo:
            start = np.floor(start)
        at = start[:, None] + rate[:, None] * np.arange(self.frames, dtype=np.float64)
        bounds = [np.repeat(b[which].astype(float)[:, None], 2, axis=1) for b in (self._first, self._last)]
        return Instants(np.repeat(at[:, None], 2, axis=1), *bounds), which

    def read(self, instants: Instants) -> NDArray[np.float32]:
        """The joints at the instants, shape (B, 2, T, J, 3) float32, metres."""
        at = np.clip(instants.at, instants.first[..., None], instants.last[..., None])
        low = np.floor(at).astype(np.intp)
        high = np.minimum(low + 1, len(self._joints) - 1)
        part = (at - low).astype(np.float32)[..., None, None]
        person = np.arange(2)[None, :, None]
        here = self._joints[low, person]
        return (here + part * (self._joints[high, person] - here)).astype(np.float32, copy=False)

    def training_batch(self, count: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        """`count` intact windows and the same ones broken; both (count, 2, T, J, 3)."""
        instants, which = self.draw(count, rng)
        kinds = rng.choice(len(_DRAWN), count, p=list(_DRAWN.values()))
        intact = self.read(instants)
        broken = intact.copy()
        for i, kind in enumerate(_DRAWN):
            mine = np.flatnonzero(kinds == i)
            if not len(mine):
                continue
            part = Instants(instants.at[mine], instants.first[mine], instants.last[mine])
            if kind is TrainingKind.PARTNER:
                broken[mine] = self.other_partner(part, which[mine], rng)
            elif kind is TrainingKind.SHIFTED:
                shift = np.exp(rng.uniform(*_LOG_SHIFT, len(mine))) * self.fps
                broken[mine] = self._shifted_or_other(part, which[mine], shift, rng)
            elif kind is TrainingKind.FROZEN:
                broken[mine] = self.frozen(part, rng)
            else:
                broken[mine] = displaced(intact[mine], rng.uniform(*_DISPLACED_M, len(mine)), rng)
        return intact, broken

    def validation_set(self, kind: ValidationKind, count: int, seed: int) -> tuple[NDArray, NDArray]:
        """Windows and the same ones broken; fewer, even none, where few can be."""
        rng = np.random.default_rng(seed)
        instants, which = self.draw(count, rng)
        if kind.shift_s:
            broken, fits = self._shift(instants, np.full(count, kind.shift_s * self.fps), rng)
            keep = np.flatnonzero(fits)
            return self.read(instants)[keep], self.read(broken)[keep]
        intact = self.read(instants)
        if kind is ValidationKind.PARTNER:
            return intact, self.other_partner(instants, which, rng)
        if kind.step_m:
            return intact, displaced(intact, np.full(count, kind.step_m), rng)
        return intact, mirrored_path(intact, self.anchors)

    def other_partner(
        self, instants: Instants, which: NDArray[np.intp], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Person 1 from a recording of another unit, at the same part of it.

        Half of them where they stood in the room; half standing to their own partner as they stand now to
        person 0, because in another room nobody would be near.
        """
        other = rng.choice(len(self._share), len(which), p=self._share)
        for _ in range(20):
            same = self._unit[other] == self._unit[which]
            if not same.any():
                break
            other[same] = rng.choice(len(self._share), int(same.sum()), p=self._share)
        span = instants.at[:, 1, -1] - instants.at[:, 1, 0]
        room = np.maximum(self._last[which] - self._first[which] - span, 1e-9)
        relative = (instants.at[:, 1, 0] - self._first[which]) / room
        start = self._first[other] + relative * np.maximum(self._last[other] - self._first[other] - span, 0)
        at = np.repeat((start[:, None] + instants.at[:, 1] - instants.at[:, 1, :1])[:, None], 2, axis=1)
        bounds = [np.repeat(b[other].astype(float)[:, None], 2, axis=1) for b in (self._first, self._last)]
        strangers = self.read(Instants(at, *bounds))
        pair = self.read(instants)
        stay = rng.random(len(which)) < 0.5
        placed = align(strangers, pair, self.anchors)
        partner = np.where(stay[:, None, None, None], strangers[:, 1], placed[:, 1])
        return np.stack([pair[:, 0], partner], axis=1)

    def frozen(self, instants: Instants, rng: np.random.Generator) -> NDArray[np.float32]:
        """Person 1 stands still as at one instant of the window."""
        at = instants.at.copy()
        moment = rng.integers(0, self.frames, len(at))
        at[:, 1] = np.take_along_axis(at[:, 1], moment[:, None], axis=1)
        return self.read(Instants(at, instants.first, instants.last))

    def _shift(
        self, instants: Instants, frames: NDArray[np.floating], rng: np.random.Generator
    ) -> tuple[Instants, NDArray[np.bool_]]:
        """Person 1 earlier or later by `frames`, and whether the recording is long enough for it."""
        early = instants.at[:, 1, 0] - frames >= instants.first[:, 1]
        late = instants.at[:, 1, -1] + frames <= instants.last[:, 1]
        sign = np.where(early & late, rng.choice([-1, 1], len(frames)), np.where(late, 1, -1))
        at = instants.at.copy()
        at[:, 1] += (sign * frames)[:, None]
        return Instants(at, instants.first, instants.last), early | late

    def _shifted_or_other(
        self, instants: Instants, which: NDArray[np.intp], shift: NDArray[np.floating], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Shifted as far as asked or as the recording allows; where that is too little, another partner."""
        before = instants.at[:, 1, 0] - instants.first[:, 1]
        after = instants.last[:, 1] - instants.at[:, 1, -1]
        moved, fits = self._shift(instants, np.minimum(shift, np.maximum(before, after)), rng)
        out = self.read(moved)
        short = np.flatnonzero(~fits | (np.maximum(before, after) < _SHIFT_S[0] * self.fps))
        if len(short):
            part = Instants(instants.at[short], instants.first[short], instants.last[short])
            out[short] = self.other_partner(part, which[short], rng)
        return out


def displaced(
    windows: NDArray[np.float32], metres: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Person 1 moved on the floor by `metres` (B,) in a random direction."""
    angle = rng.uniform(0, 2 * np.pi, len(windows))
    step = np.stack([metres * np.cos(angle), 0 * angle, metres * np.sin(angle)], axis=1).astype(np.float32)
    out = windows.copy()
    out[:, 1] += step[:, None, None]
    return out


def mirrored_path(windows: NDArray[np.float32], at: Anchors) -> NDArray[np.float32]:
    """Person 1 walks to the other side: his path is mirrored at the line between the two, his body is not."""
    centre = _pelvis(windows, at)  # (B, 2, T, 3)
    middle = centre.mean(axis=2)
    line = (middle[:, 1] - middle[:, 0]) * np.asarray([1, 0, 1])
    line /= np.linalg.norm(line, axis=-1, keepdims=True) + 1e-6
    side = np.stack([-line[:, 2], 0 * line[:, 0], line[:, 0]], axis=1)
    away = ((centre[:, 1] - middle[:, None, 1]) * side[:, None]).sum(axis=-1, keepdims=True)
    out = windows.copy()
    out[:, 1] -= (2 * away * side[:, None])[:, :, None].astype(np.float32)
    return out


def align(windows: NDArray[np.float32], target: NDArray[np.float32], at: Anchors) -> NDArray[np.float32]:
    """Both persons of `windows` moved and turned about the vertical so that the pair stands as `target` does.

    Shapes (B, 2, T, J, 3). The mean pelvises' middle and heading come to lie on those of the target; distances
    within the pair stay.
    """
    ours, theirs = (_pelvis(w, at).mean(axis=2) for w in (windows, target))
    angles = [np.arctan2(c[:, 1, 2] - c[:, 0, 2], c[:, 1, 0] - c[:, 0, 0]) for c in (ours, theirs)]
    turn = angles[1] - angles[0]
    cos, sin = (f(turn)[:, None, None, None] for f in (np.cos, np.sin))
    x, y, z = np.moveaxis(windows - ours.mean(axis=1)[:, None, None, None], -1, 0)
    turned = np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)
    shift = theirs.mean(axis=1)
    shift[:, 1] = ours.mean(axis=1)[:, 1]  # the floor stays where it was
    return (turned + shift[:, None, None, None]).astype(np.float32)


def _pelvis(windows: NDArray[np.floating], at: Anchors) -> NDArray[np.floating]:
    """(B, 2, T, J, 3) to (B, 2, T, 3)."""
    return 0.5 * (windows[..., at.pelvis[0], :] + windows[..., at.pelvis[1], :])
