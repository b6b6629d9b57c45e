"""`dyadwatch bench learning`: a site learnt from clips that are played as a source, and what verdicts change."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.calibrating import watch
from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration
from dyadwatch.core.decision.episodes import Episodes, episodes
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.decision.score_log import ScoreLog
from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.core.units import NS
from dyadwatch.live_detector import free_address
from dyadwatch.loading import configure
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.learning_codes import TeachingOutcome
from dyadwatch.stream.learning.versions import SiteModels, site_models
from dyadwatch.stream.messages import ScoreMessage, StatusMessage
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.clip_player import clip_frames, clip_intervals
from dyadwatch.stream.publishers.publisher import PosePublisher, pace
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.subscriber import Subscriber
from dyadwatch.teaching import IncidentMoment, Teacher
from dyadwatch.tools.benchmarks.machine import describe_machine

_READY_S = 60.0
_QUIET_S = 4.0  # after the last score
_BEFORE_S, _AFTER_S = 1.5, 0.5  # of a moment, as the learner takes it
_SOURCE = "site"


def learning(
    data: Path,
    /,
    *,
    normal: str = "handover_normal",
    odd: str = "handover_variation",
    split: str = "train",
    seconds: float = 180.0,
    most: int = 300,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Play normal clips as a source into a detector that learns, and then judge its false alarms.

    Tells after how many seconds of the stream a first model was there and in use, how many windows were lost meanwhile,
    and how many false events and anomalies are told of other clips before and after verdicts on half of the normal.

    Parameters
    ----------
    data
        A data set with normal and odd clips, such as shared/data/dynamic_handover.
    normal
        Label of the normal clips.
    odd
        Label of the anomalies.
    split
        Of the normal clips that are streamed.
    seconds
        How long is streamed, in real time.
    most
        Normal clips that are judged, besides.
    json
        Print one JSON object instead.
    """
    if seconds < 30:
        raise ConfigError(f"--seconds is {seconds:g}; expected at least 30")
    clips = list(read_dataset(data))
    streamed = [c for c in clips if c.label == normal and c.split == split]
    anomalies = [c for c in clips if c.label == odd]
    if len(streamed) < 20 or len(anomalies) < 2:
        raise ConfigError(
            f"{data} has {len(streamed)} clips of label {normal!r} and split {split!r} and {len(anomalies)} of {odd!r}"
            "; expected at least 20 and 2"
        )
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as folder:
        config = configure(None, [f"record.folder={folder}", "record.min_free_mb=0", "learning.auto=true"], None)
        console.print(f"streaming {seconds:g} s")
        live, used = _live(config, streamed, seconds)
        models = site_models(config)
        assert models is not None, "no model is named"
        if not models.read().current:
            raise DyadwatchError(f"no model was in use after {seconds:g} s of the stream: {live}")
        others = [c for c in clips if c.label == normal and c.split != split] + streamed[used:]
        console.print("\n".join(_live_lines(live)), markup=False, highlight=False, soft_wrap=True)
        verdicts = [_verdicts(models, config, others[:most], anomalies, verified=v) for v in (False, True)]
    report = {"machine": describe_machine(), "live": live, "verdicts": verdicts}
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n" if json else "\n".join(_lines(report)) + "\n")


@contextmanager
def _running(config: Config) -> Generator[tuple[str, str], None, None]:
    """A detector and a learner in processes of their own; gives the addresses in and out."""
    into, out = free_address(), free_address()
    options = (f"wire.bind={into}", f"sinks.bind={out}", f"record.folder={config.record.folder}",
               "record.min_free_mb=0", "learning.auto=true")  # fmt: skip
    words = [word for option in options for word in ("--set", option)]
    program = [sys.executable, "-m", "dyadwatch.tools.main"]
    log = Path(config.record.folder) / "log"
    with log.open("wb") as said:
        started = [
            subprocess.Popen([*program, *verb, *words], stdout=subprocess.DEVNULL, stderr=said)
            for verb in (("run", "--json"), ("learn", "run"))
        ]
    try:
        with Subscriber(out, kinds=("status",)) as ready:
            until = time.monotonic() + _READY_S
            while ready.receive(0.1) is None:
                if time.monotonic() > until or started[0].poll() is not None:
                    raise DyadwatchError(f"the detector did not start: {log.read_text('utf8', 'replace')}")
        yield into, out
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _live(config: Config, clips: Sequence[Clip], seconds: float) -> tuple[dict[str, Any], int]:
    """What came of a stream, and how many clips were streamed."""
    used = sum(p.end_ns < seconds * NS for p in clip_intervals(clips))
    frames = list(clip_frames(clips[:used], _SOURCE))
    pipeline = Pipeline(Scorer(shipped_model(), config.scorer), Thresholds(1e6, 1e5), config)
    expected = {(m.pair, m.end) for m in pipeline.run(frames) if isinstance(m, ScoreMessage)}
    scores: list[tuple[float, ScoreMessage]] = []
    dropped: dict[str, int] = {}
    over = threading.Event()
    first_s = 0.0
    with _running(config) as (into, out):
        models = site_models(config)
        assert models is not None, "no model is named"

        def listen() -> None:
            nonlocal first_s, dropped
            last = time.monotonic()
            with Subscriber(out, most_waiting=0) as subscriber:
                while not over.is_set() or time.monotonic() - last < _QUIET_S:
                    message = subscriber.receive(0.1)
                    if isinstance(message, ScoreMessage):
                        last = time.monotonic()
                        scores.append((last, message))
                    elif isinstance(message, StatusMessage) and message.source != DETECTOR:
                        dropped = dict(message.dropped)
                    if not first_s and models.read().versions:
                        first_s = time.monotonic() - began

        began = time.monotonic()
        listener = threading.Thread(target=listen, name="listener")
        listener.start()
        try:
            with PosePublisher(into) as publisher:
                began = time.monotonic()
                for frame in pace(frames, 1.0):
                    publisher.send(frame)
        finally:
            over.set()
            listener.join()
    told = [(m.pair, m.end) for _, m in scores]
    names = list(dict.fromkeys(m.model for _, m in scores))
    swap = next((at - began for at, m in scores if m.model != names[0]), None)
    version = models.read().versions[0] if models.read().versions else None
    return {
        "streamed_s": seconds,
        "clips": used,
        "first_model_s": round(first_s, 1),
        "first_model_minutes_of_pairs": version and version.minutes,
        "judged_from_s": None if swap is None else round(swap, 1),
        "models": names,
        "windows": len(expected),
        "told": len(told),
        "told_twice": len(told) - len(set(told)),
        "lost": len(expected - set(told)),
        "dropped": dropped,
    }, used


