"""Which pairs are worth scoring: those near each other, with hysteresis, up to a cap."""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np

from dyadwatch.stream.codes import Fault, PairEnd
from dyadwatch.stream.configuration.config import PairOptions
from dyadwatch.stream.counters import Count, bulk_count
from dyadwatch.stream.items import Keys, Pair
from dyadwatch.stream.tracking.tracks import Track

_FEW = 16  # people up to which a plain loop is faster than arrays


class _Verdict(NamedTuple):
    """What becomes of pairs: to be scored, separated, evicted by the cap; and how many are left out by it."""

    near: list[Keys]
    apart: list[Keys]
    capped: list[Keys]
    left_out: int


class PairGate:
    """The pairs of one source.

    Arguments:
        options: the section `pairs` of the configuration. With `leave_m` close to `enter_m` pairs flicker at the
            border, and every flicker ends their events.
        count: called with `pairs_capped` for every pair and frame that the cap leaves out.
    """

    def __init__(self, options: PairOptions, count: Count) -> None:
        self._options = options
        self._count = count
        self._open: dict[Keys, Pair] = {}
        # A pair that is being scored keeps its place at the cap by the same margin that it keeps at the border.
        self._margin = options.leave_m - options.enter_m

    @property
    def open(self) -> list[Pair]:
        """The pairs being scored."""
        return list(self._open.values())

    def update(self, alive: dict[int, Track]) -> list[tuple[Pair, PairEnd]]:
        """Opens and closes pairs by where the living tracks are now.

        Returns:
            The pairs that ended, each with its reason: `lost`, `apart` or `capped`.
        """
        lost = [keys for keys in self._open if keys[0] not in alive or keys[1] not in alive]
        ended = [(self._open.pop(keys), PairEnd.LOST) for keys in lost]
        verdict = self._judge_few(alive) if len(alive) <= _FEW else self._judge_many(alive)
        if verdict.apart or verdict.capped:
            ended += [(self._open.pop(keys), PairEnd.APART) for keys in verdict.apart]
            ended += [(self._open.pop(keys), PairEnd.CAPPED) for keys in verdict.capped]
        if verdict.left_out:
            bulk_count(self._count, Fault.PAIRS_CAPPED, verdict.left_out)
        for keys in verdict.near:
            if keys not in self._open:
                a, b = keys
                self._open[keys] = Pair((alive[a].id, alive[b].id), keys)
        return ended

    def _judge_few(self, alive: dict[int, Track]) -> _Verdict:
        enter, leave, open_ = self._options.enter_m, self._options.leave_m, self._open
        people = [(key, *alive[key].root) for key in sorted(alive)]
        near: list[Keys] = []
        rank: list[float] = []
        apart: list[Keys] = []
        for (first, x, _, z), (second, u, _, w) in combinations(people, 2):
            keys = (first, second)
            distance = math.sqrt((x - u) * (x - u) + (z - w) * (z - w))
            known = keys in open_
            if distance <= (leave if known else enter):
                near.append(keys)
                rank.append(distance - self._margin * known)
            elif known:
                apart.append(keys)
        most = self._options.max_pairs
        if len(near) <= most:
            return _Verdict(near, apart, [], 0)
        near = [keys for _, keys in sorted(zip(rank, near, strict=True))]
        return _Verdict(near[:most], apart, [k for k in near[most:] if k in open_], len(near) - most)

    def _judge_many(self, alive: dict[int, Track]) -> _Verdict:
        """The same, to the last bit, at a cost that a crowd can bear; `known` has a row a person."""
        keys = sorted(alive)
        place = {key: i for i, key in enumerate(keys)}
        x, z = np.array([(alive[k].root[0], alive[k].root[2]) for k in keys]).T
        known = np.zeros((len(keys), len(keys)), bool)
        for a, b in self._open:
            known[place[a], place[b]] = True
        first, second = np.triu_indices(len(keys), 1)
        dx, dz, known = x[first] - x[second], z[first] - z[second], known[first, second]
        distance = np.sqrt(dx * dx + dz * dz)
        close = distance <= np.where(known, self._options.leave_m, self._options.enter_m)
        near = np.flatnonzero(close)
        if len(near) > self._options.max_pairs:
            # Stable: of pairs equally near, those of the elder people come first.
            near = near[np.argsort((distance - self._margin * known)[near], kind="stable")]
        kept, rest = near[: self._options.max_pairs], near[self._options.max_pairs :]

        def of(pairs: np.ndarray) -> list[Keys]:
            return [(keys[i], keys[j]) for i, j in zip(first[pairs].tolist(), second[pairs].tolist(), strict=True)]

        return _Verdict(of(kept), of(np.flatnonzero(known & ~close)), of(rest[known[rest]]), len(rest))

    def clear(self, reason: PairEnd) -> list[tuple[Pair, PairEnd]]:
        """Ends all pairs."""
        ended = [(pair, reason) for pair in self._open.values()]
        self._open.clear()
        return ended
