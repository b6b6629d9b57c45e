"""Every code that the detector and its publishers count, publish or log; sentences on them are in `stream/texts.py`.

Codes are part of the messages (docs/wire-protocol.md): a code that has been published keeps its name and meaning.
"""

from __future__ import annotations

from enum import StrEnum

from dyadwatch.core.sense.sense_codes import Oddity


class Refusal(StrEnum):
    """Why a message breaks the wire protocol."""

    PART_COUNT = "part_count"
    BAD_TOPIC = "bad_topic"
    TOO_BIG = "too_big"
    HEADER_TOO_BIG = "header_too_big"
    BAD_MSGPACK = "bad_msgpack"
    BAD_KEY = "bad_key"
    VERSION = "version"
    SOURCE_MISMATCH = "source_mismatch"
    LAYOUT = "layout"
    TOO_MANY_PEOPLE = "too_many_people"
    TOO_MANY_JOINTS = "too_many_joints"
    JOINT_COUNT = "joint_count"
    CHANNELS = "channels"
    ID_COUNT = "id_count"
    DUPLICATE_IDS = "duplicate_ids"
    PAYLOAD_LENGTH = "payload_length"
    INFINITE = "infinite"
    CONFIDENCE = "confidence"
    ABSURD_BODY = "absurd_body"
    ABSURD_PLACE = "absurd_place"
    TINY_BODY = "tiny_body"
    UNKNOWN = "unknown"  # only in recordings run again: they do not say why it was refused, or say it in other words


class Fault(StrEnum):
    """What a source, its network or the model does wrong: counted, and logged at a bounded rate."""

    DUPLICATE = "duplicate"
    LATE = "late"
    SEQ_GAP = "seq_gap"
    OLD_EPOCH = "old_epoch"
    EPOCH_RETURNED = "epoch_returned"
    SOURCE_RESTART = "source_restart"
    RESTART_WITHOUT_EPOCH = "restart_without_epoch"
    STAMP_NOT_INCREASING = "stamp_not_increasing"
    WRONG_UNIT = "wrong_unit"
    STAMP_JUMP_AHEAD = "stamp_jump_ahead"
    STAMP_JUMP_BACK = "stamp_jump_back"
    ID_JUMP = "id_jump"
    IDS_EXCHANGED = "ids_exchanged"
    ID_CHURN = "id_churn"
    TRACKS_CAPPED = "tracks_capped"
    LAYOUT_UNFIT = "layout_unfit"
    PAIRS_CAPPED = "pairs_capped"
    SHED_OVERLOAD = "shed_overload"
    INBOX_FULL = "inbox_full"
    PART_COUNT = "part_count"
    UNFINISHED_MESSAGE = "unfinished_message"
    BACKLOG_BYTES = "backlog_bytes"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    STATION_FAILED = "station_failed"
    SCORE_NOT_FINITE = "score_not_finite"
    SCORE_FAILED = "score_failed"
    SCORE_INVALID = "score_invalid"
    SCORE_CANCELLED = "score_cancelled"
    TWO_PUBLISHERS = "two_publishers"
    CLOCKS_APART = "clocks_apart"
    MERGE_LATE = "merge_late"
    GROUP_NAME = "group_name"
    TOO_MANY_SOURCES = "too_many_sources"
    # Windows that are not scored for what their people look like.
    JOINTS_MISNAMED = Oddity.JOINTS_MISNAMED
    ABSURD_SIZE = Oddity.ABSURD_SIZE
    UPSIDE_DOWN = Oddity.UPSIDE_DOWN
    TURNED = Oddity.TURNED
    FROZEN = Oddity.FROZEN
    ONE_BODY_TWICE = Oddity.ONE_BODY_TWICE
    ONE_PLACE = Oddity.ONE_PLACE
    FLAT = Oddity.FLAT


class Circumstance(StrEnum):
    """What a scene brings with it: counted only."""

    PERSON_UNSEEN = "person_unseen"
    ZEROS_UNSEEN = "zeros_unseen"
    JOINTS_HIDDEN = "joints_hidden"
    ZONE_IGNORED = "zone_ignored"
    SCHEDULE_IGNORED = "schedule_ignored"


