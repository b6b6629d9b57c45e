"""`dyadwatch calibrate` and `what-if` as a user calls them, and `dyadwatch.calibrate`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

import dyadwatch
from dyadwatch.calibrating import watch
from dyadwatch.core.decision.calibration_file import read_calibration
from dyadwatch.core.errors import CalibrationError, ConfigError, TooShortError
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.loading import configure, load_scorer
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.header import about_detector
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.calibrate import calibrate, most_vouched
from dyadwatch.tools.what_if import what_if

NS = 10**9
SECONDS = 40.0
WHEN = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Part of a quiet day of two people, as `dyadwatch record` would have written it."""
    path = tmp_path_factory.mktemp("quiet") / "monday.mcap"
    file = RecordingFile(path, RecordingHeader(run="5"))
    people = make_scenario(7, 2, duration_s=SECONDS, room_m=4.0)
    for f in people.frames(30.0, source="hall", start_ns=1_700_000_000 * NS):
        file.parts("pose.hall", encode_pose(replace(f, epoch=1)), f.stamp, f.stamp, f.seq)
    file.close()
    return path


def test_a_calibration_is_written_that_the_detector_takes(hours: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.yaml"
    told: list[tuple[str, float, float]] = []
    made = dyadwatch.calibrate(
        "shipped", [hours], "300/hour", out=out, calibrated_at=WHEN, progress=lambda *step: told.append(step)
    )
    assert made.file == out
    assert told[-1] == ("recordings", pytest.approx(SECONDS, abs=0.1), pytest.approx(SECONDS, abs=0.1))
    kept = read_calibration(out)
    assert kept == made.calibration
    assert kept.model_sha256 == file_sha256(shipped_model())
    evidence = kept.evidence
    assert evidence["calibrated_at"] == "2026-11-21T14:30:00+00:00"
    assert (evidence["version"], evidence["budget"], evidence["certified"]) == (1, "300/hour", True)
    assert evidence["sources"] == {"hall": pytest.approx(SECONDS / 3600, abs=1e-4)}
    assert evidence["events_per_hour_95"] <= 300
    # What is counted is what the detector then tells.
    scorer, thresholds = load_scorer(configure(None, [f"alarm.calibration={out}"], None))
    frames = make_scenario(7, 2, duration_s=SECONDS, room_m=4.0).frames(30.0, start_ns=1_700_000_000 * NS)
    events = events_of(Pipeline(scorer, thresholds, configure(None, (), None)).run(frames))
    assert sum(e.type == "open" for e in events) == evidence["events"] == made.choice.events
    again = dyadwatch.calibrate("shipped", [hours], "300/hour", out=out)
    assert again.calibration.evidence["version"] == 2
    assert again.calibration.rules == kept.rules


def test_clips_count_as_hours_too() -> None:
    clips = list(dyadwatch.normal_clips(3, 1.0))
    with pytest.raises(
        TooShortError, match=r"^0\.0\d h were watched, and 6/hour takes 0\.50 h without an event: 0\.\d\d h"
    ):
        dyadwatch.calibrate("shipped", clips, out="/tmp/never.yaml")
    normal = watch(shipped_model(), clips)
    watched = sum((len(c) - 1) / c.fps for c in clips) / 3600
    assert normal.sources == {"clips": pytest.approx(watched, rel=0.01)}
    assert len(normal.log) > 50


def test_the_verb_prints_draws_and_refuses(hours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "site.yaml", tmp_path / "site.svg"
    with pytest.raises(SystemExit) as exit_:
        calibrate("shipped", [hours], budget="1/day", out=out, plot=plot)
    assert exit_.value.code == 1
    assert capsys.readouterr().err.endswith(
        "dyadwatch: 0.01 h were watched, and 1/day takes 71.90 h without an event: 71.89 h are missing; nothing was "
        "written. Record more, or allow more: these hours vouch for 270.3/hour at best. --extrapolate estimates, "
        "--uncertified vouches for nothing\n"
    )
    assert not out.exists()
    assert not plot.exists()
    calibrate("shipped", [hours], budget="1/day", out=out, plot=plot, uncertified=True)
    said = capsys.readouterr().out
    assert "1/day: not certified, the hours are too few" in said
    assert "0.01 h: hall 0.01 h" in said
    evidence = read_calibration(out).evidence
    assert (evidence["certified"], evidence["events"], evidence["extrapolated"]) == (False, 0, False)
    picture = ElementTree.fromstring(plot.read_text())
    words = [e.text for e in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Calibration of shipped", "budget 1/day", "events a day", "counted", "95 % bound"} <= set(words)
    assert "0 events in 0.0 h; not certified: too few hours" in words
    calibrate("shipped", [hours], budget="1/day", out=out, uncertified=True, json=True)
    values = json.loads(capsys.readouterr().out)
    assert (values["file"], values["evidence"]["version"]) == (str(out), 2)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"budget": "few"}, CalibrationError, r"^--budget is 'few'; expected a number above 0 and hour, day or week"),
        (
            {"out": None},
            CalibrationError,
            r"^the thresholds of the shipped model belong to the program; name a file",
        ),
        ({"out": Path("a.txt")}, CalibrationError, r"^--out is a\.txt; expected a name that ends in \.yaml$"),
        ({"plot": Path("no/a.svg")}, ConfigError, r"^--plot is no/a\.svg, but there is no folder no; make it first$"),
        (
            {"paths": []},
            CalibrationError,
            r"^there are no recordings; expected some of normal hours \(\.mcap\)",
        ),
    ],
)
def test_what_cannot_be_calibrated(
    hours: Path, tmp_path: Path, arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    given = {"paths": [hours], "out": tmp_path / "a.yaml", **arguments}
    paths = given.pop("paths")
    with pytest.raises(error, match=text):
        calibrate("shipped", paths, **given)  # pyright: ignore[reportArgumentType]


def test_hours_without_pairs(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "alone.mcap", RecordingHeader(run="5"))
    for f in make_scenario(7, 2, duration_s=10.0, room_m=3.0).frames(30.0, source="hall", start_ns=1_700_000_000 * NS):
        alone = replace(f, epoch=1, joints=f.joints[:1], confidence=f.confidence[:1], ids=(1,))
        file.parts("pose.hall", encode_pose(alone), f.stamp, f.stamp, f.seq)
    file.close()
    with pytest.raises(CalibrationError, match=r"^no pair was scored, so that there is nothing to calibrate on;"):
        calibrate("shipped", [tmp_path], budget="1/day", out=tmp_path / "a.yaml", uncertified=True)
    assert not (tmp_path / "a.yaml").exists()


def test_what_the_hours_vouch_for() -> None:
    assert [most_vouched(h) for h in (0.5, 10.0, 72.0, 504.0)] == ["6.0/hour", "7.2/day", "7.0/week", "1.1/week"]


def test_what_if_lists_what_goes_comes_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    low = "alarm.rules=[{part: score, over_s: 0.4, raise_at: 0.8}]"  # whatever the shipped model's are
    config = configure(None, (low, "alarm.clear_at=0.9", "alarm.hold_s=0.1"), None)
    scorer, thresholds = load_scorer(config)
    path = tmp_path / "day.mcap"
    file = RecordingFile(path, replace_run(about_detector(scorer, thresholds, config)))
    pipeline = Pipeline(scorer, thresholds, config)
    start = 1_700_000_000 * NS
    for f in make_scenario(7, 3, duration_s=SECONDS, room_m=4.0).frames(30.0, source="hall", epoch=1, start_ns=start):
        file.parts("pose.hall", encode_pose(f), f.stamp, f.stamp, f.seq)
        for message in pipeline.push(f):
            file.message(message, f.stamp)
    for message in pipeline.finish():
        file.message(message, start + round(SECONDS * NS))
    file.close()
    what_if([path], json=True)
    same = json.loads(capsys.readouterr().out)
    assert (same["go"], same["come"]) == ([], [])
    assert same["events"] == len(same["stay"]) > 3
    assert same["hours"] == pytest.approx(SECONDS / 3600, abs=1e-4)
    what_if([path], scale=1.5)
    said = capsys.readouterr().out
    assert "goes" in said
    assert "of 1 source: " in said
    assert "events an hour, at most " in said
    with pytest.raises(SystemExit) as exit_:
        what_if([path], budget="1/day")
    assert exit_.value.code == 1
    assert capsys.readouterr().err.endswith("71.89 h are missing; give more days, or try --scale\n")


def replace_run(about: RecordingHeader) -> RecordingHeader:
    return RecordingHeader(**{name: getattr(about, name) for name in about.__struct_fields__} | {"run": "5"})
