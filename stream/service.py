"""The detector as a running service: one thread receives, one scores and tells; both stop cleanly."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

import numpy as np
import zmq

from dyadwatch.stream.alarm import Thresholds
from dyadwatch.stream.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.pipeline import DETECTOR, Intake, Judge, Losses
from dyadwatch.stream.queue import ItemQueue
from dyadwatch.stream.receive import Receiver
from dyadwatch.stream.recordings.about import about_detector
from dyadwatch.stream.recordings.recorder import Recorder, RecordSink
from dyadwatch.stream.scorer import Scorer
from dyadwatch.stream.security import Security
from dyadwatch.stream.sinks import Sink, Sinks, ZmqSink
from dyadwatch.stream.status import StatusBoard
from dyadwatch.stream.wire import decode_pose

_log = logging.getLogger(__name__)
_POLL_MS = 50
_FLUSH_S = 3.0  # windows that still wait so long after a stop are shed: a slow model must not hold up a shutdown
_DRAIN_S = 0.5  # what has arrived before a stop is still taken in, for at most so long
# Where overload waits, much may have arrived that is to be kept.
_LONG_FLUSH_S = _LONG_DRAIN_S = 30.0
_ON_THEIR_WAY_S = 2.0  # what publishers sent before the stop comes without a pause this long after it
_PAUSE_MS = 200


class Service:
    """Sockets and threads around the pipeline's two halves.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
        sinks: further sinks by name, beside the PUB socket of the configuration.

    Raises:
        ConfigError: when an address cannot be bound, or the folder for recordings cannot be written to.
    """

    def __init__(
        self, scorer: Scorer, thresholds: Thresholds, config: Config, sinks: dict[str, Sink] | None = None
    ) -> None:
        self.counters = Counters()
        self._config = config
        self._scorer = scorer
        losses = Losses(self.counters)
        self._intake = Intake(scorer.shape, config, losses)
        self._judge = Judge(scorer, thresholds, config, losses)
        self._recorder: Recorder | None = None
        if config.record.folder:
            about = about_detector(scorer, thresholds, config)
            self._recorder = Recorder(config.record, self.counters, about)
        self._waits = config.scorer.overload == "wait"
        self._queue = ItemQueue(
            config.scorer.max_queue, lambda source: losses.add(source, "shed_overload"), waits=self._waits
        )
        self._board = StatusBoard(
            self._intake,
            self._judge,
            self.counters,
            config.liveness,
            f"{scorer.info.name} {scorer.info.version}",
            scorer.provider,
            lambda: self._recorder and self._recorder.state,
        )
        self._stop = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        addresses = {"wire.bind": config.wire.bind, "sinks.bind": config.sinks.bind}
        self._security = Security(self._context, config.security, addresses, self.counters, DETECTOR)
        try:
            tap = self._recorder and self._recorder.received
            known = self._intake.lines.__contains__
            self._receiver = Receiver(
                self._context, config.wire, self.counters, known, decode_pose, tap, self._security
            )
            all_sinks = dict(sinks or {})
            if config.sinks.bind:
                all_sinks["zmq"] = ZmqSink(self._context, config.sinks.bind, self._security)
            if self._recorder is not None:
                all_sinks["record"] = RecordSink(self._recorder)
        except BaseException:
            self._security.close()
            self._context.destroy(linger=0)
            raise
        self._sinks = Sinks(all_sinks, self.counters, DETECTOR)

    def stop(self) -> None:
        """Asks the service to stop; `run` returns once open events are closed and ports are free."""
        self._stop.set()

    def run(self) -> None:
        """Runs until `stop` is called, from a signal handler or another thread."""
        try:
            self._warm_up()
            if self._recorder is not None:
                self._recorder.start()
            _log.info("listening on %s, telling on %s", self._config.wire.bind, self._config.sinks.bind or "no socket")
            with ThreadPoolExecutor(max_workers=2, thread_name_prefix="dyadwatch") as pool:
                try:
                    threads = [pool.submit(self._receive), pool.submit(self._score)]
                    # A thread that ends by itself has failed; the service stops rather than staying deaf or mute.
                    while not self._stop.wait(0.2) and not any(t.done() for t in threads):
                        pass
                finally:
                    self._stop.set()
            for t in threads:
                t.result()
        finally:
            self._security.close()
            self._context.destroy()
            if self._recorder is not None:
                self._recorder.close()
        _log.info("stopped; open events are closed and ports are free")

    def _warm_up(self) -> None:
        """The engine's first run is slow; it should not be a person's first window."""
        shape = self._scorer.shape
        still = np.zeros((2, shape.frames, len(shape.layout), 3), np.float32)
        self._scorer.score([still])

    def _receive(self) -> None:
        try:
            while not self._stop.is_set():
                self._receive_one(_POLL_MS)
                for source in self._board.forgotten():
                    _log.warning("%s: silent for over liveness.forget_s; forgotten", source)
                    self._queue.put(self._intake.forget(source))
                    if self._recorder is not None:
                        self._recorder.ended(source, "source_forgotten")
            self._drain()
            self._queue.put(self._intake.finish("shutdown"))
            if self._recorder is not None:
                for source in self._intake.lines:
                    self._recorder.ended(source, "shutdown")
        finally:
            self._receiver.close()
            self._queue.close()

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
        if got is not None:
            frame, arrived = got
            self._queue.put(self._intake.push(frame, arrived))
            self._board.beat(frame, arrived)

    def _score(self) -> None:
        period = self._config.sinks.status_s
        due = time.monotonic() + period
        flush_s = _LONG_FLUSH_S if self._waits else _FLUSH_S
        flush_until = 0.0
        try:
            while (
                items := self._queue.take(self._config.scorer.max_batch, max(due - time.monotonic(), 0))
            ) is not None:
                if items:
                    self._sinks.emit(self._judge.judge(items))
                if self._stop.is_set():
                    flush_until = flush_until or time.monotonic() + flush_s
                    if time.monotonic() > flush_until:
                        self._queue.shed_all()
                if time.monotonic() >= due:
                    self._sinks.emit(self._board.messages())
                    due = max(due + period, time.monotonic())
            self._sinks.emit(self._board.messages())
        finally:
            self._queue.abandon()
            self._sinks.close()


@contextmanager
def stop_on_signals(service: Service, signals: Iterable[int] = (signal.SIGINT, signal.SIGTERM)) -> Iterator[None]:
    """While it lasts, the signals stop the service cleanly instead of killing the program."""

    def handler(number: int, frame: FrameType | None) -> None:
        service.stop()

    before = {s: signal.signal(s, handler) for s in signals}
    try:
        yield
    finally:
        for s, h in before.items():
            signal.signal(s, h)