class PeerRefusal(StrEnum):
    """Connections and messages without the right to be there, see docs/security.md."""

    PEER_REFUSED = "peer_refused"
    PEER_REVOKED = "peer_revoked"
    FOREIGN_SOURCE = "foreign_source"


class RecordingLoss(StrEnum):
    """What the recorder could not keep, in messages."""

    DISK_FULL = "record_disk_full"
    OVERFLOW = "record_overflow"
    REFUSED_CAPPED = "record_refused_capped"


class OwnFault(StrEnum):
    """What the detector itself does or fails to do. Some are counted by name, see `NAMED`."""

    SINK_FAILED = "sink_failed"
    SINK_FULL = "sink_full"
    SINK_STUCK = "sink_stuck"
    STUCK = "stuck"
    RECEIVING_FAILED = "receiving_failed"
    SCORING_FAILED = "scoring_failed"
    STATUS_FAILED = "status_failed"
    SOURCE_FORGOTTEN = "source_forgotten"
    SOURCE_REPLACED = "source_replaced"


Reason = Refusal | Fault | Circumstance | PeerRefusal | RecordingLoss | OwnFault
REASONS: tuple[type[Reason], ...] = (Refusal, Fault, Circumstance, PeerRefusal, RecordingLoss, OwnFault)
FAULTS: frozenset[str] = frozenset(Fault)
# Of the faults the ones for which a whole frame is left out.
FRAMES_LEFT_OUT: frozenset[str] = frozenset(
    {
        Fault.DUPLICATE,
        Fault.LATE,
        Fault.OLD_EPOCH,
        Fault.STAMP_NOT_INCREASING,
        Fault.STAMP_JUMP_AHEAD,
        Fault.STAMP_JUMP_BACK,
        Fault.TWO_PUBLISHERS,
        Fault.MERGE_LATE,
        Fault.GROUP_NAME,
    }
)
# Those that are counted with the name of what failed behind them, see `counted_as`, and what that is a name of.
NAMED = {
    OwnFault.SINK_FAILED: "sink",
    OwnFault.SINK_FULL: "sink",
    OwnFault.SINK_STUCK: "sink",
    OwnFault.STUCK: "thread",
}


class SenderReason(StrEnum):
    """What `publish jsonl`, `lsl`, `vmc` and `camera` count of what they are sent, beside the refusals of the wire."""

    BAD_JSON = "bad_json"
    BAD_OSC = "bad_osc"
    BAD_BONE = "bad_bone"
    BAD_SCALE = "bad_scale"
    BAD_STAMP = "bad_stamp"
    BAD_TIME = "bad_time"
    ASSUMED_FIELD_OF_VIEW = "assumed_field_of_view"
    CAMERA_LOST = "camera_lost"
    CLOCK_STEP = "clock_step"
    ID_SWITCH = "id_switch"
    IMAGE_SKIPPED = "image_skipped"
    JOINT_NAME = "joint_name"
    LAYOUT_DIFFERS = "layout_differs"
    LINE_TOO_LONG = "line_too_long"
    MANY_STREAMS = "many_streams"
    NO_BONE_LENGTHS = "no_bone_lengths"
    NO_HIPS = "no_hips"
    NO_STAMP = "no_stamp"
    NO_STREAM = "no_stream"
    NOT_READY = "not_ready"
    SHED = "shed"
    SOURCE_CHANGED = "source_changed"
    SOURCE_TAKEN = "source_taken"
    STAMP_JUMP = "stamp_jump"
    STAMP_NOT_INCREASING = "stamp_not_increasing"
    STREAM_LOST = "stream_lost"
    TIME_MISSING = "time_missing"
    TOO_MANY_CLIENTS = "too_many_clients"
    TWO_SENDERS = "two_senders"
    UNDECLARED = "undeclared"
    ZEROS_UNSEEN = "zeros_unseen"


class SourceState(StrEnum):
    """How a source is doing."""

    WATCHING = "watching"
    LEARNING = "learning"  # scored, and judged by nobody: the detector was given no model of its own
    BEHIND = "behind"  # watched, but later than liveness.behind_s
    BLIND = "blind"  # nothing can be scored
    SILENT = "silent"  # nothing comes


