"""What libzmq tells of the connections of a socket: who came and went, and whose handshake failed."""

# pyright: reportUnknownMemberType=false
# pyzmq's own types are unknown in part.
from __future__ import annotations

import itertools
from typing import Any, cast

import zmq

# Each is another connection. Of a peer without keys either side may be the first to notice and hang up.
HANDSHAKES_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
_numbers = itertools.count()


def open_monitor(watched: zmq.Socket[bytes], events: int) -> zmq.Socket[bytes]:
    """The one monitor that a socket may have.

    There is no bound on the events that wait: libzmq's own thread would wait for room.

    Arguments:
        watched: not yet bound.
        events: to report.
    """
    address = f"inproc://dyadwatch-monitor-{next(_numbers)}"
    watched.monitor(address, events)
    monitor: zmq.Socket[bytes] = cast("Any", watched.context).socket(zmq.PAIR)
    monitor.setsockopt(zmq.RCVHWM, 0)
    monitor.setsockopt(zmq.LINGER, 0)
    monitor.connect(address)
    return monitor
