"""Who can reach an address: only this machine, or others too; the latter needs keys, or the word that it need not."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from dyadwatch.core.errors import ConfigError

_log = logging.getLogger(__name__)
REMIND_S = 60.0
Named = tuple[str, str]  # what an address is called, and the address


def is_local_host(host: str) -> bool:
    """Whether only this machine reaches a host: 127.0.0.0/8 and ::1, and `localhost` where it means nothing else.

    Other names, `*` and addresses in forms that `ipaddress` does not know are not: what they mean may change.
    """
    if host.lower() == "localhost":
        try:
            found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        except OSError:
            return False
        return bool(found) and all(map(_is_loopback, found))
    return _is_loopback(host.removeprefix("[").removesuffix("]"))


def is_local(address: str) -> bool:
    """Whether only this machine reaches an address such as tcp://host:port or ipc:///path."""
    scheme, _, rest = address.partition("://")
    if scheme in ("ipc", "inproc"):
        return True
    return scheme in ("tcp", "udp") and is_local_host(rest.rpartition(":")[0])


def check_exposure(addresses: Iterable[Named], *, insecure: bool, remedy: str) -> list[Named]:
    """Refuses to bind without keys what others can reach, unless that is wished for.

    Arguments:
        addresses: configuration keys or flags and what they hold; an empty one is not bound.
        insecure: whether it is wished for.
        remedy: what else to do, after "expected a loopback address such as 127.0.0.1, ".

    Returns:
        those of the addresses that others can reach.

    Raises:
        ConfigError: naming key, address and the ways on.
    """
    exposed = [(key, address) for key, address in addresses if address and not is_local(address)]
    if exposed and not insecure:
        key, address = exposed[0]
        raise ConfigError(
            f"{key} is {address!r}, which other machines can reach; expected a loopback address such as 127.0.0.1, "
            f"{remedy}"
        )
    return exposed


class InsecureReminder:
    """Warns of open addresses at once and then every minute, from a thread of its own, as long as it is entered.

    Arguments:
        exposed: configuration keys or flags and their addresses; empty: there is nothing to warn of.
        every_s: seconds between two warnings.
    """

    def __init__(self, exposed: Sequence[Named], every_s: float = REMIND_S) -> None:
        told = ", ".join(f"{key} {address}" for key, address in exposed)
        self._text = f"open to anyone who can reach it, without keys: {told} (see `dyadwatch docs security`)"
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="insecure-reminder", daemon=True) if exposed else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the warnings; does not wait for a log that blocks."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            _log.warning("%s", self._text)
            if self._stop.wait(self._every_s):
                return


def _is_loopback(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
