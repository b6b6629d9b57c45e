"""Where messages go: a ZeroMQ PUB socket, JSON lines, a live table. A sink that breaks never stops the detector."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import BinaryIO, Protocol

import zmq

from dyadwatch.stream.counters import Counters
from dyadwatch.stream.messages import Message, encode_json
from dyadwatch.stream.results_socket import ResultsSocket
from dyadwatch.stream.security import Security

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes messages as they come."""

    def emit(self, messages: Sequence[Message]) -> None:
        """Tells the messages, in order. OSError means that the sink is broken."""
        ...

    def close(self) -> None:
        """Flushes and frees what it holds."""
        ...


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
        stream: a binary stream such as `sys.stdout.buffer`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def emit(self, messages: Sequence[Message]) -> None:
        """Writes and flushes the messages."""
        if self._stream.closed:
            raise OSError("the stream is closed")
        self._stream.write(b"".join(encode_json(m) + b"\n" for m in messages))
        self._stream.flush()

    def close(self) -> None:
        """Flushes."""
        if not self._stream.closed:
            self._stream.flush()


class Sinks:
    """All sinks together. One that fails (disk full, pipe closed) is counted, told once and left out from then on.

    Arguments:
        sinks: by name.
        counters: where failures are counted, under `sink_failed_<name>`.
        source: the source name the failures are put down to.
    """

    def __init__(self, sinks: dict[str, Sink], counters: Counters, source: str) -> None:
        self._sinks = dict(sinks)
        self._counters = counters
        self._source = source

    def emit(self, messages: Sequence[Message]) -> None:
        """Tells every working sink."""
        if not messages:
            return
        for name, sink in list(self._sinks.items()):
            try:
                sink.emit(messages)
            except OSError as e:  # pyzmq's errors are OSErrors only for contexts that ended
                self._fail(name, e)
            except zmq.ZMQError as e:
                self._fail(name, e)

    def close(self) -> None:
        """Closes every working sink."""
        for name, sink in list(self._sinks.items()):
            try:
                sink.close()
            except OSError as e:
                self._fail(name, e)

    def _fail(self, name: str, error: Exception) -> None:
        del self._sinks[name]
        self._counters.add(self._source, f"sink_failed_{name}")
        _log.error("sink %s failed and is left out from now on: %s", name, error)
