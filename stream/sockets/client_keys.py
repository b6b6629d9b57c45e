"""The keys of a peer that connects to a detector: its own pair and the detector's public key, out of one file."""

# pyright: reportUnknownMemberType=false
# pyzmq's own types are unknown in part.
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import zmq
import zmq.auth

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.sockets.key_folder import SERVER_KEY

_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class ClientKeys:
    """Z85 keys of one peer.

    Arguments:
        public, secret: its own pair.
        server: the detector's public key: whoever has not the secret one to it is not talked to.
    """

    public: bytes
    secret: bytes
    server: bytes

    def apply(self, socket: zmq.Socket[bytes]) -> None:
        """Lets a socket speak CURVE in everything that it connects to from now on."""
        socket.curve_serverkey = self.server
        socket.curve_publickey = self.public
        socket.curve_secretkey = self.secret


def keys_of(given: ClientKeys | str | Path | None) -> ClientKeys | None:
    """Keys, or those of a certificate.

    Raises:
        ConfigError: as `read_client_keys`.
    """
    return read_client_keys(Path(given)) if isinstance(given, str | Path) else given


def read_client_keys(path: Path) -> ClientKeys:
    """Reads a certificate that `dyadwatch keys new` made for a peer, NAME.key_secret.

    Raises:
        ConfigError: naming the file and what it lacks.
    """
    made = "expected the NAME.key_secret that `dyadwatch keys new NAME` made"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"keys is {str(path)!r}, a file of over {_MOST_BYTES} bytes; {made}")
        public, secret = zmq.auth.load_certificate(path)
        server = _server_key(path)
    except OSError as e:
        raise ConfigError(f"keys is {str(path)!r}, which cannot be read ({e.strerror or e}); {made}") from None
    except ValueError:
        raise ConfigError(f"keys is {str(path)!r}, which holds no key; {made}") from None
    for name, key in (("secret-key", secret), (SERVER_KEY, server), ("public-key", public)):
        if key is None or len(key) != 40:
            raise ConfigError(f"keys is {str(path)!r}, which holds no {name} of 40 characters; {made}")
    assert secret is not None
    assert server is not None
    return ClientKeys(public, secret, server)


def _server_key(path: Path) -> bytes | None:
    """What pyzmq writes among the metadata of a certificate and does not read."""
    for line in path.read_bytes().splitlines():
        name, equals, value = line.strip().partition(b"=")
        if equals and name.strip() == SERVER_KEY.encode():
            return value.strip(b" \t'\"")
    return None
