"""The shortest way a message took is what is left between two clocks, and steps are told from lateness."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

from dyadwatch.core.units import NS
from dyadwatch.stream.health.clock_offset import ClockOffset

AHEAD = 5_000 * NS


def feed(clock: ClockOffset, seconds: float, *, start: float = 0.0, ahead: int = AHEAD, ppm: float = 0.0) -> list[bool]:
    """30 stamps a second, each 2 ms and up to 20 ms more under way."""
    rng = np.random.default_rng(3)
    out = []
    for t in np.arange(start, start + seconds, 1 / 30):
        late = 2_000_000 + round(20_000_000 * rng.random())
        stamp = round(t * NS)
        out.append(clock.add(stamp, stamp + ahead + round(t * ppm * 1000) + late))
    return out


def test_the_offset_is_the_least_delay() -> None:
    clock = ClockOffset()
    assert clock.offset is None
    assert all(feed(clock, 10))
    assert clock.offset is not None
    assert 0 <= clock.offset - AHEAD - 2_000_000 < 200_000
    assert clock.steps == 0


@pytest.mark.parametrize("ppm", [-100.0, 0.0, 250.0])
def test_skew_is_seen_and_followed(ppm: float) -> None:
    clock = ClockOffset()
    feed(clock, 300, ppm=ppm)
    assert abs(clock.skew_ppm - ppm) < 15
    assert clock.offset is not None
    drift = clock.offset - AHEAD - 300 * ppm * 1000
    assert abs(drift) < 3_000_000 + 60 * abs(ppm) * 1000, "no older than a minute"
    assert ClockOffset().skew_ppm == 0


@pytest.mark.parametrize("jump", [-15, 15])
def test_single_jumps_are_not_believed(jump: int) -> None:
    clock = ClockOffset()
    feed(clock, 5)
    before = clock.offset
    for k in range(20):
        stamp = (5 + k) * NS
        assert clock.add(stamp + jump * NS, stamp + AHEAD) is False
        assert clock.add(stamp, stamp + AHEAD + 9_000_000) is True
    assert clock.offset == before
    assert clock.steps == 0


@pytest.mark.parametrize("jump", [-15, 15])
def test_a_clock_that_was_set_is_measured_afresh(jump: int) -> None:
    clock = ClockOffset()
    feed(clock, 5)
    believed = feed(clock, 2, start=5 + jump, ahead=AHEAD - jump * NS)
    assert believed[:5] == [False] * 4 + [True]
    assert all(believed[5:])
    assert clock.steps == 1
    assert clock.offset is not None
    assert abs(clock.offset - (AHEAD - jump * NS)) < 25_000_000


def test_any_thread_may_read_while_one_adds() -> None:
    clock, stop = ClockOffset(), threading.Event()

    def add() -> None:
        arrived = 0
        while not stop.is_set():
            arrived += 5 * NS  # a part each
            clock.add(arrived, arrived)

    adding = threading.Thread(target=add)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        adding.start()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert clock.offset in (None, 0)
            assert clock.skew_ppm == 0
    finally:
        sys.setswitchinterval(before)
        stop.set()
        adding.join()
