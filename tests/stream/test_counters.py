from __future__ import annotations

from threading import Thread

from dyadwatch.stream.codes import Fault, Refusal
from dyadwatch.stream.counters import OTHERS, Counters, bulk_count


def test_counts_by_source_and_reason() -> None:
    counters = Counters()
    counters.add("hall", Fault.LATE)
    counters.add("hall", Fault.LATE, 2)
    counters.add("hall", Fault.DUPLICATE)
    counters.add("yard", Fault.LATE)
    assert counters.snapshot() == {"hall": {"late": 3, "duplicate": 1}, "yard": {"late": 1}}
    assert counters.of("hall") == {"late": 3, "duplicate": 1}


def test_asking_for_an_unknown_source_counts_nothing() -> None:
    counters = Counters()
    assert counters.of("nowhere") == {}
    assert counters.snapshot() == {}


def test_a_snapshot_stays_as_it_was() -> None:
    counters = Counters()
    counters.add("hall", Fault.LATE)
    before = counters.snapshot()
    row = counters.of("hall")
    counters.add("hall", Fault.LATE)
    assert before == {"hall": {"late": 1}}
    assert row == {"late": 1}


def test_made_up_sources_share_one_row() -> None:
    counters = Counters(max_sources=2)
    for source in ("a", "b", "c", "d", "a"):
        counters.add(source, Refusal.BAD_TOPIC)
    assert counters.snapshot() == {"a": {"bad_topic": 2}, "b": {"bad_topic": 1}, OTHERS: {"bad_topic": 2}}


def test_no_count_is_lost_between_threads() -> None:
    counters = Counters()

    def work() -> None:
        for i in range(5000):
            counters.add(f"s{i % 3}", Fault.LATE)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(row["late"] for row in counters.snapshot().values()) == 20_000


def test_who_was_refused_is_remembered_for_a_while() -> None:
    now = 100.0
    counters = Counters(clock=lambda: now)
    counters.refuse("mm", Refusal.VERSION)
    counters.refuse("mm", Refusal.ABSURD_BODY)
    now += 3
    counters.refuse("cm", Refusal.TINY_BODY)
    assert list(counters.refused(5.0).items()) == [("cm", "tiny_body"), ("mm", "absurd_body")]
    now += 2.5
    assert counters.refused(5.0) == {"cm": "tiny_body"}
    assert counters.snapshot() == {}


def test_of_many_made_up_names_the_last_are_remembered() -> None:
    counters = Counters()
    for i in range(1000):
        counters.refuse(f"s{i:03}", Refusal.VERSION)
        counters.refuse("real", Refusal.ABSURD_BODY)
    assert counters.refused(60.0) == {"real": "absurd_body"} | {f"s{i}": "version" for i in range(937, 1000)}
    assert len(counters._refused) == 64


def test_many_are_counted_at_once_where_that_is_possible_and_one_by_one_where_not() -> None:
    class Bulk:
        def __init__(self) -> None:
            self.calls: list[tuple[str, int]] = []

        def __call__(self, reason: str) -> None:
            raise AssertionError("counted one by one")

        def many(self, reason: str, n: int) -> None:
            self.calls.append((reason, n))

    plain: list[str] = []
    bulk = Bulk()
    bulk_count(bulk, Fault.PAIRS_CAPPED, 2001)
    bulk_count(plain.append, Fault.PAIRS_CAPPED, 3)
    assert (bulk.calls, plain) == ([("pairs_capped", 2001)], ["pairs_capped"] * 3)
