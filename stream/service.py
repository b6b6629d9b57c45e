"""The detector as a running service: one thread receives, one scores, this one tells how they do; all stop cleanly.

No thread reads what another changes: the receiving thread hands over items through a queue and immutable views of its
sources, the scoring thread publishes an immutable account of what it judged, and every sink has a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import zmq

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import DyadwatchError
from dyadwatch.stream.codes import OwnFault
from dyadwatch.stream.config_difference import difference
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.health.source_incidents import SourceIncidents
from dyadwatch.stream.health.status_board import StatusBoard, learning_options
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.memory.kept import ConfigChange
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.people_socket import PeopleQueue
from dyadwatch.stream.recordings.header import about_detector
from dyadwatch.stream.recordings.recorder import Recorder
from dyadwatch.stream.reload import Judging, Reloader, Reread
from dyadwatch.stream.reload_request import Desk, ReloadRequest
from dyadwatch.stream.run import Run
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.sinks.sinks import Sink
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.stage_times import StageTimes
from dyadwatch.stream.stations.failures import Failures
from dyadwatch.stream.stations.outputs import Outputs
from dyadwatch.stream.stations.receiving_station import ReceivingStation
from dyadwatch.stream.stations.scoring_station import ScoringStation
from dyadwatch.stream.stations.station_context import StationContext
from dyadwatch.stream.stations.status_station import StatusStation
from dyadwatch.stream.stations.stopping import FLUSH_S, RECORDED_S, RECORDER_S, SCORED_S, SINKS_S, Stopping

_log = logging.getLogger(__name__)
_LOOK_S = 0.1  # what is found about a source is reported so much later at most


class Service:
    """Sockets and threads around the pipeline's two halves.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
        sinks: further sinks by name, beside the PUB socket of the configuration.
        calibration: that the thresholds come from, to see whether it still holds, and to be kept; None for none.
        reread: reads the configuration again; raises a DyadwatchError where it is not sound. None: it cannot be.
        changed: says who asks for the configuration to be read again, empty for nobody; called a few times a second.
        desk: where people ask for it with a text of their own, and are told what became of it; None for none.
        learning: nobody named the model for the people who will be seen, so that nobody is judged by it.

    Attributes:
        counters: what was dropped or refused, by source and reason.
        left_behind: names of threads that did not end in time; the program must not wait for them.

    Raises:
        ConfigError: when an address cannot be bound, or the folder for recordings cannot be written to.
        MemoryFileError: when the file that `memory.file` names cannot be used.
    """

    def __init__(
        self,
        scorer: Scorer,
        thresholds: Thresholds,
        config: Config,
        sinks: dict[str, Sink] | None = None,
        *,
        learning: bool = False,
        calibration: Calibration | None = None,
        reread: Reread | None = None,
        changed: Callable[[], str] = lambda: "",
        desk: Desk | None = None,
    ) -> None:
        self.counters = Counters()
        self.left_behind: list[str] = []
        self._scorer = scorer
        self._judging = Judging(config, thresholds, calibration, scorer, learning)
        self._reloader = Reloader(reread, self._refused)
        self._read = config  # the latest that was taken up, with the keys that wait for a restart
        self._changed = changed
        self._desk = desk
        self._wants_reload = ""
        self._stopping = Stopping(waits=config.scorer.overload == "wait")
        self._recorder: Recorder | None = None
        if config.record.folder:
            about = about_detector(scorer, thresholds, config)
            self._recorder = Recorder(config.record, self.counters, about)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        addresses = {"wire.bind": config.wire.bind, "sinks.bind": config.sinks.bind}
        try:
            self._security = Security(self._context, config.security, addresses, self.counters, DETECTOR)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        try:
            self._open(dict(sinks or {}))
        except BaseException:
            self._security.close()
            self._context.destroy(linger=0)
            raise
        if scorer.explainer is not None:
            # or the scores would wait for the first explanation
            threading.Thread(target=scorer.explainer.prepare, name="explainer", daemon=True).start()

    def _open(self, sinks: dict[str, Sink]) -> None:
        """Makes the stations, and what stands between them."""
        scorer, judging, config = self._scorer, self._judging, self._judging.config
        learning = judging.learning
        context = StationContext(
            config,
            Run.begin(),
            self.counters,
            DropLog(self.counters),
            self._context,
            self._security,
            self._recorder,
            Failures(self.counters),
            self._stopping,
            StageTimes() if config.metrics.bind else None,
            PeopleQueue() if config.foxglove.bind else None,
        )
        receiving = self._receiving = ReceivingStation(scorer.shape, context)
        queue = receiving.queue
        outputs = self._outputs = Outputs(judging, scorer, sinks, context, receiving.waiting)
        scoring = Scoring(
            scorer,
            judging.thresholds,
            config,
            context.drops,
            learning=learning,
            quiet=judging.quiet,
            wall=time.time_ns,
            on_peak=None if outputs.peaks is None else outputs.peaks.put,
        )
        self._scoring = ScoringStation(scorer, scoring, queue, lambda: receiving.views, outputs.emit, context)
        board = self._board = StatusBoard(
            self.counters,
            config.liveness,
            scorer.info.title,
            scorer.provider,
            run=context.run,
            shadow=config.alarm.shadow,
            learning=learning_options(config) if learning else None,
        )
        incidents = SourceIncidents(config.incidents, config.liveness.expected, context.run, time.monotonic_ns())
        self._status = StatusStation(board, incidents, receiving, scoring, outputs, context)

    def stop(self) -> None:
        """Asks the service to stop; `run` returns once open events are closed and ports are free.

        Asked twice, it does not wait for what is still to be scored.
        """
        self._stopping.ask()

    def reload(self, who: str = "SIGHUP") -> None:
        """Asks the service to read its configuration again; returns at once, from any thread or a signal handler.

        It is taken up whole, as far as that can be done without a restart, or not at all where anything in it is wrong.

        Arguments:
            who: asks for it, as the log and the memory tell it.
        """
        self._wants_reload = who

    def _refused(self, request: ReloadRequest, error: DyadwatchError | OSError) -> None:
        if self._desk is not None:
            self._desk.refused(request, error)

    def _take_up(self, request: ReloadRequest, wanted: Judging) -> None:
        """Switches to a configuration that was read again, where it says anything else."""
        present, who = self._judging, request.who
        found = difference(present.config, wanted.config)
        changes = (*found.live, *difference(self._read, wanted.config).waiting)  # what waits is kept once
        self._read = wanted.config
        same = (wanted.thresholds, wanted.calibration) == (present.thresholds, present.calibration)
        _log.info("%s: configuration read again: %s%s", who, found, "" if same else f"; alarm by {wanted.thresholds}")
        if wanted.scorer is not None:
            _log.info("%s: from the next batch on model %s scores", who, wanted.scorer.info.title)
        change = ConfigChange(at=time.time_ns(), who=who, changes=changes)
        adopts = bool(found.live) or not same or wanted.scorer is not None or wanted.learning != present.learning
        if adopts:
            scorer = wanted.scorer or self._scorer
            judging = Judging(found.config, wanted.thresholds, wanted.calibration, scorer, wanted.learning)
            self._adopt(judging, scorer, change)
        elif changes:
            self._outputs.note(present, self._scorer, change)
        if self._desk is not None:
            self._desk.taken_up(request, found, change if adopts or changes else None)

    def _adopt(self, judging: Judging, scorer: Scorer, change: ConfigChange) -> None:
        """Hands over to every part what it uses from then on; the judge takes it up on its own thread."""
        config = judging.config
        self._judging, self._scorer = judging, scorer
        self._scoring.adopt(judging)
        self._receiving.watch.adopt(config.liveness)
        self._outputs.adopt(judging, scorer, change)
        self._status.adopt(config, model=scorer.info.title, learning=judging.learning)
        if self._recorder is not None:
            self._recorder.renew(about_detector(scorer, judging.thresholds, config))

    def run(self) -> None:
        """Runs until `stop` is called, from a signal handler or another thread."""
        # Not waited for at the end of the program: a model or a disk may never come back.
        receiving = threading.Thread(target=self._receiving.run, name="receive", daemon=True)
        scoring = threading.Thread(target=self._scoring.run, name="score", daemon=True)
        config = self._judging.config
        try:
            if self._recorder is not None:
                self._recorder.start()
            _log.info("listening on %s, telling on %s", config.wire.bind, config.sinks.bind or "no socket")
            self._outputs.emit(self._outputs.interrupted)
            receiving.start()
            scoring.start()
            self._tell_until_stopped(config.sinks.status_s)
            self._join(receiving, scoring)
        finally:
            self._stopping.end()
            self.left_behind += [f"sink {name}" for name in self._outputs.close(SINKS_S)]
            if not self.left_behind:
                self._security.close()
                self._context.destroy(linger=100)
            if self._recorder is not None:
                within_s = self._stopping.left_s(RECORDED_S, RECORDER_S)
                if not self._recorder.close(within_s):
                    self.left_behind.append("recorder")
            self._receiving.close()
        if self.left_behind:
            _log.error("stopped; left behind: %s", ", ".join(self.left_behind))
        else:
            _log.info("stopped; open events are closed and ports are free")

    def _tell_until_stopped(self, period: float) -> None:
        due = time.monotonic() + period
        while not self._stopping.wait(min(max(due - time.monotonic(), 0), _LOOK_S)):
            request = None if self._reloader.busy else self._next_request()
            if request is not None:
                self._reloader.begin(request, self._scorer)
            read = self._reloader.take()
            if read is not None:
                self._take_up(*read)
            if time.monotonic() >= due:
                self._status.tell()
                due = max(due + period, time.monotonic())
            self._status.look()

    def _next_request(self) -> ReloadRequest | None:
        who, self._wants_reload = self._wants_reload or self._changed(), ""
        if who:
            return ReloadRequest(who)
        return None if self._desk is None else self._desk.asked()

    def _join(self, receiving: threading.Thread, scoring: threading.Thread) -> None:
        """Waits for both threads, for as long as a stop may take; leaves behind what does not come back."""
        for thread, until_s in ((receiving, FLUSH_S), (scoring, SCORED_S)):
            while thread.is_alive() and self._stopping.may_go_on(until_s):
                thread.join(0.02)
        if scoring.is_alive():
            self._scoring.cancel()
            scoring.join(0.2)
        for thread in (receiving, scoring):
            if thread.is_alive():
                self.left_behind.append(thread.name)
                self.counters.add(DETECTOR, OwnFault.STUCK, name=thread.name)
                _log.error("the thread %r does not come back; it is left behind with what waited for it", thread.name)
        self._status.finish()
        if not scoring.is_alive():
            self._status.tell()