class Station(StrEnum):
    """The threads of the detector that may fail or stand still."""

    RECEIVING = "receiving"
    SCORING = "scoring"
    STATUS = "status"


class Blindness(StrEnum):
    """Why nothing of a source can be scored, or why it is silent."""

    NOTHING_SENT = "nothing_sent"
    NOTHING_USABLE = "nothing_usable"
    REFUSED = "refused"
    NOT_HEARD = "not_heard"
    GROUP_NOT_HEARD = "group_not_heard"
    NOBODY = "nobody"
    ONE_PERSON = "one_person"
    FILLING = "filling"
    JOINTS_HIDDEN = "joints_hidden"
    TOO_SLOW = "too_slow"
    STAMPS_NOT_INCREASING = "stamps_not_increasing"
    STAMPS_JUMP = "stamps_jump"
    SEQ_NOT_RISING = "seq_not_rising"
    SAME_FRAME = "same_frame"
    OLD_EPOCH = "old_epoch"
    WRONG_UNIT = "wrong_unit"
    LAYOUT_UNFIT = "layout_unfit"
    OVERLOAD = "overload"
    NO_USABLE_FRAME = "no_usable_frame"
    SILENT = "silent"
    EXPECTED = "expected"
    STATION_FAILED = "station_failed"
    STATION_STUCK = "station_stuck"
    JOINTS_MISNAMED = Oddity.JOINTS_MISNAMED
    ABSURD_SIZE = Oddity.ABSURD_SIZE
    UPSIDE_DOWN = Oddity.UPSIDE_DOWN
    TURNED = Oddity.TURNED
    FROZEN = Oddity.FROZEN
    ONE_BODY_TWICE = Oddity.ONE_BODY_TWICE
    ONE_PLACE = Oddity.ONE_PLACE
    FLAT = Oddity.FLAT


# Nothing is wrong with a source that tells these: people come and go.
AT_REST: frozenset[str] = frozenset({Blindness.NOBODY, Blindness.ONE_PERSON, Blindness.FILLING})


class SiteRuleKind(StrEnum):
    """What a site has laid down for some of its pairs."""

    ZONE = "zone"
    SCHEDULE = "schedule"


class Learning(StrEnum):
    """How far a source is that is not judged, because no model was named."""

    GATHERING = "gathering"
    ENOUGH = "enough"  # for a first model by `dyadwatch enrol`


class MergeState(StrEnum):
    """How a source of a group, or the group, is merged now."""

    MERGED = "merged"
    OTHER_CLOCK = "other_clock"
    STAMPS_APART = "stamps_apart"
    GROUP = "group"


class RecordingState(StrEnum):
    """Whether what is received is recorded now."""

    ON = "on"
    DISK_STUCK = "disk_stuck"
    NO_ROOM = "no_room"
    DISK_ERROR = "disk_error"


class MemoryState(StrEnum):
    """Whether incidents are kept now."""

    ON = "on"
    FAILS = "fails"


class DeliveryState(StrEnum):
    """How it stands with one target of `delivery.to`."""

    READY = "ready"  # nothing waits
    DELIVERING = "delivering"
    FAILING = "failing"  # the last try failed; it is tried again


class DeliveryLoss(StrEnum):
    """Why an update was not delivered, and will not be."""

    REFUSED = "refused"  # the other side says that it never takes it
    EXPIRED = "expired"  # it waited for longer than delivery.keep_h
    FULL = "full"  # more waited than delivery.most_waiting
    UNREADABLE = "unreadable"  # another version of the program kept it
    GONE = "gone"  # the device that it was for was removed, or its browser unsubscribed


class FileLoss(StrEnum):
    """Why something in the file of a recording is not given out."""

    CHANNEL_LOST = "channel_lost"
    CHANNEL_UNKNOWN = "channel_unknown"
    UNREADABLE = "unreadable"
    OTHER_VERSION = "other_version"
    RECORD_SHORT = "record_short"
    OUTSIDE_CHUNKS = "outside_chunks"
    CHUNK_DAMAGED = "chunk_damaged"


