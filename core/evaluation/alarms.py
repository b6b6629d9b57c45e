"""What the alarms of a method do on one clip: when an event opens, what it says of the onset, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.episodes import AlarmTimes, episodes
from dyadwatch.core.decision.rules import PairEvidence, ScorePart, Thresholds
from dyadwatch.core.decision.score_log import PairScores, ScoreLog
from dyadwatch.core.units import NS


@dataclass(frozen=True)
class Raised:
    """One event, in seconds of the clip.

    Arguments:
        at_s: when it opens: the end of the window that brings enough evidence.
        since_s: when it says that it began.
    """

    at_s: float
    since_s: float


def window_ends(frames_of_clip: int, least: int, hop: int, phase: int) -> NDArray[np.intp]:
    """The last frames of the windows that the detector cuts of a clip, `phase` frames into the hop.

    They lie on multiples of the hop of a grid that does not know where a clip begins.

    Arguments:
        least: frames from which on two people are judged.
    """
    first = least - 1 + (phase - (least - 1)) % hop
    return np.arange(first, frames_of_clip, hop)


def windows_of(clip: Clip, frames: int, ends: NDArray[np.intp]) -> NDArray[np.float32]:
    """Windows (N, 2, T, J, 3) of a clip that end with those frames; what they lack repeats its first."""
    at = np.maximum(ends[:, None] + np.arange(1 - frames, 1), 0)
    return np.ascontiguousarray(clip.joints[at].transpose(0, 2, 1, 3, 4))


def events(
    parts: Mapping[str, NDArray[np.floating]], ends: NDArray[np.intp], fps: float, hop: int, thresholds: Thresholds
) -> list[Raised]:
    """The events of one pair, as `stream.alarms.alarm_tracker` opens and closes them in the default configuration.

    Arguments:
        parts: surprise of the windows, by part, each (N,); what is missing is 0.
        ends: last frames of the windows, shape (N,).
    """
    if not len(ends):
        return []
    hop_s, none = hop / fps, np.zeros(len(ends))
    table = np.stack([np.asarray(parts.get(part, none), np.float64) for part in ScorePart], axis=1)
    stamps = np.asarray([round(end / fps * NS) for end in ends.tolist()], np.int64)
    pair = PairEvidence(thresholds, hop_s)
    seen = [pair.push(stamp, values) for stamp, values in zip(stamps.tolist(), table.tolist(), strict=True)]
    log = ScoreLog((PairScores("", (0, 1), "media", stamps, table),), hop_s, pause_s=2 * hop_s)
    found = episodes(log, np.asarray([e.value for e in seen]), 1.0, thresholds.clear, AlarmTimes())
    return [Raised(float(ends[i]) / fps, seen[i].since / NS) for i in found.opened.tolist()]
