"""Options of judging: the model, what is done without one, when scores are an event, zones and schedules."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from dyadwatch.core.decision.calibration_file import CalibratedRule
from dyadwatch.core.decision.episodes import HOLD_S, MIN_DURATION_S
from dyadwatch.core.site.week import DAYS, Day
from dyadwatch.stream.configuration.option_types import Count, NotNegative, Positive, Section


class ScorerOptions(Section, frozen=True):
    """How windows are scored."""

    model: str = ""
    """Path of a model of your own (`dyadwatch enrol`, `dyadwatch train`), from the folder the service starts in.
    simulated: the one that comes with the package, which knows simulated people only. Empty: `dyadwatch run` judges
    nobody, and every source is in the state learning, see below; `detect` takes the simulated one, and says so."""
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    """What computes: cpu, cuda or tensorrt. The service does not start if the one named does not truly run."""
    threads: Count = 2
    """Threads that compute. Lower: scores come later under load; higher than the machine's cores: slower for
    everybody."""
    max_batch: Count = 32
    """Windows scored at once. Lower: less work done a second under load; higher: a score may wait for more others."""
    max_queue: Count = 512
    """Windows that may wait. Lower: overload sheds windows sooner; higher: under overload scores come later."""
    overload: Literal["shed", "wait"] = "shed"
    """What happens when more windows come than may wait. shed: the oldest are left out and counted, so that scores stay
    new. wait: nothing more is received until there is room, which holds up the publishers; for replays, that are to
    lose nothing. Cameras cannot be held up and lose frames instead."""
    trial_s: NotNegative = 30.0
    """Seconds that the trial of a model may take before it serves, in a process of its own; the shipped model needs
    none. 0: no trial. Lower: slow but sound models are refused; higher: a model that never ends is refused later."""
    trial_mb: Count = 1024
    """Megabytes of memory that the trial may take. Lower: large but sound models are refused; higher: a faulty model
    can use more of the machine while it is tried."""


class LearningOptions(Section, frozen=True):
    """While no model is named, sources are heard and recorded, skeletons only, and nobody is judged.

    No event opens until a model of what was heard is proposed and used. See `dyadwatch docs learning`.
    """

    folder: str = "learning"
    """Folder for the recordings then, from the folder the service starts in, unless record.folder names another. Empty:
    nothing is recorded."""
    enough_min: Positive = 0.75
    """Minutes in which two people must have been near each other before a first model is proposed; a better one follows
    each time twice as much has been heard. Lower: a first model comes sooner and knows less; higher: it comes later and
    knows more."""
    train_min: NotNegative = 60.0
    """Minutes of pairs after which a model is trained on them as well, in a process of low priority, where torch is
    installed; another each time twice as much was heard. Lower: a model of little; higher: it comes later. 0: never."""
    auto: bool = False
    """What is proposed is used at once. Otherwise it waits until somebody uses it, on the page or with
    `dyadwatch learn accept`."""


class AlarmOptions(Section, frozen=True):
    """When the scores of a pair become an event. A score of 3 means that one normal window in 1000 scores as high.

    Rules average a part of the score over a span, and the evidence is the highest such mean in units of its rule's
    level.
    """

    calibration: str = ""
    """Path of a calibration file. Empty: the one beside the model."""
    rules: tuple[CalibratedRule, ...] | None = None
    """What raises an alarm, such as [{part: unusual, over_s: 0.4, raise_at: 2.5}]: a part (score, relation, unusual or
    timing), the seconds it is averaged over, and the level that the mean must reach. Lower levels: more events, true
    and false; higher: fewer of both. Lower spans: short acts show; higher: what is weak and lasts does, later. null
    takes the calibration file's; [] compares the score of each window with raise_at, which then needs a value."""
    raise_at: Positive | None = None
    """Evidence from which an event may open, 1 as calibrated; null takes the calibration file's, which is 1. Without
    rules it is a score. Lower: more events, true and false; higher: fewer of both."""
    clear_at: Positive | None = None
    """Evidence below which an event may close, at most raise_at; null takes the calibration file's. Lower: events last
    longer; higher: one happening may be reported as several events."""
    min_duration_s: NotNegative = MIN_DURATION_S
    """Seconds the evidence must stay up before an event opens. Lower: a single mean raises an alarm; higher: alarms
    come later and short acts are missed."""
    hold_s: NotNegative = HOLD_S
    """Seconds the evidence must stay down before an event closes. Lower: one happening may be reported as several
    events; higher: separate happenings run together."""
    update_s: Positive = 1.0
    """Seconds between two updates of an open event. Lower: more messages; higher: a growing peak is reported later."""
    shadow: bool = False
    """Whether incidents are only published and kept, marked as such, and nobody is called about anything. true: for the
    first days of a new model or calibration; `dyadwatch what-if` then proposes levels from what was recorded."""


class SiteRule(Section, frozen=True, kw_only=True):
    """What a zone or a schedule does to the pairs that it is about: exactly one of `ignore` and `factor`."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    """Unique among the rules of a source."""
    ignore: bool = False
    """Whether the pairs open no event."""
    factor: Annotated[float, Meta(ge=0.1, le=10)] | None = None
    """How many times as high the levels are. Lower: more events; higher: fewer."""


class ZoneOptions(SiteRule, frozen=True, kw_only=True):
    """A place on the floor of a source. See `dyadwatch docs zones`."""

    corners: list[tuple[float, float]]
    """x and z of 3 to 64 points, metres, in their order around the place."""
    inside: Literal["middle", "either", "both"] = "middle"
    """Who must be in it of the two: the point between them, one of them, or each."""


class ScheduleOptions(SiteRule, frozen=True, kw_only=True):
    """Hours of the week. See `dyadwatch docs zones`."""

    days: tuple[Day, ...] = DAYS
    """On which they begin."""
    start: str
    """Such as 22:00, by the clock on the wall."""
    end: str
    """Such as 06:00; an end that is not after start is on the next day."""
    time_zone: str = ""
    """Such as Europe/Berlin. Empty: that of the machine."""
