"""Only who has a key gets in: CURVE on bound sockets, with pyzmq's authenticator and an allow-list that may change."""

# pyright: reportUnknownMemberType=false
# pyzmq's own types are unknown in part.
from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import parse_monitor_message

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.sockets.allow_list import Allowed, Domain
from dyadwatch.stream.sockets.key_folder import KeyFolder, Stamp
from dyadwatch.stream.sockets.monitor import HANDSHAKES_FAILED, open_monitor

_log = logging.getLogger(__name__)
_LOOK_MS = 200
_RELOAD_S = 1.0
_HANDSHAKE_MS = 5000  # who connects and says nothing is hung up on
_AT_ONCE = 1000  # refused handshakes counted between two looks at the allow-list

Report = Callable[[str], None]  # called with the reason of each refused handshake


class LiveAllowList:
    """The allow-list of a folder, read again when it changes; `now` is the latest, for any thread.

    A list that cannot be read or is damaged leaves the one before in force, and is reported once: a disk that fails or
    a slip in an editor must not silence every source. A folder that is gone allows nobody.

    Arguments:
        folder: of the keys.

    Raises:
        ConfigError: the list cannot be used.
    """

    def __init__(self, folder: KeyFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        self._told = ""
        self.now = folder.allowed()
        self.listeners_revoked = 0  # grows whenever somebody may listen no longer
        self.refresh()

    def refresh(self) -> Allowed:
        """The list as it is now; reads the disk, so not for a thread that must not wait."""
        with self._lock:
            try:
                stamp = self._folder.stamp()
                if stamp != self._stamp:
                    self._take(self._folder.allowed(), stamp)
            except FileNotFoundError:
                self._take(Allowed(), None)
                self._tell("the allow-list is gone; every connection is refused")
            except (OSError, ConfigError) as e:
                self._tell(f"the allow-list cannot be used, the one before stays in force: {e}")
            return self.now

    def _take(self, allowed: Allowed, stamp: Stamp | None) -> None:
        gone = self.now.listeners() - allowed.listeners()
        self.now = allowed
        self._stamp = stamp
        if gone:
            self.listeners_revoked += 1
        if stamp is not None:
            self._told = ""

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            _log.error("%s", text)


class Authentication:
    """Checks who connects to the sockets of one context, until it is closed, which must be before the context is.

    Two threads: pyzmq's, which answers handshakes, and one that reads the allow-list again every second and counts the
    handshakes that failed.

    Arguments:
        context: of the sockets.
        folder: of the keys.
        report: called with each refused handshake, from the second thread.

    Raises:
        ConfigError: the folder cannot be used.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: KeyFolder, report: Report) -> None:
        self._report = report
        _, self._secret = folder.server_keys()
        self.list = LiveAllowList(folder)
        self._zap = _Zap(context, self.list)
        self._zap.start()
        self._monitors: tuple[zmq.Socket[bytes], ...] = ()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="key-watcher", daemon=True)
        self._watcher.start()

    def secure_server(self, socket: zmq.Socket[bytes], domain: Domain, *, monitored: bool = False) -> None:
        """Lets a socket that is not yet bound take only peers that the allow-list has for it.

        Arguments:
            socket: to be bound.
            domain: what it is for.
            monitored: whether the caller has the one monitor that a socket may have, and tells `handshake_failed`.
        """
        socket.curve_server = True
        socket.curve_secretkey = self._secret
        socket.zap_domain = domain.encode()
        # Without this libzmq lets every key in where nobody answers for the domain.
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
        if not monitored:
            self._monitors = (*self._monitors, open_monitor(socket, HANDSHAKES_FAILED))

    def close(self) -> None:
        """Ends both threads. Who connects afterwards is refused."""
        self._stop.set()
        self._watcher.join()
        for monitor in self._monitors:
            monitor.close()
        self._monitors = ()
        self._zap.stop()

    def _watch(self) -> None:
        due = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= due:
                self.list.refresh()
                due = time.monotonic() + _RELOAD_S
            monitors = self._monitors
            poller = zmq.Poller()
            for monitor in monitors:
                poller.register(monitor, zmq.POLLIN)
            if not monitors:
                self._stop.wait(_LOOK_MS / 1000)
            elif poller.poll(_LOOK_MS):
                for monitor in monitors:
                    self._count(monitor)

    def _count(self, monitor: zmq.Socket[bytes]) -> None:
        for _ in range(_AT_ONCE):
            try:
                event = parse_monitor_message(monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            self.handshake_failed(event["event"], event["value"])

    def handshake_failed(self, event: int, value: int) -> None:
        """Reports a handshake that failed, as the monitor of a socket tells it; other events are passed over."""
        if event & HANDSHAKES_FAILED:
            self._report(self._why(event, value))

    def _why(self, event: int, value: int) -> str:
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return f"its key is not on the allow-list for this socket ({self._zap.last_refused})"
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return "it broke off, as one without a key may"
        if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            return "it came without a key"
        if value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
            return "it took another detector's public key for this one's"
        return f"its handshake breaks the protocol (0x{value:x})"


class _Zap(ThreadAuthenticator):
    """Allows whom the list has at the moment of the handshake; a message's user id is the public key of its peer."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allow_list: LiveAllowList) -> None:
        super().__init__(context)
        self._list = allow_list
        self._address = ""
        self.last_refused = "unknown"
        self.configure_curve_callback("poses", self)
        self.configure_curve_callback("results", self)

    async def handle_zap_message(self, msg: list[bytes]) -> None:
        self._address = msg[3].decode("ascii", "replace") if len(msg) > 3 else ""
        await super().handle_zap_message(msg)

    def callback(self, domain: Domain, key: bytes) -> bool:
        """pyzmq asks this; an exception would end its thread."""
        allowed = self._list.refresh().may_connect(key.decode("ascii"), domain)
        if not allowed:
            self.last_refused = f"last {key[:8].decode('ascii')}... from {self._address or 'this machine'}"
        return allowed
