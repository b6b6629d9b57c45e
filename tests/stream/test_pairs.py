from __future__ import annotations

from typing import Any

import pytest

from dyadwatch.core.pose import TrackId
from dyadwatch.stream.config import PairOptions
from dyadwatch.stream.pairs import PairGate
from dyadwatch.stream.tracks import Track


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
    assert [(p.keys, reason) for p, reason in gate.clear("shutdown")] == [((0, 1), "shutdown")]
    assert gate.open == []