class PairEnd(StrEnum):
    """Why a pair will send no more windows."""

    LOST = "lost"
    APART = "apart"
    CAPPED = "capped"
    SOURCE_RESTART = "source_restart"
    CLOCK_STEP = "clock_step"
    MERGED = "merged"
    MERGE_CHANGED = "merge_changed"
    STATION_FAILED = "station_failed"
    SOURCE_FORGOTTEN = "source_forgotten"
    END_OF_STREAM = "end_of_stream"
    SHUTDOWN = "shutdown"


class EventReason(StrEnum):
    """Why a message about an event is sent: by its scores, or because its pair ended."""

    ENOUGH_EVIDENCE = "enough_evidence"
    STILL_GOING_ON = "still_going_on"
    CALM_AGAIN = "calm_again"  # the one reason of a close after which the pair goes on
    LOST = PairEnd.LOST
    APART = PairEnd.APART
    CAPPED = PairEnd.CAPPED
    SOURCE_RESTART = PairEnd.SOURCE_RESTART
    CLOCK_STEP = PairEnd.CLOCK_STEP
    MERGED = PairEnd.MERGED
    MERGE_CHANGED = PairEnd.MERGE_CHANGED
    STATION_FAILED = PairEnd.STATION_FAILED
    SOURCE_FORGOTTEN = PairEnd.SOURCE_FORGOTTEN
    END_OF_STREAM = PairEnd.END_OF_STREAM
    SHUTDOWN = PairEnd.SHUTDOWN


class Unscored(StrEnum):
    """Why nothing of a source or a clip was scored, told after it has been played."""

    SHORT = "short"
    NO_FRAMES = "no_frames"
    REFUSED = "refused"
    LAYOUT_UNFIT = "layout_unfit"
    NOBODY = "nobody"
    ONE_PERSON = "one_person"
    JOINTS_HIDDEN = "joints_hidden"
    NOT_SCORED = "not_scored"
    SLOW = "slow"
    APART = "apart"
    INTERRUPTED = "interrupted"
    ODD_BODIES = "odd_bodies"


def counted_as(reason: StrEnum, name: str = "") -> str:
    """The key under which a reason is counted; those of `NAMED` end with the name of what failed."""
    return f"{reason}_{name}" if name else str(reason)


class Severity(StrEnum):
    """How grave an incident is, the least first."""

    NOTICE = "notice"
    ALARM = "alarm"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return SEVERITIES.index(self)


SEVERITIES: tuple[Severity, ...] = tuple(Severity)


class AttentionKind(StrEnum):
    """Calls to people about incidents."""

    CALL = "call"
    ESCALATED = "escalated"
    DIGEST = "digest"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLEARED = "cleared"


class IncidentKind(StrEnum):
    """What an incident is about."""

    INTERACTION = "interaction"  # events of pairs
    SOURCE_SILENT = "source_silent"
    SOURCE_MISSING = "source_missing"  # named in liveness.expected, and never came
    SOURCE_BLIND = "source_blind"


class IncidentReason(StrEnum):
    """Why a change in an incident is reported."""

    OPENED = "opened"
    STILL_GOING_ON = "still_going_on"
    PAIR_JOINED = "pair_joined"
    RESUMED = "resumed"
    SEVERITY_ROSE = "severity_rose"
    ABSORBED = "absorbed"  # another incident became part of this one
    CALM_AGAIN = "calm_again"
    MERGED = "merged"  # this one became part of another
    BACK = "back"  # of a source: heard, or seeing, again
    CLOCK_STEP = PairEnd.CLOCK_STEP
    MERGE_CHANGED = PairEnd.MERGE_CHANGED
    STATION_FAILED = PairEnd.STATION_FAILED
    SOURCE_FORGOTTEN = PairEnd.SOURCE_FORGOTTEN
    END_OF_STREAM = PairEnd.END_OF_STREAM
    SHUTDOWN = PairEnd.SHUTDOWN
    INTERRUPTED = "interrupted"  # the detector ended without a word, such as by kill -9
