"""A detector that is killed loses no incident that anybody was shown."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from dyadwatch.core.errors import ConfigError
from dyadwatch.tools.benchmarks.kill import kill, kill_often


@pytest.mark.slow
def test_two_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    """Two: the second detector closes what the first left open, and keeps it through the second kill."""
    said = io.StringIO()
    tally = kill_often(tmp_path, 2, 2, 5, Console(file=said))
    assert (tally.missing, tally.doubled, tally.changed, tally.unended) == (set(), set(), set(), set())
    assert (tally.kills, said.getvalue().count("kill ")) == (2, 2)
    assert len(tally.shown) >= 2
    assert tally.acknowledged


def test_a_count_that_kills_nothing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^--count is 0; expected at least 1$"):
        kill(count=0)
    with pytest.raises(ConfigError, match=r"^--sources is 0; expected at least 1$"):
        kill(sources=0)
