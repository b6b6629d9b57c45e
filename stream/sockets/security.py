"""Keys, no keys or deliberately none: what a service asks of its sockets, in one object."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import zmq

from dyadwatch.stream.codes import PeerRefusal
from dyadwatch.stream.configuration.config import SecurityOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.sockets.allow_list import Domain
from dyadwatch.stream.sockets.authentication import Authentication
from dyadwatch.stream.sockets.exposure import InsecureReminder, Named, check_exposure
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.stream.sockets.peer_guard import PeerGuard

_log = logging.getLogger(__name__)
_REMEDY = (
    "or keys for its peers (dyadwatch keys new NAME, then security.keys), or --insecure (security.insecure: true) to "
    "let everybody in"
)


def check_security(options: SecurityOptions, addresses: Mapping[str, str]) -> list[Named]:
    """Which addresses are open to others though nobody is asked for a key; none where there are keys.

    Arguments:
        options: the section `security` of the configuration.
        addresses: configuration key -> address that will be bound.

    Raises:
        ConfigError: an address is open to others without keys, and that is not wished for.
    """
    if options.keys:
        return []
    return check_exposure(addresses.items(), insecure=options.insecure, remedy=_REMEDY)


class Security:
    """Checks addresses before they are bound, and makes sockets ask for keys where there are some.

    Close it after the sockets and before the context.

    Arguments:
        context: of the sockets.
        options: the section `security` of the configuration.
        addresses: configuration key -> address that will be bound.
        counters: where refused peers are counted.
        detector: the name that they are attributed to.

    Attributes:
        guard: to be asked of every pose message; None without keys.

    Raises:
        ConfigError: an address is open to others without keys, or the keys cannot be used.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        options: SecurityOptions,
        addresses: Mapping[str, str],
        counters: Counters,
        detector: str,
    ) -> None:
        self._counters = counters
        self._detector = detector
        self._refusals = LimitedLog(_log)
        self._authentication: Authentication | None = None
        self.guard: PeerGuard | None = None
        exposed: list[Named] = []
        if options.keys:
            keys = self._authentication = Authentication(context, KeyFolder(Path(options.keys)), self._refused)
            self.guard = PeerGuard(lambda: keys.list.now, counters, detector)
        else:
            exposed = check_security(options, addresses)
        self._reminder = InsecureReminder(exposed)
        self._reminder.__enter__()

    @property
    def listeners_revoked(self) -> int:
        """Grows whenever somebody who may have connected to the results may listen no longer."""
        return 0 if self._authentication is None else self._authentication.list.listeners_revoked

    def secure_server(self, socket: zmq.Socket[bytes], domain: Domain, *, monitored: bool = False) -> None:
        """To be called before a socket is bound; does nothing without keys.

        Arguments:
            socket: to be bound.
            domain: what it is for.
            monitored: whether the caller has the socket's one monitor, and hands its events to `handshake_failed`.
        """
        if self._authentication is not None:
            self._authentication.secure_server(socket, domain, monitored=monitored)

    def handshake_failed(self, event: int, value: int) -> None:
        """Counts a handshake that failed, as the monitor of a socket tells it; other events are passed over."""
        if self._authentication is not None:
            self._authentication.handshake_failed(event, value)

    def close(self) -> None:
        """Ends the threads."""
        self._reminder.close()
        if self._authentication is not None:
            self._authentication.close()
        if self.guard is not None:
            self.guard.flush()
        self._refusals.flush()

    def _refused(self, why: str) -> None:
        self._counters.add(self._detector, PeerRefusal.PEER_REFUSED)
        self._refusals.warning(self._detector, PeerRefusal.PEER_REFUSED, f"a connection is refused: {why}")
