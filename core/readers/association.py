"""Who is who from frame to frame, in files that number people by chance."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.assignment import assign
from dyadwatch.core.words import counted

_REACH_M = 0.4  # how far joints lie from where they were seen last, in the mean; two people who hug are 0.3 m apart
_WALK_M_S = 2.0  # and how much farther for every second unseen
_FARTHEST_M = 3.0
_MOST_TRACKS = 100
# One sighting goes on as another that begins within this time and reach, or that overlaps it in the same place.
_LONGEST_BREAK_S = 1.0
_BREAK_WALK_M_S = 1.0
_LONGEST_OVERLAP_S = 0.5
_SAME_PLACE_M = 0.1
_COMPARED = 2000  # frames are enough to tell two people apart


class FileSighting(NamedTuple):
    """Somebody under one name.

    Arguments:
        frames: in which there is anything of them, rising; shape (N,).
        joints: metres, in those frames; shape (N, J, 3), NaN where unseen.
    """

    frames: NDArray[np.intp]
    joints: NDArray[np.float32]

    def over(self, count: int) -> NDArray[np.float32]:
        """The same over all frames, shape (count, J, 3)."""
        out = np.full((count, *self.joints.shape[1:]), np.nan, np.float32)
        out[self.frames] = self.joints
        return out


def sighting(joints: NDArray[np.float32]) -> FileSighting:
    """The frames of (T, J, 3) in which anything is seen."""
    frames = np.flatnonzero(np.isfinite(joints).all(axis=-1).any(axis=-1))
    return FileSighting(frames, joints[frames])


def one_person(first: FileSighting, second: FileSighting) -> bool:
    """Whether two sightings are the same body twice: side by side, and in place within a few centimetres all along."""
    _, a, b = np.intersect1d(first.frames, second.frames, assume_unique=True, return_indices=True)
    if len(a) < max(0.5 * min(len(first.frames), len(second.frames)), 2):
        return False
    every = max(len(a) // _COMPARED, 1)
    return _apart(first.joints[a[::every]], second.joints[b[::every]], 0.95) < _SAME_PLACE_M


def _apart(first: NDArray[np.floating], second: NDArray[np.floating], quantile: float) -> float:
    """Metres between the joints of two, in the middle of those both have, in most frames; infinite without any."""
    steps = np.linalg.norm(first - second, axis=-1)
    seen = np.isfinite(steps)
    some = seen.any(axis=1)
    if not some.any():
        return np.inf
    return float(np.quantile(np.nanmedian(np.where(seen[some], steps[some], np.nan), axis=1), quantile))


def join_sightings(people: dict[str, NDArray[np.float32]], fps: float) -> tuple[dict[str, NDArray], tuple[str, ...]]:
    """People, those who follow one another in place and time as one, and what to tell of it.

    Arguments:
        people: metres by name, shape (T, J, 3) each; NaN where unseen.
        fps: frames per second.
    """
    found = {name: sighting(joints) for name, joints in people.items()}
    joined = join(found, fps)
    if len(joined) == len(people):
        return people, ()
    count = len(next(iter(people.values())))
    notes = tuple(
        f"{' and '.join(map(repr, names))[:120]} follow one another in place and time: one person"
        for names in joined.values()
        if len(names) > 1
    )
    return {name: merged([found[n] for n in names]).over(count) for name, names in joined.items()}, notes


def merged(sightings: Sequence[FileSighting]) -> FileSighting:
    """Several as one; where they overlap the later one holds."""
    frames = np.concatenate([s.frames for s in sightings])
    joints = np.concatenate([s.joints for s in sightings])
    unique, last = np.unique(frames[::-1], return_index=True)
    return FileSighting(unique, joints[::-1][last])


def join(sightings: dict[str, FileSighting], fps: float) -> dict[str, list[str]]:
    """Which names are one person, in the order of time, by the first of them; best links first.

    Arguments:
        sightings: by name.
        fps: frames per second.
    """
    names = sorted((n for n, s in sightings.items() if len(s.frames)), key=lambda n: int(sightings[n].frames[-1]))
    ends = [int(sightings[n].frames[-1]) for n in names]
    links: list[tuple[float, str, str]] = []
    for name in names:
        begin = int(sightings[name].frames[0])
        low = bisect_left(ends, begin - 1 - round(_LONGEST_BREAK_S * fps))
        high = bisect_right(ends, begin + round(_LONGEST_OVERLAP_S * fps))
        high = min(high, bisect_left(ends, int(sightings[name].frames[-1])))  # what ends later does not go on as this
        for before in names[low:high]:
            cost = _link(sightings[before], sightings[name], fps)
            if cost is not None:
                links.append((cost, before, name))
    after: dict[str, str] = {}
    linked: set[str] = set()
    for _, before, name in sorted(links):
        if before not in after and name not in linked:
            after[before] = name
            linked.add(name)
    out: dict[str, list[str]] = {}
    for name in (n for n in sightings if n not in linked):
        chain = out[name] = [name]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
    return out


def _link(before: FileSighting, after: FileSighting, fps: float) -> float | None:
    """Metres between the end of one and the beginning of the other, where the second may be the first going on."""
    gap = int(after.frames[0]) - int(before.frames[-1])
    if gap <= 0:
        if -gap > _LONGEST_OVERLAP_S * fps or before.frames[0] >= after.frames[0]:
            return None
        _, a, b = np.intersect1d(before.frames, after.frames, assume_unique=True, return_indices=True)
        apart = _apart(before.joints[a], after.joints[b], 1.0) if len(a) else np.inf
        return apart if apart < _SAME_PLACE_M else None
    if gap > _LONGEST_BREAK_S * fps + 1:
        return None
    apart = _apart(before.joints[-1:], after.joints[:1], 1.0)
    return apart if apart <= _REACH_M + _BREAK_WALK_M_S * (gap - 1) / fps else None


@dataclass
class _Track:
    """Somebody: (T, J, 3) in all, each joint where it was seen last, and the frame of that."""

    joints: NDArray[np.float32]
    last: NDArray[np.floating]
    frame: int


class Followed(NamedTuple):
    """People who were followed.

    Arguments:
        tracks: metres, one array (T, J, 3) a person, in order of appearance; NaN where unseen.
        left_out: sightings that were left out, because there are as many people as can be.
    """

    tracks: list[NDArray[np.float32]]
    left_out: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell of it."""
        if not self.left_out:
            return ()
        return (
            f"more than {_MOST_TRACKS} people come in turn; {counted(self.left_out, 'sighting')} of others left out",
        )


