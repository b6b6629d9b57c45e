"""What the log is told of senders' clocks, and when."""

from __future__ import annotations

import logging

import pytest

from dyadwatch.stream.health.clock_offset import ClockOffset
from dyadwatch.stream.publishers.live import ClockReport

S = 1_000_000_000


def test_a_clock_is_told_once_it_is_known_when_it_was_set_and_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    report = ClockReport(logging.getLogger("dyadwatch.test"), every_s=100.0, clock=lambda: now)
    clocks = {"ann": ClockOffset(), "bob": ClockOffset()}
    told: list[tuple[int, str]] = []
    for t in range(1, 260):
        now = float(t)
        clocks["ann"].add(t * S, t * S + S // 4)
        clocks["bob"].add(t * S + (9 * S if t > 50 else 0), t * S)
        report.look(clocks)
        told += [(t, text) for text in caplog.messages]
        caplog.clear()
    by_name = {name: [(t, text) for t, text in told if text.startswith(name)] for name in clocks}
    assert by_name["ann"][0] == (10, "ann: its clock is 0.2500 s behind this machine's, skew 0.0 ppm")
    assert [t for t, _ in by_name["ann"]] == [10, 110, 210]
    assert by_name["bob"][0] == (10, "bob: its clock is 0.0000 s behind this machine's, skew 0.0 ppm")
    # Five stamps that agree are a step; ten seconds later it is known by how much.
    assert [t for t, _ in by_name["bob"]] == [10, 65, 165]
    assert by_name["bob"][1][1] == "bob: its clock is 9.0000 s ahead of this machine's, skew 0.0 ppm"
