from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.inbox import Inbox, Raw

LONG_AGO = 0  # monotonic ns; who waits since then waits too long for the order of arrival


def raw(number: int, arrived: int, size: int = 1) -> Raw:
    return Raw([str(number).encode()], arrived, size)


def key(name: str, connection: int = 1) -> tuple[bytes, int]:
    return (b"pose." + name.encode(), connection)


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
        inbox.put(key("abc"[n % 7 % 3]), raw(n, now + n), known=n % 7 % 3 > 0)
    assert numbers(inbox) == list(range(60))


def test_once_somebody_waits_for_long_sources_take_turns_and_strangers_get_no_more_than_half() -> None:
    inbox = Inbox(never)
    for n in range(300):
        inbox.put(key(f"stranger{n}"), raw(1000 + n, LONG_AGO), known=False)
    for n in range(40):
        inbox.put(key("greedy"), raw(n, LONG_AGO), known=True)
    inbox.put(key("good"), raw(500, LONG_AGO), known=True)
    first = numbers(inbox)[:6]
    assert 500 in first
    assert sum(n >= 1000 for n in first) == 3


def test_who_uses_the_name_of_another_fills_a_line_of_its_own() -> None:
    lost: list[Raw] = []
    inbox = Inbox(lost.append, most=100)
    for n in range(500):
        inbox.put(key("hall", 2), raw(1000 + n, LONG_AGO), known=True)
        if n % 50 == 0:
            inbox.put(key("hall", 1), raw(n, LONG_AGO), known=True)
    assert [n for n in numbers(inbox) if n < 1000] == list(range(0, 500, 50))
    assert len(lost) == 410
    assert all(int(m.parts[0]) >= 1000 for m in lost)


def test_the_bytes_that_wait_are_bounded_and_who_has_most_of_them_loses_its_oldest() -> None:
    lost: list[Raw] = []
    inbox = Inbox(lost.append, most_bytes=100)
    inbox.put(key("small"), raw(1, LONG_AGO, 10), known=True)
    for n in range(2, 9):
        inbox.put(key("large"), raw(n, LONG_AGO, 40), known=True)
    assert [int(m.parts[0]) for m in lost] == [2, 3, 4, 5, 6]
    assert sorted(numbers(inbox)) == [1, 7, 8]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), max_size=80), st.integers(1, 20))
def test_nothing_is_lost_but_what_is_reported_and_a_sender_keeps_its_order(
    steps: list[tuple[str, bool, bool]], most: int
) -> None:
    """Sources that become known and unknown in between, and turns taken at any time."""
    lost: Counter[int] = Counter()
    inbox = Inbox(lambda m: lost.update([int(m.parts[0])]), most=most)
    out: list[int] = []
    senders: dict[int, str] = {}
    for n, (name, known, takes) in enumerate(steps):
        senders[n] = name
        inbox.put(key(name), raw(n, LONG_AGO), known=known)
        assert len(inbox) <= most
        if takes and (message := inbox.take()) is not None:
            out.append(int(message.parts[0]))
    out += numbers(inbox)
    assert sorted([*out, *lost.elements()]) == list(range(len(steps)))
    for name in "abcd":
        own = [n for n in out if senders[n] == name]
        assert own == sorted(own)


@pytest.mark.parametrize("known", [True, False])
def test_made_up_names_share_a_line_beyond_a_bound(known: bool) -> None:
    inbox = Inbox(never)
    for n in range(2000):
        inbox.put(key(f"name{n}"), raw(n, LONG_AGO), known=known)
    assert len(inbox._strange) == (0 if known else 513)
    assert sorted(numbers(inbox)) == list(range(2000))
