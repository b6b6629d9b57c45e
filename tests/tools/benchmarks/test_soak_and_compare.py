"""The soak's sources fail as they should, its figures are what they say, and two checkouts are compared by turns."""

from __future__ import annotations

import contextlib
import itertools
import math
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from dyadwatch.core.errors import ConfigError, WireError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.benchmarks import soak_sources
from dyadwatch.tools.benchmarks.compare import compare
from dyadwatch.tools.benchmarks.endless_model import build_endless_model
from dyadwatch.tools.benchmarks.soak import SoakReading, settled, soak, sparkline, verdicts, watch
from dyadwatch.tools.benchmarks.soak_sources import HABITS, messages_of, refused_messages
from dyadwatch.tools.benchmarks.steady import NS

START = 10**18


def decoded(name: str, seconds: float) -> list[PoseFrame | None]:
    """What the messages of a soak's source are decoded to; None where they are refused."""
    habit = next(h for h in HABITS if h.name == name)
    out: list[PoseFrame | None] = []
    for due, parts in messages_of(habit, START, 2, 10.0, 1):
        if due > START + seconds * NS:
            return out
        try:
            out.append(decode_pose(parts, WireOptions()))
        except WireError:
            out.append(None)
    return out


def test_a_clean_source_sends_every_frame() -> None:
    frames = [f for f in decoded("clean0", 10) if f is not None]
    assert [f.seq for f in frames] == list(range(101))
    assert {f.epoch for f in frames} == {START}


def test_a_restart_is_a_new_epoch_with_new_ids() -> None:
    frames = [f for f in decoded("restarts", 130) if f is not None]
    assert [k for k, _ in itertools.groupby(f.epoch for f in frames)] == [START, START + 1, START + 2]
    ids = {f.epoch: set(f.ids or ()) for f in frames}
    assert not ids[START] & ids[START + 1]


def test_a_source_that_pauses_comes_back() -> None:
    stamps = [f.stamp for f in decoded("pauses", 100) if f is not None]
    gaps = [(b - a) / NS for a, b in itertools.pairwise(stamps) if b - a > NS]
    assert len(gaps) == 2
    assert all(14 < gap < 16 for gap in gaps)


def test_a_flaky_source_sends_good_and_bad() -> None:
    frames = decoded("flaky", 60)
    assert 0.1 < frames.count(None) / len(frames) < 0.3


def test_other_sources_lose_hide_and_forget_names() -> None:
    lossy = [f for f in decoded("lossy", 30) if f is not None]
    assert len({f.seq for f in lossy}) < 300 < len(lossy) + 40
    assert any(b.seq != a.seq + 1 for a, b in itertools.pairwise(lossy))
    assert all(f is not None and f.ids is None for f in decoded("nameless", 5))


def test_refused_messages_come_by_handfuls() -> None:
    some = list(itertools.islice(refused_messages(START, 0), 200))
    assert [k for k, _ in itertools.groupby(due for due, _ in some)][:2] == [START + 10 * NS, START + 20 * NS]
    assert any(len(parts) == 3 and sum(map(len, parts)) > 10**5 for _, parts in some)


def reading(minute: float, rss: float, **other: float) -> SoakReading:
    figures = {"fds": 20, "threads": 9, "cpu": 0.3, "scores": 100.0, "age_p95_s": 0.1, "refused": 5} | other
    return SoakReading(minute, rss, **figures)  # type: ignore[arg-type]


def missed(readings: list[SoakReading], alive: bool = True) -> list[str]:
    return [b.what for b in verdicts(readings, 60.0, alive, 0.0) if not b.passed]


def test_growth_counts_from_the_tenth_minute_on() -> None:
    flat = [reading(m, 100.0 + min(m, 10.0)) for m in range(1, 61)]
    assert settled(flat, 60.0)[0].minute == 10
    assert missed(flat) == []
    assert missed([*flat, reading(61, 120.5)]) == ["memory after minute 10, most"]
    assert missed([*flat, reading(61, 110, fds=50)]) == ["open files after minute 10, most"]
    assert missed([*flat, reading(61, 110, threads=20)]) == ["threads after minute 10, most"]
    assert missed([*flat, reading(61, 110, age_p95_s=3.0)]) == ["age p95 of sources without faults, worst reading"]
    assert missed([*flat, reading(61, 110, age_p95_s=math.nan)]) == ["age p95 of sources without faults, worst reading"]
    assert missed([*flat, reading(61, 110, scores=0.0)]) == ["scores a second of 8 sources"]
    assert missed(flat, alive=False) == ["the detector"]
    assert missed([]) == ["readings after it settled"]


