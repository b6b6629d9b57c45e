"""Ports of this machine that nobody uses, and that no outgoing connection takes before they are bound."""

from __future__ import annotations

import os
import socket
from itertools import count
from pathlib import Path

from dyadwatch.stream.configuration.browser_ports import REFUSED_BY_BROWSERS

_FIRST, _APART = 10_000, 101  # programs that look at the same time begin so many ports from each other
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")  # Linux
_number = count(os.getpid() * _APART)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that can be bound now and that a browser opens, each time another one while there are others.

    Below those that the system gives to outgoing connections: one that it names itself may be somebody's peer a moment
    later. Where it tells of none, or of hardly any others, the system names one all the same.
    """
    try:
        many = int(_OUTGOING.read_text("ascii").split()[0]) - _FIRST
    except (OSError, ValueError, IndexError):
        many = 0
    for number in (next(_number) for _ in range(max(many, 0))):
        port = _FIRST + number % many
        if port not in REFUSED_BY_BROWSERS and _binds(host, port):
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _binds(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
