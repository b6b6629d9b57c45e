"""From what a site recorded to a model of its normal: enrolled on some of it, calibrated and tried on the rest."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from msgspec import structs

from dyadwatch.calibrating import NormalHours, described, watch
from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration, write_calibration
from dyadwatch.core.decision.episodes import episodes
from dyadwatch.core.decision.event_budget import per_hour
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.decision.score_log import ScoreLog
from dyadwatch.core.decision.site_calibration import choose, events_allowed, hours_of
from dyadwatch.core.decision.thresholds import events_bound
from dyadwatch.core.enrolment.enrol import Base
from dyadwatch.core.enrolment.join import join
from dyadwatch.core.enrolment.normal_clips import MOST_CLIPS, take_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.model_file.artefact import file_sha256, read_info, read_sealed, seal, write_atomically
from dyadwatch.core.units import NS
from dyadwatch.enrolling import enrol_heard
from dyadwatch.heard_clips import LEAST_S, HeardClips, Span, chosen_clips
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.learning.versions import SiteModels, Version, WouldBe
from dyadwatch.stream.recordings.frame_times import recorded_hours
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.playback import Playback

# The strictest that the hours vouch for is proposed.
BUDGETS = ("1/week", "1/day", "3/day", "12/day", "1/hour", "2/hour", "6/hour")
FEWEST_CLIPS = 5  # of which each can be held against the others; of fewer their levels are a guess
_MOST_WOULD_BE = 50
# One in so many false alarms that were judged may come again, each clip judged without itself. Over eight splits of
# handover clips 55 false events of clips that nobody judged became 25 with one in three and 31 with one in two, and
# recall of edited clips went from 0.28 to 0.34 and 0.38; with the moments joined alone, 29 and 0.26.
_REMAIN = 3
_LESSON_HOP_S = 0.8  # between windows of false alarms that a proposal is taught


def propose(
    models: SiteModels,
    heard: HeardClips,
    *,
    minutes: float,
    incidents: Sequence[str] = (),
    by: str = "",
    base: Path | None = None,
    threads: int = 1,
) -> Version:
    """Makes a version of what was heard and offers it.

    Clips, evenly spread, become its normal: half of them, where the other half is long enough to vouch for a budget,
    and else all. All that was recorded is then scored as the detector would. The other half gives the thresholds;
    without one they are those of the enrolment, each clip judged without itself, which at most a third as many exceed
    as false alarms were judged. What would have raised an alarm is told with it.

    Arguments:
        models: that it is added to.
        heard: see `heard_lately`.
        minutes: that were heard of pairs, as people are told.
        incidents: ids of the false alarms among what is normal.
        by: who asked for it.
        base: that it is enrolled on; None for the model that comes along.
        threads: of the processor.

    Raises:
        ClipError: too few clips can be used.
        LayoutError: the joints do not map onto those of the base.
    """
    if len(heard.clips) < FEWEST_CLIPS:
        raise ClipError(
            f"{len(heard.clips)} clips of pairs were recorded that could be used; expected {FEWEST_CLIPS} of at least "
            f"{LEAST_S:g} s: of fewer nobody can tell how far normal goes"
        )
    models.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = models.folder / "candidate.onnx"
    playback = Playback(heard.paths)
    config = config_of(r.about for r in playback.recordings)
    config = structs.replace(config, scorer=structs.replace(config.scorer, threads=threads))
    half = best_budget({"all": recorded_hours(playback, config) - heard.hours / 2}) != ""
    chosen = chosen_clips(heard, half=half)
    base = shipped_model() if base is None else base
    name = f"{models.name}-v{models.read().next}"
    may_exceed = max(1, len(heard.false) // _REMAIN) if heard.false else None
    enrolled = enrol_heard(base, [clip for _, clip in chosen], made, name=name, may_exceed=may_exceed)
    if heard.normal:
        join_moments(made, heard.normal[-MOST_CLIPS:], made, name)
    lately = watch(made, list(heard.paths), config)
    window_s = read_info(made).frames / read_info(made).fps
    unseen = without(lately, [span for span, _ in chosen], window_s)
    budget = _calibrate(made, unseen)
    thresholds = read_calibration(calibration_path(made)).thresholds
    events, found = would_be(lately, thresholds)
    version = Version(
        made=time.time_ns(),
        by=by,
        how=Origin.ENROLLED,
        minutes=round(minutes, 2),
        clips=enrolled.normal.clips,
        unseen_hours=round(hours_of(unseen.sources), 4),
        budget=budget,
        events=events,
        per_hour_95=round(events_bound(events, hours_of(lately.sources)), 2) if lately.sources else None,
        would_be=found,
        incidents=tuple(incidents),
    )
    return models.add(version, made, propose=True)


def propose_trained(
    models: SiteModels, made: Path, paths: Sequence[Path], *, minutes: float, clips: int, threads: int = 1
) -> Version:
    """Takes up a model that was trained on recordings, tries it on them, and offers it.

    Its thresholds rest on recordings that no judge of them knew (folds), and vouch for what they say.

    Arguments:
        models: that it is added to.
        made: the model file, with its calibration beside it.
        paths: of the recordings.
        minutes: that were heard of pairs when the training began.
        clips: that it was trained on.
        threads: of the processor.
    """
    calibration = read_calibration(calibration_path(made))
    config = config_of(r.about for r in Playback(paths).recordings)
    config = structs.replace(config, scorer=structs.replace(config.scorer, threads=threads))
    lately = watch(made, list(paths), config)
    events, found = would_be(lately, calibration.thresholds)
    evidence = calibration.evidence
    version = Version(
        made=time.time_ns(),
        how=Origin.TRAINED,
        minutes=round(minutes, 2),
        clips=clips,
        unseen_hours=round(float(evidence.get("hours", 0.0)), 4),
        budget="6/hour" if evidence.get("certified") else "",
        events=events,
        per_hour_95=round(events_bound(events, hours_of(lately.sources)), 2) if lately.sources else None,
        would_be=found,
    )
    return models.add(version, made, propose=True)


def join_moments(model: Path, clips: Sequence[Clip], out: Path, name: str, hop_s: float = _LESSON_HOP_S) -> None:
    """Writes a model to which moments are normal besides; its scores mean the same, and its thresholds are those.

    Arguments:
        model: that judges until now, with its calibration beside it.
        clips: of the moments, at most twenty.
        out: the model file to write; it may be `model` itself.
        name: what it calls itself.
        hop_s: between two windows of a moment that join.

    Raises:
        ArtefactError: it has no support set that could grow.
        ClipError: none of the clips can be used.
    """
    was = read_calibration(calibration_path(model))
    data = model.read_bytes()
    info = read_sealed(data, f"model {model}")
    base = Base.of_model(data, info, f"model {model}")
    joined = join(base, take_clips([(clip.clip_id, clip) for clip in clips], info, MOST_CLIPS), hop_s)
    write_atomically(out, seal(joined.model, structs.replace(info, name=name)))
    write_calibration(calibration_path(out), structs.replace(was, model_sha256=file_sha256(out)))


def without(hours: NormalHours, spans: Sequence[Span], window_s: float) -> NormalHours:
    """The hours without what a model saw.

    Arguments:
        spans: that it saw.
        window_s: length of a window; those that touch a span are left out.
    """
    reach = round(window_s * NS)
    tracks = [
        replace(
            track,
            stamps=track.stamps[keep],
            parts=track.parts[keep],
            doubtful=None if track.doubtful is None else track.doubtful[keep],
        )
        for track in hours.log.tracks
        if (
            keep := ~np.any(
                [
                    (track.stamps >= first) & (track.stamps < last + reach)
                    for source, first, last in spans
                    if source == track.source
                ]
                or [np.zeros(len(track.stamps), bool)],
                axis=0,
            )
        ).any()
    ]
    seen: dict[str, int] = {}
    for source, first, last in spans:
        seen[source] = seen.get(source, 0) + last - first
    left = {s: max(h - seen.get(s, 0) / NS / 3600, 0.0) for s, h in hours.sources.items()}
    return replace(hours, log=ScoreLog(tuple(tracks), hours.log.hop_s, hours.log.pause_s), sources=left)


def best_budget(sources: Mapping[str, float]) -> str:
    """The strictest budget that so many hours without an event vouch for; empty for none."""
    hours = hours_of(sources)
    return next((b for b in BUDGETS if events_allowed(per_hour(b), hours) is not None), "")


def _calibrate(model: Path, unseen: NormalHours) -> str:
    """Writes thresholds that unseen hours vouch for, and says for which budget; empty where they vouch for none."""
    budget = best_budget(unseen.sources)
    if not budget or not len(unseen.log):
        return ""
    rate = per_hour(budget)
    choice = choose(unseen.log, hours_of(unseen.sources), rate, budget=budget, times=unseen.times)
    made = described(choice, unseen, model, budget, 1, datetime.now(UTC))
    write_calibration(calibration_path(model), made)
    return budget if choice.certified else ""


def would_be(hours: NormalHours, thresholds: Thresholds) -> tuple[int, tuple[WouldBe, ...]]:
    """How many events thresholds would have made of hours, and the strongest, in the order of time."""
    log = hours.log
    if not len(log):
        return 0, ()
    found = episodes(log, log.evidence(thresholds.by_rule), 1.0, thresholds.clear, hours.times)
    order = np.argsort(-found.peak, kind="stable")[:_MOST_WOULD_BE]
    out: list[WouldBe] = []
    for i in order:
        number = int(found.opened[i])
        track = log.tracks[int(log.track[number])]
        stamp, evidence = int(log.stamps[number]), round(float(found.peak[i]), 3)
        out.append(WouldBe(source=track.source, pair=track.pair, clock=track.clock, stamp=stamp, evidence=evidence))
    return len(found), tuple(sorted(out, key=lambda w: (w.stamp, w.source)))