def test_a_sparkline_keeps_peaks() -> None:
    assert sparkline([]) == ""
    assert sparkline([1, 2, 3]) == "▁▄█"
    assert sparkline([0.0] * 500 + [1.0] + [0.0] * 500).count("█") == 1


def test_a_soak_without_readings_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--minutes is 0.5 and --every 10; expected at least six readings"):
        soak(minutes=0.5)


@pytest.mark.slow
def test_a_short_soak_watches_a_real_detector(tmp_path: Path) -> None:
    readings, _, alive = watch(tmp_path, 0.15, 2, 10.0, 1.5, Console(quiet=True))
    assert alive
    assert len(readings) == 6
    assert all(r.rss_mb > 20 and r.fds > 5 and r.threads > 2 for r in readings)
    assert readings[-1].scores > 0
    assert readings[-1].refused > 0
    assert list((tmp_path / "records").glob("*.mcap"))


@pytest.mark.slow
def test_a_checkout_compared_with_itself_is_like_itself(repo_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):  # one short round on a busy machine may well differ by more than the bar
        compare(repo_root, rounds=1, seconds=0.4, json=True)
    report = msgspec.json.decode(capsys.readouterr().out)
    for figure in ("message_us_p50", "message_us_mean", "same_work_us_p50", "same_work_us_mean", "windows_per_s"):
        assert report["here"][0][figure] > 0
        assert report["ratios"][figure] == [report["here"][0][figure] / report["other"][0][figure]]
    for figure in ("windows_per_message", "same_work_windows_per_message"):
        assert report["here"][0][figure] > 0.1
        assert report["ratios"][figure] == [1.0]


def test_what_a_checkout_does_besides_is_shown_without_a_bar(
    repo_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"checkout": "", "same_work_us_p50": 100.0, "same_work_us_mean": 120.0, "windows_per_s": 1000.0}
    told["same_work_windows_per_message"] = 0.4
    here = {**told, "message_us_p50": 200.0, "message_us_mean": 240.0, "windows_per_message": 0.8}
    other = {**told, "message_us_p50": 100.0, "message_us_mean": 120.0, "windows_per_message": 0.4}
    sides = iter([here, other] * 2)
    monkeypatch.setattr("dyadwatch.tools.benchmarks.compare._run", lambda *_: next(sides))
    compare(repo_root, rounds=1)
    said = " ".join(capsys.readouterr().out.split())
    assert "| message_us_p50 | 200 | 100 | 2.000 | 2.000 | 2.000 |" in said
    assert "| windows_per_message | 0.8 | 0.4 | 2.000 | 2.000 | 2.000 |" in said
    compare(repo_root, rounds=1, json=True)
    assert [bar["what"] for bar in msgspec.json.decode(capsys.readouterr().out)["bars"]] == [
        f"{figure}, this checkout to the other" for figure in ("same_work_us_p50", "same_work_us_mean", "windows_per_s")
    ]


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no folder 'core'; expected a checkout of dyadwatch"):
        compare(tmp_path)


def test_the_endless_model_ends_for_people_nearby(tmp_path: Path) -> None:
    import numpy as np

    from dyadwatch.stream.configuration.config import ScorerOptions
    from dyadwatch.stream.scoring.scorer import Scorer

    build_endless_model(path := tmp_path / "endless.onnx")
    scores = Scorer(path, ScorerOptions(threads=1)).score([np.zeros((2, 30, 11, 3), np.float32)] * 3)
    assert [s.score for s in scores] == [0.0] * 3


def test_the_sources_are_spread_over_a_connection_each() -> None:
    assert len({h.name for h in HABITS}) == len(HABITS) == 8
    assert set(soak_sources.CLEAN) <= {h.name for h in HABITS}
