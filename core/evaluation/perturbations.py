"""Tests of belonging together: real windows, and the same ones with the bond between the two persons broken.

Each person alone stays as he was: one of the two, drawn at random, comes from another moment or clip, or is moved as a
rigid body. Windows are read at the rate of the recording, so shifts need no interpolation that could betray them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.data.resample import interpolate
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.scored_clips import on_grid
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.features.pair_frame import anchors
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import get_layout
from dyadwatch.core.skeletons.mapping import JointMap


class Kind(StrEnum):
    """How the bond is broken; the values are the names of measures.

    Attributes:
        amount: of the shift or delay in seconds, of the step in metres, of the turn in degrees, of the tempo as a part.
    """

    amount: float

    def __new__(cls, name: str, amount: float = 0.0) -> Self:
        """A member, with its amount beside its name."""
        kind = str.__new__(cls, name)
        kind._value_, kind.amount = name, amount
        return kind

    PARTNER = "partner"
    SHIFTED_05_S = "shifted 0.5 s", 0.5
    SHIFTED_1_S = "shifted 1 s", 1.0
    SHIFTED_2_S = "shifted 2 s", 2.0
    MIRRORED = "mirrored"
    FARTHER = "0.3 m farther", 0.3
    SHIFTED_02_S = "shifted 0.2 s", 0.2
    MOVED = "moved 0.2 m", 0.2
    TURNED = "turned 45 degrees", 45.0
    TEMPO = "tempo +-20 %", 0.2
    ARMS_DELAYED = "arms delayed 0.4 s", 0.4
    MOST_SIMILAR = "most similar clip"


# The six kinds whose mean is the headline, further ones, and those that no recipe is trained or tuned on.
SIX = (Kind.PARTNER, Kind.SHIFTED_05_S, Kind.SHIFTED_1_S, Kind.SHIFTED_2_S, Kind.MIRRORED, Kind.FARTHER)
FURTHER = (Kind.SHIFTED_02_S, Kind.MOVED)
HELD_BACK = (Kind.TURNED, Kind.TEMPO, Kind.ARMS_DELAYED, Kind.MOST_SIMILAR)
KINDS = tuple(Kind)

_SHIFTED = (Kind.SHIFTED_02_S, Kind.SHIFTED_05_S, Kind.SHIFTED_1_S, Kind.SHIFTED_2_S)
_ARM = ("elbow", "wrist", "hand", "handtip", "thumb")


@dataclass(frozen=True)
class Broken:
    """Windows of one kind.

    Arguments:
        of: which intact window each was made from; only where the kind could be made. Shape (N,).
        windows: shape (N, 2, T, J, 3).
    """

    of: NDArray[np.intp]
    windows: NDArray[np.float32]


class PairTest:
    """Intact windows of clips, and how to break them.

    Arguments:
        clips: of the test; any rate.
        settings: of the evaluation.

    Raises:
        ClipError: when fewer than two clips are long enough for a window.
    """

    def __init__(self, clips: ClipSet, settings: Settings) -> None:
        self.layout: Layout = clips.layout if settings.layout is None else get_layout(settings.layout)
        to = JointMap.between(clips.layout, self.layout)
        self.frames, self.fps = settings.frames, settings.fps
        self.at = anchors(self.layout)
        span = (self.frames - 1) / self.fps
        placed = [on_grid(c, to, c.fps) for c in clips]
        self.clips: list[Clip] = [c for c in placed if c is not None and (len(c) - 1) / c.fps >= span]
        if len(self.clips) < 2:
            raise ClipError(f"{len(self.clips)} test clips of {settings.window_s:.3g} s or longer; expected at least 2")
        self.seconds = np.asarray([(len(c) - 1) / c.fps for c in self.clips])
        step = settings.pair_hop / self.fps
        starts = [np.arange(int((s - span) / step + 1e-6) + 1) * step for s in self.seconds]
        self.clip = np.repeat(np.arange(len(self.clips)), [len(s) for s in starts])
        self.start = np.concatenate(starts)
        self._span = span

    def read(self, clip: int, start: float, rate: float = 1.0) -> NDArray[np.float32]:
        """A window of a clip from `start` seconds on, `rate` times as fast as life; shape (2, T, J, 3)."""
        source = self.clips[clip]
        at = (start + rate * np.arange(self.frames) / self.fps) * source.fps
        return interpolate(source.joints, at).transpose(1, 0, 2, 3)

    @cached_property
    def intact(self) -> NDArray[np.float32]:
        """All windows, shape (N, 2, T, J, 3)."""
        return np.stack([self.read(int(c), float(s)) for c, s in zip(self.clip, self.start, strict=True)])

    def fits(self, clip: int, start: float, rate: float = 1.0) -> bool:
        """Whether a window lies inside its clip."""
        return start >= -1e-6 and start + rate * self._span <= self.seconds[clip] + 1e-6

    def broken(self, kind: Kind, draw: int) -> Broken:
        """Every window that can be broken in one of `KINDS`, broken; the same for the same draw."""
        rng = np.random.default_rng([draw, KINDS.index(kind)])
        persons = rng.integers(0, 2, len(self.clip))
        rigid = _RIGID.get(kind)
        of: list[int] = []
        windows: list[NDArray[np.float32]] = []
        for i, (clip, start, person) in enumerate(zip(self.clip.tolist(), self.start.tolist(), persons, strict=True)):
            if rigid is not None:
                found: NDArray[np.float32] | None = rigid(self, self.intact[i], int(person), rng)
            else:
                found = self._other_moment(kind, i, clip, start, int(person), rng)
            if found is not None:
                window = self.intact[i].copy()
                window[person] = found
                of.append(i)
                windows.append(window)
        stacked = np.stack(windows) if windows else np.zeros((0, *self.intact.shape[1:]), np.float32)
        return Broken(np.asarray(of, np.intp), stacked.astype(np.float32))

    def _other_moment(
        self, kind: Kind, i: int, clip: int, start: float, person: int, rng: np.random.Generator
    ) -> NDArray[np.float32] | None:
        """The partner read from elsewhere, shape (T, J, 3); None where the recordings do not reach."""
        if kind is Kind.PARTNER:
            other = int(rng.integers(len(self.clips) - 1))
            other += other >= clip
            relative = start / max(self.seconds[clip] - self._span, 1e-9)
            moment = relative * (self.seconds[other] - self._span)
            moment = round(moment * self.clips[other].fps) / self.clips[other].fps
            return self.read(other, moment)[person]
        if kind is Kind.MOST_SIMILAR:
            other = self._most_similar(i, clip, person)
            return self.intact[other][person]
        if kind in _SHIFTED:
            shift = round(kind.amount * self.clips[clip].fps) / self.clips[clip].fps
            return self._moment(clip, [(start + sign * shift, 1.0) for sign in rng.permutation([-1, 1])], person)
        if kind is Kind.TEMPO:
            tempo = (1 - kind.amount, 1 + kind.amount)
            middle = start + 0.5 * self._span
            return self._moment(clip, [(middle - 0.5 * r * self._span, r) for r in rng.permutation(tempo)], person)
        return self._arms_delayed(clip, start, person)

    def _moment(self, clip: int, choices: list[tuple[float, float]], person: int) -> NDArray[np.float32] | None:
        """The first of (start, rate) that lies inside the clip."""
        for start, rate in choices:
            if self.fits(clip, start, rate):
                return self.read(clip, start, rate)[person]
        return None

    def _most_similar(self, i: int, clip: int, person: int) -> int:
        """The window of another clip in which the one who stays moves most like here, in the same place."""
        stays = self.intact[:, 1 - person].reshape(len(self.intact), -1)
        gap = np.square(stays - stays[i]).sum(axis=1)
        return int(np.argmin(np.where(self.clip == clip, np.inf, gap)))

    def _arms_delayed(self, clip: int, start: float, person: int) -> NDArray[np.float32] | None:
        """The arms hang on today's shoulders as they hung on those of 0.4 s ago."""
        delay = round(Kind.ARMS_DELAYED.amount * self.clips[clip].fps) / self.clips[clip].fps
        if not self.fits(clip, start - delay):
            return None
        out, before = self.read(clip, start)[person].copy(), self.read(clip, start - delay)[person]
        moved = False
        for side in ("left", "right"):
            shoulder = self.layout.index.get(f"{side}_shoulder")
            arm = [self.layout.index[f"{side}_{j}"] for j in _ARM if f"{side}_{j}" in self.layout.index]
            if shoulder is not None and arm:
                out[:, arm] = out[:, [shoulder]] + before[:, arm] - before[:, [shoulder]]
                moved = True
        return out if moved else None

    def pelvis(self, window: NDArray[np.floating]) -> NDArray[np.floating]:
        """Pelvis of both persons, (2, T, J, 3) to (2, T, 3)."""
        return 0.5 * (window[..., self.at.pelvis[0], :] + window[..., self.at.pelvis[1], :])

    def line(self, window: NDArray[np.floating], person: int) -> NDArray[np.floating]:
        """Horizontal unit vector from the other person to `person`, by their mean pelvises; shape (3,)."""
        middle = self.pelvis(window).mean(axis=1)
        line = (middle[person] - middle[1 - person]) * np.asarray([1, 0, 1])
        return line / max(float(np.linalg.norm(line)), 1e-9)


