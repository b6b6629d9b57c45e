"""What the memory tells of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.rules import Rule, ScorePart, Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import MemoryOptions
from dyadwatch.stream.memory.kept import ChangedKey, ConfigChange
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.run import Run
from dyadwatch.tools.events_runs import runs

S = 1_000_000_000
T0 = 1_700_000_000 * S


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "i.db"
    thresholds = Thresholds(1.0, 0.6, (Rule(ScorePart.UNUSUAL, 0.4, 2.5),))
    calibration = Calibration(
        model_sha256="0" * 64,
        raise_at=1.0,
        clear_at=0.6,
        evidence={"hours": 72.5, "certified": True, "method": "events"},
    )
    for i, found in enumerate((calibration, None)):
        writer = MemoryWriter(path, MemoryOptions(), Run(f"run{i}", T0 + i * 60 * S), "dyadwatch 1", "site 2", T0)
        writer.keep_calibration(found, thresholds, "0" * 64)
        if i:
            live = ChangedKey(key="alarm.hold_s", before=2.0, after=3.0)
            later = ChangedKey(key="wire.max_people", before=32, after=4, waits=True)
            writer.keep_change(ConfigChange(at=T0 + 90 * S, who="SIGHUP", changes=(live, later)))
        else:
            writer.end(T0 + 30 * S)
        writer.close()
    return path


def test_runs_with_what_they_judged_by(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs(memory=memory, utc=True)
    assert (
        capsys.readouterr().out
        == """\
2023-11-14T22:14:20.000Z to ?  run run1, dyadwatch 1, model site 2
  alarm by unusual of 2.50 over 0.4 s, cleared below 60% of that
  calibrated on nothing: the levels are those of the configuration
  2023-11-14T22:14:50.000Z  SIGHUP: alarm.hold_s from 2.0 to 3.0; wire.max_people from 32 to 4 after a restart
2023-11-14T22:13:20.000Z to 2023-11-14T22:13:50.000Z  run run0, dyadwatch 1, model site 2
  alarm by unusual of 2.50 over 0.4 s, cleared below 60% of that
  calibrated on 72.5 h, events, certified
"""
    )
    runs(memory=memory, json=True, limit=1)
    (one,) = json.loads(capsys.readouterr().out)
    assert one["changes"][0]["changes"] == [
        {"key": "alarm.hold_s", "before": 2.0, "after": 3.0},
        {"key": "wire.max_people", "before": 32, "after": 4, "waits": True},
    ]
    with pytest.raises(ConfigError, match=r"^--limit is 0; expected at least 1$"):
        runs(memory=memory, limit=0)
