"""Events of a socket's monitor that tell of handshakes that failed."""

from __future__ import annotations

import zmq

# Each is another connection. Of a peer without keys either side may be the first to notice and hang up.
HANDSHAKES_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
