"""What is odd about the two people of a clip, looked at as the running detector would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.finding import Finding
from dyadwatch.core.readers.dataset import Dataset, Skipped
from dyadwatch.core.sense.bodies import BodySense
from dyadwatch.core.sense.person import FROZEN_NS
from dyadwatch.core.sense.sense_codes import Odd, Oddity, is_blinding, settled
from dyadwatch.core.sense.sense_words import odd_text
from dyadwatch.core.units import NS

_LOOKS_S = 0.1
_IDS = ("person 0", "person 1")


def odd_in_clip(clip: Clip) -> tuple[Odd, ...]:
    """What is odd in a clip, the first of each code, blinding ones before others. Nothing for a clip without frames.

    Arguments:
        clip: joints in metres, Y up.
    """
    if not len(clip):
        return ()
    poses = np.where(np.isfinite(clip.joints).all(axis=-1, keepdims=True), clip.joints, np.float32(np.nan))
    sense = BodySense()
    found: dict[Oddity, Odd] = {}
    step = max(clip.fps * _LOOKS_S, 1.0)
    for look, at in enumerate(np.arange(0, len(clip), step)):
        joints = poses[int(at)]
        here = [p for p in (0, 1) if not np.isnan(joints[p]).all()]
        stamp = round(look * step / clip.fps * NS) + 1  # one, so that rounding never puts two looks into one tenth
        sense.push(stamp, here, [_IDS[p] for p in here], joints[here], clip.layout)
        for odd in sense.findings(here):
            found.setdefault(odd.code, odd)
    found.pop(Oddity.FROZEN, None)  # looked at every so often, poses that come again may seem to stand still
    for p in (0, 1):
        seconds = _longest_still(clip.joints[:, p], clip.fps)
        if seconds * NS >= FROZEN_NS:
            found.setdefault(Oddity.FROZEN, Finding(Oddity.FROZEN, person=_IDS[p], seconds=round(seconds, 1)))
    return settled(found.values())


def without_odd(data: Dataset) -> Dataset:
    """The clips whose people can be bodies; the others are skipped, and what is merely doubtful is noted."""
    kept: list[Clip] = []
    skipped, notes = list(data.skipped), list(data.doubts)
    for i, clip in enumerate(data):
        name = clip.clip_id or f"clip {i}"
        odd = odd_in_clip(clip)
        if odd and is_blinding(odd[0]):
            skipped.append(Skipped(name, odd_text(odd[0]), clip))
            continue
        kept.append(clip)
        notes += [Skipped(name, odd_text(doubt), clip, whole=False) for doubt in odd]
    return replace(data, clips=tuple(kept), skipped=tuple(skipped), doubts=tuple(notes))


def _longest_still(joints: NDArray[np.float32], fps: float) -> float:
    """Seconds of the longest time over which nothing of (T, J, 3) changes."""
    bits = np.ascontiguousarray(joints, np.float32).reshape(len(joints), -1).view(np.uint32)
    seen = np.asarray(np.isfinite(joints).all(axis=-1).any(axis=-1))
    same = (bits[1:] == bits[:-1]).all(axis=1) & seen[1:]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
    return float((edges[1::2] - edges[::2]).max(initial=0)) / fps
