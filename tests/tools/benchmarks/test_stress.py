"""What the floods are held against, and small floods against a real detector."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.loading import configure, load_model
from dyadwatch.tools.benchmarks.floods import FLOODS
from dyadwatch.tools.benchmarks.heard import Share, recovery_s, share_of
from dyadwatch.tools.benchmarks.process import lines_by_source
from dyadwatch.tools.benchmarks.session import FloodSession, run_session
from dyadwatch.tools.benchmarks.steady import NS, Key, Steady, expected_windows
from dyadwatch.tools.benchmarks.stop import CASES, measure_stop
from dyadwatch.tools.benchmarks.stress import stress
from dyadwatch.tools.benchmarks.verdict import Bar, print_verdict

SMALL = ("refused", "new ids", "unfinished")
SECOND = [("(1, 2)", k * NS // 5) for k in range(50)]  # five windows a second for ten seconds


def test_the_share_is_of_what_was_expected_and_ages_are_of_what_came() -> None:
    came = {key: key[1] + NS // 10 for key in SECOND[:45]}
    share = share_of(SECOND, came, 0, 10 * NS)
    assert (share.expected, share.came, share.share) == (50, 45, 0.9)
    assert (share.p50, share.p95, share.most) == (0.1, 0.1, 0.1)
    assert not share.fine
    assert share_of(SECOND, came, 0, 9 * NS).fine
    assert not share_of(SECOND, {}, 0, 9 * NS).fine


def test_old_scores_are_no_scores() -> None:
    old = share_of(SECOND, {key: key[1] + 2 * NS for key in SECOND}, 0, 10 * NS)
    assert old.share == 1.0
    assert not old.fine


@pytest.mark.parametrize(
    ("late", "after"),
    [(range(0), 0.0), (range(12), 3.0), (range(20, 23), 5.0), (range(50), None), (range(45, 50), None)],
)
def test_recovery_is_the_second_after_which_all_are_young(late: range, after: float | None) -> None:
    came = {key: key[1] + (3 * NS if i in late else NS // 10) for i, key in enumerate(SECOND)}
    assert recovery_s(SECOND, came, 0, 10 * NS) == after


def test_lines_are_counted_by_the_name_they_begin_with() -> None:
    log = (
        b"INFO listening on tcp://x\nWARNING evil: bad_key: no\nWARNING evil: version: 2\nERROR @detector: x: y\n  at\n"
    )
    assert lines_by_source(log) == {"evil": 2, "@detector": 1, "": 2}


def test_the_windows_of_a_steady_source_are_known_beforehand() -> None:
    source = Steady("good", people=2, seed=2, start_ns=10**18, room_m=3.0)
    config = configure(None, ("windows.hop=3",), None)
    windows = expected_windows(source, config, 300)
    first = load_model(
        config
    ).info.frames  # five a second of ten seconds at 15 frames a second, less what fills the first
    assert len(windows) == (150 - first) // 3
    later: set[Key] = expected_windows(source, config, 300, first=60)
    assert {k for k in later if k[1] > 10**18 + 6 * NS} >= {k for k in windows if k[1] > 10**18 + 6 * NS}


def test_a_missed_bar_is_exit_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    machine = {"machine": {"processor": "p", "cores": 2, "load_1min": 0.1, "python": "3"}}
    good, bad = Bar("a", "1", "<= 2", True), Bar("b", "3", "<= 2", False)
    print_verdict(machine, [good], ["| x |"], as_json=False)
    assert "| x |" in (out := capsys.readouterr().out)
    assert "| a | 1 | <= 2 | pass |" in out
    assert out.endswith("1 passed, 0 missed\n")
    with pytest.raises(SystemExit, match="1"):
        print_verdict(machine, [good, bad], [], as_json=True)
    report = msgspec.json.decode(capsys.readouterr().out)
    assert report["passed"] is False
    assert [b["passed"] for b in report["bars"]] == [True, False]


def test_an_unknown_flood_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"--only is 'rain'; expected one of refused, stamps, .*, recorded, none"):
        stress(only=("rain",))


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> FloodSession:
    """One detector under three small floods, one after the other."""
    floods = [next(f for f in FLOODS if f.name == name) for name in SMALL]
    folder, config = tmp_path_factory.mktemp("floods"), configure(None, (), None)
    return run_session(folder, floods, config, 20_000, 3.0, 5.0, lambda name: None)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_good_source_beside_a_small_flood_keeps_its_scores(flooded: FloodSession, name: str) -> None:
    assert flooded.quiet.fine, flooded.quiet
    phase = next(p for p in flooded.phases if p.flood.name == name)  # a disturbed detector has no further ones
    assert phase.alive
    assert phase.messages > 0
    assert phase.good.share >= 0.95, phase.good
    assert phase.normal_after_s is not None
    assert phase.normal_after_s <= 5.0
    assert phase.rss_peak - phase.rss_before <= 100.0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="blocks pipes by way of /proc")
@pytest.mark.parametrize("case", ["stdout, JSON lines", "flood", "SIGHUP"])
def test_a_signal_ends_a_detector_within_five_seconds(case: str) -> None:
    took, alive = measure_stop(CASES[case], signal.SIGTERM)
    assert alive
    assert took is not None, "it had to be killed"
    assert took <= 5.0


def test_bench_tells_its_verbs(ran: Callable[..., Any]) -> None:
    out = ran("bench", "--help").out
    for verb in ("stress", "soak", "stop", "compare"):
        assert f" {verb} " in out


def test_nothing_expected_is_no_pass() -> None:
    assert not Share(0, 0).fine
