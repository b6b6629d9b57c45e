"""From normal hours to the thresholds of a site: the live path over recordings, once, then decided on many times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, read_calibration, write_calibration
from dyadwatch.core.decision.drift import quiet_evidence
from dyadwatch.core.decision.episodes import AlarmTimes
from dyadwatch.core.decision.event_budget import per_hour
from dyadwatch.core.decision.rules import COLUMN, ScorePart
from dyadwatch.core.decision.score_log import ScoreLog
from dyadwatch.core.decision.site_calibration import Choice, choose, hours_of
from dyadwatch.core.decision.thresholds import events_within, hours_needed
from dyadwatch.core.errors import CalibrationError, TooShortError
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.loading import configure, load_model, with_model
from dyadwatch.model_files import SHIPPED, named_model
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import Item, Window
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.recordings.frame_times import recorded_hours
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.reprocess import Reprocess
from dyadwatch.stream.score_keeper import KeepingPipeline, WatchedTime
from dyadwatch.stream.scoring.scorer import Scorer

METHOD = "events of the whole live path over normal hours"
_CLIPS = "clips"  # the source that clips are played as
Listener = Callable[[str, float, float], None]


@dataclass(frozen=True, eq=False)
class NormalHours:
    """The scores of normal hours, as the live path gives them.

    Arguments:
        log: of all pairs.
        sources: hours watched, by source.
        config: how it was watched.
        notes: what is missing from the recordings.
    """

    log: ScoreLog
    sources: Mapping[str, float]
    config: Config
    notes: tuple[str, ...] = ()

    @property
    def times(self) -> AlarmTimes:
        """How long evidence must last."""
        return AlarmTimes(self.config.alarm.min_duration_s, self.config.alarm.hold_s)


@dataclass(frozen=True, eq=False)
class SiteCalibration:
    """Thresholds found on normal hours.

    Arguments:
        file: that was written.
        calibration: what is in it.
        choice: how the levels came about.
        normal: what they rest on.
    """

    file: Path
    calibration: Calibration
    choice: Choice
    normal: NormalHours


def calibrate(
    model: str | Path,
    recordings: Sequence[str | Path | Clip],
    budget: str = "6/hour",
    *,
    out: str | Path | None = None,
    config: Config | None = None,
    extrapolate: bool = False,
    uncertified: bool = False,
    calibrated_at: datetime | None = None,
    progress: Listener | None = None,
) -> SiteCalibration:
    """Finds the lowest thresholds at which normal hours hold no more events than a budget allows, and writes them.

    The recordings go through the whole live path once: order, tracks, windows, scores. Then events are counted at
    many levels as the detector would count them, and the lowest is taken whose one-sided 95 % Poisson bound on
    events an hour is within the budget.

    Arguments:
        model: a model file, or `shipped`.
        recordings: of normal hours: recordings (.mcap), folders of them, and clips, joints in metres.
        budget: false events, such as `1/day`, `6/hour` or `2/week`.
        out: the calibration file to write; by default the one beside the model.
        config: how to watch; by default as the first recording tells that it was watched.
        extrapolate: where the hours are too few, fit the tail of the peaks; the file says so.
        uncertified: where they are too few, take levels that nothing in them reaches; the file vouches for nothing.
        calibrated_at: told in the file; by default now.
        progress: called with what is done, seconds done and seconds in all.

    Raises:
        TooShortError: the hours are too few; nothing is written.
        CalibrationError: there is nothing to calibrate on, or the budget cannot be understood.
        ArtefactError, ConfigError, LayoutError, RecordingError: as of `load_detector` and of reading.
    """
    rate = per_hour(budget, "budget")
    path = named_model(model)
    file = calibration_file(model, None if out is None else Path(out))
    if not (extrapolate or uncertified):
        _long_enough(recordings, rate, budget)
    normal = watch(path, recordings, config, progress)
    choice = choose(
        normal.log, hours_of(normal.sources), rate, budget=budget, times=normal.times,
        extrapolate=extrapolate, uncertified=uncertified,
    )  # fmt: skip
    made = described(choice, normal, path, budget, _version(file) + 1, calibrated_at or datetime.now(UTC))
    write_calibration(file, made)
    return SiteCalibration(file, made, choice, normal)


def calibration_file(model: str | Path, out: Path | None, argument: str = "out") -> Path:
    """The file that a calibration is written to.

    Raises:
        CalibrationError: it cannot be; says what to do.
    """
    if out is None:
        if str(model) == SHIPPED:
            raise CalibrationError(
                f"the thresholds of the shipped model belong to the program; name a file with {argument}, and let the "
                "detector read it: alarm.calibration=FILE"
            )
        return calibration_path(model)
    if out.suffix not in (".yaml", ".yml"):
        raise CalibrationError(f"{argument} is {out}; expected a name that ends in .yaml")
    if not out.parent.is_dir():
        raise CalibrationError(f"{argument} is {out}, but there is no folder {out.parent}; make it first")
    return out


def watch(
    model: Path,
    recordings: Sequence[str | Path | Clip],
    config: Config | None = None,
    progress: Listener | None = None,
) -> NormalHours:
    """The scores of recordings and clips, and how long each source was watched.

    Raises:
        CalibrationError: there are none.
        ArtefactError, ConfigError, RecordingError: they cannot be read.
    """
    if not recordings:
        raise CalibrationError("there are no recordings; expected some of normal hours (.mcap), or clips")
    clips = [r for r in recordings if isinstance(r, Clip)]
    paths = [Path(r) for r in recordings if not isinstance(r, Clip)]
    playback = Playback(paths) if paths else None
    if config is None:
        config = configure(None, (), None) if playback is None else config_of(r.about for r in playback.recordings)
    config = with_model(config, model)
    scorer = load_model(config)
    pipeline, watched = KeepingPipeline(scorer, config), WatchedTime()
    tell = progress or _silent
    if playback is not None:
        rerun = Reprocess(pipeline, config, watched.look)
        total = sum((r.span[1] - r.span[0]) / 1e9 for r in playback.recordings if r.span)
        for _ in rerun.run(playback):
            tell("recordings", min(rerun.seconds, total), total)
        tell("recordings", total, total)
    logs = [pipeline.judge.log()]
    if clips:
        logs.append(_watch_clips(clips, scorer, config, watched, tell))
    members = [name for names in config.merge.groups.values() for name in names]
    log = ScoreLog(tuple(t for each in logs for t in each.tracks), logs[0].hop_s, logs[0].pause_s)
    return NormalHours(log, watched.hours(members), config, tuple(playback.notes) if playback else ())


def _long_enough(recordings: Sequence[str | Path | Clip], rate: float, budget: str) -> None:
    """Refuses what cannot be enough before it is scored, which takes long."""
    paths = [Path(r) for r in recordings if not isinstance(r, Clip)]
    hours = sum(len(r) / r.fps for r in recordings if isinstance(r, Clip)) / 3600
    if paths:
        playback = Playback(paths)
        hours += recorded_hours(playback, config_of(r.about for r in playback.recordings))
    if recordings and events_within(rate, hours) is None:
        raise TooShortError(hours, hours_needed(rate), budget)


def _watch_clips(
    clips: Sequence[Clip], scorer: Scorer, config: Config, watched: WatchedTime, tell: Listener
) -> ScoreLog:
    pipeline = KeepingPipeline(scorer, config)
    total, seconds = sum(len(c) / c.fps for c in clips), 0.0
    for items, until in _batches(pipeline, clips, config.scorer.max_batch, watched):
        pipeline.judge.judge(items)
        seconds = until
        tell("clips", min(seconds, total), total)
    tell("clips", total, total)
    return pipeline.judge.log()


def _batches(
    pipeline: KeepingPipeline, clips: Sequence[Clip], most: int, watched: WatchedTime
) -> Iterator[tuple[list[Item], float]]:
    """Items with about `most` windows among them, and how many seconds were taken in until then."""
    items: list[Item] = []
    windows, stamp = 0, 0
    for frame in clip_frames(clips, _CLIPS):
        new = pipeline.intake.push(frame, time.monotonic_ns())
        watched.look(pipeline.intake.lines[frame.source])
        items += new
        windows += sum(isinstance(i, Window) for i in new)
        stamp = frame.stamp
        if windows >= most:
            yield items, stamp / 1e9
            items, windows = [], 0
    yield items + pipeline.intake.finish(PairEnd.END_OF_STREAM), stamp / 1e9


def described(
    choice: Choice, normal: NormalHours, model: Path, budget: str, version: int, calibrated_at: datetime
) -> Calibration:
    """A calibration with all that its levels rest on."""
    values = choice.values
    values["evidence"] = {
        "method": METHOD,
        "version": version,
        "calibrated_at": calibrated_at.astimezone(UTC).isoformat(timespec="seconds"),
        "budget": budget,
        **values["evidence"],
        **quiet_evidence(normal.log.parts[:, COLUMN[ScorePart.SCORE]][normal.log.parts.any(axis=1)]),
        "windows": len(normal.log),
        "pairs": len(normal.log.tracks),
        "sources": {name: round(hours, 4) for name, hours in normal.sources.items()},
        "hop_s": round(normal.log.hop_s, 4),
        "hold_s": normal.times.hold_s,
    }
    return Calibration.of(file_sha256(model), values)


def _version(file: Path) -> int:
    """Of the calibration that lies there; 0 where there is none that counts, or none at all."""
    try:
        version: Any = read_calibration(file).evidence.get("version", 0)
    except CalibrationError:
        return 0
    return version if isinstance(version, int) and version > 0 else 0


def _silent(what: str, done: float, total: float) -> None:
    """Reports nothing."""
