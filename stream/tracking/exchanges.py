"""Ids that exchange their places from one frame to the next: the people are followed by place, not by id."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from dyadwatch.core.assignment import assign
from dyadwatch.core.units import NS

_STRAY_M, _STRAY_M_S = 0.08, 0.6  # how far from where they were expected people are, without anybody asking
_NEAR_M, _NEAR_M_S = 0.15, 2.0  # and who is so near to where somebody was expected may be that one
_CLEARLY, _BY_M = 2.0, 0.05  # but only if the own place is this many times as far, and so much farther

Place = tuple[float, float, float]


class Moving(Protocol):
    """Somebody who was at `root`, metres, with `velocity`, metres a second, at `stamp`, ns."""

    stamp: int
    root: Place
    velocity: Place


M = TypeVar("M", bound=Moving)


def strays(track: Moving, stamp: int, root: Place) -> bool:
    """Whether a person is farther from where the track was going than people usually get: reason to compare places."""
    age = (stamp - track.stamp) / NS
    (x, y, z), (a, b, c), (u, v, w) = root, track.root, track.velocity
    return abs(x - a - u * age) + abs(y - b - v * age) + abs(z - c - w * age) > _STRAY_M + _STRAY_M_S * age


def by_place(roots: Sequence[Place], own: Sequence[M | None], others: Sequence[M], stamp: int) -> list[M | None] | None:
    """Whose places people took who are not where their ids had been.

    Arguments:
        roots: where they are, metres.
        own: the tracks of their ids; None for an id that is new.
        others: tracks that nobody else in the frame continues.
        stamp: ns, of the frame.

    Returns:
        The track that each continues, or None to leave all as the ids say: unless everybody who would change is near to
        another's place and clearly farther from the own one, ids are believed.
    """
    tracks = [t for t in own if t is not None] + list(others)
    if not tracks:
        return None
    ages = np.array([(stamp - t.stamp) / NS for t in tracks])
    expected = np.array([t.root for t in tracks]) + np.array([t.velocity for t in tracks]) * ages[:, None]
    distance = np.linalg.norm(np.array(roots)[:, None] - expected[None], axis=2)
    place = {id(t): k for k, t in enumerate(tracks)}
    found = list(own)
    changed: set[int] = set()
    for i, k in assign(distance, _NEAR_M + _NEAR_M_S * ages[None]).items():
        before = own[i]
        if tracks[k] is before:
            continue
        mine = math.inf if before is None else float(distance[i, place[id(before)]])
        if mine <= _CLEARLY * distance[i, k] + _BY_M:
            return None
        found[i] = tracks[k]
        changed.add(i)
    if not changed:
        return None
    taken = {id(found[i]) for i in changed}
    # Whose place somebody else took, and who took none, is somebody new.
    return [t if i in changed or t is None or id(t) not in taken else None for i, t in enumerate(found)]
