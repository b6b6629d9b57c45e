"""The options of the live path, one struct a section of config.yaml. Defaults here equal those in config.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from dyadwatch.core.decision.calibration_file import CalibratedRule
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.site.week import DAYS, Day
from dyadwatch.stream.configuration.delivery_options import DeliveryOptions, MetricsOptions

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, keyword only, unknown keys refused."""


class WireOptions(Section, frozen=True):
    """Where poses come in, and how much one message may hold."""

    bind: str = "tcp://127.0.0.1:5570"
    max_people: Count = 32
    max_joints: Count = 256
    max_bytes: Count = 1 << 20
    max_sources: Count = 256


class ClockOptions(Section, frozen=True):
    """How stamps become the model's time grid."""

    max_gap_s: Positive = 0.5  # a longer silence of a source or a person starts windows afresh
    reorder_s: NotNegative = 0.15  # how far in event time a missing frame is waited for
    max_jump_s: Positive = 10.0  # a larger step of the stamps is a clock step, not a gap
    jump_frames: Count = 5  # frames that must agree before a clock step is believed


class TrackOptions(Section, frozen=True):
    """Who is who from frame to frame."""

    max_gap_s: Positive = 0.5  # a track survives this long unseen
    gate_m: Positive = 0.6  # association without ids: farther than predicted by this is somebody else
    max_speed_m_s: Positive = 12.0  # a faster id is not the same person any more
    min_confidence: Fraction = 0.2  # joints below count as unseen
    max_tracks: Count = 64  # people remembered at a time; beyond it those unseen for longest go first


class PairOptions(Section, frozen=True):
    """Which pairs are scored."""

    enter_m: Positive = 3.0  # two people closer than this become a pair
    leave_m: Positive = 4.0  # and stop being one beyond this
    max_pairs: Count = 15  # a source; the nearest ones are kept, the others counted


class WindowOptions(Section, frozen=True):
    """How windows are cut."""

    hop: Count = 2  # grid steps from one window to the next
    max_hidden: Fraction = 0.34  # a joint unseen for a larger part of a window makes it unusable


class SenseOptions(Section, frozen=True):
    """What the bodies of a source are judged by. See docs/check.md."""

    ignore: list[Oddity] = []  # findings that are not looked for


class ScorerOptions(Section, frozen=True):
    """How windows are scored."""

    model: str = ""  # path of a .onnx artefact; simulated: the one that comes along; empty: sources are learnt
    provider: str = "cpu"  # cpu | cuda | tensorrt
    threads: Count = 2
    max_batch: Count = 32
    max_queue: Count = 512  # windows waiting
    overload: Literal["shed", "wait"] = "shed"  # what happens beyond max_queue
    trial_s: NotNegative = 30.0  # a model that was not made here is tried for at most so long; 0: not tried
    trial_mb: Count = 1024  # and may take so much memory


class LearningOptions(Section, frozen=True):
    """What happens while no model is named: sources are heard and recorded, and models of them are proposed."""

    folder: str = "learning"  # where recordings go then, unless record.folder is set; empty: nowhere
    enough_min: Positive = 0.75  # minutes of pairs near each other that make a first model
    train_min: NotNegative = 60.0  # minutes that a model is trained on, where torch is installed; 0: none is
    auto: bool = False  # what is proposed is used at once, without anybody


class AlarmOptions(Section, frozen=True):
    """When the scores of a pair become an event, see `core.decision.rules`."""

    calibration: str = ""  # path of a calibration file; empty: the one beside the model
    rules: tuple[CalibratedRule, ...] | None = None  # overrides the calibration file, as the next two
    raise_at: Positive | None = None  # in units of the rules' levels; without rules a score
    clear_at: Positive | None = None
    min_duration_s: NotNegative = 0.0  # the evidence must stay up this long before an event opens
    hold_s: NotNegative = 2.0  # and down this long before it closes
    update_s: Positive = 1.0  # an open event is told again this often
    shadow: bool = False  # incidents are told and kept, and nobody is called


class SiteRule(Section, frozen=True, kw_only=True):
    """What a zone or a schedule does to the pairs that it is about: exactly one of the two."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    ignore: bool = False  # they open no event
    factor: Annotated[float, Meta(ge=0.1, le=10)] | None = None  # their levels are so many times as high


class ZoneOptions(SiteRule, frozen=True, kw_only=True):
    """A place on the floor of a source. See docs/zones.md."""

    corners: list[tuple[float, float]]  # x and z, metres, around the place
    inside: Literal["middle", "either", "both"] = "middle"  # of the two: the point between, one of them, or each


class ScheduleOptions(SiteRule, frozen=True, kw_only=True):
    """Hours of the week. See docs/zones.md."""

    days: tuple[Day, ...] = DAYS  # on which they begin
    start: str  # such as 22:00, by the clock on the wall
    end: str  # where it is not after start, on the next day
    time_zone: str = ""  # such as Europe/Berlin; empty: that of the machine


class IncidentOptions(Section, frozen=True):
    """Which events are one incident, and how grave it is."""

    linger_s: NotNegative = 3.0  # an incident whose last event closed waits so long for the next
    near_m: NotNegative = 1.0  # events of people nearer than this to those of an incident belong to it
    update_s: Positive = 5.0  # an open incident is told again this often
    alarm_above: NotNegative = 0.3  # evidence above that which raises an event, that makes it an alarm
    alarm_after_s: NotNegative = 3.0  # and so does an incident that lasts
    critical_above: NotNegative = 1.0
    critical_after_s: NotNegative = 20.0
    silent_s: Positive = 3.0  # of a source itself, by the receiver's clock: nothing came for so long
    back_s: NotNegative = 1.0  # and it is back once it was heard, or seeing, for so long
    missing_s: NotNegative = 10.0  # an expected source that never came is told of after so long
    blind_s: NotNegative = 30.0  # and any that cannot be judged for so long, though people may be there


class AttentionOptions(Section, frozen=True):
    """When people are called about an incident, and when they are left alone. All by the detector's clock."""

    cooldown_s: NotNegative = 60.0  # after a call about a source, for as long none that is not graver
    most_calls: Count = 12  # so many calls at least as grave
    per_min: Positive = 60.0  # in so many minutes; what is beyond is held back
    digest_min: Positive = 10.0  # what was held back is told together after so many minutes
    escalate_min: NotNegative = 5.0  # a call that nobody acknowledged is made again, graver; 0: never


