from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np

from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.items import Item, Pair, PairEnded, Window
from dyadwatch.stream.scoring.item_queue import ItemQueue

PAIR = Pair((1, 2), (0, 1))


def window(end: int, source: str = "hall") -> Window:
    return Window(source, PAIR, 0, end, np.zeros((2, 2, 1, 3), np.float32), "unix", 0)


def ended(stamp: int) -> PairEnded:
    return PairEnded("hall", PAIR, stamp, "unix", PairEnd.LOST)


def when(items: list[Item] | None) -> list[int]:
    assert items is not None
    return [i.end if isinstance(i, Window) else -i.stamp for i in items]


def shed_nothing(source: str) -> None:
    raise AssertionError(source)


def test_items_come_out_in_order_with_at_most_so_many_windows() -> None:
    queue = ItemQueue(10, shed_nothing)
    queue.put([window(1), ended(2), window(3)])
    queue.put([window(4), ended(5)])
    assert when(queue.take(2, 0)) == [1, -2, 3]
    assert when(queue.take(2, 0)) == [4, -5]
    assert queue.take(2, 0) == []


def test_the_source_with_most_waiting_loses_its_oldest_window_and_ends_are_never_shed() -> None:
    shed: Counter[str] = Counter()
    queue = ItemQueue(2, lambda source: shed.update([source]))
    queue.put([ended(1), window(2, "yard"), ended(3), window(4), window(5), ended(6), window(7)])
    assert shed == {"hall": 2}
    assert when(queue.take(9, 0)) == [-1, 2, -3, -6, 7]
    queue.put([window(8), window(9)])
    assert shed.total() == 2
    assert when(queue.take(9, 0)) == [8, 9]


def test_a_closed_queue_hands_out_the_rest_and_then_none() -> None:
    queue = ItemQueue(10, shed_nothing)
    queue.put([window(1), window(2)])
    queue.close()
    assert when(queue.take(1, 9)) == [1]
    assert when(queue.take(1, 9)) == [2]
    assert queue.take(1, 9) is None


def test_take_wakes_for_items_and_for_the_end_but_not_for_nothing() -> None:
    queue = ItemQueue(10, shed_nothing)
    started = time.monotonic()
    timers = [
        threading.Timer(0.05, queue.put, [[]]),
        threading.Timer(0.15, queue.put, [[window(1)]]),
        threading.Timer(0.3, queue.close),
    ]
    for t in timers:
        t.start()
    assert when(queue.take(1, 30)) == [1]
    assert time.monotonic() - started > 0.1
    assert queue.take(1, 30) is None
    assert time.monotonic() - started < 20
    for t in timers:
        t.join()


def test_all_windows_can_be_shed_and_ends_stay() -> None:
    shed: Counter[str] = Counter()
    queue = ItemQueue(10, lambda source: shed.update([source]))
    queue.put([window(1), ended(2), window(3, "yard"), ended(4)])
    queue.shed_all()
    assert shed == {"hall": 1, "yard": 1}
    assert when(queue.take(9, 0)) == [-2, -4]
    queue.put([window(5)])
    assert when(queue.take(9, 0)) == [5]


def test_where_overload_waits_putting_takes_until_there_is_room() -> None:
    queue = ItemQueue(2, shed_nothing, waits=True)
    putting = threading.Thread(target=queue.put, args=[[window(1), ended(2), window(3), window(4), ended(5)]])
    putting.start()
    putting.join(0.2)
    assert putting.is_alive(), "the third window has no room"
    assert when(queue.take(1, 9)) == [1]
    putting.join(9)
    assert not putting.is_alive()
    assert when(queue.take(9, 0)) == [-2, 3, 4, -5]


def test_whoever_takes_is_woken_though_putting_is_not_done() -> None:
    queue = ItemQueue(1, shed_nothing, waits=True)
    timer = threading.Timer(0.2, queue.put, [[window(i) for i in range(1, 6)]])
    started = time.monotonic()
    timer.start()
    assert [when(queue.take(1, 30)) for _ in range(5)] == [[i] for i in range(1, 6)]
    assert time.monotonic() - started < 20
    timer.join()


def test_nobody_waits_for_room_once_nobody_takes() -> None:
    shed: Counter[str] = Counter()
    queue = ItemQueue(1, lambda source: shed.update([source]), waits=True)
    putting = threading.Thread(target=queue.put, args=[[window(1), ended(2), window(3)]])
    putting.start()
    putting.join(0.1)
    queue.abandon()
    putting.join(9)
    assert not putting.is_alive()
    queue.put([window(4)])
    assert shed == {"hall": 3}
    assert when(queue.take(9, 0)) == [-2]


def test_sources_of_one_share_cost_those_of_another_nothing_however_many_they_are() -> None:
    shed: Counter[str] = Counter()
    queue = ItemQueue(12, lambda source: shed.update([source]), lambda source: source[:5])
    queue.put([window(n, f"crowd{n % 64}") for n in range(64)])
    queue.put([window(n, "hall") for n in range(100, 105)])
    queue.put([window(n, f"crowd{n % 64}") for n in range(64, 128)])
    assert "hall" not in shed
    assert shed.total() == 64 + 5 + 64 - 12
    first = queue.take(4, 0)
    assert first is not None
    assert Counter(i.source[:5] for i in first) == {"crowd": 2, "hall": 2}
    rest = queue.take(99, 0)
    assert rest is not None
    assert [i.end for i in (*first, *rest) if isinstance(i, Window) and i.source == "hall"] == list(range(100, 105))


def test_a_source_whose_share_changes_stays_in_order() -> None:
    came_by = {"hall": 1, "yard": 1}
    queue = ItemQueue(3, lambda _: None, came_by.__getitem__)
    queue.put([window(n, source) for n in range(4) for source in ("hall", "yard")])
    came_by["hall"] = 2
    queue.put([window(4, "hall")])
    out = queue.take(9, 0)
    assert out is not None
    ends = [i.end for i in out if isinstance(i, Window) and i.source == "hall"]
    assert ends == sorted(ends)
    assert ends[-1] == 4
