"""What the detector says, the JSON objects of the wire out. Keys: docs/wire-protocol.md."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from dyadwatch.core.decision.drift import Drift
from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.explanation.explainer import How
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.limbs import Limb
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.codes import (
    NAMED,
    REASONS,
    AttentionKind,
    Blindness,
    DeliveryLoss,
    DeliveryState,
    EventReason,
    IncidentKind,
    IncidentReason,
    Learning,
    MemoryState,
    MergeState,
    RecordingState,
    Severity,
    SiteRuleKind,
    SourceState,
)

VERSION = 2


def _is(text: str) -> Meta:
    """What a key means, for the JSON Schema."""
    return Meta(description=text)


_Version = Annotated[int, _is("Version of the messages.")]
_Source = Annotated[str, _is("Name of the source, of a group of merged sources, or @detector for the detector itself.")]
_Pair = Annotated[
    tuple[TrackId, TrackId],
    _is("Ids of the two, ordered by first sighting; the source's own, or numbers from 1 where it sends none."),
]
_Model = Annotated[str, _is("Name and version of the model.")]
_Text = Annotated[str, _is("The same as a sentence.")]


class ScoreMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="score"):
    """How unusual one pair was in one window; scores are -log10 of the tail probability of normal windows."""

    v: _Version = VERSION
    source: _Source
    pair: _Pair
    start: Annotated[int, _is("The window's first moment, nanoseconds of the source's clock.")]
    end: Annotated[int, _is("The window's last moment, nanoseconds of the source's clock.")]
    score: Annotated[float, _is("How unusual, all in all: -log10 of how rare a normal window scores so high.")]
    relation: Annotated[float, _is("How little the movements of the two belong together, likewise.")]
    unusual: Annotated[float, _is("How unlike normal either person or their distances are, likewise.")]
    timing: Annotated[
        float, _is("How much better the two would fit with one of them 0.2 s earlier, likewise; no part of score.")
    ] = 0.0
    evidence: Annotated[float, _is("How near an alarm is by this and the windows before: 1 raises it.")] = 0.0
    doubtful: Annotated[bool, _is("Whether the bodies look odd; then it opens no event by itself.")] = False
    learning: Annotated[
        bool, _is("Whether no model was named for its people; then nothing is concluded from it, and no event opens.")
    ] = False
    weight: Annotated[
        float, _is("What it counts for in the evidence by the zones and schedules of the site; 0: the pair is ignored.")
    ] = 1.0
    model: _Model
    latency_ms: Annotated[float, _is("From receiving the frame that completed the window to the score.")]

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"score.{self.source}"

    @property
    def parts(self) -> tuple[float, ...]:
        """What rules look at, in the order of `core.decision.rules.COLUMN`."""
        return self.score, self.relation, self.unusual, self.timing


class JointPairPart(Struct, frozen=True, kw_only=True):
    """A joint of the first person and one of the second, and their part in what is unusual.

    `share` is 0..1 of the whole; `shift_m` says by how many metres they are farther apart (negative: closer) than in
    the most similar normal window.
    """

    first: Annotated[str, _is("Joint of the first person.")]
    second: Annotated[str, _is("Joint of the second person.")]
    share: Annotated[float, _is("Part of the whole, 0 to 1.")]
    shift_m: Annotated[float, _is("Metres farther apart than in the most similar normal window; negative: closer.")]


class OddLimb(Struct, frozen=True, kw_only=True):
    """The limb that explains the peak best: whose, what it does toward what of the other, and what normal pairs do."""

    person: Annotated[TrackId, _is("Whose it is.")]
    limb: Annotated[Limb, _is("Which limb.")]
    joint: Annotated[str, _is("The joint that stands for the limb.")]
    toward: Annotated[str, _is("Joint of the other person whose distance from it is least usual.")]
    how: Annotated[How, _is("fast, near or far: what is beyond the usual; place: it is out of place otherwise.")]
    share: Annotated[float, _is("Of the belief that it is this one of all limbs of the two, 0 to 1.")]
    speed_m_s: Annotated[float, _is("Of the joint, root mean square over the window, metres a second.")]
    distance_m: Annotated[float, _is("To toward where it is least, metres.")]
    off_m: Annotated[float, _is("From where the rest of the two would have the joint, metres.")]
    usual: Annotated[
        float | None,
        _is("What 99 % of normal windows stay below (fast: m/s, far: m) or above (near: m); null for place."),
    ]


class EventRule(Struct, frozen=True, kw_only=True):
    """What raised an alarm: a part of the score, averaged."""

    part: Annotated[ScorePart, _is("Which part of the score.")]
    over_s: Annotated[float, _is("Seconds that are averaged; 0: each window by itself.")]
    mean: Annotated[float, _is("The highest mean; compare threshold.")]


class EventMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="event"):
    """A change in an event: opened, still going on, closed."""

    v: _Version = VERSION
    type: Annotated[Literal["open", "update", "close"], _is("open, update (still going on) or close.")]
    id: Annotated[str, _is("The same for all messages of one event, and in every replay.")]
    source: _Source
    pair: _Pair
    clock: Annotated[str, _is("Name of the clock of its times.")]
    start: Annotated[int, _is("When the evidence began to rise, nanoseconds of that clock.")]
    end: Annotated[int | None, _is("Null until it closes; then the end of the last window whose evidence was not low.")]
    stamp: Annotated[int, _is("Event time of this message.")]
    score: Annotated[float, _is("Of the latest window.")]
    relation: Annotated[float, _is("Of the window with the highest score.")]
    unusual: Annotated[float, _is("Of the window with the highest score.")]
    peak_score: Annotated[float, _is("Of the window with the highest score.")]
    peak_stamp: Annotated[int, _is("End of the window with the highest score.")]
    threshold: Annotated[float, _is("The mean from which on the rule raises an alarm, in surprise.")]
    evidence: Annotated[float, _is("The most of the event, in units of what raises an alarm: at least 1.")]
    rule: Annotated[EventRule, _is("What the most evidence came from.")]
    reason: Annotated[EventReason, _is("Why this message.")]
    text: Annotated[str, _is("The reason as a sentence.")]
    joints: Annotated[tuple[JointPairPart, ...], _is("Up to three pairs of joints that contribute most to the peak.")]
    limb: Annotated[
        OddLimb | None, _is("Null where relation raised the alarm, or the model holds nothing to compare limbs with.")
    ] = None
    explanation: Annotated[str, _is("Limb, relation or joints as a sentence.")]
    model: _Model

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"event.{self.source}"


class IncidentPair(Struct, frozen=True, kw_only=True):
    """A pair of an incident, and what speaks for it."""

    pair: _Pair
    events: Annotated[tuple[str, ...], _is("Ids of its events in this incident, the latest sixteen.")]
    open: Annotated[bool, _is("Whether one of them is open.")]
    start: Annotated[int, _is("Start of the first of them, nanoseconds of the source's clock.")]
    end: Annotated[int | None, _is("Null while one is open; then the end of the last.")]
    peak_score: Annotated[float, _is("Of the window with the highest score.")]
    peak_stamp: Annotated[int, _is("End of that window.")]
    relation: Annotated[float, _is("Of that window.")]
    unusual: Annotated[float, _is("Of that window.")]
    rule: Annotated[EventRule, _is("That of its highest event.")]
    evidence: Annotated[float, _is("What was above that which raises an alarm, added up over its seconds.")]
    apart_m: Annotated[float, _is("Metres between the two on the floor when the first of them opened.")]
    joints: Annotated[tuple[JointPairPart, ...], _is("Those of its highest event.")]
    limb: Annotated[OddLimb | None, _is("That of its highest event.")]
    explanation: Annotated[str, _is("That of its highest event.")]


class IncidentMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="incident"):
    """A change in an incident: one happening, of one or more pairs; or a source that is silent, missing or blind."""

    v: _Version = VERSION
    type: Annotated[Literal["open", "update", "close"], _is("open, update (still open) or close.")]
    id: Annotated[str, _is("The same for all messages of one incident; of an interaction, in every replay.")]
    about: Annotated[IncidentKind, _is("interaction: events of pairs; the others are about the source itself.")]
    source: _Source
    clock: Annotated[str, _is("Name of the clock of its times.")]
    severity: Annotated[Severity, _is("It may rise while the incident is open, and never falls.")]
    start: Annotated[int, _is("Start of its first event, or when the source was last as it should be.")]
    end: Annotated[
        int | None, _is("Null until it closes; then the end of its last event, or when the source was back.")
    ]
    stamp: Annotated[int, _is("Time of this message on that clock.")]
    last_seen: Annotated[int | None, _is("Of a source: unix ns at which the last message came; null for never.")] = None
    peak_score: Annotated[float, _is("Of the highest window of all its events; 0 for a source.")] = 0.0
    peak_stamp: Annotated[int, _is("End of that window.")] = 0
    people: Annotated[tuple[TrackId, ...], _is("Everybody involved, those of the leading pair first.")] = ()
    pairs: Annotated[tuple[IncidentPair, ...], _is("Its pairs, the one with most evidence first.")] = ()
    events: Annotated[int, _is("How many events it is made of.")] = 0
    explanation: Annotated[str, _is("Of the leading pair, or what is wrong with the source.")]
    reason: Annotated[IncidentReason, _is("Why this message.")]
    text: Annotated[str, _is("The reason as a sentence.")]
    shadow: Annotated[bool, _is("Whether nobody is called about it, as alarm.shadow asks for.")] = False
    merged_into: Annotated[str | None, _is("Of a close with the reason merged: id of the incident that goes on.")] = (
        None
    )
    model: _Model = ""

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"incident.{self.source}"


class NearMissMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="near_miss"):
    """A pair's score came near to an event, and is over: at or above clear_at, and no event opened."""

    v: _Version = VERSION
    id: Annotated[str, _is("The same in every replay.")]
    source: _Source
    pair: _Pair
    clock: Annotated[str, _is("Name of the clock of its times.")]
    start: Annotated[int, _is("End of the first window not below clear_at, nanoseconds of that clock.")]
    end: Annotated[int, _is("End of the last such window.")]
    stamp: Annotated[int, _is("Event time of this message.")]
    peak_score: Annotated[float, _is("Of the window with the most evidence.")]
    peak_stamp: Annotated[int, _is("End of that window.")]
    evidence: Annotated[float, _is("The most of it; 1 raises an alarm.")]
    joints: Annotated[tuple[JointPairPart, ...], _is("As in events.")]
    explanation: Annotated[str, _is("The joints as a sentence.")]
    model: _Model

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"near_miss.{self.source}"


class AttentionMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="attention"):
    """Somebody should look at an incident, or need not any more: what goes to phones and pagers."""

    v: _Version = VERSION
    what: Annotated[AttentionKind, _is("call, escalated, digest, acknowledged, snoozed or cleared.")]
    source: _Source
    at: Annotated[int, _is("Unix nanoseconds by the detector's clock.")]
    severity: Annotated[Severity, _is("At least that of the incident; escalation raises it.")]
    incidents: Annotated[tuple[str, ...], _is("Id of the incident; of a digest, those held back.")] = ()
    held_back: Annotated[int, _is("Of a digest: how many incidents nobody was called about.")] = 0
    who: Annotated[str, _is("Who acknowledged or snoozed it, as given.")] = ""
    until: Annotated[int | None, _is("Of a snooze: unix nanoseconds; else null.")] = None
    text: _Text
    explanation: Annotated[str, _is("That of the incident.")]

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"attention.{self.source}"


Data = int | float | str | tuple[str, ...] | dict[str, str | int]
_Detail = Annotated[dict[str, Data], _is("The data of the code, by name.")]


class Blind(Struct, frozen=True, kw_only=True):
    """Why nothing can be scored, or nothing comes."""

    code: Annotated[Blindness, _is("What is in the way.")]
    detail: _Detail
    text: _Text