class SinkOptions(Section, frozen=True):
    """Where results go."""

    bind: str = "tcp://127.0.0.1:5571"  # empty: no socket
    scores: bool = True  # publish every score, not only events and status
    status_s: Positive = 1.0
    people: str = ""  # file of the socket that poses are told on, for pages that draw them; empty: none


class LivenessOptions(Section, frozen=True):
    """When a source counts as silent; the only rule on the receiver's clock."""

    silent_s: Positive = 5.0
    behind_s: Positive = 1.0  # data older than this make a source `behind`
    forget_s: Positive = 3600.0
    expected: list[str] = []  # sources that are missed when they never come


class RecordOptions(Section, frozen=True):
    """Whether and where what is received and told is kept."""

    folder: str = ""  # empty: nothing is recorded
    max_mb: Positive = 256.0  # a larger file is ended and the next begun
    max_minutes: Positive = 60.0  # and so is an older one
    keep_days: NotNegative = 30.0  # older recordings are deleted; 0: never
    min_free_mb: NotNegative = 512.0  # below this recording stops and detecting goes on


class MemoryOptions(Section, frozen=True):
    """Where incidents are kept beyond the run that told them. See docs/incidents.md."""

    file: str = ""  # empty: incidents.db beside the recordings, where they are made; off: nowhere
    keep_days: NotNegative = 90.0  # what closed longer ago is deleted; 0: never
    near_misses: Annotated[int, Meta(ge=0)] = 200  # of each source, the highest are kept


class SecurityOptions(Section, frozen=True):
    """Who may connect. See docs/security.md."""

    keys: str = ""  # folder that `dyadwatch keys` made; empty: nobody is asked for a key
    insecure: bool = False  # bind what other machines can reach although nobody is asked for a key


class PageOptions(Section, frozen=True):
    """The page that people watch and answer. See docs/page.md."""

    bind: str = "127.0.0.1:8090"
    certificate: str = ""  # PEM file; with `key` the page speaks TLS
    key: str = ""
    insecure: bool = False  # without TLS where other machines can reach it
    tokens: str = ""  # file of who may do what; empty: page-tokens.json beside the incidents
    listen_key: str = ""  # certificate of the page as a listener, where the detector asks for keys
    before_s: NotNegative = 5.0  # of a clip, before the incident
    after_s: NotNegative = 5.0  # and after it


class MergeOptions(Section, frozen=True):
    """Which sources see the same place, so that people seen by several of them are one. See docs/merge.md."""

    groups: dict[str, list[str]] = {}  # name of the group -> names of its sources
    offset_s: dict[str, float] = {}  # source -> seconds to add to its stamps to get onto the first source's clock
    tolerance_s: Positive = 0.1  # sources whose stamps differ by more, side by side, are kept apart
    gate_m: Positive = 0.4  # mean distance of joints beyond which two sightings are two people
    wait_s: Positive = 0.25  # a source that is behind the others by more is not waited for


class Config(Section, frozen=True):
    """The whole of config.yaml."""

    wire: WireOptions = WireOptions()
    clock: ClockOptions = ClockOptions()
    tracks: TrackOptions = TrackOptions()
    pairs: PairOptions = PairOptions()
    windows: WindowOptions = WindowOptions()
    sense: SenseOptions = SenseOptions()
    scorer: ScorerOptions = ScorerOptions()
    learning: LearningOptions = LearningOptions()
    alarm: AlarmOptions = AlarmOptions()
    zones: dict[str, list[ZoneOptions]] = {}  # by source or group
    schedules: dict[str, list[ScheduleOptions]] = {}  # by source or group; * is every one
    incidents: IncidentOptions = IncidentOptions()
    attention: AttentionOptions = AttentionOptions()
    sinks: SinkOptions = SinkOptions()
    liveness: LivenessOptions = LivenessOptions()
    merge: MergeOptions = MergeOptions()
    record: RecordOptions = RecordOptions()
    memory: MemoryOptions = MemoryOptions()
    page: PageOptions = PageOptions()
    security: SecurityOptions = SecurityOptions()
    delivery: DeliveryOptions = DeliveryOptions()
    metrics: MetricsOptions = MetricsOptions()
