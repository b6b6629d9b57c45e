"""Listens like a detector for some seconds, and says what its sources look like."""

from __future__ import annotations

import threading
import time

import zmq

from dyadwatch.stream.codes import Fault
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.health.source_verdict import SourceCheck, SourceVerdict
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.wire import decode_pose

_POLL_MS = 50


class CheckListener:
    """A socket like the detector's, without a model behind it.

    Arguments:
        config: the whole configuration; its sections wire, security and sense matter.

    Attributes:
        address: that publishers connect to.

    Raises:
        ConfigError: when the address cannot be bound.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._counters = Counters()
        self._checks: dict[str, SourceCheck] = {}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            bound = {"wire.bind": config.wire.bind}
            self._security = Security(self._context, config.security, bound, self._counters, DETECTOR)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        known = self._checks.__contains__
        try:
            self._receiver = Receiver(
                self._context, config.wire, self._counters, known, decode_pose, security=self._security
            )
        except BaseException:
            self._security.close()
            self._context.destroy(linger=0)
            raise
        self.address = self._receiver.address

    def run(self, seconds: float, stop: threading.Event) -> list[SourceVerdict]:
        """What the sources look like that come within some seconds, or until asked to stop; closes the socket."""
        until = time.monotonic() + seconds
        try:
            while not stop.is_set() and (left := until - time.monotonic()) > 0:
                self._receive(min(_POLL_MS, max(round(left * 1000), 1)))
        finally:
            self._receiver.close()
            self._security.close()
            self._context.destroy(linger=0)
        refused = self._counters.refused(seconds + 60)
        out = [check.verdict(self._said(refused.pop(name, None), name)) for name, check in self._checks.items()]
        strangers = [SourceCheck(name, self._config).verdict(self._said(why, name)) for name, why in refused.items()]
        return sorted(out + strangers, key=lambda verdict: verdict.source)

    def _receive(self, timeout_ms: int) -> None:
        got = self._receiver.receive(timeout_ms)
        if got is None:
            return
        frame = got[0]
        check = self._checks.get(frame.source)
        if check is None:
            if len(self._checks) >= self._config.wire.max_sources:
                self._counters.add(DETECTOR, Fault.TOO_MANY_SOURCES)
                return
            check = self._checks[frame.source] = SourceCheck(frame.source, self._config)
        check.push(frame)

    def _said(self, reason: str | None, source: str) -> str:
        """Why messages of a source were refused; empty where none were."""
        if reason is None:
            return ""
        said = self._counters.said_of(source)
        return f"messages are refused, {reason}" + (f": {said}" if said else "")
