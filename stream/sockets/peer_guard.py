"""Nobody speaks for another: a message is let through where its peer may send poses of the source it names."""

from __future__ import annotations

import logging
from collections.abc import Callable

import zmq

from dyadwatch.core.errors import WireError
from dyadwatch.stream.codes import PeerRefusal
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.sockets.allow_list import Allowed
from dyadwatch.stream.wire import topic_source

_log = logging.getLogger(__name__)


class PeerGuard:
    """Asked of every message, before it is decoded, by the thread that receives.

    A refusal is counted under the name of the peer, not of the source that it claims: that is somebody else.

    Arguments:
        allowed: gives the allow-list as it is now, without waiting.
        counters: where refusals are counted.
        detector: the name that those without a name are attributed to.
    """

    def __init__(self, allowed: Callable[[], Allowed], counters: Counters, detector: str) -> None:
        self._allowed = allowed
        self._counters = counters
        self._detector = detector
        self._refusals = LimitedLog(_log)

    def admits(self, topic: zmq.Frame) -> bool:
        """Whether a message with this first part is to be decoded; so are topics that name no source (reported)."""
        try:
            source = topic_source(topic.bytes)
        except WireError:
            source = None
        return self.check(user_id(topic), source)

    def check(self, peer_id: str | None, source: str | None) -> bool:
        """Whether a peer may speak for a source; counted and logged where not.

        Arguments:
            peer_id: public key of the peer; None for a message that came without one.
            source: None for a message that names none.
        """
        peer = self._allowed().peer(peer_id)
        if peer is None:
            self._counters.add(self._detector, PeerRefusal.PEER_REVOKED)
            self._refusals.warning(
                self._detector, PeerRefusal.PEER_REVOKED, "a message of a key that is no longer allowed"
            )
            return False
        if source is None or peer.may_speak(source):
            return True
        self._counters.add(peer.name, PeerRefusal.FOREIGN_SOURCE)
        self._counters.add(
            self._detector, PeerRefusal.FOREIGN_SOURCE
        )  # a key's name need not be that of a source with a status
        self._counters.refuse(peer.name, PeerRefusal.FOREIGN_SOURCE)
        may = ", ".join(sorted(peer.sources)) or "no source"
        self._refusals.warning(
            peer.name, PeerRefusal.FOREIGN_SOURCE, f"sends as {source!r}; its key may speak for {may}"
        )
        return False

    def flush(self) -> None:
        """Reports what was left out of the log; for the end of a run."""
        self._refusals.flush()


def user_id(frame: zmq.Frame) -> str | None:
    """Public key of the peer that a message came from; None where it came without one."""
    try:
        found = frame.get("User-Id")
    except zmq.ZMQError:
        return None
    return found if isinstance(found, str) and found else None
