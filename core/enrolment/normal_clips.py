"""Clips of a new normal, as enrolling takes them: mapped, resampled, cleaned, and not too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.data.unusable import Unusable, WhyUnusable
from dyadwatch.core.data.windows import CleanRecording, Run, from_second, led, recordings_of, usable_runs
from dyadwatch.core.errors import ClipError
from dyadwatch.core.finding import Finding
from dyadwatch.core.model_file.artefact import ArtefactInfo
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.words import of_clip

MOST_CLIPS = 20
_SMALLEST_BODY_M = 0.2
_MOST_REASONS = 20  # in an error


@dataclass(frozen=True)
class Normal:
    """Clips of a new normal on a model's time grid.

    Arguments:
        recordings: a unit each clip; of a single long clip, each piece.
        clips: how many of them are used.
        skipped: name of the clip and why, of those that could not.
        left: how many could have been used beside them.
    """

    recordings: tuple[CleanRecording, ...]
    clips: int
    skipped: tuple[tuple[str, WhyUnusable], ...]
    left: int = 0

    @property
    def units(self) -> int:
        """How many units can be left out in turn."""
        return len({r.unit for r in self.recordings})


def take_clips(
    named: Sequence[tuple[str, Clip]], info: ArtefactInfo, take: int | None = None, most: int = MOST_CLIPS
) -> Normal:
    """Maps, resamples and cleans 1 to `most` clips.

    Arguments:
        named: what to call each clip, such as its file and id, and the clip.
        take: use so many of those that can be used, evenly spread over them; all where there are no more. None: all,
            of which there may be `most`.
        most: clips.

    Raises:
        ClipError: when there is none or there are too many, or none can be used; names each with the reason.
        LayoutError: when joints do not map onto the model's layout.
    """
    if take is not None and not 1 <= take <= most:
        raise ClipError(f"take is {take}; expected 1 to {most} clips")
    if not named:
        raise ClipError(f"0 clips to enrol; expected 1 to {most} of a new normal")
    if take is None and len(named) > most:
        raise ClipError(
            f"{len(named)} clips to enrol; expected 1 to {most}: use {most} of them, evenly spread, with "
            f"--take {most}, or choose some with --label, --split or --clip, or learn from all of them with "
            "'dyadwatch train'"
        )
    fps, frames, least = info.fps, info.frames, info.frames - info.lead
    usable: list[tuple[str, Clip, list[Run]]] = []
    skipped: list[tuple[str, WhyUnusable]] = []
    for name, clip in named:
        runs, why = usable_runs(clip, JointMap.between(clip.layout, info.skeleton), fps, least)
        why = why or _without_extent([joints for _, joints in runs])
        if why is not None:
            skipped.append((name, why))
        else:
            usable.append((name, clip, runs))
    if not usable:
        reasons = "; ".join(f"{name}: {of_clip(why)}" for name, why in skipped[:_MOST_REASONS])
        reasons += f"; and {len(skipped) - _MOST_REASONS} more" if len(skipped) > _MOST_REASONS else ""
        raise ClipError(
            f"none of {len(named)} clips can be enrolled; expected 1 to {most} of {least / fps:g} s or longer "
            f"in which both people are seen ({reasons})"
        )
    taken = evenly(len(usable), take or len(usable))
    recordings = [
        CleanRecording(
            led(joints, info.lead), unit, usable[i][0] + from_second(at / fps), usable[i][1].label, at / fps, info.lead
        )
        for unit, i in enumerate(taken)
        for at, joints in usable[i][2]
    ]
    if len(taken) == 1:
        recordings = _in_pieces(recordings, fps, frames)
    return Normal(tuple(recordings), len(taken), tuple(skipped), len(usable) - len(taken))


def evenly(count: int, wanted: int) -> list[int]:
    """So many of `count` indices, each from the middle of its share; all where there are no more."""
    wanted = min(count, wanted)
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


def _in_pieces(recordings: list[CleanRecording], fps: float, frames: int) -> list[CleanRecording]:
    """The recordings of a single clip, in pieces where it is long enough to leave one out."""
    parts = [
        (r, part) for r in recordings for part in recordings_of((round(r.start_s * fps), r.seen), fps, frames, r.lead)
    ]
    if len(parts) == len(recordings):
        return recordings
    return [
        replace(r, joints=joints, unit=i, name=r.clip + from_second(start_s), start_s=start_s, lead=lead)
        for i, (r, (start_s, joints, lead)) in enumerate(parts)
    ]


def _without_extent(runs: Sequence[NDArray[np.float32]]) -> WhyUnusable | None:
    """Who is no larger than a point or a hand in all runs (T, 2, J, 3); None where nobody is.

    Whatever scale fits such bodies, real people are absurdly far from them.
    """
    for person in (0, 1):
        largest = max(float(np.ptp(joints[:, person], axis=1).max()) for joints in runs)
        if largest < _SMALLEST_BODY_M:
            return Finding(Unusable.NO_EXTENT, person=person, size_m=largest, least_m=_SMALLEST_BODY_M)
    return None
