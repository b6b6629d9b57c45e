"""Where messages go: a ZeroMQ PUB socket, JSON lines, a live table. No sink can stop the detector or hold it up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

import zmq

from dyadwatch.stream.codes import OwnFault, counted_as
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.memory.kept_first import KeptFirst
from dyadwatch.stream.messages import Message, encode_json
from dyadwatch.stream.sinks.results_socket import ResultsSocket
from dyadwatch.stream.sinks.sink_thread import Sink, SinkThread
from dyadwatch.stream.sockets.security import Security

_log = logging.getLogger(__name__)
KEEPING = ("memory", "operator", "record")  # sinks that show nobody anything


class ZmqSink:
    """Publishes [topic, JSON] on a PUB socket. A subscriber that cannot keep up loses messages; we never wait.

    Arguments:
        context: of pyzmq.
        address: to bind, `sinks.bind` of the configuration.
        security: of the service; None asks nobody for keys.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str, security: Security | None = None) -> None:
        self._socket = ResultsSocket(context, address, security)

    def emit(self, messages: Sequence[Message]) -> None:
        """Publishes the messages."""
        self._socket.send([m.topic.encode(), encode_json(m)] for m in messages)

    def close(self) -> None:
        """Frees the port; what was sent has a second to leave."""
        self._socket.close()


class JsonLinesSink:
    """Writes one JSON object a line.

    Arguments:
        stream: a binary stream, best one without a buffer: a thread that waits in the write of a shared one, such as
            `sys.stdout.buffer`, would hold up the end of the program.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def emit(self, messages: Sequence[Message]) -> None:
        """Writes and flushes the messages."""
        if self._stream.closed:
            raise OSError("the stream is closed")
        rest = memoryview(b"".join(encode_json(m) + b"\n" for m in messages))
        while rest:  # a stream without a buffer may take a part
            rest = rest[self._stream.write(rest) :]
        self._stream.flush()

    def close(self) -> None:
        """Flushes."""
        if not self._stream.closed:
            self._stream.flush()


class Sinks:
    """All sinks together, each behind a bounded queue and on a thread of its own: none can hold up the detector.

    One that fails (disk full, pipe closed) is counted, reported once and left out from then on. One that takes messages
    more slowly than they come loses scores and status first, the oldest first, then events, and incidents last.

    Arguments:
        sinks: by name.
        counters: where failures are counted, under `sink_failed_<name>`, lost messages under `sink_full_<name>`, and a
            sink that did not end in time under `sink_stuck_<name>`.
        source: the source name these are attributed to.
        kept_first: where incidents are kept, what holds the other sinks back until they are.
        emitted: called with a name and ns: how long the oldest message of a batch waited until that sink had taken it.
    """

    def __init__(
        self,
        sinks: dict[str, Sink],
        counters: Counters,
        source: str,
        kept_first: KeptFirst | None = None,
        emitted: Callable[[str, int], None] | None = None,
    ) -> None:
        self._counters = counters
        self._source = source
        self._log = LimitedLog(_log)
        self._kept_first = kept_first
        self._threads = {
            name: SinkThread(
                name,
                sink,
                self._failed,
                self._lost,
                before=None if kept_first is None or name in KEEPING else kept_first.wait,
                emitted=emitted,
            )
            for name, sink in sinks.items()
        }

    def emit(self, messages: Sequence[Message]) -> None:
        """Hands messages to every working sink; returns at once."""
        if messages:
            if self._kept_first is not None:
                self._kept_first.expect(messages)
            for thread in self._threads.values():
                thread.put(messages)

    def waiting(self) -> dict[str, int]:
        """How many messages wait for each sink; from any thread."""
        return {name: thread.waiting for name, thread in self._threads.items()}

    def working(self) -> dict[str, bool]:
        """Which sinks still take messages; from any thread."""
        return {name: thread.works for name, thread in self._threads.items()}

    def close(self, within_s: float = 2.0, first: str = "") -> list[str]:
        """Lets every sink take what waits and closes it; returns the names of those that did not end in time.

        Arguments:
            within_s: seconds for all.
            first: name of one that tells the others something; it ends before them, in a part of the time.
        """
        until = time.monotonic() + within_s
        if first in self._threads:
            self._threads[first].end()
            self._threads[first].join(within_s / 4)
        for thread in self._threads.values():
            thread.end()
        stuck = [name for name, thread in self._threads.items() if not thread.join(max(until - time.monotonic(), 0))]
        for name in stuck:
            self._counters.add(self._source, OwnFault.SINK_STUCK, name=name)
            _log.error("sink %s did not take what waits for it in %g s; it is left behind", name, within_s)
        return stuck

    def _failed(self, name: str, error: Exception) -> None:
        self._counters.add(self._source, OwnFault.SINK_FAILED, name=name)
        known = isinstance(error, (OSError, zmq.ZMQError))
        _log.error(
            "sink %s failed and is left out from now on, detecting goes on: %s",
            name,
            error,
            exc_info=None if known else error,
        )

    def _lost(self, name: str, count: int) -> None:
        self._counters.add(self._source, OwnFault.SINK_FULL, count, name=name)
        kind = counted_as(OwnFault.SINK_FULL, name)
        self._log.warning(self._source, kind, "the sink takes messages more slowly than they come")