def follow(frames: Sequence[NDArray[np.floating]], joints: int, fps: float) -> Followed:
    """People followed by where their joints are, all of a frame at once, nearest first.

    Arguments:
        frames: metres, shape (P, J, 3) each, P may differ; NaN where unseen.
        joints: J.
        fps: frames per second.
    """
    tracks: list[_Track] = []
    left_out = 0
    for t, people in enumerate(frames):
        people = people[np.isfinite(people).all(axis=-1).any(axis=-1)]
        reach = np.minimum(
            _REACH_M + _WALK_M_S * (t - 1 - np.array([track.frame for track in tracks], float)) / fps, _FARTHEST_M
        )
        distance = np.full((len(tracks), len(people)), np.inf)
        for i, track in enumerate(tracks):
            step = np.linalg.norm(people - track.last, axis=-1)
            seen = np.isfinite(step)
            mean = np.where(seen, step, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
            distance[i] = np.where(seen.any(axis=1), mean, np.inf)
        found = {person: track for track, person in assign(distance, reach[:, None]).items()}
        for p, person in enumerate(people):
            i = found.get(p, len(tracks))
            if i == len(tracks):
                if i == _MOST_TRACKS:
                    left_out += 1
                    continue
                tracks.append(_Track(np.full((len(frames), joints, 3), np.nan, np.float32), person, t))
            track = tracks[i]
            track.joints[t] = person
            # a joint unseen now counts where it was last
            track.last = np.where(np.isfinite(person), person, track.last)
            track.frame = t
    return Followed([track.joints for track in tracks], left_out)
