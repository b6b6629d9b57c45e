"""The whole configuration, a struct a section: what `config.yaml` is made of (`dyadwatch config show`)."""

from __future__ import annotations

from dyadwatch.stream.configuration.delivery_options import DeliveryOptions, MetricsOptions
from dyadwatch.stream.configuration.incident_options import AttentionOptions, IncidentOptions
from dyadwatch.stream.configuration.judging_options import (
    AlarmOptions,
    LearningOptions,
    ScheduleOptions,
    ScorerOptions,
    SiteRule,
    ZoneOptions,
)
from dyadwatch.stream.configuration.option_types import Section
from dyadwatch.stream.configuration.output_options import (
    FoxgloveOptions,
    MemoryOptions,
    PageOptions,
    RecordOptions,
    SecurityOptions,
    SinkOptions,
)
from dyadwatch.stream.configuration.source_options import (
    ClockOptions,
    LivenessOptions,
    MergeOptions,
    PairOptions,
    SenseOptions,
    TrackOptions,
    WindowOptions,
    WireOptions,
)

__all__ = [
    "AlarmOptions", "AttentionOptions", "ClockOptions", "Config", "DeliveryOptions", "FoxgloveOptions",
    "IncidentOptions", "LearningOptions", "LivenessOptions", "MemoryOptions", "MergeOptions", "MetricsOptions",
    "PageOptions", "PairOptions", "RecordOptions", "ScheduleOptions", "ScorerOptions", "SecurityOptions",
    "SenseOptions", "SinkOptions", "SiteRule", "TrackOptions", "WindowOptions", "WireOptions", "ZoneOptions",
]  # fmt: skip


class Config(Section, frozen=True):
    """The default configuration of dyadwatch, which holds where no file is named.

    A file of your own may leave out any key or section. Single keys can be set for one run: `dyadwatch run --set
    alarm.hold_s=3`. Units are in the names: _s seconds, _m metres. Times are event time, the stamps of the frames,
    unless said otherwise.
    """

    wire: WireOptions = WireOptions()
    clock: ClockOptions = ClockOptions()
    tracks: TrackOptions = TrackOptions()
    pairs: PairOptions = PairOptions()
    windows: WindowOptions = WindowOptions()
    sense: SenseOptions = SenseOptions()
    scorer: ScorerOptions = ScorerOptions()
    learning: LearningOptions = LearningOptions()
    alarm: AlarmOptions = AlarmOptions()
    zones: dict[str, list[ZoneOptions]] = {}
    """Places on the floor of a source, or of a group, whose pairs are ignored or judged by other levels; such as
    {hall: [{name: mat, corners: [[0, 0], [3, 0], [3, 2], [0, 2]], ignore: true}]}. Corners are x and z in metres as
    `check` and `view` show them, around the place. inside: middle of the two, either of them or both. ignore: true
    opens no event; or factor, from 0.1 to 10: levels are so many times as high. Lower: more events there; higher:
    fewer. See `dyadwatch docs zones`."""
    schedules: dict[str, list[ScheduleOptions]] = {}
    """Hours of the week, by source or group, * for all, in which all pairs are ignored or judged by other levels; such
    as {hall: [{name: gym, days: [mon, wed], start: "10:00", end: "11:30", time_zone: Europe/Berlin, factor: 2}]}.
    Without days: all; an end that is not after start is on the next day; without time_zone that of the machine."""
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
    foxglove: FoxgloveOptions = FoxgloveOptions()
