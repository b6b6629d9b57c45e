"""Normal clips made anomalous on purpose, with the moment from which they are: what event recall is measured on.

Hand, away and frozen begin in mid-clip; the other kinds concern the whole clip, so their onset is its first frame. One
of the two persons, drawn at random, is edited; every joint of the other stays as it was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.features.pair_frame import anchors

Joints = NDArray[np.float32]  # (T, 2, J, 3), metres


class Edit(StrEnum):
    """What is done to a clip; the values are the names of rows."""

    PARTNER = "partner of another clip"
    SHIFTED_02_S = "partner shifted 0.2 s"
    SHIFTED_05_S = "partner shifted 0.5 s"
    SHIFTED_1_S = "partner shifted 1 s"
    FARTHER = "partner 0.3 m farther"
    THRUST = "hand thrust at the head"
    AWAY = "partner steps away"
    FROZEN = "partner freezes"
    FASTER = "partner twice as fast"


EDITS = tuple(Edit)
_SHIFT_S = {Edit.SHIFTED_02_S: 0.2, Edit.SHIFTED_05_S: 0.5, Edit.SHIFTED_1_S: 1.0}
_FARTHER_M = 0.3
_THRUST_S = 0.35  # out and back; the hand is at the head in the middle
_AWAY_M, _AWAY_S = 0.8, 0.8
_MIDDLE = (0.35, 0.6)  # part of the clip in which an edit begins
_HAND = ("wrist", "hand", "handtip", "thumb")


@dataclass(frozen=True)
class Edited:
    """An edited clip; `onset_s` is when it begins to be wrong, `None` for a clip that was left as it is."""

    clip: Clip
    onset_s: float


def edited(clips: Sequence[Clip], index: int, edit: Edit, seed: int = 0) -> Edited | None:
    """A clip with one edit; the same for the same seed. None where the clip is too short for it.

    Arguments:
        clips: all of one layout, on one time grid, without NaN; `index` says which is edited.
    """
    clip = clips[index]
    rng = np.random.default_rng([seed, EDITS.index(edit), index])
    person = int(rng.integers(2))
    if edit is Edit.PARTNER:
        other = int(rng.integers(len(clips) - 1))
        other += other >= index
        n = min(len(clip), len(clips[other]))
        joints = clip.joints[:n].copy()
        joints[:, person] = clips[other].joints[:n, person]
        return Edited(_with(clip, joints), 0.0)
    if edit in _SHIFT_S:
        return _shifted(clip, person, round(_SHIFT_S[edit] * clip.fps), int(rng.integers(2)))
    if edit is Edit.FARTHER:
        joints = clip.joints.copy()
        joints[:, person] += _FARTHER_M * _outward(clip, person)[:, None]
        return Edited(_with(clip, joints), 0.0)
    if edit is Edit.FASTER:
        return _faster(clip, person)
    onset = round(float(rng.uniform(*_MIDDLE)) * len(clip))
    joints = FROM_ONSET[edit](clip, person, onset)
    return None if joints is None else Edited(_with(clip, joints), onset / clip.fps)


def _with(clip: Clip, joints: Joints) -> Clip:
    return Clip(joints.astype(np.float32), clip.layout, clip.fps, clip.label, clip.clip_id, clip.split, clip.session)


def _shifted(clip: Clip, person: int, frames: int, later: int) -> Edited | None:
    n = len(clip) - frames
    if n < 2:
        return None
    joints = clip.joints[:n].copy() if later else clip.joints[frames:].copy()
    joints[:, person] = clip.joints[frames:, person] if later else clip.joints[:n, person]
    return Edited(_with(clip, joints), 0.0)


def _outward(clip: Clip, person: int) -> NDArray[np.float32]:
    """Unit steps on the floor from the partner towards `person`, shape (T, 3)."""
    at = list(anchors(clip.layout).pelvis)
    place = clip.joints[:, :, at].mean(axis=2)
    step = place[:, person] - place[:, 1 - person]
    step[:, 1] = 0
    return (step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def _thrust(clip: Clip, person: int, onset: int) -> Joints | None:
    """The nearer hand goes straight to the partner's head and back, the elbow half the way."""
    frames = max(round(_THRUST_S * clip.fps), 3)
    if onset + frames >= len(clip):
        return None
    layout = clip.layout
    head = clip.joints[:, 1 - person, layout.index["head"]]
    side = min(("left", "right"), key=lambda s: _gap(clip, person, layout.index[f"{s}_wrist"], head, onset))
    wrist = clip.joints[:, person, layout.index[f"{side}_wrist"]]
    moved = [layout.index[f"{side}_{n}"] for n in _HAND if f"{side}_{n}" in layout.index]
    elbow = layout.index.get(f"{side}_elbow")
    reach = np.sin(np.linspace(0, np.pi, frames, dtype=np.float32))[:, None]
    span = slice(onset, onset + frames)
    way = reach * (head[span] - wrist[span])
    joints = clip.joints.copy()
    joints[span, person, moved] += way[:, None]
    if elbow is not None:
        joints[span, person, elbow] += 0.5 * way
    return joints


def _gap(clip: Clip, person: int, joint: int, head: NDArray[np.float32], onset: int) -> float:
    return float(np.linalg.norm(clip.joints[onset, person, joint] - head[onset]))


def _away(clip: Clip, person: int, onset: int) -> Joints | None:
    """The person moves away from the partner, as a rigid body, and stays there."""
    t = np.clip((np.arange(len(clip)) - onset) / (_AWAY_S * clip.fps), 0, 1).astype(np.float32)
    joints = clip.joints.copy()
    joints[:, person] += (_AWAY_M * t[:, None] * _outward(clip, person))[:, None]
    return joints


def _frozen(clip: Clip, person: int, onset: int) -> Joints | None:
    joints = clip.joints.copy()
    joints[onset:, person] = joints[onset, person]
    return joints


def _faster(clip: Clip, person: int) -> Edited | None:
    """The person lives twice as fast from the first frame on; the clip ends with what there is of them."""
    n = (len(clip) + 1) // 2
    if n < 2:
        return None
    joints = clip.joints[:n].copy()
    joints[:, person] = clip.joints[::2, person][:n]
    return Edited(_with(clip, joints), 0.0)


FROM_ONSET: dict[Edit, Callable[[Clip, int, int], Joints | None]] = {
    Edit.THRUST: _thrust,
    Edit.AWAY: _away,
    Edit.FROZEN: _frozen,
}
