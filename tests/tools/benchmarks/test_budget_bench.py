"""The held-out check of a budget at small size: simulated hours with faults, scored once, divided many times."""

from __future__ import annotations

from pathlib import Path

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.loading import configure, load_model
from dyadwatch.tools.benchmarks.budget import budget, held_out, read_sessions, simulated, summary, write_sessions


@pytest.mark.slow
def test_the_budget_is_kept_in_the_other_half(tmp_path: Path) -> None:
    config = configure(None, ("scorer.threads=1",), None)
    scorer = load_model(config)
    sessions = [simulated(scorer, config, seed, 45.0, people=2) for seed in range(8)]
    assert sum(hours for _, hours in sessions) == pytest.approx(8 * 45 / 3600, rel=0.05)
    rows = [held_out(sessions, seed, 120.0) for seed in range(20)]
    assert all(row["bound"] <= 120 for row in rows)
    assert len({row["scale"] for row in rows}) > 3  # halves that differ
    assert summary(rows)["held_out_within_budget"] >= 0.95
    write_sessions(tmp_path / "kept.npz", sessions)
    kept = read_sessions(tmp_path / "kept.npz")
    assert [held_out(kept, seed, 120.0) for seed in range(3)] == rows[:3]


def test_too_few_hours_for_two_halves() -> None:
    with pytest.raises(ConfigError, match=r"^--hours is 10; expected more than 143\.8 for 1/day$"):
        budget(hours=10, budget="1/day")
    with pytest.raises(ConfigError, match=r"^--hours is 0\.1 in sessions of 600 s; expected at least four sessions$"):
        budget(hours=0.1)