class OddNow(Struct, frozen=True, kw_only=True):
    """What is odd about the bodies in view."""

    code: Annotated[Oddity, _is("What is odd.")]
    blinding: Annotated[
        bool,
        _is("True: those people are not scored. False: their windows open no event; mirrored alone is merely said."),
    ]
    detail: _Detail
    text: _Text


class Merge(Struct, frozen=True, kw_only=True):
    """How a source of a group, or a group, is merged."""

    code: Annotated[MergeState, _is("merged, or why not; group: of a group.")]
    detail: _Detail
    text: _Text


class RecordingNow(Struct, frozen=True, kw_only=True):
    """Whether what is received is recorded."""

    code: Annotated[RecordingState, _is("on, or why nothing is recorded.")]
    detail: _Detail
    text: _Text


class MemoryNow(Struct, frozen=True, kw_only=True):
    """Whether incidents are kept."""

    code: Annotated[MemoryState, _is("on, or fails: what is told waits to be kept.")]
    detail: _Detail
    text: _Text


class DeliveryNow(Struct, frozen=True, kw_only=True):
    """How it stands with one target that incidents and calls are delivered to."""

    name: Annotated[str, _is("Its name in delivery.to.")]
    code: Annotated[DeliveryState, _is("ready, delivering, or failing and why.")]
    detail: _Detail
    text: _Text
    waiting: Annotated[int, _is("Updates that wait.")]
    since: Annotated[int | None, _is("Unix nanoseconds at which the oldest of them was taken; null where none waits.")]
    delivered: Annotated[int, _is("Updates delivered since its spool was made.")]
    dropped: Annotated[dict[DeliveryLoss, int], _is("Updates that were not, and why, since then.")]


