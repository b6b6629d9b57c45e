"""What verdicts on the false alarms of one half of normal clips do to the other half, and to anomalies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dyadwatch.calibrating import watch
from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration
from dyadwatch.core.decision.episodes import Episodes, episodes
from dyadwatch.core.decision.score_log import ScoreLog
from dyadwatch.core.enrolment.normal_clips import evenly
from dyadwatch.core.evaluation.edits import EDITS, Edit, edited
from dyadwatch.core.evaluation.event_material import ODD, PlayedClip
from dyadwatch.core.evaluation.scored_clips import on_grid
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.units import NS
from dyadwatch.heard_clips import Span, heard_lately
from dyadwatch.proposing import propose
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.learning_codes import TeachingOutcome
from dyadwatch.stream.learning.progress import Lesson
from dyadwatch.stream.learning.versions import SiteModels
from dyadwatch.stream.publishers.clip_player import clip_frames, clip_intervals
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import recording_name
from dyadwatch.stream.wire import encode_pose
from dyadwatch.teaching import IncidentMoment, Teacher

_BEFORE_S, _AFTER_S = 1.5, 0.5  # of a moment, as the learner takes it
_EACH = 30  # clips of a kind of edit
_SOURCE = "judged"


@dataclass(frozen=True)
class FalseAlarm:
    """An event that somebody judges: what is recorded of it, and its span in the recording of the judged clips."""

    moment: IncidentMoment
    span: Span


def anomalies(normal: Sequence[Clip], odd: Sequence[Clip]) -> list[PlayedClip]:
    """Odd clips, and normal clips with each edit of the event protocol.

    But for partners who freeze: what stands still bit for bit is not scored live, and told as a fault of the source.
    """
    whole = [
        on_grid(normal[i], JointMap.between(normal[i].layout, normal[i].layout), normal[i].fps)
        for i in evenly(len(normal), _EACH)
    ]
    clips = [clip for clip in whole if clip is not None]
    found = [
        PlayedClip(made.clip, str(edit), made.onset_s)
        for edit in EDITS
        if edit is not Edit.FROZEN
        for i in range(len(clips))
        if (made := edited(clips, i, edit)) is not None
    ]
    return [*(PlayedClip(clip, ODD, 0.0) for clip in odd), *found]


def record(clips: Sequence[Clip], folder: Path) -> None:
    """Clips as a detector that watched them would have recorded their skeletons."""
    total = max(p.end_ns for p in clip_intervals(clips))
    began = time.time_ns() - total
    with_name = folder / recording_name(began, 1, began)
    file = RecordingFile(with_name, RecordingHeader(run=f"{began:019d}"))
    for frame in clip_frames(clips, _SOURCE):
        at = began + frame.stamp
        file.parts(f"pose.{_SOURCE}", encode_pose(frame), at, at, frame.seq)
    file.close()


def after_verdicts(
    models: SiteModels,
    config: Config,
    judged: Sequence[Clip],
    other: Sequence[Clip],
    odd: Sequence[Clip],
    *,
    verified: bool,
) -> dict[str, Any]:
    """False events and recall before and after verdicts on the judged clips, which are recorded.

    Arguments:
        odd: anomalies, beside edited clips of the other half.
        verified: half of them are judged real before, and only the other half counts.
    """
    known, unknown = (odd[0::2], odd[1::2]) if verified else ([], odd)
    played = anomalies(other, unknown)
    start = models.read().current
    before = _Told(models, config)
    false = before.alarms(judged)
    rows = {"before": _row(before, judged, other, played)}
    true = [alarm.moment for alarm in before.alarms(known)]
    teacher = Teacher(models, config, lambda kept: IncidentMoment("", ()))
    began = time.monotonic()
    lessons = [teacher.teach_moment(alarm.moment, true, "bench") for alarm in false]
    each_s = (time.monotonic() - began) / max(len(lessons), 1)
    rows["joined"] = _row(_Told(models, config), judged, other, played)
    began = time.monotonic()
    if false and teacher.renews:
        lessons.append(_renewed(models, config, teacher, false, lessons, true))
    renewed_s = time.monotonic() - began
    rows["after"] = rows["joined"]
    if lessons and lessons[-1].outcome is TeachingOutcome.RENEWED:
        rows["after"] = _row(_Told(models, config), judged, other, played)
    models.use(start, "bench")
    outcomes = {str(o): sum(x.outcome is o for x in lessons) for o in TeachingOutcome}
    return {
        "verified_anomalies": len(true),
        "verdicts": len(false),
        "verdict_s": round(each_s, 1),
        "renewed_s": round(renewed_s, 1),
        "outcomes": {name: n for name, n in outcomes.items() if n},
        **rows,
    }


def _renewed(
    models: SiteModels,
    config: Config,
    teacher: Teacher,
    false: Sequence[FalseAlarm],
    lessons: Sequence[Lesson],
    true: Sequence[IncidentMoment],
) -> Lesson:
    """What the learner does after verdicts."""
    refused = {x.incident for x in lessons if x.outcome is TeachingOutcome.HIDES_TRUE}
    normal = [alarm for alarm in false if alarm.moment.incident not in refused]
    heard = heard_lately(
        Path(config.record.folder),
        read_info(models.path(models.read().current)).fps,
        odd=[alarm.span for alarm in false if alarm.moment.incident in refused],
        normal=[clip for alarm in normal for clip in alarm.moment.clips],
        false=[alarm.span for alarm in normal],
    )
    version = propose(
        models, heard, minutes=60 * heard.hours, incidents=[a.moment.incident for a in normal], by="bench"
    )
    return teacher.renew(version, false[-1].moment.incident, true, "bench")


def _row(told: _Told, judged: Sequence[Clip], other: Sequence[Clip], odd: Sequence[PlayedClip]) -> dict[str, Any]:
    found = told.found(odd)
    kinds = dict.fromkeys(p.measure for p in odd)
    by_kind = {k: [f for f, p in zip(found, odd, strict=True) if p.measure == k] for k in kinds}
    return {
        "false_judged": told.events(judged),
        "false_other": told.events(other),
        "recall": round(sum(found) / len(found), 4),
        "recall_of": {kind: round(sum(f) / len(f), 4) for kind, f in by_kind.items()},
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

    def found(self, played: Sequence[PlayedClip]) -> list[bool]:
        """Which clips have an event at or after their onset."""
        log, found = self._watched([p.clip for p in played])
        places = {p.ids: (i, p.start_ns) for i, p in enumerate(clip_intervals([p.clip for p in played]))}
        out = [False] * len(played)
        for opened in found.opened:
            ids = log.tracks[int(log.track[opened])].pair
            i, start = places[str(ids[0]), str(ids[1])]
            out[i] |= (int(log.stamps[opened]) - start) / NS >= (played[i].onset_s or 0.0)
        return out

    def alarms(self, clips: Sequence[Clip]) -> list[FalseAlarm]:
        """What would be recorded of each event."""
        if not clips:
            return []
        log, found = self._watched(clips)
        places = {p.ids: p for p in clip_intervals(clips)}
        out: list[FalseAlarm] = []
        for opened, last in zip(found.opened, found.last, strict=True):
            ids = log.tracks[int(log.track[opened])].pair
            place = places[str(ids[0]), str(ids[1])]
            clip, at, end = place.clip, int(log.stamps[opened]), int(log.stamps[last])
            rows = slice(
                max(0, round(((at - place.start_ns) / NS - _BEFORE_S) * clip.fps)),
                max(1, round(((end - place.start_ns) / NS + _AFTER_S) * clip.fps)),
            )
            moment = IncidentMoment(f"{clip.clip_id} {opened}", (replace(clip, joints=clip.joints[rows]),))
            out.append(FalseAlarm(moment, (_SOURCE, at, end)))
        return out

    def _watched(self, clips: Sequence[Clip]) -> tuple[ScoreLog, Episodes]:
        hours = watch(self._model, list(clips), self._config)
        evidence = hours.log.evidence(self._thresholds.by_rule)
        return hours.log, episodes(hours.log, evidence, 1.0, self._thresholds.clear, hours.times)
