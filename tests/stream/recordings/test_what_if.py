"""A recorded day decided again from its scores: with the recorded thresholds exactly as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dyadwatch.core.decision.calibration_file import Calibration, write_calibration
from dyadwatch.core.decision.rules import Rule, ScorePart, Thresholds
from dyadwatch.core.errors import CalibrationError, ConfigError, RecordingError, TooShortError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.redeciding import what_if
from dyadwatch.stream.configuration.config import AlarmOptions, Config, ScorerOptions
from dyadwatch.stream.messages import EventMessage, Message
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.header import about_detector
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scores import read_scores
from dyadwatch.stream.recordings.redecide import Happening, happenings, redecide
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.wire import encode_pose

START = 1_700_000_000_000_000_000
RULES = (Rule(ScorePart.RELATION, 0.4, 1.2), Rule(ScorePart.RELATION, 1.6, 0.9), Rule(ScorePart.UNUSUAL, 0.4, 2.6))
# No exchanged ids: where people vanish besides, two pairs may bear the same ids for a while, in the live run, too.
FAULTS = Faults(drop=0.03, double=0.02, late=0.02, reorder=0.03, jitter_ms=3, occlude=0.1, vanish=0.05, id_switch=0.05)
CONFIG = Config(scorer=ScorerOptions(max_queue=10**6, threads=1), alarm=AlarmOptions(hold_s=0.6))


@cache
def live_day(seed: int, seconds: float = 25.0) -> Sequence[PoseFrame]:
    """A source with faults that begins a second run without warning."""
    people = make_scenario(seed, people=4, duration_s=seconds, room_m=4.5)
    first = apply_faults(people.frames(30.0, source="hall", epoch=7, start_ns=START), FAULTS, seed)
    again = people.frames(30.0, source="hall", epoch=8, start_ns=START + 100 * 10**9)
    return tuple(chain(first, apply_faults(again, FAULTS, seed + 1)))


def recorded(
    path: Path, scorer: Scorer, thresholds: Thresholds, frames: Iterable[PoseFrame], config: Config = CONFIG
) -> list[EventMessage]:
    """Writes what a detector that records would write; returns the events that it told."""
    about = about_detector(scorer, thresholds, config)
    file = RecordingFile(path, structs.replace(about, run="5"))
    pipeline, told, log_time = Pipeline(scorer, thresholds, config), list[Message](), START
    for number, frame in enumerate(frames):
        log_time = START + number * 33_333_333
        file.parts("pose.hall", encode_pose(frame), log_time, frame.stamp, number)
        new = pipeline.push(frame)
        told += new
        for message in new:
            file.message(message, log_time)
    for message in pipeline.finish():
        told.append(message)
        file.message(message, log_time)
    file.close()
    return [m for m in told if isinstance(m, EventMessage)]


def decided(events: Iterable[EventMessage]) -> list[dict[str, Any]]:
    """All of events but which joints led to them, which is not in the scores."""
    out = [structs.asdict(e) for e in events]
    for event in out:
        del event["joints"], event["explanation"]
    return sorted(out, key=lambda e: (e["stamp"], e["id"], e["type"]))


def opened(events: Iterable[Happening]) -> list[tuple[Any, ...]]:
    return sorted((h.pair, h.start, h.opened) for h in events)


def spans(events: Iterable[Happening]) -> list[tuple[Any, ...]]:
    return sorted((h.id, h.start, h.opened, h.closed) for h in events)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("thresholds", "min_duration_s"), [(Thresholds(1.0, 0.6, RULES), 0.0), (Thresholds(3.5, 2.5), 0.4)]
)
def test_recorded_thresholds_give_the_recorded_events(
    scorer: Scorer, tmp_path: Path, seed: int, thresholds: Thresholds, min_duration_s: float
) -> None:
    config = structs.replace(CONFIG, alarm=AlarmOptions(hold_s=0.6, min_duration_s=min_duration_s))
    told = recorded(tmp_path / "a.mcap", scorer, thresholds, live_day(seed), config)
    assert sum(e.type == "open" for e in told) > 5
    ends = {str(e.reason) for e in told if e.type == "close"}
    assert ends >= {"calm_again", *(["source_restart"] if thresholds.rules else [])}
    scores = read_scores(Playback([tmp_path]))
    assert scores.thresholds == thresholds
    assert decided(redecide(scores, thresholds, scores.config.alarm)) == decided(told)
    asked = what_if([tmp_path])
    assert asked.changes.go == asked.changes.come == ()
    assert spans(asked.events) == spans(happenings(told))


def test_what_a_running_detector_recorded(
    live: Callable[..., Any], scorer: Scorer, thresholds: Thresholds, tmp_path: Path
) -> None:
    with live(tmp_path) as detector:
        detector.take([encode_pose(f) for f in live_day(5, 12.0)])
    told = detector.kept.events
    assert told
    scores = read_scores(Playback([tmp_path]))
    assert decided(redecide(scores, thresholds, scores.config.alarm)) == decided(told)


@pytest.mark.parametrize("scale", [0.8, 1.3])
def test_other_thresholds_give_the_events_of_a_detector_with_those(
    scorer: Scorer, tmp_path: Path, scale: float
) -> None:
    recorded(tmp_path / "a.mcap", scorer, Thresholds(1.0, 0.6, RULES), live_day(1))
    other = Thresholds(scale, 0.6 * scale, RULES)
    told = recorded(tmp_path / "other.mcap", scorer, other, live_day(1))
    asked = what_if([tmp_path / "a.mcap"], scale=scale)
    by_set = what_if([tmp_path / "a.mcap"], options=[f"alarm.raise_at={scale}", f"alarm.clear_at={0.6 * scale}"])
    assert asked.events == by_set.events
    assert opened(asked.events) == opened(happenings(told))
    assert asked.hours == pytest.approx(2 * 25 / 3600, rel=0.02)
    changed = asked.changes
    assert (len(changed.come) > 0, len(changed.go) > 0) == (scale < 1, scale > 1)
    assert len(changed.stay) + len(changed.come) == len(asked.events)


def test_a_budget_is_kept_by_the_lowest_levels(scorer: Scorer, tmp_path: Path) -> None:
    told = recorded(tmp_path / "a.mcap", scorer, Thresholds(1.0, 0.6, RULES), live_day(2))
    asked = what_if([tmp_path], "400/hour")
    assert asked.choice is not None
    assert asked.choice.certified
    assert asked.bound == pytest.approx(asked.choice.bound)
    assert asked.bound <= 400 < sum(e.type == "open" for e in told) / asked.hours
    ratios = {round(a.raise_at / b.raise_at, 3) for a, b in zip(asked.after.by_rule, RULES, strict=True)}
    assert max(ratios) - min(ratios) <= 0.0011
    with pytest.raises(TooShortError, match=r"0\.01 h were watched, and 1/week takes 503\.28 h"):
        what_if([tmp_path], "1/week")


def test_what_cannot_be_asked(scorer: Scorer, tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap", scorer, Thresholds(1.0, 0.6, RULES), live_day(2, 8.0))
    with pytest.raises(ConfigError, match=r"^--scale is -1; expected more than 0, such as 1\.2$"):
        what_if([tmp_path], scale=-1)
    with pytest.raises(ConfigError, match=r"^of --budget, --scale, --calibration expected one, beside --set$"):
        what_if([tmp_path], "1/day", scale=2)
    with pytest.raises(
        ConfigError, match=r"^--set pairs.enter_m=2: only keys of the section alarm can be tried on recorded scores$"
    ):
        what_if([tmp_path], options=["pairs.enter_m=2"])
    with pytest.raises(ConfigError, match=r"alarm.clear_at is 0.6; expected at most alarm.raise_at, which is 0.5$"):
        what_if([tmp_path], options=["alarm.raise_at=0.5"])
    with pytest.raises(CalibrationError, match=r"^--budget is 'few'; expected a number above 0 and hour, day or week"):
        what_if([tmp_path], "few")


def test_scores_of_another_model(scorer: Scorer, tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap", scorer, Thresholds(1.0, 0.6, RULES), live_day(2, 8.0))
    other = tmp_path / "other.yaml"
    write_calibration(other, Calibration(model_sha256="0" * 64, raise_at=1.0, clear_at=0.5))
    with pytest.raises(
        CalibrationError,
        match=r"other\.yaml is for the model with sha256 0{12}\.\.\., but the scores were made by tiny 1 \(sha256 ",
    ):
        what_if([tmp_path], calibration=other)
    about = structs.replace(about_detector(scorer, Thresholds(1.0, 0.6), CONFIG), run="6", model="big 2")
    RecordingFile(tmp_path / "b.mcap", structs.replace(about, model_sha256="f" * 64)).close()
    with pytest.raises(
        RecordingError,
        match=r"^the scores were made by different models, tiny 1 \(sha256 .* and big 2 \(sha256 ffffffffffff",
    ):
        what_if([tmp_path])


def test_recordings_without_scores(scorer: Scorer, tmp_path: Path) -> None:
    RecordingFile(tmp_path / "a.mcap", RecordingHeader(run="5")).close()
    with pytest.raises(RecordingError, match=r"a\.mcap: was recorded without a detector, so that there are no scores"):
        what_if([tmp_path / "a.mcap"])
    about = about_detector(scorer, Thresholds(1.0, 0.6), CONFIG)
    RecordingFile(tmp_path / "b.mcap", structs.replace(about, run="6")).close()
    with pytest.raises(RecordingError, match=r"b\.mcap: there are no scores in it; expected a recording of a"):
        what_if([tmp_path / "b.mcap"])
