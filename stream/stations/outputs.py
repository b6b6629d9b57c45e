"""Everything that takes what a detector publishes: sockets, files, the memory, deliveries, and the calls to people."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from dyadwatch.core.errors import MemoryFileError
from dyadwatch.core.finding import Finding
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.operator_sink import OperatorSink
from dyadwatch.stream.codes import MemoryState, OwnFault
from dyadwatch.stream.configuration.delivery_options import wants_pictures
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.delivery.inside import Inside
from dyadwatch.stream.delivery.peak_poses import PeakPoses
from dyadwatch.stream.delivery.sink import DeliverySink
from dyadwatch.stream.delivery.spool import TargetState
from dyadwatch.stream.delivery.start import open_delivery, open_foxglove, open_metrics
from dyadwatch.stream.memory.kept import ConfigChange
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.memory_sink import MemorySink
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import Message
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.recordings.header import program
from dyadwatch.stream.recordings.recorder import RecordSink
from dyadwatch.stream.reload import Judging
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.sinks.sinks import Sink, Sinks, ZmqSink
from dyadwatch.stream.stations.station_context import StationContext

_log = logging.getLogger(__name__)


class Outputs:
    """All sinks of a detector, each on a thread of its own.

    Arguments:
        judging: what the detector judges by.
        scorer: the loaded model, which the memory names.
        sinks: further ones by name.
        context: what they share with the stations.
        waiting: how much waits elsewhere, by name, for the metrics.

    Attributes:
        interrupted: what the run before left open, to be published first.
        emit: takes messages; never waits.
        peaks: where the poses of events are kept for pictures of them; None where nobody wants any.

    Raises:
        ConfigError: when an address cannot be bound, or a delivery is not possible as configured.
        MemoryFileError: when the file that `memory.file` names cannot be used.
    """

    def __init__(
        self,
        judging: Judging,
        scorer: Scorer,
        sinks: Mapping[str, Sink],
        context: StationContext,
        waiting: Callable[[], Mapping[str, int]],
    ) -> None:
        config, counters, recorder = context.config, context.counters, context.recorder
        self._run = context.run
        self._scorer = scorer
        self._sinks = Sinks({}, counters, DETECTOR)  # for the metrics, which are served before all sinks are there
        self.interrupted: Sequence[Message] = ()
        all_sinks = dict(sinks)
        if config.sinks.bind:
            all_sinks["zmq"] = ZmqSink(context.sockets, config.sinks.bind, context.security)
        if recorder is not None:
            all_sinks["record"] = RecordSink(recorder)
        self._operator = all_sinks["operator"] = OperatorSink(config.attention, lambda m: self.emit(m))
        self._memory = self._open_memory(judging, counters)
        if self._memory is not None:
            all_sinks["memory"] = self._memory
        wanted = wants_pictures(config.delivery)
        self.peaks = PeakPoses(scorer.shape.layout) if wanted else None
        kept = self._memory is not None
        self._delivery: DeliverySink | None = open_delivery(config, self._operator.act, self.peaks, kept=kept)
        if self._delivery is not None:
            all_sinks["delivery"] = self._delivery
        if context.people is not None:
            all_sinks["foxglove"] = open_foxglove(config.foxglove, context.people)
        if config.metrics.bind:
            inside = Inside(
                lambda: {**waiting(), **self._sinks.waiting()}, lambda: self._sinks.working(), context.times
            )
            all_sinks["metrics"] = open_metrics(config.metrics, inside)
        kept_first = self._memory.kept_first if self._memory else None
        self._sinks = Sinks(all_sinks, counters, DETECTOR, kept_first, context.times and context.times.emitted)
        self.emit = self._sinks.emit

    def _open_memory(self, judging: Judging, counters: Counters) -> MemorySink | None:
        """The memory, where there is to be one. One that nobody asked for must not keep the detector from starting."""
        config = judging.config
        path = memory_file(config)
        if path is None:
            return None
        try:
            writer = MemoryWriter(path, config.memory, self._run, program(), self._scorer.info.title)
        except MemoryFileError as e:
            if config.memory.file:
                raise
            _log.warning("no incident is kept: %s", e)
            return None
        self.interrupted = writer.interrupted
        self._take_up(writer, judging)
        lost = partial(counters.add, DETECTOR, OwnFault.SINK_FULL, name="memory")
        return MemorySink(writer, self._operator.act, lost=lambda count: lost(n=count))

    def _take_up(self, writer: MemoryWriter, judging: Judging) -> None:
        """Keeps what this run judges by, and takes up calls from before; neither keeps it from starting."""
        now = time.time_ns()
        try:
            writer.keep_calibration(judging.calibration, judging.thresholds, file_sha256(self._scorer.path))
            per_min = judging.config.attention.per_min
            self._operator.restore(writer.before(now, now - round(per_min * 60 * NS)))
        except (sqlite3.Error, msgspec.MsgspecError) as e:
            _log.warning("%s: what was told before this run is not taken up: %s", writer.store.path, e)

    def adopt(self, judging: Judging, scorer: Scorer, change: ConfigChange) -> None:
        """Switches to another configuration, and keeps what changed, who asked for it and what is judged by."""
        self._operator.adopt(judging.config.attention)
        self.note(judging, scorer, change)

    def note(self, judging: Judging, scorer: Scorer, change: ConfigChange) -> None:
        """Keeps what changed, who asked for it and what is judged by."""
        if self._memory is not None:
            self._memory.note(change, judging.calibration, judging.thresholds, file_sha256(scorer.path))

    def memory_state(self) -> Finding[MemoryState] | None:
        """Whether incidents are kept now; None where they are not to be."""
        return self._memory and self._memory.state

    def deliveries(self) -> Sequence[TargetState]:
        """How it stands with each target that incidents are delivered to."""
        return self._delivery.states() if self._delivery is not None else ()

    def close(self, seconds: float) -> list[str]:
        """Flushes all of them; returns the names of those that did not end in so many seconds."""
        return self._sinks.close(seconds, first="operator")
