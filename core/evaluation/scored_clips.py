"""From clips to the windows that are judged, the same way for every method.

Judged by `windows` a clip runs at its own pace, as it would live, and gets the mean score of its windows; one
shorter than a window is stretched to one. Judged `whole` it is played in T frames, whatever its length: one window,
as the H2IAD protocol scores whole clips. Either way training clips are played like test clips.

The default was chosen with the nearest neighbour on the training folds of SBU alone (each of four held out in turn,
mean over the five outer folds): whole 0.973 for windows of 1 to 3 s; by windows 0.954, 0.974, 0.974 and 0.973 for
1, 1.5, 2 and 3 s. So 2 s, the length that runs live, loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.data.resample import close_gaps, interpolate, resample
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.settings import ClipScore, Settings
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import get_layout
from dyadwatch.core.skeletons.mapping import JointMap

_LONGEST_GAP_S = 0.5
_FEWEST_FRAMES = 5


def on_grid(clip: Clip, to: JointMap, fps: float) -> Clip | None:
    """The longest part of a clip in which all joints are seen, mapped and on the time grid; None where too short."""
    joints = to.positions(np.where(np.isfinite(clip.joints), clip.joints, np.float32("nan")))
    joints = resample(close_gaps(joints, round(_LONGEST_GAP_S * clip.fps)), clip.fps, fps)
    whole = np.isfinite(joints).reshape(len(joints), -1).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], whole.astype(int), [0]])))
    runs = sorted(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True), key=lambda run: run[0] - run[1])
    if not runs or runs[0][1] - runs[0][0] < _FEWEST_FRAMES:
        return None
    first, stop = runs[0]
    return Clip(joints[first:stop], to.target, fps, clip.label, clip.clip_id, clip.split, clip.session)


def stretched(clip: Clip, frames: int, how: ClipScore) -> Clip:
    """The clip in exactly `frames` frames where it is judged whole; in at least so many otherwise."""
    if how == "windows" and len(clip) >= frames:
        return clip
    joints = interpolate(clip.joints, np.linspace(0, len(clip) - 1, frames))
    return Clip(joints, clip.layout, clip.fps, clip.label, clip.clip_id, clip.split, clip.session)


def cut(clip: Clip, frames: int, hop: int) -> NDArray[np.float32]:
    """All windows of a clip, `hop` frames apart, shape (N, 2, T, J, 3)."""
    if len(clip) < frames:
        return np.zeros((0, 2, frames, *clip.joints.shape[2:]), np.float32)
    every = np.lib.stride_tricks.sliding_window_view(clip.joints, frames, axis=0)[::hop]  # (N, 2, J, 3, T)
    return np.ascontiguousarray(every.transpose(0, 1, 4, 2, 3))


@dataclass(frozen=True)
class ScoredClips:
    """Clips as they are judged, and all their windows in a row.

    Arguments:
        clips: on the time grid.
        frames, hop: of the windows.
        too_short: ids of clips that were left out.
    """

    clips: tuple[Clip, ...]
    layout: Layout
    fps: float
    frames: int
    hop: int
    too_short: tuple[str, ...] = ()

    @classmethod
    def prepare(cls, clips: ClipSet, settings: Settings, how: ClipScore | None = None) -> ScoredClips:
        """From clips of any rate and layout.

        Arguments:
            how: as the clips are judged; None leaves their length alone.

        Raises:
            ClipError: when not one clip is long enough.
            LayoutError: when joints do not map onto the wanted layout.
        """
        layout = clips.layout if settings.layout is None else get_layout(settings.layout)
        to = JointMap.between(clips.layout, layout)
        placed = [on_grid(c, to, settings.fps) for c in clips]
        lost = tuple(c.clip_id for c, p in zip(clips, placed, strict=True) if p is None)
        kept = [p for p in placed if p is not None]
        if how is not None:
            kept = [stretched(p, settings.frames, how) for p in kept]
        if not kept:
            raise ClipError(
                f"{clips.name or 'clips'}: no clip shows all joints of both persons for {_FEWEST_FRAMES} frames"
            )
        return cls(tuple(kept), layout, settings.fps, settings.frames, settings.hop, lost)

    @cached_property
    def statistics(self) -> Statistics:
        """How statistics of the windows are made."""
        return Statistics.of_layout(self.layout, self.fps)

    @cached_property
    def _cut(self) -> list[NDArray[np.float32]]:
        return [cut(c, self.frames, self.hop) for c in self.clips]

    @cached_property
    def windows(self) -> NDArray[np.float32]:
        """Shape (N, 2, T, J, 3)."""
        return np.concatenate(self._cut)

    @cached_property
    def clip(self) -> NDArray[np.intp]:
        """Which clip each window is of, shape (N,)."""
        return np.repeat(np.arange(len(self.clips)), [len(w) for w in self._cut])

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """Relational statistics of the windows, shape (N, F)."""
        return self.statistics(self.windows)

    def of(self, clips: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which windows are of these clips."""
        return np.isin(self.clip, clips)

    def clip_set(self, clips: NDArray[np.intp], name: str = "") -> ClipSet:
        """Some of the clips."""
        return ClipSet(tuple(self.clips[i] for i in clips), self.layout, name)

    def clip_scores(self, scores: NDArray[np.floating], clips: NDArray[np.intp]) -> NDArray[np.float64]:
        """The mean score of each clip's windows.

        Arguments:
            scores: of the windows of `clips` in the order of `windows`.
            clips: rising indices.
        """
        which = np.searchsorted(clips, self.clip[self.of(clips)])
        return np.bincount(which, weights=scores, minlength=len(clips)) / np.bincount(which, minlength=len(clips))


@dataclass(frozen=True)
class Fold:
    """Which clips are for training and which for the test; rising indices."""

    name: str
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def folds_of(clips: Sequence[Clip], wanted: Sequence[str] = ()) -> list[Fold]:
    """The official splits of a data set: each named fold once as the test, or train against test.

    A validation split counts as test, as the published protocol has it.

    Raises:
        ClipError: when the clips name no splits, or not those that are wanted.
    """
    split = np.asarray([c.split for c in clips])
    names = sorted(set(split.tolist()))
    if set(names) <= {"train", "val", "test"} and len(names) >= 2 and "train" in names:
        folds = [Fold("test", np.flatnonzero(split == "train"), np.flatnonzero(split != "train"))]
    elif len(names) >= 2 and "" not in names:
        folds = [Fold(n, np.flatnonzero(split != n), np.flatnonzero(split == n)) for n in names]
    else:
        raise ClipError(f"splits of the clips are {names}; expected train and test, or two or more folds")
    unknown = sorted(set(wanted) - {f.name for f in folds})
    if unknown:
        raise ClipError(f"no fold {', '.join(unknown)}; there are {', '.join(f.name for f in folds)}")
    return [f for f in folds if not wanted or f.name in wanted]
