"""The detector as a running service: one thread receives, one scores, this one tells how they do; all stop cleanly.

No thread reads what another changes: the receiving thread hands over items through a queue and immutable views of its
sources, the scoring thread publishes an immutable account of what it judged, and every sink has a thread of its own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import zmq

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.drift import QuietScores
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import MemoryFileError, ScoreError
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.operator_sink import OperatorSink
from dyadwatch.stream.codes import Fault, OwnFault, PairEnd, Station
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.delivery.sink import DeliverySink
from dyadwatch.stream.delivery.start import open_delivery, open_metrics
from dyadwatch.stream.health.source_incidents import SourceIncidents
from dyadwatch.stream.health.source_watch import SourceView, SourceWatch
from dyadwatch.stream.health.station_health import StationHealth
from dyadwatch.stream.health.status_board import StatusBoard, learning_options
from dyadwatch.stream.items import Item
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.memory.kept import ChangedKey, ConfigChange
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.memory_sink import MemorySink
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import IncidentMessage, Message, StatusMessage
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.people import PeopleSocket
from dyadwatch.stream.pipeline import DropLog, Ingest, Scoring
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.recordings.channels import EndReason
from dyadwatch.stream.recordings.header import about_detector, program
from dyadwatch.stream.recordings.recorder import Recorder, RecordSink
from dyadwatch.stream.reload import Judging, Reloader, difference, warm_up
from dyadwatch.stream.run import Run
from dyadwatch.stream.scoring.item_queue import ItemQueue
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.sinks.sinks import Sink, Sinks, ZmqSink
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.wire import decode_pose

_log = logging.getLogger(__name__)
_POLL_MS = 50
_LOOK_S = 0.25  # between two looks at sources that may be silent
_ASLEEP_NS = NS  # a turn of the receiving thread that took longer was none of the sources' silence
# After a stop, in seconds from it: what has arrived is taken in, windows that wait are scored, the engine is told to
# give up, sinks are flushed. All ends within five seconds, whatever the sinks, the model or the disk do.
_DRAIN_S = 0.5
_FLUSH_S = 2.0
_SCORED_S = 2.8
_SINKS_S = 1.0
# Where overload waits, much may have arrived that is to be kept: for as long as scores keep coming.
_LONG_DRAIN_S = _LONG_FLUSH_S = 30.0
_PROGRESS_S = 3.0
_ON_THEIR_WAY_S = 2.0  # what publishers sent before the stop comes without a pause this long after it
_PAUSE_MS = 200
_IDLE_S = 0.2  # between two looks at the stop while nothing is to be scored
_FAILED = {
    Station.RECEIVING: OwnFault.RECEIVING_FAILED,
    Station.SCORING: OwnFault.SCORING_FAILED,
    Station.STATUS: OwnFault.STATUS_FAILED,
}
_BACKOFF_S = 0.05  # a station that fails at once, again and again, must not take the processor


def _model(scorer: Scorer) -> str:
    return f"{scorer.info.name} {scorer.info.version}"


class Service:
    """Sockets and threads around the pipeline's two halves.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
        sinks: further sinks by name, beside the PUB socket of the configuration.
        calibration: that the thresholds come from, to see whether it still holds, and to be kept; None for none.
        reread: reads the configuration again, and what follows from it, given the model that scores; raises a
            DyadwatchError where it is not sound.
        changed: says who asks for the configuration to be read again, empty for nobody; called a few times a second.
        learning: nobody named the model for the people who will be seen, so that nobody is judged by it.

    Attributes:
        counters: what was dropped or refused, by source and reason.
        left_behind: names of threads that did not end in time; the program must not wait for them.

    Raises:
        ConfigError: when an address cannot be bound, or the folder for recordings cannot be written to.
        MemoryFileError: when the file that `memory.file` names cannot be used.
    """

    def __init__(  # noqa: PLR0915 - one line a part
        self,
        scorer: Scorer,
        thresholds: Thresholds,
        config: Config,
        sinks: dict[str, Sink] | None = None,
        *,
        learning: bool = False,
        calibration: Calibration | None = None,
        reread: Callable[[Scorer], Judging] | None = None,
        changed: Callable[[], str] = lambda: "",
    ) -> None:
        self.counters = Counters()
        self.left_behind: list[str] = []
        self._config = config
        self._scorer = scorer
        self._thresholds = thresholds
        self._calibration = calibration
        self._wants_reload = ""
        self._learning: bool = learning
        self._reloader = Reloader(reread)
        self._changed = changed
        self._adopted: Judging | None = None  # for the scoring thread
        self._run = Run.begin()
        self._memory: MemorySink | None = None
        self._delivery: DeliverySink | None = None
        self._interrupted: Sequence[Message] = ()
        losses = DropLog(self.counters)
        self._health = StationHealth()
        self._failures = LimitedLog(_log)
        self._forgotten = LimitedLog(_log)
        self._reported: set[Station] = set()
        self._intake = Ingest(scorer.shape, config, losses)
        quiet = calibration and QuietScores.told(calibration.evidence)
        self._judge = Scoring(scorer, thresholds, config, losses, learning=learning, quiet=quiet, wall=time.time_ns)
        if scorer.explainer is not None:
            # or the scores would wait for the first explanation
            threading.Thread(target=scorer.explainer.prepare, name="explainer", daemon=True).start()
        self._recorder: Recorder | None = None
        if config.record.folder:
            about = about_detector(scorer, thresholds, config)
            self._recorder = Recorder(config.record, self.counters, about)
        self._waits = config.scorer.overload == "wait"
        self._queue = ItemQueue(
            config.scorer.max_queue,
            lambda source: losses.add(source, Fault.SHED_OVERLOAD),
            lambda source: self._receiver.came_by(source),
            waits=self._waits,
        )
        self._watch = SourceWatch(self._intake, config.liveness)
        self._views: tuple[SourceView, ...] = self._watch.views()
        self._viewed = (time.monotonic_ns(), self._views)  # and when they were made
        self._source_incidents = SourceIncidents(
            config.incidents, config.liveness.expected, self._run, time.monotonic_ns()
        )
        self._statuses: dict[str, StatusMessage] = {}
        self._board = StatusBoard(
            self.counters,
            config.liveness,
            _model(scorer),
            scorer.provider,
            lambda: self._recorder and self._recorder.state,
            self._health.trouble,
            run=self._run,
            memory=lambda: self._memory and self._memory.state,
            incidents=self._source_incidents.open,
            deliveries=lambda: self._delivery.states() if self._delivery is not None else (),
            shadow=config.alarm.shadow,
            schedules=lambda source, unix_ns: self._judge.site.schedules_at(source, unix_ns),
            learning=learning_options(config) if learning else None,
        )
        self._stop = threading.Event()
        self._stopped_at = self._scored_at = 0.0
        self._turned = time.monotonic_ns()
        self._next_views = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        addresses = {"wire.bind": config.wire.bind, "sinks.bind": config.sinks.bind}
        try:
            self._security = Security(self._context, config.security, addresses, self.counters, DETECTOR)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        try:
            tap = self._recorder and self._recorder.received
            known = self._intake.lines.__contains__
            self._receiver = Receiver(
                self._context,
                config.wire,
                self.counters,
                known,
                decode_pose,
                tap,
                self._security,
                waits=self._waits,
            )
            all_sinks = dict(sinks or {})
            if config.sinks.bind:
                all_sinks["zmq"] = ZmqSink(self._context, config.sinks.bind, self._security)
            if self._recorder is not None:
                all_sinks["record"] = RecordSink(self._recorder)
            self._operator = all_sinks["operator"] = OperatorSink(config.attention, lambda m: self._sinks.emit(m))
            self._memory = self._open_memory()
            if self._memory is not None:
                all_sinks["memory"] = self._memory
            self._delivery = open_delivery(config, self._operator.act, kept=self._memory is not None)
            if self._delivery is not None:
                all_sinks["delivery"] = self._delivery
            if config.metrics.bind:
                all_sinks["metrics"] = open_metrics(config.metrics, self._waiting)
            self._people = PeopleSocket(config.sinks.people) if config.sinks.people else None
        except BaseException:
            self._security.close()
            self._context.destroy(linger=0)
            raise
        self._sinks = Sinks(all_sinks, self.counters, DETECTOR, self._memory.kept_first if self._memory else None)

    def _open_memory(self) -> MemorySink | None:
        """The memory, where there is to be one. One that nobody asked for must not keep the detector from starting."""
        path = memory_file(self._config)
        if path is None:
            return None
        try:
            writer = MemoryWriter(path, self._config.memory, self._run, program(), _model(self._scorer))
        except MemoryFileError as e:
            if self._config.memory.file:
                raise
            _log.warning("no incident is kept: %s", e)
            return None
        self._interrupted = writer.interrupted
        self._take_up(writer)
        lost = partial(self.counters.add, DETECTOR, OwnFault.SINK_FULL, name="memory")
        return MemorySink(writer, self._operator.act, lost=lambda count: lost(n=count))

    def _waiting(self) -> dict[str, int]:
        """How much waits in each queue: windows to be scored, and messages of each sink."""
        return {"windows": self._queue.windows, **self._sinks.waiting()}

    def _take_up(self, writer: MemoryWriter) -> None:
        """Keeps what this run judges by, and takes up what people were told before; neither keeps it from starting."""
        now = time.time_ns()
        try:
            writer.keep_calibration(self._calibration, self._thresholds, file_sha256(self._scorer.path))
            self._operator.restore(writer.before(now, now - round(self._config.attention.per_min * 60 * NS)))
        except (sqlite3.Error, msgspec.MsgspecError) as e:
            _log.warning("%s: what was told before this run is not taken up: %s", writer.store.path, e)

    def stop(self) -> None:
        """Asks the service to stop; `run` returns once open events are closed and ports are free.

        Asked twice, it does not wait for what is still to be scored.
        """
        self._stopped_at = -1.0 if self._stop.is_set() else time.monotonic()
        self._stop.set()

    def reload(self, who: str = "SIGHUP") -> None:
        """Asks the service to read its configuration again; returns at once, from any thread or a signal handler.

        It is taken up whole, as far as that can be done without a restart, or not at all where anything in it is wrong.

        Arguments:
            who: asks for it, as the log and the memory tell it.
        """
        self._wants_reload = who

    def _take_up_reread(self, who: str, wanted: Judging) -> None:
        """Goes on by a configuration that was read again, where it says anything else."""
        found = difference(self._config, wanted.config)
        same = (wanted.thresholds, wanted.calibration) == (self._thresholds, self._calibration)
        _log.info("%s: configuration read again: %s%s", who, found, "" if same else f"; alarm by {wanted.thresholds}")
        same = same and wanted.scorer is None and wanted.learning == self._learning
        self._learning = wanted.learning
        if wanted.scorer is not None:
            self._scorer = wanted.scorer
            _log.info("%s: from the next batch on model %s scores", who, _model(wanted.scorer))
        if found.live or not same:
            judging = Judging(
                found.config, wanted.thresholds, wanted.calibration, scorer=self._scorer, learning=self._learning
            )
            self._adopt(judging, found.live, who)

    def _adopt(self, judging: Judging, changes: tuple[ChangedKey, ...], who: str) -> None:
        """Hands over to every part what it goes on by; the judge takes it up on its own thread."""
        config = self._config = judging.config
        self._thresholds, self._calibration = judging.thresholds, judging.calibration
        self._adopted = judging
        self._board.adopt(config, model=_model(self._scorer), learning=self._learning)
        self._watch.adopt(config.liveness)
        self._operator.adopt(config.attention)
        gone = self._source_incidents.adopt(config.incidents, config.liveness.expected, time.time_ns())
        self._sinks.emit(self._marked(gone))
        if self._recorder is not None:
            self._recorder.renew(about_detector(self._scorer, judging.thresholds, config))
        if self._memory is not None:
            self._memory.note(ConfigChange(at=time.time_ns(), who=who, changes=changes))

    def run(self) -> None:
        """Runs until `stop` is called, from a signal handler or another thread."""
        # Not waited for at the end of the program: a model or a disk may never come back.
        receiving = threading.Thread(target=self._receive, name="receive", daemon=True)
        scoring = threading.Thread(target=self._score, name="score", daemon=True)
        try:
            if self._recorder is not None:
                self._recorder.start()
            _log.info("listening on %s, telling on %s", self._config.wire.bind, self._config.sinks.bind or "no socket")
            self._sinks.emit(self._interrupted)
            receiving.start()
            scoring.start()
            self._tell_until_stopped()
            self._join(receiving, scoring)
        finally:
            self._stop.set()
            self.left_behind += [f"sink {name}" for name in self._sinks.close(_SINKS_S, first="operator")]
            if not self.left_behind:
                self._security.close()
                self._context.destroy(linger=100)
            if self._recorder is not None:
                self._recorder.close()
            if self._people is not None:
                self._people.close()
        _log.info("stopped; open events are closed and ports are free")

    def _tell_until_stopped(self) -> None:
        period = self._config.sinks.status_s
        due = time.monotonic() + period
        while not self._stop.wait(min(max(due - time.monotonic(), 0), _LOOK_S)):
            self._wants_reload = self._wants_reload or self._changed()
            if self._wants_reload and not self._reloader.busy:
                who, self._wants_reload = self._wants_reload, ""
                self._reloader.begin(who, self._scorer)
            read = self._reloader.take()
            if read is not None:
                self._take_up_reread(*read)
            if time.monotonic() >= due:
                self._tell_status()
                due = max(due + period, time.monotonic())
            self._look_at_sources()

    def _tell_status(self) -> None:
        try:
            messages = self._board.messages(self._views, self._judge.judged)
            self._statuses = {m.source: m for m in messages}
            self._sinks.emit(messages)
        except Exception as e:  # noqa: BLE001 - reported by `_report`
            self._report(Station.STATUS, e)

    def _look_at_sources(self) -> None:
        try:
            at, views = self._viewed
            now = time.monotonic_ns()
            self._sinks.emit(self._marked(self._source_incidents.look(views, at, self._statuses, now, time.time_ns())))
        except Exception as e:  # noqa: BLE001 - reported by `_report`
            self._report(Station.STATUS, e)

    def _marked(self, incidents: Sequence[IncidentMessage]) -> Sequence[IncidentMessage]:
        """As they are told: nobody is called about those in shadow."""
        if not self._config.alarm.shadow:
            return incidents
        return [msgspec.structs.replace(m, shadow=True) for m in incidents]

    def _join(self, receiving: threading.Thread, scoring: threading.Thread) -> None:
        """Waits for both threads, for as long as a stop may take; leaves behind what does not come back."""
        for thread, until_s in ((receiving, _FLUSH_S), (scoring, _SCORED_S)):
            while thread.is_alive() and self._may_go_on(until_s):
                thread.join(0.02)
        if scoring.is_alive():
            self._judge.cancel()
            scoring.join(0.2)
        for thread in (receiving, scoring):
            if thread.is_alive():
                self.left_behind.append(thread.name)
                self.counters.add(DETECTOR, OwnFault.STUCK, name=thread.name)
                _log.error("the thread %r does not come back; it is left behind with what waited for it", thread.name)
        self._sinks.emit(self._marked(self._source_incidents.finish(time.time_ns())))
        if not scoring.is_alive():
            self._tell_status()

    def _may_go_on(self, until_s: float) -> bool:
        """Whether a thread may still work so long after the stop; where nothing may be lost, as long as it gets on."""
        now = time.monotonic()
        if self._stopped_at < 0:
            return False
        if self._waits:
            return now - self._stopped_at < _LONG_FLUSH_S and now - max(self._scored_at, self._stopped_at) < _PROGRESS_S
        return now - self._stopped_at < until_s

    def _receive(self) -> None:
        """The receiving thread: sockets to items. What fails costs one message, never the thread."""
        try:
            while not self._stop.is_set():
                try:
                    self._health.begins(Station.RECEIVING)
                    self._receive_turn()
                    self._health.ends(Station.RECEIVING)
                except Exception as e:  # noqa: BLE001 - reported by `_report`
                    self._report(Station.RECEIVING, e)
            self._drain()
            self._queue.put(self._intake.finish(PairEnd.SHUTDOWN))
            if self._recorder is not None:
                for source in self._intake.lines:
                    self._recorder.ended(source, EndReason.SHUTDOWN)
            self._views = self._watch.views()
        except Exception as e:  # noqa: BLE001 - reported by `_report`
            self._report(Station.RECEIVING, e)
        finally:
            self._receiver.close()
            self._queue.close()

    def _receive_turn(self) -> None:
        self._receive_one(_POLL_MS)
        now = time.monotonic_ns()
        if now - self._turned > _ASLEEP_NS:
            self._watch.pause(now - self._turned)
        self._turned = now
        if now >= self._next_views:
            self._next_views = now + round(min(self._config.sinks.status_s, 1.0) * NS / 4)
            for source in self._watch.forgotten():
                self.counters.add(DETECTOR, OwnFault.SOURCE_FORGOTTEN)
                text = f"{source} is silent for long, and forgotten"
                self._forgotten.warning(DETECTOR, OwnFault.SOURCE_FORGOTTEN, text)
                self._forget(source)
            self._views = self._watch.views()
            self._viewed = (now, self._views)

    def _forget(self, source: str) -> None:
        self._put(self._intake.forget(source))
        if self._recorder is not None:
            self._recorder.ended(source, EndReason.SOURCE_FORGOTTEN)

    def _drain(self) -> None:
        """Takes in what was sent before the stop. Sources that go on sending must not keep it from ending."""
        began = time.monotonic()
        most = _LONG_DRAIN_S if self._waits else _DRAIN_S
        while (after := time.monotonic() - began) < most:
            if not self._receiver.waiting(_PAUSE_MS if self._waits and after < _ON_THEIR_WAY_S else 0):
                return
            self._receive_one(0)

    def _receive_one(self, timeout_ms: int) -> None:
        got = self._receiver.receive(timeout_ms)
        if got is None:
            return
        frame, arrived = got
        self._make_room(frame, arrived)
        try:
            items = self._intake.push(frame, self._watch.due(frame, arrived))
        except Exception as e:  # noqa: BLE001 - reported by `failed`
            items = self._intake.failed(frame.source, e)
        self._put(items)
        if self._people is not None and self._people.wanted:
            self._people.offer(self._intake.scene(frame.source))
        self._watch.beat(frame, arrived)

    def _put(self, items: list[Item]) -> None:
        """Hands over items; where that may wait for the scoring thread, it is no trouble of this one."""
        if self._waits:
            self._health.ends(Station.RECEIVING)
        self._queue.put(items)
        self._turned = time.monotonic_ns() if self._waits and items else self._turned

    def _make_room(self, frame: PoseFrame, arrived: int) -> None:
        """A source that is new to a full house takes the place of one that is worth less, if there is any."""
        lines = self._intake.lines
        if frame.source in lines or len(lines) < self._config.wire.max_sources:
            return
        gone = self._watch.replaceable(arrived)
        if gone is not None:
            self.counters.add(DETECTOR, OwnFault.SOURCE_REPLACED)
            self._forget(gone)
        else:
            self.counters.refuse(frame.source, Fault.TOO_MANY_SOURCES)

    def _score(self) -> None:
        """The scoring thread: items to messages. What fails costs the windows of one batch, never the thread."""
        try:
            warm_up(self._scorer, self._config.scorer.max_batch, self._stop.is_set)
            known: set[str] = set()
            while (items := self._queue.take(self._config.scorer.max_batch, _IDLE_S)) is not None:
                adopted, self._adopted = self._adopted, None
                if adopted is not None:
                    quiet = adopted.calibration and QuietScores.told(adopted.calibration.evidence)
                    if adopted.scorer is not None:
                        self._judge.exchange(adopted.scorer, learning=adopted.learning)
                    self._judge.adopt(adopted.thresholds, adopted.config, quiet)
                if items:
                    self._judge_items(items)
                if self._stop.is_set() and not self._may_go_on(_FLUSH_S):
                    self._queue.shed_all()
                before, known = known, {view.source for view in self._views}
                self._judge.forget(before - known)
        except Exception as e:  # noqa: BLE001 - reported by `_report`
            self._report(Station.SCORING, e)
        finally:
            self._queue.abandon()

    def _judge_items(self, items: list[Item]) -> None:
        self._health.begins(Station.SCORING)
        try:
            self._sinks.emit(self._judge.judge(items))
        except Exception as e:  # noqa: BLE001 - reported by `_report`
            reason = Fault(e.reason) if isinstance(e, ScoreError) else Fault.SCORE_FAILED
            self._sinks.emit(self._judge.give_up(items, reason))
            self._report(Station.SCORING, e)
        else:
            self._health.ends(Station.SCORING)
        self._scored_at = time.monotonic()

    def _report(self, station: Station, error: Exception) -> None:
        self._health.failed(station, error)
        self.counters.add(DETECTOR, _FAILED[station])
        first = station not in self._reported
        self._reported.add(station)
        self._failures.warning(DETECTOR, _FAILED[station], f"{type(error).__name__}: {error}")
        if first:
            _log.error("this is where %s failed first:", station, exc_info=error)
        time.sleep(_BACKOFF_S)
