"""Which pairs are worth scoring: those near each other, with hysteresis, up to a cap."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

from dyadwatch.core.pose import TrackId
from dyadwatch.stream.config import PairOptions
from dyadwatch.stream.tracks import Track


class Pair(NamedTuple):
    """Two tracks, the elder first: `ids` for people, `keys` to tell a returning id from the one before."""

    ids: tuple[TrackId, TrackId]
    keys: tuple[int, int]


class PairGate:
    """The pairs of one source.

    Arguments:
        options: the section `pairs` of the configuration. With `leave_m` close to `enter_m` pairs flicker at the
            border, and every flicker ends their events.
        count: called with `pairs_capped` for every pair and frame that the cap leaves out.
    """

    def __init__(self, options: PairOptions, count: Callable[[str], None]) -> None:
        self._options = options
        self._count = count
        self._open: dict[tuple[int, int], Pair] = {}

    @property
    def open(self) -> list[Pair]:
        """The pairs being scored."""
        return list(self._open.values())

    def update(self, alive: dict[int, Track]) -> list[tuple[Pair, str]]:
        """Opens and closes pairs by where the living tracks are now.

        Returns:
            The pairs that ended, each with its reason: `lost`, `apart` or `capped`.
        """
        lost = [keys for keys in self._open if keys[0] not in alive or keys[1] not in alive]
        ended = [(self._open.pop(keys), "lost") for keys in lost]
        # A pair that is being scored keeps its place at the cap by the same margin that it keeps at the border.
        margin = self._options.leave_m - self._options.enter_m
        near: list[tuple[float, tuple[int, int]]] = []
        for a, b in combinations(sorted(alive), 2):
            (x, _, z), (u, _, w) = alive[a].root, alive[b].root
            distance = math.sqrt((x - u) * (x - u) + (z - w) * (z - w))
            known = (a, b) in self._open
            if distance <= (self._options.leave_m if known else self._options.enter_m):
                near.append((distance - margin * known, (a, b)))
            elif known:
                ended.append((self._open.pop((a, b)), "apart"))
        if len(near) > self._options.max_pairs:
            near.sort()
            for _, keys in near[self._options.max_pairs :]:
                self._count("pairs_capped")
                if keys in self._open:
                    ended.append((self._open.pop(keys), "capped"))
            near = near[: self._options.max_pairs]
        for _, (a, b) in near:
            if (a, b) not in self._open:
                self._open[a, b] = Pair((alive[a].id, alive[b].id), (a, b))
        return ended

    def clear(self, reason: str) -> list[tuple[Pair, str]]:
        """Ends all pairs."""
        ended = [(pair, reason) for pair in self._open.values()]
        self._open.clear()
        return ended
