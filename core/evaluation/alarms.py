"""What the alarms of a method do on one clip: when an event opens, what it says of the onset, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.clips import Clip
from dyadwatch.core.decision import PairEvidence, Thresholds

HOLD_S = 2.0  # `alarm.hold_s` of the default configuration
_NS = 1_000_000_000


@dataclass(frozen=True)
class Raised:
    """One event, in seconds of the clip.

    Arguments:
        at_s: when it opens: the end of the window that brings enough evidence.
        since_s: when it says that it began.
    """

    at_s: float
    since_s: float


def window_ends(frames_of_clip: int, frames: int, hop: int, phase: int) -> NDArray[np.intp]:
    """The last frames of the windows that the detector cuts of a clip, `phase` frames into the hop.

    They lie on multiples of the hop of a grid that does not know where a clip begins.
    """
    first = frames - 1 + (phase - (frames - 1)) % hop
    return np.arange(first, frames_of_clip, hop)


def windows_of(clip: Clip, frames: int, ends: NDArray[np.intp]) -> NDArray[np.float32]:
    """Windows (N, 2, T, J, 3) of a clip that end with those frames."""
    at = ends[:, None] + np.arange(1 - frames, 1)
    return np.ascontiguousarray(clip.joints[at].transpose(0, 2, 1, 3, 4))


def events(
    parts: Mapping[str, NDArray[np.floating]], ends: NDArray[np.intp], fps: float, hop: int, thresholds: Thresholds
) -> list[Raised]:
    """The events of one pair, as `stream.alarm` opens and closes them in the default configuration.

    Arguments:
        parts: surprise of the windows, by part, each (N,); what is missing is 0.
        ends: last frames of the windows, shape (N,).
    """
    pair = PairEvidence(thresholds, hop / fps)
    none = np.zeros(len(ends))
    table = np.stack([np.asarray(parts.get(p, none), np.float64) for p in ("score", "relation", "unusual")], axis=1)
    found: list[Raised] = []
    low_since: float | None = None
    is_open = False
    for end, values in zip(ends.tolist(), table.tolist(), strict=True):
        now = end / fps
        evidence = pair.push(round(now * _NS), values)
        if evidence.value >= 1:
            if not is_open:
                found.append(Raised(now, evidence.since / _NS))
            is_open, low_since = True, None
        elif is_open and evidence.value < thresholds.clear:
            low_since = now if low_since is None else low_since
            is_open = now - low_since < HOLD_S
        else:
            low_since = None
    return found
