"""What each budget of false events would make of a site's recorded hours, from the scores in its recordings."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dyadwatch.calibrating import NormalHours, described
from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.event_budget import per_hour
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.decision.site_calibration import Counter, choose, events_allowed, hours_of
from dyadwatch.core.decision.thresholds import events_bound, hours_needed
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.model_file.artefact import file_sha256, read_info
from dyadwatch.core.units import NS
from dyadwatch.loading import at_site, is_learning, load_calibration, load_thresholds, model_path
from dyadwatch.proposing import without
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.budget_table import (
    BUDGETS,
    MOST_ALARMS,
    AlarmList,
    BudgetAlarm,
    BudgetOffer,
    BudgetTable,
    CurvePoint,
    WorkedOut,
)
from dyadwatch.stream.learning.versions import site_models
from dyadwatch.stream.memory.kept import KeptIncident, Verdict, Wanted
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scores import RecordedScores, read_scores
from dyadwatch.stream.recordings.recordings_folder import recordings_between
from dyadwatch.stream.recordings.redecide import Happening, compare, happenings, redecide

_MOST_INCIDENTS = 100_000
_POINTS = 33  # of the curve
_LOWEST = 0.25  # times the present levels, where the curve begins


def work_out(
    config: Config, days: float, *, budgets: Sequence[str] = BUDGETS, folder: Path | None = None, now: int | None = None
) -> WorkedOut:
    """What each budget would do: levels, the bound they keep, and the alarms that come and go.

    Only hours that the model in use judged count, by the scores that it told then. What people judged real is neither
    counted nor does it lift the levels; that it would go is listed all the same.

    Arguments:
        config: of the detector.
        days: to look back.
        budgets: false events, such as `1/day`.
        folder: of the recordings; by default the one that the detector records into.
        now: unix ns.

    Raises:
        ConfigError: nothing is recorded, or no model is in use.
        DyadwatchError: model, calibration or recordings cannot be read.
    """
    now = time.time_ns() if now is None else now
    place = folder or (Path(config.record.folder) if config.record.folder else None)
    if place is None:
        raise ConfigError("record.folder is empty, so that there are no hours to look at; expected a folder")
    models = site_models(config)
    version = 0 if models is None else models.read().current
    config = at_site(config)
    if is_learning(config):
        raise ConfigError("no model is in use, so that nobody is judged; expected a version, or scorer.model")
    model = model_path(config)
    thresholds, calibration = load_thresholds(config, model), load_calibration(config)
    table = BudgetTable(
        id=secrets.token_hex(8),
        made=now,
        days=round(days),
        model=read_info(model).title,
        version=version,
        budget=_vouched(calibration),
        offers=tuple(_too_short(budget, 0.0) for budget in budgets),
    )
    recorded = _recorded(place, file_sha256(model), now - round(days * 24 * 3600 * NS), now)
    if recorded is None:
        return WorkedOut(table=table)
    kept = _incidents(config, now - round(days * 24 * 3600 * NS), now)
    recorded = replace(recorded, config=msgspec.structs.replace(recorded.config, alarm=config.alarm))
    return _Weighing(recorded, thresholds, model, kept).worked_out(table, budgets)


def _vouched(calibration: Calibration | None) -> str:
    """The budget that a calibration keeps; empty for none."""
    evidence = {} if calibration is None else calibration.evidence
    return str(evidence.get("budget", "")) if evidence.get("certified") else ""


def _too_short(budget: str, hours: float) -> BudgetOffer:
    rate = per_hour(budget, "budget")
    return BudgetOffer(budget=budget, per_hour=rate, hours_missing=round(hours_needed(rate) - hours, 2))


def _recorded(folder: Path, sha256: str, begin: int, end: int) -> RecordedScores | None:
    """The scores of one model in a folder; None where it made none."""
    paths = recordings_between(folder, begin, end)
    if not paths:
        return None
    mine = [r.path for r in Playback(paths).recordings if r.about.model_sha256 == sha256]
    if not mine:
        return None
    playback = Playback(mine)
    playback.start, playback.end = begin, end
    return read_scores(playback, none_too=True)


def _incidents(config: Config, begin: int, end: int) -> list[KeptIncident]:
    """What was told meanwhile; nothing where no memory is kept."""
    memory = memory_file(config)
    if memory is None or not memory.is_file():
        return []
    with Store(memory) as store:
        return store.incidents(Wanted(since=begin, until=end, most=_MOST_INCIDENTS))


class _Weighing:
    """One set of hours, decided on with one set of levels after another.

    Arguments:
        recorded: scores of the hours.
        thresholds: in force.
        model: file of the model.
        kept: incidents of these hours.
    """

    def __init__(
        self, recorded: RecordedScores, thresholds: Thresholds, model: Path, kept: Sequence[KeptIncident]
    ) -> None:
        self._recorded, self._thresholds, self._model = recorded, thresholds, model
        self._by_pair: dict[tuple[str, frozenset[object]], list[KeptIncident]] = {}
        for one in kept:
            for pair in one.message.pairs:
                self._by_pair.setdefault((one.message.source, frozenset(pair.pair)), []).append(one)
        self._real = [k for k in kept if k.verdict is Verdict.TRUE and k.message.pairs]
        info = read_info(model)
        spans = [(k.message.source, k.message.start, _end(k)) for k in self._real]
        whole = NormalHours(recorded.log, recorded.sources, recorded.config)
        self._normal = without(whole, spans, info.frames / info.fps)
        self._before = self._decided(thresholds)

    def _decided(self, thresholds: Thresholds) -> list[Happening]:
        return happenings(redecide(self._recorded, thresholds, self._recorded.config.alarm))

    def worked_out(self, table: BudgetTable, budgets: Sequence[str]) -> WorkedOut:
        """The table with these hours in it."""
        hours, log = hours_of(self._normal.sources), self._normal.log
        table = msgspec.structs.replace(
            table,
            hours=round(hours, 4),
            sources={name: round(h, 4) for name, h in self._normal.sources.items()},
            real=len(self._real),
        )
        if not len(log):
            return WorkedOut(table=msgspec.structs.replace(table, offers=tuple(_too_short(b, hours) for b in budgets)))
        counter = Counter(log, self._thresholds.by_rule, self._normal.times, self._thresholds.clear)
        events = counter(1.0)
        top = max(2.0, float(counter.evidence.max()) * 1.1)
        curve = [CurvePoint(level=round(x, 4), events=counter(x)) for x in np.geomspace(_LOWEST, top, _POINTS).tolist()]
        offers, calibrations = list[BudgetOffer](), dict[str, dict[str, Any]]()
        for budget in budgets:
            offer, values = self._offer(budget, hours)
            offers.append(offer)
            if values is not None:
                calibrations[budget] = values
        table = msgspec.structs.replace(
            table, events=events, per_hour_95=round(events_bound(events, hours), 4), curve=tuple(curve),
            offers=tuple(offers),
        )  # fmt: skip
        return WorkedOut(table=table, calibrations=calibrations)

    def _offer(self, budget: str, hours: float) -> tuple[BudgetOffer, dict[str, Any] | None]:
        """What a budget would do, and its calibration as plain values; None where the hours are too few."""
        rate = per_hour(budget, "budget")
        if events_allowed(rate, hours) is None:
            return _too_short(budget, hours), None
        now, normal = self._thresholds, self._normal
        choice = choose(
            normal.log, hours, rate, budget=budget, rules=now.by_rule, times=normal.times, clear=now.clear
        )  # fmt: skip
        changes = compare(self._before, self._decided(Thresholds(1.0, now.clear, choice.rules)))
        offer = BudgetOffer(
            budget=budget,
            per_hour=rate,
            level=round(choice.scale, 4),
            events=choice.events,
            per_hour_95=round(choice.bound, 4),
            come=self._listed(changes.come),
            go=self._listed(changes.go),
            stay=self._listed(changes.stay),
        )
        made = described(choice, normal, self._model, budget, 1, datetime.now(UTC))
        made = msgspec.structs.replace(made, clear_at=now.clear)
        return offer, msgspec.to_builtins(made)

    def _listed(self, found: Sequence[Happening]) -> AlarmList:
        strongest = sorted(found, key=lambda h: -h.evidence)[:MOST_ALARMS]
        return AlarmList(count=len(found), alarms=tuple(map(self._alarm, sorted(strongest, key=lambda h: h.opened))))

    def _alarm(self, h: Happening) -> BudgetAlarm:
        told = next(self._of(h), None)
        return BudgetAlarm(
            source=h.source,
            pair=h.pair,
            clock=h.clock,
            stamp=h.opened,
            seconds=round(h.seconds, 2),
            evidence=round(h.evidence, 3),
            incident="" if told is None else told.message.id,
            verdict=None if told is None else told.verdict,
        )

    def _of(self, h: Happening) -> Iterator[KeptIncident]:
        for one in self._by_pair.get((h.source, frozenset(h.pair)), ()):
            if one.message.start <= h.closed and h.start <= _end(one):
                yield one


def _end(kept: KeptIncident) -> int:
    """Ns of the source's clock at which an incident was over; up to now of one that is open."""
    return kept.message.stamp if kept.message.end is None else kept.message.end