def _verdicts(
    models: SiteModels, config: Config, normal: Sequence[Clip], odd: Sequence[Clip], *, verified: bool
) -> dict[str, Any]:
    """False events and recall before and after verdicts on the first half of the normal clips.

    Arguments:
        verified: half of the anomalies are judged real before, and recall is that of the other half.
    """
    judged, other = normal[0::2], normal[1::2]
    known, unknown = (odd[0::2], odd[1::2]) if verified else ([], odd)
    start = models.read().current
    before = _Told(models, config)
    false = before.moments(judged)
    rows = {"before": _row(before, judged, other, unknown)}
    true = before.moments(known)
    teacher = Teacher(models, config, lambda kept: IncidentMoment("", ()))
    lessons = [teacher.teach_moment(moment, true, "bench") for moment in false]
    rows["after"] = _row(_Told(models, config), judged, other, unknown)
    models.use(start, "bench")
    outcomes = {str(o): sum(x.outcome is o for x in lessons) for o in TeachingOutcome}
    return {
        "verified_anomalies": len(true),
        "verdicts": len(false),
        "outcomes": {name: n for name, n in outcomes.items() if n},
        **rows,
    }


def _row(told: _Told, judged: Sequence[Clip], other: Sequence[Clip], odd: Sequence[Clip]) -> dict[str, float]:
    return {
        "false_judged": told.events(judged),
        "false_other": told.events(other),
        "recall": round(told.found(odd) / len(odd), 4),
    }


class _Told:
    """What the version in use tells of clips."""

    def __init__(self, models: SiteModels, config: Config) -> None:
        self._model = models.path(models.read().current)
        self._config = config
        self._thresholds = read_calibration(calibration_path(self._model)).thresholds

    def events(self, clips: Sequence[Clip]) -> int:
        """How many events."""
        return len(self._watched(clips)[1])

    def found(self, clips: Sequence[Clip]) -> int:
        """How many clips have an event."""
        log, found = self._watched(clips)
        return len({int(log.track[n]) for n in found.opened})

    def moments(self, clips: Sequence[Clip]) -> list[IncidentMoment]:
        """What would be recorded of each event."""
        if not clips:
            return []
        log, found = self._watched(clips)
        places = {p.ids: p for p in clip_intervals(clips)}
        out: list[IncidentMoment] = []
        for opened, last in zip(found.opened, found.last, strict=True):
            ids = log.tracks[int(log.track[opened])].pair
            place = places[str(ids[0]), str(ids[1])]
            clip = place.clip
            first = (int(log.stamps[opened]) - place.start_ns) / NS - _BEFORE_S
            end = (int(log.stamps[last]) - place.start_ns) / NS + _AFTER_S
            rows = slice(max(0, round(first * clip.fps)), max(1, round(end * clip.fps)))
            out.append(IncidentMoment(f"{clip.clip_id} {opened}", (replace(clip, joints=clip.joints[rows]),)))
        return out

    def _watched(self, clips: Sequence[Clip]) -> tuple[ScoreLog, Episodes]:
        hours = watch(self._model, list(clips), self._config)
        evidence = hours.log.evidence(self._thresholds.by_rule)
        return hours.log, episodes(hours.log, evidence, 1.0, self._thresholds.clear, hours.times)


def _live_lines(live: dict[str, Any]) -> list[str]:
    return [
        f"first model after {live['first_model_s']} s of stream ({live['first_model_minutes_of_pairs']} min of pairs), "
        f"judging from {live['judged_from_s']} s on",
        f"windows: {live['windows']} cut, {live['told']} told, {live['told_twice']} twice, {live['lost']} lost, by "
        f"{', '.join(live['models'])}; dropped: {live['dropped'] or 'none'}",
    ]


def _lines(report: dict[str, Any]) -> list[str]:
    out = _live_lines(report["live"])
    for row in report["verdicts"]:
        before, after = row["before"], row["after"]
        known = f", {row['verified_anomalies']} anomalies verified" if row["verified_anomalies"] else ""
        out.append(
            f"{row['verdicts']} verdicts{known}: {row['outcomes']}; false events of the other half "
            f"{before['false_other']} -> {after['false_other']}, of the judged half {before['false_judged']} -> "
            f"{after['false_judged']}; recall {before['recall']:.2f} -> {after['recall']:.2f}"
        )
    return out
