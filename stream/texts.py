"""Sentences on the codes of the live path, made here alone. Nothing reads them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from dyadwatch.core.decision.drift import Drift
from dyadwatch.core.finding import Finding
from dyadwatch.core.iso_time import moment
from dyadwatch.core.sense.sense_codes import BLINDING, Oddity
from dyadwatch.core.sense.sense_words import SENTENCES
from dyadwatch.core.words import counted
from dyadwatch.stream.codes import (
    AttentionKind,
    Blindness,
    Circumstance,
    DeliveryLoss,
    DeliveryState,
    EventReason,
    Fault,
    FileLoss,
    IncidentReason,
    Learning,
    MemoryState,
    MergeState,
    OwnFault,
    PeerRefusal,
    RecordingLoss,
    RecordingState,
    SiteRuleKind,
    Unscored,
)

_MAX_CAUSE = 500  # characters; a source may send hundreds of joint names

Detail = Mapping[str, Any]
Sentence = str | Callable[[Detail], str]  # a template, or what makes the sentence where the words depend on the data

# What is counted. Refusals and reasons of publishers are not here: their sentence is that of the error.
REASONS: dict[Fault | Circumstance | PeerRefusal | RecordingLoss | OwnFault, str] = {
    Fault.DUPLICATE: "a frame came again with the same number and stamp; only the first is used",
    Fault.LATE: (
        "a frame came after its turn; it is dropped: it was long on its way (see clock.reorder_s), or its number (seq) "
        "does not rise by one with every frame"
    ),
    Fault.SEQ_GAP: "frame numbers are missing; frames were lost on the way or the source skips numbers",
    Fault.OLD_EPOCH: "a frame of an earlier run came; two publishers share the name, or epochs do not grow",
    Fault.EPOCH_RETURNED: "only frames of an earlier run came for long; the source goes on with that run",
    Fault.SOURCE_RESTART: "the source began a new run; its windows start afresh",
    Fault.RESTART_WITHOUT_EPOCH: "numbers began again without a larger epoch; taken for a restart after some frames",
    Fault.STAMP_NOT_INCREASING: "a stamp is not later than the one before; the frame is dropped",
    Fault.WRONG_UNIT: "stamps are unix time, but not in nanoseconds; windows never fill",
    Fault.STAMP_JUMP_AHEAD: "a stamp lies too far ahead of the one before (see clock.max_jump_s)",
    Fault.STAMP_JUMP_BACK: "a stamp lies too far back behind the one before (see clock.max_gap_s)",
    Fault.ID_JUMP: "an id moved faster than people do; its track starts afresh (see tracks.max_speed_m_s)",
    Fault.IDS_EXCHANGED: "ids exchanged their places from one frame to the next; their people are followed by place",
    Fault.ID_CHURN: "the source gives new ids in every frame; its people are followed by place, as if it sent none",
    Fault.TRACKS_CAPPED: (
        "more people are remembered than tracks.max_tracks; those unseen for longest are forgotten: ids change from "
        "frame to frame, or stamps are not nanoseconds"
    ),
    Fault.LAYOUT_UNFIT: "the joints do not fit the model",
    Fault.PAIRS_CAPPED: "more pairs are near each other than pairs.max_pairs; the farthest are not scored",
    Fault.SHED_OVERLOAD: "windows came faster than they can be scored; the oldest are left out",
    Fault.INBOX_FULL: "messages came faster than they can be decoded; the oldest of the busiest connection are dropped",
    Fault.PART_COUNT: "a message has far more than three parts; its connection is cut",
    Fault.UNFINISHED_MESSAGE: "a message grew beyond wire.max_bytes and was not finished; its connection is cut",
    Fault.BACKLOG_BYTES: "too many bytes wait to be received; its connection is cut",
    Fault.TOO_MANY_CONNECTIONS: "more connections than the detector serves; the newest is cut",
    Fault.STATION_FAILED: "the detector failed on a frame, which is a fault of its own; the source starts afresh",
    Fault.SCORE_NOT_FINITE: "the model gave no usable score for a window; it is left out",
    Fault.SCORE_FAILED: "the model failed on a batch of windows; they are left out (see the log for what it said)",
    Fault.SCORE_INVALID: "the model gave outputs of other shapes than it describes; the windows are left out",
    Fault.SCORE_CANCELLED: "scoring was stopped before the window had its score",
    Fault.TWO_PUBLISHERS: "two publishers send under one name and epoch; give each a name of its own",
    Fault.CLOCKS_APART: (
        "the clocks of a group do not agree; the source is watched by itself (see merge in its status)"
    ),
    Fault.MERGE_LATE: "a frame came after its group had gone on without it (see merge.wait_s)",
    Fault.GROUP_NAME: "a source has the name of a group of merge.groups; its frames are refused",
    Fault.TOO_MANY_SOURCES: "more sources than wire.max_sources; the newest are not taken in",
    Fault.JOINTS_MISNAMED: "windows of people with limbs that no body has are not scored",
    Fault.ABSURD_SIZE: "windows of people of a size that nobody has are not scored",
    Fault.UPSIDE_DOWN: "windows of people whose feet are above the head are not scored",
    Fault.TURNED: "windows are not scored where all people lie and walk",
    Fault.FROZEN: "windows of people who stand still, bit for bit, are not scored",
    Fault.ONE_BODY_TWICE: "windows of one body as two people are not scored",
    Fault.ONE_PLACE: "windows of two people in one place are not scored",
    Fault.FLAT: "windows of people without a depth are not scored",
    Circumstance.PERSON_UNSEEN: "a person of a frame had no joint above tracks.min_confidence",
    Circumstance.ZEROS_UNSEEN: "a joint came at exactly 0 0 0, or -1 -1 -1, which is taken as unseen; send NaN for it",
    Circumstance.JOINTS_HIDDEN: (
        "a joint was out of sight for more than windows.max_hidden of a window, which is not scored"
    ),
    Circumstance.ZONE_IGNORED: "a pair was in a zone whose pairs are ignored (see zones); its window opens no event",
    Circumstance.SCHEDULE_IGNORED: (
        "a pair was seen in hours in which all are ignored (see schedules); its window opens no event"
    ),
    PeerRefusal.PEER_REFUSED: "a connection came without a key, or with one that is not on the allow-list",
    PeerRefusal.PEER_REVOKED: "a message came from a peer whose key is no longer on the allow-list",
    PeerRefusal.FOREIGN_SOURCE: "a message names a source that the key of its peer may not speak for",
    RecordingLoss.DISK_FULL: "there was no room on the disk for a message (see record.min_free_mb)",
    RecordingLoss.OVERFLOW: "messages came faster than the disk takes them",
    RecordingLoss.REFUSED_CAPPED: (
        "more messages were refused than are recorded one by one; these are only counted there"
    ),
    OwnFault.SINK_FAILED: "an output broke (disk full, pipe closed) and is left out from now on",
    OwnFault.SINK_FULL: "an output takes messages more slowly than they come; its oldest are dropped, events last",
    OwnFault.SINK_STUCK: "an output did not take what waited for it when the detector stopped",
    OwnFault.STUCK: "a thread did not come back when the detector stopped",
    OwnFault.RECEIVING_FAILED: "the receiving station failed on a message",
    OwnFault.SCORING_FAILED: "the scoring station failed on a batch of windows",
    OwnFault.STATUS_FAILED: "a status could not be made",
    OwnFault.SOURCE_FORGOTTEN: (
        "a source is silent for over liveness.forget_s, or for a minute after hardly a usable frame"
    ),
    OwnFault.SOURCE_REPLACED: "a source of no use, or long silent, made room for a new one",
}

EVENT: dict[EventReason, str] = {
    EventReason.ENOUGH_EVIDENCE: "enough evidence",
    EventReason.STILL_GOING_ON: "still going on",
    EventReason.CALM_AGAIN: "calm again",
    EventReason.LOST: "one of the two was lost from sight",
    EventReason.APART: "the two went apart",
    EventReason.CAPPED: "more pairs are near each other than are scored",
    EventReason.SOURCE_RESTART: "the source began a new run",
    EventReason.CLOCK_STEP: "the clock of the source was set",
    EventReason.MERGED: "the source joined its group or left it",
    EventReason.MERGE_CHANGED: "a source left the group",
    EventReason.STATION_FAILED: "the detector failed on a frame",
    EventReason.SOURCE_FORGOTTEN: "the source was silent for too long",
    EventReason.END_OF_STREAM: "the frames have ended",
    EventReason.SHUTDOWN: "the detector was stopped",
}

INCIDENT: dict[IncidentReason, str] = {
    IncidentReason.OPENED: "it began",
    IncidentReason.STILL_GOING_ON: "still going on",
    IncidentReason.PAIR_JOINED: "another pair belongs to it",
    IncidentReason.RESUMED: "it went on after a pause",
    IncidentReason.SEVERITY_ROSE: "it became graver",
    IncidentReason.ABSORBED: "another incident turned out to be part of it",
    IncidentReason.CALM_AGAIN: "nothing more happened",
    IncidentReason.MERGED: "it turned out to be part of another incident",
    IncidentReason.BACK: "the source is back",
    IncidentReason.CLOCK_STEP: "the clock of the source was set",
    IncidentReason.MERGE_CHANGED: "the source joined its group or left it",
    IncidentReason.STATION_FAILED: "the detector failed on a frame",
    IncidentReason.SOURCE_FORGOTTEN: "the source was silent for too long",
    IncidentReason.END_OF_STREAM: "the frames have ended",
    IncidentReason.SHUTDOWN: "the detector was stopped",
    IncidentReason.INTERRUPTED: "the detector ended while it was open",
}

ATTENTION: dict[AttentionKind, str] = {
    AttentionKind.CALL: "somebody should look",
    AttentionKind.ESCALATED: "nobody has acknowledged it for long",
    AttentionKind.DIGEST: "calls were held back",
    AttentionKind.ACKNOWLEDGED: "somebody takes care of it",
    AttentionKind.SNOOZED: "calls are held back for a while, unless it becomes graver",
    AttentionKind.CLEARED: "it is over",
}


def _joint(detail: Detail) -> str:
    """left_elbow of ann (from left_wrist and left_shoulder)."""
    derived = f" (from {' and '.join(detail['derived_from'])})" if detail.get("derived_from") else ""
    return f"{detail['joint']} of {detail['person']}{derived}"


def _refused(detail: Detail) -> str:
    more = f", and {detail['more']} more" if detail["more"] else ""
    said = f" ({detail['said']})" if detail.get("said") else ""
    return f"nothing usable from {', '.join(f'{who}: {why}' for who, why in detail['refused'].items())}{more}{said}"


def _unused(detail: Detail) -> str:
    because = f": {detail['reason']}" if detail.get("reason") else ""
    return f"no usable frame for {detail['seconds']:.0f} s{because}, see dropped"


BLIND: dict[Blindness, Sentence] = {
    Blindness.NOTHING_SENT: "no source has sent anything yet",
    Blindness.NOTHING_USABLE: "nothing usable has come yet, see dropped",
    Blindness.REFUSED: _refused,
    Blindness.NOT_HEARD: "nothing has come from it yet",
    Blindness.GROUP_NOT_HEARD: "nothing has come from its sources yet",
    Blindness.NOBODY: "nobody in view",
    Blindness.ONE_PERSON: "one person in view",
    Blindness.FILLING: "filling the first window",
    Blindness.JOINTS_HIDDEN: lambda detail: f"joints out of sight: {_joint(detail)}",
    Blindness.TOO_SLOW: "frames come {step_s:.1f} s apart; windows need at most {most_s:g} s ({key})",
    Blindness.STAMPS_NOT_INCREASING: "stamps do not rise ({stamp} after {last_stamp})",
    Blindness.STAMPS_JUMP: "stamps jump ({step_s:+.1f} s from the last frame used)",
    Blindness.SEQ_NOT_RISING: "frame numbers do not rise (seq {seq})",
    Blindness.SAME_FRAME: "the same frame comes again and again (seq {seq})",
    Blindness.OLD_EPOCH: "frames of an earlier run (epoch {epoch}) are refused; the present run has epoch {present}",
    Blindness.WRONG_UNIT: "stamps look like {unit} ({stamp}); expected nanoseconds",
    Blindness.LAYOUT_UNFIT: "layout does not fit the model: {error}",
    Blindness.OVERLOAD: "overload: windows are shed",
    Blindness.NO_USABLE_FRAME: _unused,
    Blindness.SILENT: "source silent for {seconds:.0f} s",
    Blindness.EXPECTED: "expected (liveness.expected), but nothing has come from it in {seconds:.0f} s",
    Blindness.STATION_FAILED: "{station} fails: {error}",
    Blindness.STATION_STUCK: "{station} has not come back for {seconds:.0f} s",
    **{Blindness(odd): SENTENCES[odd] for odd in Oddity if odd in BLINDING},
}


def _stamps_apart(detail: Detail) -> str:
    side = "ahead of" if detail["ahead_s"] > 0 else "behind"
    return (
        f"apart: its stamps are {abs(detail['ahead_s']):.2f} s {side} those of {detail['reference']}; "
        f"merge.tolerance_s is {detail['tolerance_s']:g}"
    )


MERGE: dict[MergeState, Sentence] = {
    MergeState.MERGED: "in {group}",
    MergeState.OTHER_CLOCK: (
        "apart: its stamps are on the clock {clock!r}, those of {reference} on {reference_clock!r}; "
        "set merge.offset_s for it"
    ),
    MergeState.STAMPS_APART: _stamps_apart,
    MergeState.GROUP: "{merged} of {sources} sources; {shared} of {people} people seen by more than one",
}


_STALE = (
    "calibration stale: in {hours:.1f} h of quiet pairs {share:.0%} of the windows score above {level:.2f}, and "
    "{expected:.0%} when it was made; calibrate again (dyadwatch calibrate), or train on what is normal now"
)
DRIFT: dict[Drift, Sentence] = dict.fromkeys(Drift, _STALE)


def _site_rule(kind: str) -> Callable[[Detail], str]:
    def sentence(detail: Detail) -> str:
        pairs = counted(detail["pairs"], "pair")
        what = f"held to levels {detail['factor']:g} times as high" if detail["factor"] else "ignored"
        return f"{pairs} {'is' if detail['pairs'] == 1 else 'are'} {what}: {kind} {detail['name']!r}"

    return sentence


SITE_RULE: dict[SiteRuleKind, Sentence] = {kind: _site_rule(str(kind)) for kind in SiteRuleKind}


def _heard(detail: Detail) -> str:
    pairs = counted(detail["pairs"], "pair")
    since = moment(detail["since"])[:16].replace("T", " ")
    return f"{detail['minutes']:.1f} minutes of {pairs} heard since {since}"


def _gathering(detail: Detail) -> str:
    kept = f", recorded in {detail['folder']}" if detail["folder"] else ", not recorded"
    return f"nobody is judged: {_heard(detail)}{kept}; {detail['more_minutes']:.1f} more make a first model"


def _enough(detail: Detail) -> str:
    if not detail["folder"]:
        return f"nobody is judged: {_heard(detail)}, not recorded; see learning.folder"
    return (
        f"nobody is judged: {_heard(detail)}, enough for a first model: dyadwatch up proposes one (dyadwatch learn "
        "status), and so does dyadwatch learn run"
    )


LEARNING: dict[Learning, Sentence] = {Learning.GATHERING: _gathering, Learning.ENOUGH: _enough}

RECORDING: dict[RecordingState, Sentence] = {
    RecordingState.ON: "on",
    RecordingState.DISK_STUCK: "stopped: {folder} has not answered for {seconds:.0f} s",
    RecordingState.NO_ROOM: (
        "stopped: {free_mb:.0f} MB free in {folder}, less than record.min_free_mb, {min_free_mb:g}"
    ),
    RecordingState.DISK_ERROR: "stopped: {error} in {folder}",
}

MEMORY: dict[MemoryState, Sentence] = {
    MemoryState.ON: "on",
    MemoryState.FAILS: lambda detail: (
        f"{detail['file']} cannot be written to ({detail['error']}); it is tried again, with "
        f"{counted(detail['waiting'], 'message')} that wait{'s' * (detail['waiting'] == 1)}"
    ),
}


def _of_devices(detail: Detail) -> str:
    return f"{detail['failing']} of {detail['receivers']} devices: " if "receivers" in detail else ""


DELIVERY: dict[DeliveryState, Sentence] = {
    DeliveryState.READY: "ready",
    DeliveryState.DELIVERING: lambda detail: f"delivering {counted(detail['waiting'], 'update')}",
    DeliveryState.FAILING: lambda detail: (
        f"failing for {detail['seconds']:.0f} s: {_of_devices(detail)}{detail['error']}; "
        f"{counted(detail['waiting'], 'update')} wait{'s' * (detail['waiting'] == 1)}"
    ),
}

# Why an update was not delivered.
DELIVERY_LOSS: dict[DeliveryLoss, str] = {
    DeliveryLoss.REFUSED: "the other side does not take it",
    DeliveryLoss.EXPIRED: "it could not be delivered for longer than delivery.keep_h",
    DeliveryLoss.FULL: "more wait than delivery.most_waiting; updates of what still goes on go first",
    DeliveryLoss.UNREADABLE: "another version of dyadwatch kept it in a form that this one does not know",
    DeliveryLoss.GONE: "the device that it was for is not subscribed any more",
}

# What is lost, and why.
FILE_LOSS: dict[FileLoss, tuple[str, str]] = {
    FileLoss.CHANNEL_LOST: ("message", "left out: their channel is missing from the readable part of the file"),
    FileLoss.CHANNEL_UNKNOWN: ("message", "left out: on channels that this program does not know"),
    FileLoss.UNREADABLE: ("message", "left out: they could not be decoded"),
    FileLoss.OTHER_VERSION: (
        "message",
        "left out: scores, events and status of another version, as another dyadwatch wrote them",
    ),
    FileLoss.RECORD_SHORT: ("record", "left out: too short to be messages"),
    FileLoss.OUTSIDE_CHUNKS: ("message", "left out: outside of chunks, where no recorder writes"),
    FileLoss.CHUNK_DAMAGED: ("chunk", "left out: damaged, or larger than the file allows"),
}


def _short(detail: Detail) -> str:
    fitting = detail.get("fitting_s")
    usable = f"; a model trained with --window-s {fitting:g} could judge it" if fitting else ""
    every, need = detail["every_s"], detail["need_s"]
    return f"too short: a pair is judged once it was seen for {need:.3g} s, every {every:.2g} s{usable}"


def _all_refused(detail: Detail) -> str:
    reasons = ", ".join(f"{reason} {n}" for reason, n in detail["reasons"].items()) or "no reason was counted"
    return f"none of {counted(detail['frames'], 'frame')} could be used: {reasons}"


def _all_hidden(detail: Detail) -> str:
    return (
        f"{counted(detail['windows'], 'window')} left out, in which a joint is out of sight for more than "
        f"{detail['max_hidden']:.0%} of the time (windows.max_hidden), most "
        f"{_joint(detail) if detail.get('joint') else 'of several'}"
    )


def _odd_bodies(detail: Detail) -> str:
    return f"{counted(detail['windows'], 'window')} left out: {SENTENCES[Oddity(detail['odd'])](detail)}"


UNSCORED: dict[Unscored, Sentence] = {
    Unscored.SHORT: _short,
    Unscored.NO_FRAMES: "no frame came",
    Unscored.REFUSED: _all_refused,
    Unscored.LAYOUT_UNFIT: "the joints do not fit the model: {error}",
    Unscored.NOBODY: "nobody is seen in any frame",
    Unscored.ONE_PERSON: "never more than one person is seen at a time",
    Unscored.JOINTS_HIDDEN: _all_hidden,
    Unscored.NOT_SCORED: lambda detail: f"the model gave no usable score for {counted(detail['windows'], 'window')}",
    Unscored.SLOW: "frames come {step_s:.2g} s apart; a window needs them at most {most_s:g} s apart",
    Unscored.APART: (
        "no two people come within {enter_m:g} m of each other (pairs.enter_m); the nearest are {nearest_m:.1f} m apart"
    ),
    Unscored.INTERRUPTED: (
        "two people are seen near each other for at most {longest_s:.3g} s without a break of more than {max_gap_s:g} "
        "s; a window needs {need_s:.3g} s, and one ends every {every_s:.2g} s"
    ),
    Unscored.ODD_BODIES: _odd_bodies,
}

_TABLES: dict[type[StrEnum], Mapping[Any, Sentence]] = {
    Blindness: BLIND,
    Drift: DRIFT,
    Learning: LEARNING,
    SiteRuleKind: SITE_RULE,
    MergeState: MERGE,
    RecordingState: RECORDING,
    MemoryState: MEMORY,
    DeliveryState: DELIVERY,
    Unscored: UNSCORED,
    Oddity: SENTENCES,
}


def text_of(finding: Finding[StrEnum]) -> str:
    """The sentence on a finding."""
    sentence = _TABLES[type(finding.code)][finding.code]
    return sentence(finding.detail) if callable(sentence) else sentence.format(**finding.detail)


def logged(reason: Fault, cause: Finding[Blindness] | str | None = None) -> str:
    """A line of the log on something counted; it ends with what is known of its cause."""
    if isinstance(cause, Finding):
        cause = str(cause.detail["error"]) if cause.code is Blindness.LAYOUT_UNFIT else text_of(cause)
    return f"{REASONS[reason]}: {cause:.{_MAX_CAUSE}}" if cause else REASONS[reason]