def _farther(test: PairTest, window: NDArray, person: int, rng: np.random.Generator) -> NDArray:
    return window[person] + Kind.FARTHER.amount * test.line(window, person)


def _moved(test: PairTest, window: NDArray, person: int, rng: np.random.Generator) -> NDArray:
    angle = rng.uniform(0, 2 * np.pi)
    return window[person] + Kind.MOVED.amount * np.asarray([np.cos(angle), 0, np.sin(angle)])


def _turned(test: PairTest, window: NDArray, person: int, rng: np.random.Generator) -> NDArray:
    """About the vertical through his mean pelvis: body and path together."""
    angle = np.deg2rad(Kind.TURNED.amount) * rng.choice([-1, 1])
    centre = test.pelvis(window)[person].mean(axis=0) * np.asarray([1, 0, 1])
    cos, sin = np.cos(angle), np.sin(angle)
    return (window[person] - centre) @ np.asarray([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) + centre


def _mirrored(test: PairTest, window: NDArray, person: int, rng: np.random.Generator) -> NDArray:
    """At the vertical plane through both; left becomes right."""
    line = test.line(window, person)
    side = np.asarray([-line[2], 0, line[0]])
    body = window[person][:, list(test.layout.mirror)]
    off = (body - test.pelvis(window)[person].mean(axis=0)) @ side
    return body - 2 * off[..., None] * side


_RIGID: dict[Kind, Callable[[PairTest, NDArray, int, np.random.Generator], NDArray]] = {
    Kind.FARTHER: _farther,
    Kind.MOVED: _moved,
    Kind.TURNED: _turned,
    Kind.MIRRORED: _mirrored,
}
