"""Clean stretches of clips on a model's time grid, and windows cut from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.data.resample import close_gaps, resample
from dyadwatch.core.data.unusable import Unusable, WhyUnusable
from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.unseen import filled_joints

LONGEST_GAP_S = 0.5
PIECE_S = 20.0  # long recordings are cut, so that some of the same recording can be held back
_ABSURD_M = 100.0

Run = tuple[int, NDArray[np.float32]]  # first frame, joints (T, 2, J, 3) without NaN


def from_second(start_s: float) -> str:
    """What is added to the name of a clip for a recording that does not begin with it."""
    return f" from {start_s:.1f} s" if start_s else ""


@dataclass(frozen=True)
class CleanRecording:
    """Two people seen without a break.

    Arguments:
        joints: metres, shape (T, 2, J, 3), no NaN.
        unit: what it is held back with: its session where there are ten or more of those, else its clip, or its
            piece of a long clip.
        name: of the clip, and the second it starts at if that is not the first.
        label: of the clip.
        start_s: where in the clip it starts.
        lead: frames at its beginning that repeat the first that was seen, see `led`.
    """

    joints: NDArray[np.float32]
    unit: int
    name: str
    label: str = ""
    start_s: float = 0.0
    lead: int = 0

    @property
    def seen(self) -> NDArray[np.float32]:
        """The joints without the lead."""
        return self.joints[self.lead :]

    @property
    def clip(self) -> str:
        """Name of the clip it is from."""
        return self.name.removesuffix(from_second(self.start_s))


@dataclass(frozen=True)
class Windows:
    """Windows in the order of time of each recording.

    Arguments:
        joints: metres, shape (N, 2, T, J, 3).
        unit, recording, start: where each comes from; shape (N,). `start` counts from the first frame that was seen,
            so that a window with a lead starts below 0.
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


def usable_runs(clip: Clip, joint_map: JointMap, fps: float, frames: int) -> tuple[list[Run], WhyUnusable | None]:
    """Runs of a clip on the time grid without a hidden joint, long enough to be judged; or none, and why.

    Arguments:
        fps: of the grid.
        frames: the fewest on it.
    """
    if not len(clip):
        return [], Finding(Unusable.EMPTY)
    unseen = ~np.isfinite(clip.joints) | filled_joints(clip.joints)[..., None]
    joints = joint_map.positions(np.where(unseen, np.float32("nan"), clip.joints))
    seen = np.asarray(~np.isnan(joints).any(axis=-1))  # (T, 2, J)
    for person in (0, 1):
        if not seen[:, person].any():
            return [], Finding(Unusable.PERSON_UNSEEN, person=person)
        hidden = np.flatnonzero(~np.any(seen[:, person], axis=0))
        if len(hidden):
            return [], Finding(Unusable.JOINT_UNSEEN, joint=joint_map.target.joints[hidden[0]])
    if np.nanmax(np.abs(joints)) > _ABSURD_M:
        return [], Finding(Unusable.TOO_FAR, most_m=_ABSURD_M)
    joints = resample(close_gaps(joints, round(LONGEST_GAP_S * clip.fps)), clip.fps, fps)
    if len(joints) < frames:
        return [], Finding(Unusable.SHORT, window_s=frames / fps)
    whole = np.isfinite(joints).all(axis=-1).all(axis=-1).all(axis=-1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], whole.astype(int), [0]]))).tolist()
    runs = [(a, joints[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= frames]
    return runs, None if runs else Finding(Unusable.INTERRUPTED, window_s=frames / fps)


def pieces(run: Run, fps: float, frames: int) -> list[Run]:
    """A run whole, or in equal pieces of about `PIECE_S` where it is longer than one and a half."""
    first, joints = run
    size = max(PIECE_S * fps, 4 * frames)
    count = 1 if len(joints) < 1.5 * size else round(len(joints) / size)
    edges = np.linspace(0, len(joints), count + 1).astype(int).tolist()
    return [(first + a, joints[a:b]) for a, b in pairwise(edges)]


def led(joints: NDArray[np.float32], lead: int) -> NDArray[np.float32]:
    """Joints (T, 2, J, 3) with their first frame `lead` times before them: both stand still until they are seen.

    So windows of several seconds judge two people from their first moments on, and clips that are shorter. The live
    path cuts the first windows of a pair in the same way (`stream.windows.pair_windows`).
    """
    return np.concatenate([np.repeat(joints[:1], lead, axis=0), joints]) if lead else joints


def recordings_of(run: Run, fps: float, frames: int, lead: int) -> list[tuple[float, NDArray[np.float32], int]]:
    """A run as `CleanRecording` has it, whole or in pieces: second it starts at, joints, lead."""
    (first, joints), *rest = pieces(run, fps, frames)
    # only the first piece begins with the people
    return [(first / fps, led(joints, lead), lead), *((at / fps, part, 0) for at, part in rest)]


def cut(recordings: Sequence[CleanRecording], frames: int, hop: int) -> Windows:
    """All windows of `frames` frames, `hop` apart."""
    joints: list[NDArray[np.float32]] = []
    origin: list[tuple[int, int, int]] = []
    for i, recording in enumerate(recordings):
        for start in range(0, len(recording.joints) - frames + 1, hop):
            joints.append(recording.joints[start : start + frames].transpose(1, 0, 2, 3))
            origin.append((recording.unit, i, start - recording.lead))
    where = np.asarray(origin, np.intp).reshape(-1, 3)
    return Windows(np.stack(joints), where[:, 0], where[:, 1], where[:, 2])
