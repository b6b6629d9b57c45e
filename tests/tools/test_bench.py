"""The benchmarks measure what they say, on a small scale."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.configuration.config import Config, ScorerOptions
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.tools.benchmarks.latency import measure_latency
from dyadwatch.tools.benchmarks.machine import describe_machine, spread
from dyadwatch.tools.benchmarks.paper_size import FRAMES, LAYOUT, paper_frames
from dyadwatch.tools.benchmarks.scenarios import scenarios
from dyadwatch.tools.benchmarks.stations import measure_stations
from dyadwatch.tools.benchmarks.throughput import measure_throughput


def test_spread_gives_percentiles_and_their_number() -> None:
    assert spread(list(range(101))) == {"n": 101, "p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert spread([]) == {"n": 0, "p50": 0.0, "p95": 0.0, "p99": 0.0}


def test_the_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["processor"]
    assert int(machine["cores"]) >= 1


def test_every_station_is_measured_and_together_they_make_the_whole() -> None:
    frames = list(make_scenario(seed=1, people=3, duration_s=5).frames(30))
    shape = Scorer(shipped_model(), ScorerOptions()).shape
    rows = measure_stations(frames, shape, Config())
    assert set(rows) == {
        "decode and validate", "clock", "tracks", "pairs", "grid and windows", "message to windows",
    }  # fmt: skip
    parts = sum(r["p50"] for name, r in rows.items() if name != "message to windows")
    assert 0.5 < parts / rows["message to windows"]["p50"] < 1.5


def test_throughput_counts_windows() -> None:
    rows = measure_throughput(shipped_model(), ScorerOptions(threads=1), seconds=0.05)
    assert [r["batch"] for r in rows] == [1, 8, 32]
    for r in rows:
        assert r["windows_per_s"] == pytest.approx(r["batch"] / r["p50"] * 1e3, rel=0.05)


def test_latency_runs_through_a_real_detector() -> None:
    frames = list(make_scenario(seed=1, people=2, duration_s=6, room_m=3.0).frames(30))
    row = measure_latency(shipped_model(), frames, sources=2)
    assert row["scores"] >= row["n"] > 0
    assert row["shed"] == 0
    assert 0 < row["p50"] <= row["p95"] <= row["p99"]


def test_paper_frames_have_the_papers_joints_along_the_bones() -> None:
    frame = next(make_scenario(seed=1, people=2, duration_s=2).frames(30))
    wide = paper_frames([frame])[0]
    assert (len(LAYOUT), FRAMES) == (64, 64)
    assert wide.joints.shape == (2, 64, 3)
    assert wide.joints.dtype == np.float32
    assert wide.confidence.shape == (2, 64)
    assert np.array_equal(wide.joints[:, :25], frame.joints)
    assert np.isfinite(wide.joints).all()


def test_scenarios_count_what_is_found_and_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    scenarios(first=7, count=1, json=True)
    report = msgspec.json.decode(capsys.readouterr().out)
    assert report["staged"] == 5
    assert report["found"] == sum(report["found_by_kind"].values()) == report["fewest_in_a_scenario"]
    assert report["found"] >= 4  # what the demo promises, on its seed
    assert report["false_alarms"] <= 1
    with pytest.raises(ConfigError, match=r"--count is 0; expected at least 1"):
        scenarios(count=0)
