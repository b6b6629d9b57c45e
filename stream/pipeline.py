"""The live path without sockets or threads: `Ingest` makes windows of frames, `Scoring` makes messages of windows.

`Pipeline` joins the two into one synchronous, deterministic object; `service` runs them on two threads.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from dyadwatch.core.decision.drift import DriftFound, DriftWatch, QuietScores
from dyadwatch.core.decision.misfit import MisfitWatch
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.alarms.alarm_tracker import AlarmTracker
from dyadwatch.stream.alarms.incident_tracker import IncidentTracker
from dyadwatch.stream.alarms.near_miss import NearMisses
from dyadwatch.stream.codes import Blindness, Fault, PairEnd, Reason
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.site_rules import InForce, SiteRules
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.items import Item, Moment, Pair, PairEnded, Window, WindowShape
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.merging.group import Group
from dyadwatch.stream.merging.merged_lines import GroupLine, MemberLine
from dyadwatch.stream.messages import EventMessage, IncidentMessage, Message, NearMissMessage, ScoreMessage
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.scoring.learning import Heard, Listener
from dyadwatch.stream.scoring.scorer import Score, Scorer
from dyadwatch.stream.texts import logged
from dyadwatch.stream.tracking.scene_tracker import SceneStep, SceneTracker
from dyadwatch.stream.windows.source_line import SourceLine
from dyadwatch.stream.windows.time_marks import QuietSpells

_log = logging.getLogger(__name__)

_PAUSE_S = 1.0  # without a window for longer a pair was out of sight


class DropLog:
    """Counts what is left out, and tells of faults at a bounded rate.

    Arguments:
        counters: where it is counted.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._limited = LimitedLog(_log)

    def add(self, source: str, reason: Reason, cause: Finding[Blindness] | str | None = None, n: int = 1) -> None:
        """Counts n more; a line about it ends with its cause."""
        self._counters.add(source, reason, n)
        if isinstance(reason, Fault):
            self._limited.warning(source, reason, logged(reason, cause))


class _Count:
    """What a line of one source calls with a reason, once or for many at a time."""

    def __init__(self, lines: dict[str, SourceLine], source: str, losses: DropLog) -> None:
        self._lines, self._source, self._losses = lines, source, losses

    def __call__(self, reason: Reason) -> None:
        self.many(reason, 1)

    def many(self, reason: Reason, n: int) -> None:
        line = self._lines.get(self._source)
        self._losses.add(self._source, reason, line.cause(reason) if line else None, n)


