"""What would keep a detector from starting, found before a model is tried for half a minute."""

from __future__ import annotations

from pathlib import Path

import zmq

from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.sockets.binding import bind
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.stream.sockets.security import check_security


def check_exposure(config: Config) -> None:
    """Looks at keys, and whether addresses are open to others without them.

    Raises:
        ConfigError: they are, or the keys cannot be used.
    """
    check_security(config.security, {"wire.bind": config.wire.bind, "sinks.bind": config.sinks.bind})
    if config.security.keys:
        KeyFolder(Path(config.security.keys)).server_keys()


def check_start(config: Config) -> None:
    """Looks at keys and addresses as the service will, and leaves nothing bound.

    Raises:
        ConfigError: an address is open to others without keys, is taken or cannot be bound, or the keys cannot be used.
    """
    check_exposure(config)
    with zmq.Context() as context:
        for key, address in {"wire.bind": config.wire.bind, "sinks.bind": config.sinks.bind}.items():
            if address.startswith("tcp://"):  # binding an ipc:// file would take it away from who uses it
                with context.socket(zmq.PUB) as socket:
                    socket.setsockopt(zmq.LINGER, 0)
                    bind(socket, address, key)
