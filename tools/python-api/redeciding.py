"""What a recorded detector would have told with other thresholds, from the scores that it told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from dyadwatch.core.decision.calibration_file import CalibratedRule, read_calibration
from dyadwatch.core.decision.episodes import AlarmTimes
from dyadwatch.core.decision.event_budget import per_hour
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.decision.site_calibration import Choice, choose, hours_of
from dyadwatch.core.decision.thresholds import events_bound
from dyadwatch.core.errors import CalibrationError, ConfigError
from dyadwatch.stream.configuration.config import AlarmOptions
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scores import RecordedScores, read_scores
from dyadwatch.stream.recordings.redecide import Changes, Happening, compare, happenings, redecide

_TOLD = "--budget, --scale, --calibration or --set alarm.KEY=VALUE"


@dataclass(frozen=True, eq=False)
class WhatIf:
    """What would have been told.

    Arguments:
        before, after: thresholds in force, and those asked for.
        events: that would have come.
        changes: held against those that were reported.
        hours: watched.
        sources: hours by source.
        choice: how a budget led to the thresholds; None where there was none.
    """

    before: Thresholds
    after: Thresholds
    events: tuple[Happening, ...]
    changes: Changes
    hours: float
    sources: dict[str, float]
    choice: Choice | None

    @property
    def bound(self) -> float:
        """One-sided 95 % Poisson bound on events an hour, if all that would have come were false."""
        return events_bound(len(self.events), self.hours)


def what_if(
    recordings: Sequence[str | Path] | Playback,
    budget: str | None = None,
    *,
    scale: float | None = None,
    calibration: str | Path | None = None,
    options: Sequence[str] = (),
    progress: Callable[[float], None] = lambda seconds: None,
) -> WhatIf:
    """Decides again on a recorded day; nothing is scored, so a day takes seconds rather than minutes.

    Arguments:
        recordings: of a detector (.mcap), or folders of them.
        budget: the lowest levels that keep it, as `calibrate` would choose them; the hours are taken for normal.
        scale: of the recorded levels.
        calibration: a file whose thresholds are tried.
        options: keys of the section `alarm`, such as `alarm.hold_s=3`.
        progress: called with the seconds read, now and then.

    Raises:
        ConfigError: an option is none of the section `alarm`, there is nothing to ask, or too much at once.
        CalibrationError: the calibration is for another model than made the scores, or the budget is none.
        TooShortError: the hours are too few for the budget.
        RecordingError: there are no scores, or of several models.
    """
    asked = [v for v in (budget, scale, calibration) if v is not None]
    if len(asked) > 1:
        raise ConfigError(f"of {_TOLD.replace(' or --set alarm.KEY=VALUE', '')} expected one, beside --set")
    if scale is not None and not 0 < scale < float("inf"):
        raise ConfigError(f"--scale is {scale:g}; expected more than 0, such as 1.2")
    for option in options:
        if not option.startswith("alarm.") or option.startswith("alarm.calibration"):
            raise ConfigError(f"--set {option}: only keys of the section alarm can be tried on recorded scores")
    rate = None if budget is None else per_hour(budget)
    playback = recordings if isinstance(recordings, Playback) else Playback([Path(r) for r in recordings])
    recorded = read_scores(playback, progress)
    thresholds, choice = recorded.thresholds, None
    if calibration is not None:
        thresholds = _calibrated(Path(calibration), recorded)
    if scale is not None:
        thresholds = replace(thresholds, raise_at=thresholds.raise_at * scale, clear_at=thresholds.clear_at * scale)
    alarm, thresholds = _with_options(recorded, thresholds, options)
    hours = hours_of(recorded.sources)
    if rate is not None:
        choice = choose(
            recorded.log, hours, rate, budget=budget or "", rules=thresholds.by_rule, clear=thresholds.clear,
            times=AlarmTimes(alarm.min_duration_s, alarm.hold_s),
        )  # fmt: skip
        thresholds = Thresholds(1.0, thresholds.clear, choice.rules)
    events = happenings(redecide(recorded, thresholds, alarm))
    changes = compare(happenings(recorded.events), events)
    return WhatIf(recorded.thresholds, thresholds, tuple(events), changes, hours, recorded.sources, choice)


def _with_options(
    recorded: RecordedScores, thresholds: Thresholds, options: Sequence[str]
) -> tuple[AlarmOptions, Thresholds]:
    """The recorded section `alarm` with what is asked for over it, and the thresholds in it."""
    alarm = msgspec.structs.replace(
        recorded.config.alarm, raise_at=thresholds.raise_at, clear_at=thresholds.clear_at,
        rules=tuple(map(CalibratedRule.of, thresholds.rules)),
    )  # fmt: skip
    alarm = set_option(msgspec.structs.replace(recorded.config, alarm=alarm), *options).alarm
    raise_at, clear_at = alarm.raise_at or thresholds.raise_at, alarm.clear_at or thresholds.clear_at
    return alarm, Thresholds(raise_at, clear_at, tuple(r.rule for r in alarm.rules or ()))


def _calibrated(file: Path, recorded: RecordedScores) -> Thresholds:
    calibration = read_calibration(file)
    if calibration.model_sha256 != recorded.model_sha256:
        raise CalibrationError(
            f"{file} is for the model with sha256 {calibration.model_sha256[:12]}..., but the scores were made by "
            f"{recorded.model} (sha256 {recorded.model_sha256[:12]}...); expected a calibration of that model, or "
            "recordings of the other"
        )
    return calibration.thresholds
