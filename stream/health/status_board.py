"""How each source is doing, told about once a second; made of what the stations hand over, on a thread of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import structs

from dyadwatch.core.decision.drift import DriftFound
from dyadwatch.core.finding import Finding, Value
from dyadwatch.core.sense.sense_codes import Odd, is_blinding
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import (
    Blindness,
    Fault,
    Learning,
    MemoryState,
    MergeState,
    RecordingState,
    SiteRuleKind,
    SourceState,
)
from dyadwatch.stream.configuration.config import Config, LearningOptions, LivenessOptions, ScheduleOptions
from dyadwatch.stream.configuration.site_rules import InForce
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.delivery.spool import TargetState
from dyadwatch.stream.health.source_watch import SourceView
from dyadwatch.stream.judging.scoring_account import ScoringAccount
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.messages import (
    Blind,
    CalibrationNow,
    Data,
    DeliveryNow,
    LearningNow,
    MemoryNow,
    Merge,
    OddNow,
    RecordingNow,
    SiteRuleNow,
    StatusMessage,
)
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.run import Run
from dyadwatch.stream.scoring.learning import Heard
from dyadwatch.stream.texts import text_of

_log = logging.getLogger(__name__)
_OVERLOAD_S = 5.0  # a source that lost windows this recently counts as blind for overload
_USELESS_S = 2.0  # frames that come for so long without being of use make a source blind
_REFUSED_S = 5.0  # a refusal this recent says that somebody sends what is of no use
_NAMES = 3  # names reported of those who are refused


def _none_open(source: str) -> tuple[str, ...]:
    return ()


def _none_hold(source: str, unix_ns: int) -> Sequence[ScheduleOptions]:
    return ()


@dataclass(frozen=True, slots=True)
class OwnState:
    """How the detector itself does now.

    Arguments:
        recording: whether what is received is recorded; None where nobody asked for it.
        trouble: which station has failed or stands still; None for none.
        memory: whether incidents are kept; None where they are not to be.
        deliveries: how it stands with each target that incidents are delivered to.
        incidents: ids of the open incidents about a source itself.
        schedules: which of a source hold at a moment, unix ns.
    """

    recording: Finding[RecordingState] | None = None
    trouble: Finding[Blindness] | None = None
    memory: Finding[MemoryState] | None = None
    deliveries: tuple[TargetState, ...] = ()
    incidents: Callable[[str], tuple[str, ...]] = _none_open
    schedules: Callable[[str, int], Sequence[ScheduleOptions]] = _none_hold


def learning_options(config: Config) -> LearningOptions:
    """How a detector learns that judges nobody: its recordings go where they really do."""
    return msgspec.structs.replace(config.learning, folder=config.record.folder)


class StatusBoard:
    """Makes the status messages of all sources.

    Arguments:
        counters: of the running detector.
        options: the section `liveness` of the configuration.
        model, provider: reported with every status.
        run: of the detector; None makes one.
        shadow: whether nobody is called about anything.
        learning: the section `learning` of the configuration, where nobody is judged; None where people are.
    """

    def __init__(
        self,
        counters: Counters,
        options: LivenessOptions,
        model: str,
        provider: str,
        *,
        run: Run | None = None,
        shadow: bool = False,
        learning: LearningOptions | None = None,
    ) -> None:
        self._shadow = shadow
        self._run = run or Run.begin()
        self._counters = counters
        self._liveness(options)
        self._model = model
        self._provider = provider
        self._began = time.monotonic_ns()
        self._learning = learning
        self._heard_since: dict[str, int] = {}
        self._enough: set[str] = set()
        self._shed: dict[str, tuple[int, int]] = {}
        self._told = LimitedLog(_log)
        self._now = OwnState()

    def _liveness(self, options: LivenessOptions) -> None:
        self._options = options
        self._silent = round(options.silent_s * NS)
        self._behind = round(options.behind_s * NS)

    def adopt(self, config: Config, *, model: str, learning: bool) -> None:
        """Switches to another configuration: liveness, shadow, the model, and how much is enough to learn from."""
        self._liveness(config.liveness)
        self._shadow = config.alarm.shadow
        self._model = model
        self._learning = learning_options(config) if learning else None

    def messages(
        self, views: Sequence[SourceView], judged: ScoringAccount, own: OwnState | None = None
    ) -> list[StatusMessage]:
        """The status of every source, and of the detector itself for what no source can be blamed for.

        Arguments:
            views: of the sources, as the thread that receives last handed them over.
            judged: what the judge last published.
            own: how the rest of the detector does.
        """
        refused = self._counters.refused(_REFUSED_S)
        now = self._now = own or OwnState()
        self._shed = {v.source: self._shed[v.source] for v in views if v.source in self._shed}
        self._heard_since = {v.source: self._heard_since.get(v.source, time.time_ns()) for v in views}
        self._enough &= self._heard_since.keys()
        out = [self._of(view, judged, refused.pop(view.source, None), now.trouble) for view in views]
        missed = set(self._options.expected) - {v.source for v in views}
        out += [self._missed(source) for source in sorted(missed)]
        dropped = self._counters.of(DETECTOR)
        if dropped or now.recording or now.memory or now.deliveries or now.trouble or not out:
            blind = now.trouble or self._nothing_usable(refused)
            mine = self._own(dropped, blind, waiting=not views and not missed)
            out.append(structs.replace(mine, deliveries=tuple(map(_delivery, now.deliveries))))
        return out

    def _of(
        self, view: SourceView, judged: ScoringAccount, refused: str | None, trouble: Finding[Blindness] | None
    ) -> StatusMessage:
        dropped = self._counters.of(view.source)
        now = time.monotonic_ns()
        age = self._age(view, judged, now)
        state, blind = self._state(view, dropped, refused, trouble, now)
        if state is SourceState.WATCHING and age > self._behind:
            state = SourceState.BEHIND
        learning = self._learning_now(view, judged.heard.get(view.source, Heard()))
        if learning is not None and state in (SourceState.WATCHING, SourceState.BEHIND):
            state = SourceState.LEARNING
        self._report_warnings(view)
        misfit = judged.misfits.get(view.source)
        odds = view.odd if misfit is None else (*view.odd, misfit)
        self._report_odd(view.source, odds)
        return StatusMessage(
            source=view.source,
            state=state,
            blind=_blind(blind),
            fps=round(view.fps, 1),
            people=view.people,
            pairs=view.pairs,
            frames=view.frames,
            windows=judged.windows.get(view.source, 0),
            open_events=judged.open_events.get(view.source, 0),
            dropped=dropped,
            clock=view.clock,
            clock_offset_ms=None if view.offset is None else round(view.offset / 1e6, 1),
            clock_skew_ppm=round(view.skew_ppm, 1),
            age_ms=round(age / 1e6, 1),
            merge=_merge(view.merge),
            warnings=(*view.warnings, *(str(odd.code) for odd in odds if odd.code not in view.warnings)),
            odd=tuple(_odd(odd) for odd in odds),
            last_stamp=view.stamp,
            model=self._model,
            provider=self._provider,
            incidents=judged.incidents.get(view.source, ()) + self._now.incidents(view.source),
            calibration=self._calibration(view.source, judged.drifts.get(view.source)),
            shadow=self._shadow,
            site=self._site(view, judged.site.get(view.source, ())),
            learning=learning,
            run=self._run.id,
            run_started=self._run.started,
        )

    def _state(
        self,
        view: SourceView,
        dropped: dict[str, int],
        refused: str | None,
        trouble: Finding[Blindness] | None,
        now: int,
    ) -> tuple[SourceState, Finding[Blindness] | None]:
        """What is in the way now, the first that holds; never what was in the way when something was last of use."""
        silence = now - view.heard if view.heard else 0
        if trouble is not None:
            return SourceState.BLIND, trouble
        if refused is not None and (silence > self._silent or not view.heard):
            return SourceState.BLIND, self._nothing_usable({view.source: refused})
        if silence > self._silent:
            return SourceState.SILENT, Finding(Blindness.SILENT, seconds=_seconds(silence))
        if self._sheds(view.source, dropped.get(Fault.SHED_OVERLOAD, 0), now):
            return SourceState.BLIND, Finding(Blindness.OVERLOAD)
        if view.heard - view.used > _USELESS_S * NS and not view.refuses:
            why = self._counters.latest(view.source)
            known = {"reason": why} if why else {}
            waited = _seconds(view.heard - view.used)
            return SourceState.BLIND, Finding(Blindness.NO_USABLE_FRAME, seconds=waited, **known)
        return (SourceState.WATCHING if view.blind is None else SourceState.BLIND), view.blind

    def _calibration(self, source: str, found: DriftFound | None) -> CalibrationNow | None:
        if found is None:
            return None
        told = {
            "hours": round(found.hours, 2),
            "share": round(found.share, 4),
            "expected": round(found.expected, 4),
            "level": round(found.level, 4),
        }
        now = CalibrationNow(code=found.drift, text=text_of(Finding(found.drift, **told)), **told)
        self._told.warning(source, found.drift, now.text)
        return now

    def _site(self, view: SourceView, in_force: Sequence[InForce]) -> tuple[SiteRuleNow, ...]:
        """The zones that pairs stand in, and the schedules of this moment, whether there are pairs or not."""
        now = view.stamp if view.clock == "unix" and view.stamp else time.time_ns()
        zones = [rule for rule in in_force if rule.kind is SiteRuleKind.ZONE]
        schedules = [InForce(SiteRuleKind.SCHEDULE, s, view.pairs) for s in self._now.schedules(view.source, now)]
        return tuple(map(_site_rule, [*zones, *schedules]))

    def _learning_now(self, view: SourceView, heard: Heard) -> LearningNow | None:
        """How far a source is that nobody judges; a merged one is heard as its group."""
        options = self._learning
        if options is None or (view.merge is not None and view.merge.code is MergeState.MERGED):
            return None
        more = max(options.enough_min - heard.minutes, 0.0)
        code = Learning.GATHERING if more else Learning.ENOUGH
        since, minutes, more = self._heard_since[view.source], round(heard.minutes, 2), round(more, 2)
        found = Finding(code, since=since, minutes=minutes, pairs=heard.pairs, more_minutes=more, folder=options.folder)
        now = LearningNow(
            code=code,
            since=since,
            minutes=minutes,
            pairs=heard.pairs,
            more_minutes=more,
            folder=options.folder,
            text=text_of(found),
        )
        if code is Learning.ENOUGH and view.source not in self._enough:
            self._enough.add(view.source)
            _log.info("%s: %s", view.source, now.text)
        return now

    def _age(self, view: SourceView, judged: ScoringAccount, now: int) -> int:
        """How old what is known of a source is beyond what its way takes: late frames, or scores that come late; ns."""
        at, age = judged.scored.get(view.source, (0, 0))
        return max(view.late, age if now - at < self._silent else 0)

    def _report_warnings(self, view: SourceView) -> None:
        if view.is_group:
            return  # they are those of its sources
        for warning in view.warnings:
            self._told.warning(view.source, warning, "the source warns of this itself, with every frame")

    def _report_odd(self, source: str, odds: Sequence[Odd]) -> None:
        """What blinds is logged where windows are left out for it; a doubt is logged here."""
        for odd in odds:
            if not is_blinding(odd):
                self._told.warning(source, odd.code, text_of(odd))

    def _sheds(self, source: str, shed: int, now: int) -> bool:
        before, at = self._shed.get(source, (0, 0))
        if shed > before:  # nothing is kept of others: sources with a count are bounded, those that come and go not
            at = now
            self._shed[source] = (shed, at)
        return at > 0 and now - at < _OVERLOAD_S * NS

    def _missed(self, source: str) -> StatusMessage:
        """Of a source that the configuration expects and that never came."""
        reason = Finding(Blindness.EXPECTED, seconds=_seconds(time.monotonic_ns() - self._began))
        return self._empty(source, SourceState.SILENT, reason, self._counters.of(source))

    def _own(self, dropped: dict[str, int], blind: Finding[Blindness] | None, *, waiting: bool) -> StatusMessage:
        if waiting and blind is None:
            blind = Finding(Blindness.NOTHING_USABLE if dropped else Blindness.NOTHING_SENT)
        state = SourceState.WATCHING if blind is None else SourceState.BLIND
        mine = self._empty(DETECTOR, state, blind, dropped)
        return structs.replace(mine, recording=_recording(self._now.recording), memory=_kept(self._now.memory))

    def _nothing_usable(self, refused: dict[str, str]) -> Finding[Blindness] | None:
        """Who sends what is refused, and why, of a single one in full; None for nobody."""
        if not refused:
            return None
        first = dict(list(refused.items())[:_NAMES])
        said = {"said": text} if len(refused) == 1 and (text := self._counters.said_of(next(iter(first)))) else {}
        return Finding(Blindness.REFUSED, refused=first, more=len(refused) - len(first), **said)

    def _empty(
        self, source: str, state: SourceState, blind: Finding[Blindness] | None, dropped: dict[str, int]
    ) -> StatusMessage:
        return StatusMessage(
            source=source,
            state=state,
            blind=_blind(blind),
            fps=0.0,
            people=0,
            pairs=0,
            frames=0,
            windows=0,
            open_events=0,
            dropped=dropped,
            clock="unix",
            clock_offset_ms=None,
            last_stamp=0,
            model=self._model,
            provider=self._provider,
            incidents=self._now.incidents(source),
            run=self._run.id,
            run_started=self._run.started,
        )


def _data(detail: Mapping[str, Value]) -> dict[str, Data]:
    """Data as the messages carry it."""
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in detail.items()}


def _seconds(ns: int) -> float:
    return round(ns / NS, 1)


def _blind(found: Finding[Blindness] | None) -> Blind | None:
    return None if found is None else Blind(code=found.code, detail=_data(found.detail), text=text_of(found))


def _odd(found: Odd) -> OddNow:
    return OddNow(code=found.code, blinding=is_blinding(found), detail=_data(found.detail), text=text_of(found))


def _delivery(one: TargetState) -> DeliveryNow:
    name, found, account = one
    return DeliveryNow(
        name=name,
        code=found.code,
        detail=_data(found.detail),
        text=text_of(found),
        waiting=account.waiting,
        since=account.since,
        delivered=account.delivered,
        dropped=account.dropped,
    )


def _site_rule(rule: InForce) -> SiteRuleNow:
    options = rule.options
    told = Finding(rule.kind, name=options.name, pairs=rule.pairs, factor=options.factor or 0.0)
    return SiteRuleNow(
        about=rule.kind,
        name=options.name,
        ignore=options.ignore,
        factor=options.factor,
        pairs=rule.pairs,
        text=text_of(told),
    )


def _merge(found: Finding[MergeState] | None) -> Merge | None:
    return None if found is None else Merge(code=found.code, detail=_data(found.detail), text=text_of(found))


def _recording(found: Finding[RecordingState] | None) -> RecordingNow | None:
    return None if found is None else RecordingNow(code=found.code, detail=_data(found.detail), text=text_of(found))


def _kept(found: Finding[MemoryState] | None) -> MemoryNow | None:
    return None if found is None else MemoryNow(code=found.code, detail=_data(found.detail), text=text_of(found))
