"""Who is who from frame to frame, in files that number people by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_REACH_M = 0.4  # how far joints lie from where they were seen last, in the mean; two people who hug are 0.3 m apart
_WALK_M_S = 2.0  # and how much farther for every second unseen
_FARTHEST_M = 3.0
_FAR = 1e6
_MOST_TRACKS = 100


def follow(frames: Sequence[NDArray[np.floating]], joints: int, fps: float) -> list[NDArray[np.float32]]:
    """People followed by where their joints are, all of a frame at once, nearest first.

    Arguments:
        frames: metres, shape (P, J, 3) each, P may differ; NaN where unseen.
        joints: J.
        fps: frames per second.

    Returns:
        One array (T, J, 3) a person, in order of appearance; of more than 100 the first 100.
    """
    tracks: list[NDArray[np.float32]] = []
    last: list[NDArray[np.floating]] = []
    when: list[int] = []
    for t, people in enumerate(frames):
        people = people[np.isfinite(people).all(axis=-1).any(axis=-1)]
        reach = np.minimum(_REACH_M + _WALK_M_S * (t - 1 - np.asarray(when, float)) / fps, _FARTHEST_M)
        cost = np.full((len(tracks), len(people)), _FAR)
        for i, before in enumerate(last):
            step = np.linalg.norm(people - before, axis=-1)
            seen = np.isfinite(step)
            mean = np.where(seen, step, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
            cost[i] = np.where(seen.any(axis=1) & (mean <= reach[i]), mean, _FAR)
        rows, columns = linear_sum_assignment(cost)
        found = {c: r for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if cost[r, c] < _FAR}
        for p, person in enumerate(people):
            i = found.get(p, len(tracks))
            if i == len(tracks):
                if i == _MOST_TRACKS:
                    continue
                tracks.append(np.full((len(frames), joints, 3), np.nan, np.float32))
                last.append(person)
                when.append(t)
            tracks[i][t] = person
            # a joint unseen now counts where it was last
            last[i] = np.where(np.isfinite(person), person, last[i])
            when[i] = t
    return tracks
