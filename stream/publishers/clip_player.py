"""Clip files as a source: clips one after the other on a media timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS

CLOCK = "media"
_LEAST_GAP_S = 0.5  # a shorter break would let windows reach from one clip into the next


class Played(NamedTuple):
    """Where a clip lies on the timeline: stamps of its first frame and of one period after its last, its two ids."""

    clip: Clip
    start_ns: int
    end_ns: int
    ids: tuple[str, str]


def check_gap(gap_s: float) -> None:
    """Refuses a silence between clips that would not let windows start anew.

    Raises:
        ConfigError: naming the gap and what was expected.
    """
    if not _LEAST_GAP_S < gap_s < float("inf"):
        raise ConfigError(f"gap_s is {gap_s:g}; expected more than {_LEAST_GAP_S} s, so that no window spans two clips")


def clip_intervals(
    clips: Sequence[Clip], start_ns: int = 0, gap_s: float = 1.0, *, loop: bool = False
) -> Iterator[Played]:
    """When each clip is played by `clip_frames` with the same arguments; without end if looped.

    Raises:
        ConfigError: when the gap is too short for windows to start anew.
    """
    check_gap(gap_s)
    gap = round(gap_s * NS)
    k = 0
    while clips:
        for clip in clips:
            end = start_ns + round(len(clip) * NS / clip.fps)
            yield Played(clip, start_ns, end, (f"c{k}-0", f"c{k}-1"))
            start_ns, k = end + gap, k + 1
        if not loop:
            return


def clip_frames(
    clips: Sequence[Clip],
    source: str = "clips",
    *,
    start_ns: int = 0,
    gap_s: float = 1.0,
    loop: bool = False,
    epoch: int = 0,
) -> Iterator[PoseFrame]:
    """The frames of clips, as one source that sees two new people in every clip.

    Stamps are exact: frame k of a clip lies at its start + round(k / fps) ns, whatever the speed of playing.

    Arguments:
        clips: each in its own layout and rate.
        source: name of the source.
        start_ns: stamp of the first frame.
        gap_s: silence between two clips; more than 0.5 s.
        loop: begin again after the last clip, with new ids and later stamps.
        epoch: of the frames; 0 leaves it to the publisher.

    Raises:
        ConfigError: when the gap is too short for windows to start anew.
    """
    seq = 0
    for clip, start, _, ids in clip_intervals(clips, start_ns, gap_s, loop=loop):
        confidence = np.where(np.isnan(clip.joints).any(axis=-1), 0.0, 1.0).astype(np.float32)
        for k in range(len(clip)):
            stamp = start + round(k * NS / clip.fps)
            yield PoseFrame(source, epoch, seq, stamp, CLOCK, clip.layout, clip.joints[k], confidence[k], ids)
            seq += 1