class Ingest:
    """The lines of all sources.

    Arguments:
        shape: the windows the model wants.
        config: the whole configuration.
        losses: where drops are counted.

    Attributes:
        lines: of sources and groups, by name.
        groups: by their own names.
        group_of: the group that a source belongs to, by the source's name.
    """

    def __init__(self, shape: WindowShape, config: Config, losses: DropLog) -> None:
        self._shape = shape
        self._config = config
        self._losses = losses
        self.lines: dict[str, SourceLine] = {}
        self._quiet = QuietSpells(config.incidents.linger_s)
        self.groups: dict[str, Group] = {}
        self.group_of: dict[str, Group] = {}
        self.clear()

    def clear(self) -> None:
        """Forgets all sources; those of groups are expected from the start, and stand before all others."""
        self.lines.clear()
        self._quiet.clear()
        for name, sources in self._config.merge.groups.items():
            layout = self._shape.layout
            group = self.groups[name] = Group(name, self._config, self._shape.fps, layout, self._count_for, layout)
            for source in sources:
                self.group_of[source] = group
                self._renew_line(source)
            self.lines[name] = GroupLine(group, self._shape, self._config, self._count_for(name))

    def _count_for(self, source: str) -> _Count:
        return _Count(self.lines, source, self._losses)

    def _renew_line(self, source: str) -> None:
        group, count = self.group_of[source], self._count_for(source)
        self.lines[source] = MemberLine(group, group.members[source], self._shape, self._config, count)

    def _group(self, source: str) -> Group | None:
        """The group that takes what comes under a name."""
        return self.group_of.get(source) or self.groups.get(source)

    def _items(self, steps: Iterable[SceneStep], arrived: int) -> list[Item]:
        return [item for step in steps for item in self.lines[step.source].windows.take(step, arrived)]

    def push(self, frame: PoseFrame, arrived: int) -> list[Item]:
        """Takes a frame; returns the windows it completes and the pairs it ends, in order."""
        line = self.lines.get(frame.source)
        if line is None:
            if len(self.lines) >= self._config.wire.max_sources:
                self._losses.add(DETECTOR, Fault.TOO_MANY_SOURCES)
                return []
            count = self._count_for(frame.source)
            line = self.lines[frame.source] = SourceLine(frame.source, self._shape, self._config, count)
        group = self._group(frame.source)
        items = line.push(frame, arrived) if group is None else self._items(group.push(frame), arrived)
        self._quiet.note(items)
        self._quiet.look(line, items)
        if group is not None:
            self._quiet.look(self.lines[group.name], items)
        return items

    def scene(self, source: str) -> SceneTracker | None:
        """The scene that the people of a source are in: its own, or that of the group it is merged into."""
        line = self.lines.get(source)
        group = self.group_of.get(source)
        if group is None or group.members[source].apart is not None:
            return None if line is None else line.scene
        return group.scene

    def forget(self, source: str, reason: PairEnd = PairEnd.SOURCE_FORGOTTEN) -> list[Item]:
        """Gives up a source that has been silent for long, which makes room for another; ends its pairs."""
        arrived = time.monotonic_ns()
        group, line = self._group(source), self.lines[source]
        if group is None:
            items = line.finish(arrived, reason)
            del self.lines[source]
            return self._ended(line, items, reason)
        items = self._items(group.give_up(source, reason), arrived)
        if source in self.group_of:
            self._renew_line(source)
        return self._ended(line, items, reason)

    def failed(self, source: str, error: Exception) -> list[Item]:
        """Starts a source afresh whose frames the stations failed on, which is a fault of ours; ends its pairs."""
        blamed = source if source in self.lines else DETECTOR
        self._losses.add(blamed, Fault.STATION_FAILED, f"{type(error).__name__}: {error}")
        _log.error("%s: the detector failed on a frame of this source", source, exc_info=error)
        line = self.lines.get(source)
        if line is None:
            return []
        try:
            return self.forget(source, PairEnd.STATION_FAILED)
        except Exception as e:  # noqa: BLE001 - even its end fails: its pairs end without what was held back
            _log.error("%s: the detector failed to end this source", source, exc_info=e)
            if source in self.group_of:
                self.group_of[source].renew(source)
                self._renew_line(source)
            elif source not in self.groups:
                del self.lines[source]
            return self._ended(line, line.end_pairs(PairEnd.STATION_FAILED), PairEnd.STATION_FAILED)

    def finish(self, reason: PairEnd) -> list[Item]:
        """Releases what is held back and ends all pairs of all sources."""
        arrived = time.monotonic_ns()
        steps = [step for group in self.groups.values() for step in group.finish(reason)]
        alone = [line for source, line in self.lines.items() if self._group(source) is None]
        items = self._items(steps, arrived) + [item for line in alone for item in line.finish(arrived, reason)]
        for line in self.lines.values():
            items = self._ended(line, items, reason)
        return items

    def _ended(self, line: SourceLine, items: list[Item], reason: PairEnd) -> list[Item]:
        """Items that end a source, and the word that it has ended."""
        self._quiet.note(items)
        self._quiet.end(line, reason, items)
        return items


@dataclass(frozen=True, slots=True)
class ScoringAccount:
    """What the judge knows of every source, for other threads: nobody changes it once it is made.

    Arguments:
        windows: scored ones by source.
        open_events: events that are open now by source.
        scored: monotonic ns of the last score by source, and how old its data was by then, ns.
        incidents: ids of those that are open now by source.
        heard: how much there was to learn from by source, while nobody is judged.
        site: zones and schedules that hold for pairs in view by source.
        drifts: what speaks for a stale calibration by source.
        misfits: that the model was not made for a source, by source.
    """

    windows: Mapping[str, int] = field(default_factory=dict[str, int])
    open_events: Mapping[str, int] = field(default_factory=dict[str, int])
    scored: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    incidents: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    heard: Mapping[str, Heard] = field(default_factory=dict[str, Heard])
    site: Mapping[str, tuple[InForce, ...]] = field(default_factory=dict[str, "tuple[InForce, ...]"])
    drifts: Mapping[str, DriftFound] = field(default_factory=dict[str, DriftFound])
    misfits: Mapping[str, Odd] = field(default_factory=dict[str, Odd])


