"""What a site recorded lately, as clips of pairs, and which of them a model is enrolled on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.enrolment.normal_clips import MOST_CLIPS, evenly
from dyadwatch.core.errors import ClipError
from dyadwatch.core.units import NS
from dyadwatch.enrolling import MOST_HEARD
from dyadwatch.stream.recordings.pair_clips import CutClip, cut_clips
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recordings_folder import recordings_between

_LATELY_H = 24.0  # of recordings that are looked at
_PIECE_S = 8.0  # longer stretches of a pair become several clips, each left out in turn
LEAST_S = 1.0
Span = tuple[str, int, int]  # source, first and last ns by its clock


@dataclass(frozen=True)
class HeardClips:
    """What was recorded lately, as clips.

    Arguments:
        paths: of the recordings.
        clips: of pairs that were near each other, with the span of each.
        normal: clips that people said were normal, though they raised an alarm.
        false: spans of these.
    """

    paths: tuple[Path, ...]
    clips: tuple[tuple[Span, Clip], ...]
    normal: tuple[Clip, ...] = ()
    false: tuple[Span, ...] = ()

    @property
    def hours(self) -> float:
        """That the clips last."""
        return sum(len(clip) / clip.fps for _, clip in self.clips) / 3600


def heard_lately(
    folder: Path,
    fps: float,
    *,
    odd: Sequence[Span] = (),
    normal: Sequence[Clip] = (),
    false: Sequence[Span] = (),
    now: int | None = None,
) -> HeardClips:
    """The clips of a folder of recordings.

    Arguments:
        folder: that a detector records into.
        fps: of the clips.
        odd: what is left out: incidents that nobody said were false.
        normal: clips of false alarms.
        false: spans of these.
        now: unix ns.

    Raises:
        ClipError: nothing was recorded.
    """
    now = time.time_ns() if now is None else now
    paths = tuple(recordings_between(folder, now - round(_LATELY_H * 3600 * NS), now))
    if not paths:
        raise ClipError(f"nothing was recorded in {folder} in the last {_LATELY_H:g} h; expected recordings of pairs")
    found: list[tuple[Span, Clip]] = []
    for cut in cut_clips(Playback(paths), fps=fps, least_s=LEAST_S):
        for span, piece in _pieces(cut):
            if not any(_meet(span, other) for other in odd):
                found.append((span, piece))
    return HeardClips(paths, tuple(found), tuple(normal), tuple(false))


def _pieces(cut: CutClip) -> list[tuple[Span, Clip]]:
    """A clip in equal parts of at most `_PIECE_S`."""
    clip = cut.clip
    count = max(1, int(np.ceil(len(clip) / clip.fps / _PIECE_S)))
    out: list[tuple[Span, Clip]] = []
    for part in np.array_split(np.arange(len(clip)), count):
        first = cut.start + round(int(part[0]) / clip.fps * NS)
        last = first + round(len(part) / clip.fps * NS)
        name = f"{clip.clip_id}+{part[0] / clip.fps:g}s" if count > 1 else clip.clip_id
        piece = replace(clip, joints=clip.joints[part[0] : part[-1] + 1], clip_id=name)
        out.append(((cut.source, first, last), piece))
    return out


def _meet(one: Span, other: Span) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def chosen_clips(heard: HeardClips, *, half: bool) -> list[tuple[Span, Clip]]:
    """The clips that a model is enrolled on: those with false alarms, and evenly spread of the others.

    Arguments:
        heard: see `heard_lately`.
        half: of the clips at most, but twenty in any case, so that the model can be tried on the rest; else all. More
            than `MOST_HEARD` are never taken.
    """
    clips = heard.clips
    wanted = min(max(MOST_CLIPS, len(clips) // 2) if half else len(clips), MOST_HEARD)
    false = [i for i, (span, _) in enumerate(clips) if any(_meet(span, other) for other in heard.false)]
    kept = false[-(wanted // 2) :] if wanted > 1 else []
    others = [i for i in range(len(clips)) if i not in set(kept)]
    taken = sorted([*kept, *(others[i] for i in evenly(len(others), wanted - len(kept)))])
    return [clips[i] for i in taken]