class CalibrationNow(Struct, frozen=True, kw_only=True):
    """Quiet times no longer score as those did that the calibration was made on: it is stale."""

    code: Annotated[Drift, _is("higher or lower: how the scores are now.")]
    hours: Annotated[float, _is("Of windows of pairs, in the last day, that this rests on.")]
    share: Annotated[float, _is("Part of them above a score that is rare where they are higher, else common.")]
    expected: Annotated[float, _is("That part as the calibration has it.")]
    level: Annotated[float, _is("That score: the ninth decile or the median of the calibration.")]
    text: _Text


class SiteRuleNow(Struct, frozen=True, kw_only=True):
    """A zone or schedule of the site that holds just now."""

    about: Annotated[SiteRuleKind, _is("zone or schedule.")]
    name: Annotated[str, _is("As the configuration has it.")]
    ignore: Annotated[bool, _is("Whether its pairs open no event.")]
    factor: Annotated[float | None, _is("How many times as high their levels are; null where they are ignored.")]
    pairs: Annotated[int, _is("In view that it is about; of a schedule all.")]
    text: _Text


class LearningNow(Struct, frozen=True, kw_only=True):
    """How far a source is that nobody judges, because the detector was given no model of its own."""

    code: Annotated[Learning, _is("gathering, or enough: for a first model by `dyadwatch enrol`.")]
    since: Annotated[int, _is("Unix nanoseconds at which this run first heard of it, by the detector's clock.")]
    minutes: Annotated[float, _is("In which two people were near each other and could be scored, in this run.")]
    pairs: Annotated[int, _is("Of people that were; who leaves and comes back may count again.")]
    more_minutes: Annotated[float, _is("That are missing for a first model; 0 once there is enough.")]
    folder: Annotated[str, _is("Where skeletons are recorded; empty: nowhere.")]
    text: _Text


_DROPPED = {
    "propertyNames": {
        "anyOf": [
            {"enum": sorted({str(r) for reasons in REASONS for r in reasons} - {str(r) for r in NAMED})},
            {"pattern": f"^({'|'.join(NAMED)})_"},
        ]
    }
}


class StatusMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="status"):
    """How a source is doing; `dropped` counts by reason since the start of the detector, `warnings` are its own.

    `age_ms` is how late what is known of the source comes beyond the shortest way of the last minute; `behind` is a
    source that is watched, but later than `liveness.behind_s`.
    """

    v: _Version = VERSION
    source: _Source
    state: Annotated[
        SourceState,
        _is(
            "watching; learning: not judged, as no model was named; behind: watched, but late; blind: nothing can be "
            "scored; silent: nothing comes."
        ),
    ]
    blind: Annotated[Blind | None, _is("Why nothing can be scored, or nothing comes; else null.")]
    fps: Annotated[float, _is("Frames a second by the source's own stamps.")]
    people: Annotated[int, _is("In the last frame.")]
    pairs: Annotated[int, _is("Near enough to be scored.")]
    frames: Annotated[int, _is("Taken since the start of the detector.")]
    windows: Annotated[int, _is("Scored since the start of the detector.")]
    open_events: Annotated[int, _is("Open just now.")]
    dropped: Annotated[
        dict[str, int],
        Meta(
            description="What was not used since the start of the detector: counts by reason.",
            extra_json_schema=_DROPPED,
        ),
    ]
    clock: Annotated[str, _is("Name of the source's clock.")]
    clock_offset_ms: Annotated[
        float | None, _is("The detector's clock minus the source's; null where that is not unix.")
    ]
    last_stamp: Annotated[int, _is("Stamp of the last frame used.")]
    model: _Model
    provider: Annotated[str, _is("What computes the scores.")]
    recording: Annotated[
        RecordingNow | None, _is("Of @detector, where it records: on, or stopped and why; else null.")
    ] = None
    clock_skew_ppm: Annotated[float | None, _is("How much faster the detector's clock runs, parts per million.")] = None
    age_ms: Annotated[float | None, _is("How late frames or scores come beyond the least of the last minute.")] = None
    merge: Annotated[Merge | None, _is("Of a source in a group, or of a group: how they are merged; else null.")] = None
    warnings: Annotated[
        tuple[str, ...], _is("What the source warned of in its last frame, and the codes of what is odd.")
    ] = ()
    odd: Annotated[tuple[OddNow, ...], _is("What is odd about the bodies in view.")] = ()
    incidents: Annotated[tuple[str, ...], _is("Ids of its incidents that are open just now.")] = ()
    calibration: Annotated[CalibrationNow | None, _is("Where it is stale, what speaks for that; else null.")] = None
    shadow: Annotated[bool, _is("Whether nobody is called about anything, as alarm.shadow asks for.")] = False
    site: Annotated[tuple[SiteRuleNow, ...], _is("Zones and schedules of the site that hold just now.")] = ()
    learning: Annotated[
        LearningNow | None, _is("How far it is, while no model is named and nobody is judged; else null.")
    ] = None
    memory: Annotated[MemoryNow | None, _is("Of @detector, where incidents are kept; else null.")] = None
    deliveries: Annotated[
        tuple[DeliveryNow, ...], _is("Of @detector, where incidents and calls are delivered: how that goes.")
    ] = ()
    run: Annotated[str, _is("Of this run of the detector, from its start to its end.")] = ""
    run_started: Annotated[int, _is("When that began, unix nanoseconds by the detector's clock.")] = 0

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"status.{self.source}"


Message = ScoreMessage | EventMessage | NearMissMessage | IncidentMessage | AttentionMessage | StatusMessage

encode_json = msgspec.json.Encoder().encode
decode_json = msgspec.json.Decoder(Message).decode


class _Versioned(Struct):
    v: int


_decode_version = msgspec.json.Decoder(_Versioned).decode


def version_of(data: bytes) -> int:
    """The version of a message, of whichever it is.

    Raises:
        msgspec.MsgspecError: it is no message.
    """
    return _decode_version(data).v