class Scoring:
    """Scores windows and keeps the alarms. All but `judged` belongs to the one thread that judges.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
        losses: where windows without a usable score are counted.
        learning: scores are told and nobody is judged: no event opens, and nothing comes near to one.
        quiet: the scores of its calibration, which those of quiet times are compared with; None where they are unknown.
        wall: unix ns by the detector's clock, for the schedules of sources with another; None where frames are read.
    """

    def __init__(
        self,
        scorer: Scorer,
        thresholds: Thresholds,
        config: Config,
        losses: DropLog,
        *,
        learning: bool = False,
        quiet: QuietScores | None = None,
        wall: Callable[[], int] | None = None,
    ) -> None:
        self._scorer: Scorer = scorer
        self._wall = wall
        self._learning = learning
        self._listeners: dict[str, Listener] = {}
        self._drifts: dict[str, DriftWatch] = {}
        self._misfits: dict[str, MisfitWatch] = {}
        self._losses = losses
        self._model = f"{scorer.info.name} {scorer.info.version}"
        self._scores_wanted = config.sinks.scores
        self.judged = ScoringAccount()
        self._windows: defaultdict[str, int] = defaultdict(int)
        self._scored: dict[str, tuple[int, int]] = {}
        self.window_s = scorer.info.frames / scorer.info.fps
        self._joints = scorer.shape.layout.joints
        self._hop_s = hop_s = config.windows.hop / scorer.info.fps
        self._pause_s = max(_PAUSE_S, 2 * hop_s)
        self._desks: dict[str, AlarmTracker] = {}
        self._pairs: defaultdict[str, set[Pair]] = defaultdict(set)
        self._incidents: dict[str, IncidentTracker] = {}  # of sources with an open one
        self._near_misses: dict[str, NearMisses] = {}
        self._take_up(thresholds, config, quiet)

    def _take_up(self, thresholds: Thresholds, config: Config, quiet: QuietScores | None) -> None:
        self._looks_for_misfit = not self._learning and Oddity.MODEL_MISFIT not in config.sense.ignore
        self.site = SiteRules(config, self._wall)
        self._shadow = config.alarm.shadow
        self._quiet = None if self._learning else quiet
        self._new_desk = partial(
            AlarmTracker,
            config.alarm,
            thresholds,
            self._joints,
            self._model,
            self._hop_s,
            self._pause_s,
            self._scorer.explainer,
            opens=not self._learning,
        )
        self._new_incidents = partial(IncidentTracker, config.incidents)
        self._new_near_misses = partial(NearMisses, thresholds, self._joints, self._model)

    def adopt(self, thresholds: Thresholds, config: Config, quiet: QuietScores | None = None) -> None:
        """Goes on by other thresholds, and by what the configuration says of alarms, incidents, zones and schedules.

        Events and incidents that are open go on. Where levels are others, evidence begins afresh.
        """
        before = self._quiet
        self._take_up(thresholds, config, quiet)
        if self._quiet != before:
            self._drifts.clear()
        for desk in self._desks.values():
            desk.adopt(config.alarm, thresholds)
        for incidents in self._incidents.values():
            incidents.adopt(config.incidents)
        for near in self._near_misses.values():
            near.adopt(thresholds, self._model)
        self._publish()

    def exchange(self, scorer: Scorer, *, learning: bool) -> None:
        """Scores by another model from the next batch on; `adopt` says by what its scores are judged.

        Events and incidents that are open go on. Pairs stay, and so do the windows that wait: none is cut anew.

        Arguments:
            scorer: loaded and warm, of windows of the same shape.
            learning: whether nobody is judged by it.
        """
        if scorer is self._scorer and learning == self._learning:
            return
        assert scorer.shape == self._scorer.shape, "the windows that wait are of the present model's shape"
        self._scorer, self._learning = scorer, learning
        self._model = f"{scorer.info.name} {scorer.info.version}"
        self._listeners.clear()
        self._drifts.clear()
        self._misfits.clear()
        for desk in self._desks.values():
            desk.exchange(self._model, scorer.explainer, opens=not learning)

    def cancel(self) -> None:
        """Ends the batch that is being scored, from any thread, and all further ones."""
        self._scorer.cancel()

    def judge(self, items: Sequence[Item]) -> list[Message]:
        """Scores all windows among the items in as few batches as possible; returns what there is to tell, in order.

        Raises:
            ScoreError: the engine failed on the windows. Nothing of the items was taken up.
        """
        scores = iter(self._scorer.score([i.joints for i in items if isinstance(i, Window)]))
        done = time.monotonic_ns()
        out: list[Message] = []
        for item in items:
            if isinstance(item, Window):
                score = next(scores)
                if not math.isfinite(score.score + score.relation + score.unusual):
                    self._losses.add(item.source, Fault.SCORE_NOT_FINITE)
                    continue
                self._windows[item.source] += 1
                self._scored[item.source] = (done, done - item.arrived)
                desk = self._desk(item)
                weight = self._weigh(item)
                if weight and not item.doubtful:
                    item = self._fitting(item, score)
                events = desk.scored(item, score, weight)
                if weight and not item.doubtful and not desk.open_events:
                    self._note_quiet(item, score)
                evidence = desk.evidence(item.pair)
                if self._scores_wanted:
                    out.append(self._score_message(item, score, evidence, weight, done))
                out += events
                if not self._learning:
                    out += self._near_miss(item, score, evidence, events)
                out += self._incidents_of(item, events)
            else:
                out += self._told_without_score(item)
        if items:
            self._publish()
        return out

    def _fitting(self, window: Window, score: Score) -> Window:
        """The window, which is doubtful where the model was not made for its source."""
        if not self._looks_for_misfit:
            return window
        watch = self._misfits.get(window.source)
        if watch is None:
            watch = self._misfits[window.source] = MisfitWatch(self._hop_s)
        watch.take(window.end, score.score)
        return window if watch.found is None else replace(window, findings=(watch.found,))

    def _note_quiet(self, window: Window, score: Score) -> None:
        """Takes a window of a time without an event, to see whether the calibration still holds."""
        if self._quiet is not None:
            watch = self._drifts.get(window.source)
            if watch is None:
                watch = self._drifts[window.source] = DriftWatch(self._quiet, self._hop_s)
            watch.take(window.end, score.score)

    def _weigh(self, window: Window) -> float:
        """What the score of a window weighs by the rules of the site; what they ignore is counted."""
        weight, ignored = self.site.weigh(window)
        if ignored is not None:
            self._losses.add(window.source, ignored)
        return weight

    def give_up(self, items: Sequence[Item], reason: Reason = Fault.SCORE_FAILED) -> list[Message]:
        """Counts the windows among items that cannot be scored, and ends the pairs that end with them."""
        out: list[Message] = []
        for item in items:
            if isinstance(item, Window):
                self._losses.add(item.source, reason)
            else:
                out += self._told_without_score(item)
        self._publish()
        return out

    def forget(self, sources: Iterable[str]) -> None:
        """Drops what is counted of sources that are watched no more."""
        for source in sources:
            self._windows.pop(source, None)
            self._scored.pop(source, None)
            self._listeners.pop(source, None)
            self._drifts.pop(source, None)
            self._misfits.pop(source, None)
            self._publish()

    def _publish(self) -> None:
        events = {source: desk.open_events for source, desk in self._desks.items()}
        incidents = {source: desk.open for source, desk in self._incidents.items()}
        heard = {source: listener.heard for source, listener in self._listeners.items()}
        site = self.site.in_force()
        drifts = {source: watch.found for source, watch in self._drifts.items() if watch.found is not None}
        misfits = {source: watch.found for source, watch in self._misfits.items() if watch.found is not None}
        windows, scored = dict(self._windows), dict(self._scored)
        self.judged = ScoringAccount(windows, events, scored, incidents, heard, site, drifts, misfits)

    def _told_without_score(self, item: PairEnded | Moment) -> list[Message]:
        if isinstance(item, PairEnded):
            self.site.ended(item.source, item.pair)
        events = self._ended(item) if isinstance(item, PairEnded) else []
        near = self._near_misses.get(item.source)
        missed = near.ended(item) if near is not None and isinstance(item, PairEnded) else []
        if near is not None and near.idle:
            del self._near_misses[item.source]
        return [*events, *missed, *self._incidents_of(item, events)]

    def _near_miss(
        self, window: Window, score: Score, evidence: float, events: Sequence[EventMessage]
    ) -> list[NearMissMessage]:
        near = self._near_misses.get(window.source)
        if near is None:
            near = self._near_misses[window.source] = self._new_near_misses()
        return near.scored(window, score, evidence, events)

    def _incidents_of(self, item: Item, events: Sequence[EventMessage], score: float = 0.0) -> list[IncidentMessage]:
        """What an item and the events that it led to make of incidents; a desk is there while one of them is open."""
        desk = self._incidents.get(item.source)
        if desk is None:
            if not events:
                return []
            desk = self._incidents[item.source] = self._new_incidents()
        match item:
            case Window():
                out = desk.scored(item, events)
            case PairEnded():
                out = desk.ended(item, events)
            case Moment():
                out = desk.moment(item)
        if not desk.open:
            del self._incidents[item.source]
        return [msgspec.structs.replace(m, shadow=True) for m in out] if self._shadow else out

    def _desk(self, window: Window) -> AlarmTracker:
        if self._learning:
            self._listeners.setdefault(window.source, Listener()).take(window, self._pairs[window.source])
        desk = self._desks.get(window.source)
        if desk is None:
            desk = self._desks[window.source] = self._new_desk()
        self._pairs[window.source].add(window.pair)
        return desk

    def _ended(self, end: PairEnded) -> list[EventMessage]:
        """Ends a pair; a desk knows nothing but its pairs, all ended before their source is, and goes with the last."""
        desk = self._desks.get(end.source)
        if desk is None:
            return []
        out = desk.ended(end)
        pairs = self._pairs[end.source]
        pairs.discard(end.pair)
        if not pairs:
            del self._desks[end.source], self._pairs[end.source]
        return out

    def _score_message(self, window: Window, score: Score, evidence: float, weight: float, done: int) -> ScoreMessage:
        return ScoreMessage(
            source=window.source,
            pair=window.pair.ids,
            start=window.start,
            end=window.end,
            score=score.score,
            relation=score.relation,
            unusual=score.unusual,
            evidence=round(evidence, 4),
            doubtful=window.doubtful,
            learning=self._learning,
            weight=round(weight, 6),
            model=self._model,
            latency_ms=round((done - window.arrived) / 1e6, 3),
        )


