from __future__ import annotations

import time
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.receiving.inbox import Inbox, Raw

LONG_AGO = 0  # monotonic ns; who waits since then waits too long for the order of arrival


def raw(number: int, arrived: int, size: int = 1) -> Raw:
    return Raw([str(number).encode()], arrived, size)


def put(inbox: Inbox, name: str, connection: int, message: Raw, *, known: bool = True) -> None:
    inbox.put(b"pose." + name.encode(), connection, message, known=known)


def numbers(inbox: Inbox) -> list[int]:
    out: list[int] = []
    while (message := inbox.take()) is not None:
        out.append(int(message.parts[0]))
    return out


def never(message: Raw) -> None:
    raise AssertionError(message)


def test_messages_are_taken_as_they_came_while_nobody_waits_for_long() -> None:
    inbox, now = Inbox(never), time.monotonic_ns() + 60 * 10**9
    for n in range(60):
        put(inbox, "abc"[n % 7 % 3], n % 4, raw(n, now + n), known=n % 4 > 1)
    assert numbers(inbox) == list(range(60))


def test_once_somebody_waits_for_long_connections_take_turns_and_strangers_get_no_more_than_half() -> None:
    inbox = Inbox(never)
    for n in range(300):
        put(inbox, f"stranger{n}", 100 + n, raw(1000 + n, LONG_AGO), known=False)
    for n in range(40):
        put(inbox, "greedy", 1, raw(n, LONG_AGO))
    put(inbox, "good", 2, raw(500, LONG_AGO))
    first = numbers(inbox)[:6]
    assert 500 in first
    assert sum(n >= 1000 for n in first) == 3


def test_within_a_connection_the_order_stays_for_longer_and_then_topics_take_turns_too() -> None:
    for ago_s, expected in ((1, list(range(11))), (3, [0, 10, *range(1, 10)])):
        inbox, then = Inbox(never), time.monotonic_ns() - ago_s * 10**9
        for n in range(10):
            put(inbox, "greedy", 1, raw(n, then + n))
        put(inbox, "good", 1, raw(10, then + 10))
        assert numbers(inbox) == expected


def test_who_uses_the_name_of_another_fills_a_line_of_its_own() -> None:
    lost: list[Raw] = []
    inbox = Inbox(lost.append, most=100)
    for n in range(500):
        put(inbox, "hall", 2, raw(1000 + n, LONG_AGO))
        if n % 50 == 0:
            put(inbox, "hall", 1, raw(n, LONG_AGO))
    assert [n for n in numbers(inbox) if n < 1000] == list(range(0, 500, 50))
    assert len(lost) == 410
    assert all(int(m.parts[0]) >= 1000 for m in lost)


def test_the_greediest_of_one_connection_loses_what_does_not_fit() -> None:
    lost: list[Raw] = []
    inbox = Inbox(lost.append, most=20)
    for n in range(100):
        put(inbox, "greedy", 1, raw(1000 + n, LONG_AGO))
        if n % 20 == 0:
            put(inbox, "good", 1, raw(n, LONG_AGO))
    assert [n for n in numbers(inbox) if n < 1000] == list(range(0, 100, 20))


def test_the_bytes_that_wait_are_bounded_and_who_has_most_of_them_loses_its_oldest() -> None:
    lost: list[Raw] = []
    inbox = Inbox(lost.append, most_bytes=100)
    put(inbox, "small", 1, raw(1, LONG_AGO, 10))
    for n in range(2, 9):
        put(inbox, "large", 2, raw(n, LONG_AGO, 40))
    assert [int(m.parts[0]) for m in lost] == [2, 3, 4, 5, 6]
    assert sorted(numbers(inbox)) == [1, 7, 8]


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 2), st.booleans(), st.booleans()), max_size=80),
    st.integers(1, 20),
)
def test_nothing_is_lost_but_what_is_reported_and_a_sender_keeps_its_order(
    steps: list[tuple[str, int, bool, bool]], most: int
) -> None:
    """Sources that become known and unknown in between, and turns taken at any time."""
    lost: Counter[int] = Counter()
    inbox = Inbox(lambda m: lost.update([int(m.parts[0])]), most=most)
    out: list[int] = []
    senders: dict[int, tuple[str, int]] = {}
    for n, (name, connection, known, takes) in enumerate(steps):
        senders[n] = (name, connection)
        put(inbox, name, connection, raw(n, LONG_AGO), known=known)
        assert len(inbox) <= most
        if takes and (message := inbox.take()) is not None:
            out.append(int(message.parts[0]))
    out += numbers(inbox)
    assert sorted([*out, *lost.elements()]) == list(range(len(steps)))
    for sender in set(senders.values()):
        own = [n for n in out if senders[n] == sender]
        assert own == sorted(own)


def test_made_up_names_share_a_line_beyond_a_bound() -> None:
    inbox = Inbox(never)
    for n in range(2000):
        put(inbox, f"name{n}", 1, raw(n, LONG_AGO), known=False)
    assert len(inbox._strange[1].lines) == 513
    assert sorted(numbers(inbox)) == list(range(2000))


def test_messages_that_were_dropped_are_not_kept_while_an_older_one_waits() -> None:
    lost: list[Raw] = []
    inbox = Inbox(lost.append, most=50)
    put(inbox, "good", 1, raw(0, LONG_AGO))
    for n in range(1, 20_000):
        put(inbox, "greedy", 1, raw(n, LONG_AGO + n))
    assert len(inbox._known[1]._order) < 1200
    assert numbers(inbox)[:2] == [0, 19_951]
