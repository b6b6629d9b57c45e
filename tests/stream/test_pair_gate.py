from __future__ import annotations

import math
import time
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.codes import Fault, PairEnd
from dyadwatch.stream.configuration.config import PairOptions
from dyadwatch.stream.items import Pair
from dyadwatch.stream.tracking.pair_gate import PairGate
from dyadwatch.stream.tracking.tracks import Track


def crowd(*places: float | tuple[float, float, float], ids: list[TrackId] | None = None) -> dict[int, Track]:
    """Tracks 0, 1, ... at x, or at (x, y, z)."""
    roots = [p if isinstance(p, tuple) else (p, 1.0, 0.0) for p in places]
    return {k: Track(ids[k] if ids else f"p{k}", k, 0, root) for k, root in enumerate(roots)}


def keys(gate: PairGate) -> list[tuple[int, int]]:
    return sorted(p.keys for p in gate.open)


@pytest.fixture
def drops(Drops: Any) -> Any:
    return Drops()


def test_near_people_become_a_pair_the_elder_first(drops: Any) -> None:
    gate = PairGate(PairOptions(), drops)
    people = crowd(0.0, 2.9, ids=["z", 5])
    assert gate.update(dict(reversed(people.items()))) == []
    assert [(p.ids, p.keys) for p in gate.open] == [(("z", 5), (0, 1))]
    assert drops == {}


def test_the_border_has_two_sides(drops: Any) -> None:
    gate = PairGate(PairOptions(enter_m=4.0, leave_m=5.0), drops)
    seen: list[tuple[bool, list[str]]] = []
    for x in (4.5, 4.0, 4.5, 5.0, 5.01, 4.5, 3.0):
        ended = gate.update(crowd(0.0, x))
        seen.append((bool(gate.open), [reason for _, reason in ended]))
    assert seen == [(False, []), (True, []), (True, []), (True, []), (False, ["apart"]), (False, []), (True, [])]


def test_height_does_not_part_people(drops: Any) -> None:
    gate = PairGate(PairOptions(), drops)
    gate.update(crowd((0, 0.3, 0), (1.7, 9.0, 2.4)))
    assert keys(gate) == [(0, 1)]


def test_a_lost_person_ends_its_pairs(drops: Any) -> None:
    gate = PairGate(PairOptions(), drops)
    people = crowd(0.0, 1.0, 2.0)
    gate.update(people)
    del people[1]
    assert sorted((p.keys, reason) for p, reason in gate.update(people)) == [((0, 1), "lost"), ((1, 2), "lost")]
    assert keys(gate) == [(0, 2)]


def test_the_cap_keeps_the_nearest_and_counts_the_rest(drops: Any) -> None:
    gate = PairGate(PairOptions(max_pairs=2), drops)
    gate.update(crowd(0.0, 1.0, 3.0))
    assert keys(gate) == [(0, 1), (1, 2)]
    assert drops == {"pairs_capped": 1}


def test_a_scored_pair_holds_its_place_at_the_cap(drops: Any) -> None:
    gate = PairGate(PairOptions(enter_m=4, leave_m=5, max_pairs=1), drops)
    gate.update(crowd(0.0, 2.0))
    gate.update(crowd(0.0, 2.0, 3.5))
    assert keys(gate) == [(0, 1)]
    assert drops == {"pairs_capped": 2}
    ended = gate.update(crowd(0.0, 2.0, 3.05))
    assert ended == []
    assert keys(gate) == [(0, 1)]
    ended = gate.update(crowd(0.0, 3.5, 3.9))
    assert [(p.keys, reason) for p, reason in ended] == [((0, 1), "capped")]
    assert keys(gate) == [(1, 2)]


def test_clear_ends_all_with_the_reason_given(drops: Any) -> None:
    gate = PairGate(PairOptions(), drops)
    gate.update(crowd(0.0, 1.0))
    assert [(p.keys, reason) for p, reason in gate.clear(PairEnd.SHUTDOWN)] == [((0, 1), "shutdown")]
    assert gate.open == []


class PlainGate(PairGate):
    """The gate as plainly as can be: every pair looked at by itself."""

    def update(self, alive: dict[int, Track]) -> list[tuple[Pair, PairEnd]]:
        lost = [keys for keys in self._open if keys[0] not in alive or keys[1] not in alive]
        ended = [(self._open.pop(keys), PairEnd.LOST) for keys in lost]
        margin = self._options.leave_m - self._options.enter_m
        near: list[tuple[float, tuple[int, int]]] = []
        for a, b in combinations(sorted(alive), 2):
            (x, _, z), (u, _, w) = alive[a].root, alive[b].root
            distance = math.sqrt((x - u) * (x - u) + (z - w) * (z - w))
            known = (a, b) in self._open
            if distance <= (self._options.leave_m if known else self._options.enter_m):
                near.append((distance - margin * known, (a, b)))
            elif known:
                ended.append((self._open.pop((a, b)), PairEnd.APART))
        if len(near) > self._options.max_pairs:
            near.sort()
            for _, keys in near[self._options.max_pairs :]:
                self._count(Fault.PAIRS_CAPPED)
                if keys in self._open:
                    ended.append((self._open.pop(keys), PairEnd.CAPPED))
            near = near[: self._options.max_pairs]
        for _, (a, b) in near:
            if (a, b) not in self._open:
                self._open[a, b] = Pair((alive[a].id, alive[b].id), (a, b))
        return ended


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 5, 16, 17, 20, 40]),
    st.sampled_from([1, 4, 15, 2000]),
    st.sampled_from([0.1, 1.0, 1.5]),
)
def test_few_and_many_people_are_judged_alike_in_every_frame(
    Drops: Any, seed: int, people: int, max_pairs: int, grain: float
) -> None:
    """On a raster, so that many pairs are equally near; people walk, vanish and come."""
    rng = np.random.default_rng(seed)
    options = PairOptions(max_pairs=max_pairs)
    plain, gate = PlainGate(options, Drops()), PairGate(options, Drops())
    places = rng.uniform(-5, 5, (60, 3))
    for _ in range(8):
        places += rng.normal(0, 0.6, places.shape)
        chosen = rng.permutation(60)[: rng.integers(0, people + 1)].tolist()
        roots = (np.round(places / grain) * grain).tolist()
        alive = {k: Track(f"p{k}", k, 0, tuple(roots[k])) for k in chosen}
        assert gate.update(alive) == plain.update(alive)
        assert gate.open == plain.open
    assert gate._count == plain._count


def test_a_crowd_costs_a_part_of_what_looking_at_every_pair_costs() -> None:
    class Nowhere:
        """Counts nothing, lest the counting be measured."""

        def __call__(self, reason: str) -> None: ...
        def many(self, reason: str, n: int) -> None: ...

    def cost(gate: PairGate, people: int) -> float:
        alive = crowd(*((i % 8 * 0.4, 1.0, i // 8 * 0.4) for i in range(people)))
        best = math.inf
        for _ in range(7):
            began = time.process_time_ns()
            for _ in range(5):
                gate.update(alive)
            best = min(best, time.process_time_ns() - began)
        return best

    assert cost(PairGate(PairOptions(), Nowhere()), 64) < cost(PlainGate(PairOptions(), Nowhere()), 64) / 3
