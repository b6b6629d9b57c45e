"""Records without a detector: listens like one, and writes down what comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import zmq

from dyadwatch.core.words import counted
from dyadwatch.stream.codes import RecordingState
from dyadwatch.stream.configuration.config import RecordOptions, SecurityOptions, WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.header import program
from dyadwatch.stream.recordings.recorder import Recorder
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.wire import Header, check_header, decode_pose

_log = logging.getLogger(__name__)
_POLL_MS = 50
_DRAIN_S = 0.5
_TELL_S = 10.0
_CHECK_S = 1.0
_OPEN = SecurityOptions()


class PoseListener:
    """A socket like the detector's, and a recorder behind it.

    Every message's header is checked, but the coordinates of only one frame a second and source: enough to notice
    millimetres.

    Arguments:
        wire: where to listen, and how large a message may be.
        record: where to write.
        security: who may connect.

    Attributes:
        counters: what was refused or not recorded.
        frames: recorded ones that were not refused, by source.

    Raises:
        ConfigError: when the address cannot be bound or the folder not be written to.
    """

    def __init__(self, wire: WireOptions, record: RecordOptions, security: SecurityOptions = _OPEN) -> None:
        self.counters = Counters()
        self.frames: dict[str, int] = {}
        self._most = wire.max_sources
        self._checked: dict[str, float] = {}
        self._recorder = Recorder(record, self.counters, RecordingHeader(run="", program=program()))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        addresses = {"wire.bind": wire.bind}
        try:
            self._security = Security(self._context, security, addresses, self.counters, DETECTOR)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        known, tap = self.frames.__contains__, self._recorder.received
        try:
            self._receiver = Receiver(self._context, wire, self.counters, known, self._check, tap, self._security)
        except BaseException:
            self._security.close()
            self._context.destroy(linger=0)
            raise
        _log.info("listening on %s, recording to %s", wire.bind, Path(record.folder))

    @property
    def recorder_cpu_s(self) -> float:
        """Processor seconds used by writing alone."""
        return self._recorder.cpu_s

    def run(self, stop: threading.Event) -> None:
        """Records until asked to stop; what has arrived by then is still taken."""
        self._recorder.start()
        tell = time.monotonic() + _TELL_S
        try:
            while not stop.is_set():
                self._receive(_POLL_MS)
                if time.monotonic() >= tell:
                    tell += _TELL_S
                    _log.info("%s", self.summary())
            until = time.monotonic() + _DRAIN_S
            while self._receiver.waiting() and time.monotonic() < until:
                self._receive(0)
        finally:
            self._receiver.close()
            self._recorder.close()
            self._security.close()
            self._context.destroy(linger=0)

    def summary(self) -> str:
        """How it goes, in one line."""
        refused = {s: n for s, n in self.counters.snapshot().items() if n}
        own = refused.pop(DETECTOR, {})
        trouble = "; " + ", ".join(f"{k} {v}" for k, v in sorted(own.items())) if own else ""
        others = f"; refused: {refused}" if refused else ""
        recording = self._recorder.state
        state = "" if recording.code is RecordingState.ON else f"; {text_of(recording)}"
        came = f"{counted(len(self.frames), 'source')}, {counted(sum(self.frames.values()), 'frame')}"
        return f"{came}{others}{trouble}{state}"

    def _check(self, parts: Sequence[bytes], limits: WireOptions) -> Header:
        header = check_header(parts, limits)
        now = time.monotonic()
        if now >= self._checked.get(header.source, 0.0):
            if header.source in self._checked or len(self._checked) < self._most:
                self._checked[header.source] = now + _CHECK_S
            decode_pose(parts, limits)
        return header

    def _receive(self, timeout_ms: int) -> None:
        got = self._receiver.receive(timeout_ms)
        if got is not None:
            source = got[0].source
            if source in self.frames or len(self.frames) < self._most:
                self.frames[source] = self.frames.get(source, 0) + 1
