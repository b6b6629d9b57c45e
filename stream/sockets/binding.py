"""Binding a socket to an address of the configuration."""

from __future__ import annotations

import zmq

from dyadwatch.core.errors import ConfigError


def bind(socket: zmq.Socket[bytes], address: str, key: str) -> None:
    """Binds a socket.

    Raises:
        ConfigError: naming the configuration key, the address and what to do.
    """
    try:
        socket.bind(address)
    except zmq.ZMQError as e:
        hint = "another program uses the port; stop it or choose another" if e.errno == zmq.EADDRINUSE else str(e)
        raise ConfigError(f"{key} is {address!r}; expected an address this machine can bind ({hint})") from None