class Pipeline:
    """Frames in, messages out, one frame at a time; the same frames give the same events, whenever they come.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
    """

    def __init__(self, scorer: Scorer, thresholds: Thresholds, config: Config) -> None:
        self.counters = Counters()
        losses = DropLog(self.counters)
        self.intake = Ingest(scorer.shape, config, losses)
        self.judge = Scoring(scorer, thresholds, config, losses)

    def push(self, frame: PoseFrame) -> list[Message]:
        """Takes a frame; returns the scores and events it leads to."""
        return self.judge.judge(self.intake.push(frame, time.monotonic_ns()))

    def run(self, frames: Iterable[PoseFrame]) -> list[Message]:
        """Takes frames up to the end of the stream; returns all that they lead to."""
        return [m for frame in frames for m in self.push(frame)] + self.finish()

    def finish(self) -> list[Message]:
        """Ends the stream: scores what is held back and closes open events."""
        return self.judge.judge(self.intake.finish(PairEnd.END_OF_STREAM))


def incidents_of(messages: Sequence[Message]) -> list[IncidentMessage]:
    """The incidents among messages."""
    return [m for m in messages if isinstance(m, IncidentMessage)]


def events_of(messages: Sequence[Message]) -> list[EventMessage]:
    """The events among messages."""
    return [m for m in messages if isinstance(m, EventMessage)]
