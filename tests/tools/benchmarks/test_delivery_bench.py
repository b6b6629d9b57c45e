"""`dyadwatch bench delivery`: both kinds of runs are measured, beside deliveries that are truly broken."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.tools.benchmarks.delivery import delivery


@pytest.mark.slow
def test_both_kinds_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    delivery(rounds=1, sources=1, seconds=5, json=True)
    report = msgspec.json.decode(capsys.readouterr().out)
    assert min(report["scores"].values()) > 10
    assert set(report["ratio"]) == {"p50", "p95", "p99"}
    assert all(0 < ratio < 100 for ratio in report["ratio"].values())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rounds": 0}, "--rounds is 0; expected at least 1"),
        ({"seconds": 3.5}, "--seconds is 3.5; expected at least 5"),
    ],
)
def test_what_cannot_be_measured_is_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{text}$"):
        delivery(**options)
