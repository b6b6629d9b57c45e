"""From clips of any layout and rate to clean recordings on the model's grid, and windows cut from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.clips import Clip, ClipSet
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.layouts import LAYOUTS
from dyadwatch.core.mapping import JointMap
from dyadwatch.core.resample import close_gaps, resample
from dyadwatch.core.skeleton import Layout
from dyadwatch.core.training.options import TrainOptions

FEWEST_UNITS = 5
_FEWEST_SESSIONS = 10  # with fewer, holding back a whole session leaves too little
_LONGEST_GAP_S = 0.5
_PIECE_S = 20.0  # long recordings are cut, so that some of the same recording can be held back
_ABSURD_M = 100.0


@dataclass(frozen=True)
class Recording:
    """Two people seen without a break.

    Arguments:
        joints: metres, shape (T, 2, J, 3), no NaN.
        unit: what it is held back with: its session where there are ten or more of those, else its clip, or its
            piece of a long clip.
        name: of the clip, and the second it starts at if that is not the first.
        label: of the clip.
    """

    joints: NDArray[np.float32]
    unit: int
    name: str
    label: str = ""


@dataclass(frozen=True)
class Prepared:
    """What there is to train on.

    Arguments:
        layout: the model's.
        recordings: at least `FEWEST_UNITS` units.
        skipped: names of clips that could not be used, by reason.
    """

    layout: Layout
    recordings: tuple[Recording, ...]
    skipped: dict[str, list[str]]

    @property
    def units(self) -> int:
        """Number of units."""
        return 1 + max(r.unit for r in self.recordings)

    @property
    def frames(self) -> int:
        """Frames of all recordings together."""
        return sum(len(r.joints) for r in self.recordings)


@dataclass(frozen=True)
class Windows:
    """Windows in the order of time of each recording.

    Arguments:
        joints: metres, shape (N, 2, T, J, 3).
        unit, recording, start: where each comes from; shape (N,).
    """

    joints: NDArray[np.float32]
    unit: NDArray[np.intp]
    recording: NDArray[np.intp]
    start: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.joints)

    def take(self, keep: NDArray) -> Windows:
        """Some of the windows, by mask or index."""
        return Windows(self.joints[keep], self.unit[keep], self.recording[keep], self.start[keep])


def prepare(clip_sets: Sequence[ClipSet], options: TrainOptions) -> Prepared:
    """Maps, resamples, cleans and cuts clips; one bad clip is skipped and counted, never fatal.

    Raises:
        LayoutError: when the joints of a set do not map onto the model's layout.
        TrainingError: when too little is left.
    """
    if not clip_sets:
        raise TrainingError("no clips given; expected at least one clip file")
    layout = _model_layout(clip_sets, options)
    recordings: list[Recording] = []
    skipped: dict[str, list[str]] = {}
    sessions: list[str] = []
    unit = 0
    for clips in clip_sets:
        joint_map = JointMap.between(clips.layout, layout)
        for i, clip in enumerate(clips):
            name = clip.clip_id or f"{clips.name or 'clips'}[{i}]"
            runs, reason = _clean(clip, joint_map, options)
            if not runs:
                skipped.setdefault(reason, []).append(name)
                continue
            for run_start, run in runs:
                pieces = _pieces(run_start, run, options)
                for first, joints in pieces:
                    label = name if not first else f"{name} from {first / options.fps:.1f} s"
                    recordings.append(Recording(joints, unit, label, clip.label))
                    unit += len(pieces) > 1
            sessions += [clip.session] * (len(recordings) - len(sessions))
            unit = recordings[-1].unit + 1
    if unit < FEWEST_UNITS:
        raise TrainingError(_too_few(unit, skipped, options))
    names = sorted(set(sessions))
    if "" not in names and len(names) >= _FEWEST_SESSIONS:
        number = {s: i for i, s in enumerate(names)}
        recordings = [replace(r, unit=number[s]) for r, s in zip(recordings, sessions, strict=True)]
    return Prepared(layout, tuple(recordings), skipped)


def _model_layout(clip_sets: Sequence[ClipSet], options: TrainOptions) -> Layout:
    if options.layout is None:
        return clip_sets[0].layout
    if options.layout not in LAYOUTS:
        raise TrainingError(
            f"training option layout = {options.layout!r}: expected one of {', '.join(LAYOUTS)}, or none for the "
            "layout of the clips"
        )
    return LAYOUTS[options.layout]


def _too_few(units: int, skipped: dict[str, list[str]], options: TrainOptions) -> str:
    lost = "; ".join(f"{len(names)} {reason}, such as {names[0]}" for reason, names in skipped.items())
    return (
        f"{units} usable clips; expected at least {FEWEST_UNITS} clips of {options.window_s:g} s or longer, or "
        f"{FEWEST_UNITS * _PIECE_S:.0f} s of one recording"
        + (f" (skipped: {lost})" if lost else "")
        + "; record more normal behaviour, or shorten the window"
    )


def _clean(clip: Clip, joint_map: JointMap, options: TrainOptions) -> tuple[list[tuple[int, NDArray[np.float32]]], str]:
    """Runs (first frame, joints) without a hidden joint, long enough for a window; or none and the reason."""
    if not len(clip):
        return [], "of zero length"
    joints = joint_map.positions(np.where(np.isfinite(clip.joints), clip.joints, np.float32("nan")))
    seen = np.asarray(~np.isnan(joints).any(axis=-1))  # (T, 2, J)
    for person in (0, 1):
        if not seen[:, person].any():
            return [], f"without person {person}"
        hidden = np.flatnonzero(~np.any(seen[:, person], axis=0))
        if len(hidden):
            return [], f"that never show {joint_map.target.joints[hidden[0]]}"
    if np.nanmax(np.abs(joints)) > _ABSURD_M:
        return [], f"with joints more than {_ABSURD_M:.0f} m away (not in metres?)"
    joints = resample(close_gaps(joints, round(_LONGEST_GAP_S * clip.fps)), clip.fps, options.fps)
    whole = np.isfinite(joints).all(axis=-1).all(axis=-1).all(axis=-1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], whole.astype(int), [0]]))).tolist()
    runs = [(a, joints[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= options.frames]
    return runs, f"without {options.window_s:g} s in which all joints are seen"


def _pieces(first: int, joints: NDArray[np.float32], options: TrainOptions) -> list[tuple[int, NDArray[np.float32]]]:
    """A run whole, or in equal pieces of about `_PIECE_S` where it is longer than one and a half."""
    size = max(_PIECE_S * options.fps, 4 * options.frames)
    count = 1 if len(joints) < 1.5 * size else round(len(joints) / size)
    edges = np.linspace(0, len(joints), count + 1).astype(int).tolist()
    return [(first + a, joints[a:b]) for a, b in pairwise(edges)]


def cut(recordings: Sequence[Recording], frames: int, hop: int) -> Windows:
    """All windows of `frames` frames, `hop` apart."""
    joints: list[NDArray[np.float32]] = []
    origin: list[tuple[int, int, int]] = []
    for i, recording in enumerate(recordings):
        for start in range(0, len(recording.joints) - frames + 1, hop):
            joints.append(recording.joints[start : start + frames].transpose(1, 0, 2, 3))
            origin.append((recording.unit, i, start))
    where = np.asarray(origin, np.intp).reshape(-1, 3)
    return Windows(np.stack(joints), where[:, 0], where[:, 1], where[:, 2])
