"""What would keep a detector from starting, found before a model is tried for half a minute."""

from __future__ import annotations

from pathlib import Path

import zmq

from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.sockets.binding import bind
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.stream.sockets.security import check_security


def check_start(config: Config) -> None:
    """Looks at keys and addresses as the service will, and leaves nothing bound.

    Raises:
        ConfigError: an address is open to others without keys, is taken or cannot be bound, or the keys cannot be used.
    """
    addresses = {"wire.bind": config.wire.bind, "sinks.bind": config.sinks.bind}
    check_security(config.security, addresses)
    if config.security.keys:
        KeyFolder(Path(config.security.keys)).server_keys()
    with zmq.Context() as context:
        for key, address in addresses.items():
            if address.startswith("tcp://"):  # binding an ipc:// file would take it away from who uses it
                with context.socket(zmq.PUB) as socket:
                    socket.setsockopt(zmq.LINGER, 0)
                    bind(socket, address, key)
