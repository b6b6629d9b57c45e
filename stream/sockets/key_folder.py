"""A folder of keys: the detector's own pair, the allow-list, and the certificates to hand over to peers.

```
keys/                      mode 700
  server.key               the detector's public key, for peers that are no dyadwatch
  server.key_secret        its secret key
  allowed.yaml             who may connect, speak for which sources and listen
  handout/NAME.key_secret  a peer's certificate, with the detector's public key: move it to the peer, delete it here
```
"""

# pyright: reportUnknownMemberType=false
# pyzmq's own types are unknown in part.
from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
import zmq.auth
from msgspec import Meta, Struct

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.atomic import write_private
from dyadwatch.core.files.locks import waiting_lock
from dyadwatch.core.files.plain_yaml import EmptyYamlError, PlainYamlError
from dyadwatch.stream.sockets.allow_list import ANY_SOURCE, Allowed, Peer

# What pyzmq writes into a secret certificate, and what is true of one that is to be handed over.
_PYZMQ_SAYS = "DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions."
_FOR_THE_PEER = "For the peer of this name alone; nobody else may read it. Delete it where it was made."
SERVER_KEY = "server-key"  # under which a peer's certificate holds the detector's public key
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# What a start that was stopped may have left, or another that runs at this moment makes.
_OWN = ("allowed.yaml", "server.key", "server.key_secret", "handout")
_PARTIAL = ".allowed."
_MOST_BYTES = 1 << 20  # of an allow-list, some ten thousand peers
_HEADER = """\
# Who may connect to the detector: made by `dyadwatch keys`, may be edited by hand, read again within a second.
# sources: names that the peer may send poses of, '*' is any. listen: whether it may receive results.
"""
Stamp = tuple[int, int, int]


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    key: Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")]
    sources: Sequence[str] = ()
    listen: bool = False


class KeyFolder:
    """Reads and changes a folder of keys.

    Arguments:
        path: of the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._list = path / "allowed.yaml"
        self._secret = path / "server.key_secret"

    def make(self) -> bool:
        """Makes folder, server keys and an empty allow-list where they are missing.

        Returns:
            whether the server's keys were made now.

        Raises:
            ConfigError: the folder is somebody else's, open to others or cannot be written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._secret.exists() and any(
                p.name not in _OWN and not p.name.startswith(_PARTIAL) for p in self.path.iterdir()
            ):
                raise ConfigError(
                    f"keys is {str(self.path)!r}, a folder with other files in it; expected a new or empty folder, or "
                    "one that `dyadwatch keys` made"
                )
            self._check_private(self.path, 0o700)
            with waiting_lock(self.path):
                if self._secret.exists():
                    return False
                self._write_list({})
                _, secret = zmq.auth.create_certificates(self.path, "server")
                os.chmod(secret, 0o600)
        except OSError as e:
            raise ConfigError(
                f"keys is {str(self.path)!r}; expected a folder that can be written to ({e.strerror or e})"
            ) from None
        return True

    def add(self, name: str, sources: Sequence[str] = (), listen: bool = False) -> Path:
        """Makes a key for a peer and puts it on the allow-list.

        Returns:
            the certificate to hand over to the peer; it is secret.

        Raises:
            ConfigError: for a name that is taken or malformed, or a right to nothing.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(f"name is {name!r:.80}; expected 1-64 characters of A-Z a-z 0-9 _ -")
        for source in sources:
            _check_source(source)
        if not sources and not listen:
            raise ConfigError(f"{name} may do nothing; expected sources to speak for, or leave to listen")
        self.make()
        with waiting_lock(self.path):
            entries = self._entries()
            taken = [known for known in entries if known.casefold() == name.casefold()]
            if taken:
                raise ConfigError(f"name is {name!r}, and {taken[0]!r} has a key; revoke it first or choose another")
            handout = self.path / "handout"
            handout.mkdir(mode=0o700, exist_ok=True)
            server, _ = self.server_keys()
            public, secret = zmq.auth.create_certificates(handout, name, {SERVER_KEY: server.decode()})
            os.chmod(secret, 0o600)
            text = Path(secret).read_text()
            Path(secret).write_text(text.replace(_PYZMQ_SAYS, _FOR_THE_PEER))
            key, _ = zmq.auth.load_certificate(secret)
            Path(public).unlink()  # the allow-list has it
            self._write_list({**entries, name: _Entry(key.decode(), tuple(sources), listen)})
        return Path(secret)

    def revoke(self, name: str) -> None:
        """Takes a peer off the allow-list; its key is worth nothing from then on.

        Raises:
            ConfigError: nobody has that name.
        """
        self._check_made()
        with waiting_lock(self.path):
            entries = self._entries()
            if entries.pop(name, None) is None:
                known = ", ".join(sorted(entries)) or "nobody"
                raise ConfigError(f"name is {name!r:.80}; expected one that has a key: {known}")
            self._write_list(entries)
            (self.path / "handout" / f"{name}.key_secret").unlink(missing_ok=True)

    def peers(self) -> list[Peer]:
        """Everybody on the allow-list, by name.

        Raises:
            ConfigError: the list is missing, damaged or names a key twice.
        """
        self._check_made()
        found: dict[str, Peer] = {}
        for name, entry in sorted(self._entries().items()):
            if entry.key in found:
                raise ConfigError(f"{self._list}: {name} has the key of {found[entry.key].name}; expected one each")
            found[entry.key] = Peer(name, entry.key, frozenset(entry.sources), entry.listen)
        return list(found.values())

    def allowed(self) -> Allowed:
        """The allow-list as it is now; errors as `peers`."""
        return Allowed(self.peers())

    def stamp(self) -> Stamp:
        """Differs once the allow-list was written to; OSError where it cannot be looked at."""
        found = self._list.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size

    def server_keys(self) -> tuple[bytes, bytes]:
        """Public and secret key of the detector, in Z85.

        Raises:
            ConfigError: they are missing, damaged or readable by others.
        """
        self._check_made()
        self._check_private(self._secret, 0o600)
        try:
            public, secret = zmq.auth.load_certificate(self._secret)
        except (OSError, ValueError) as e:
            raise ConfigError(f"{self._secret} holds no keys ({e}); expected what `dyadwatch keys new` made") from None
        if secret is None or len(public) != 40 or len(secret) != 40:
            raise ConfigError(f"{self._secret} holds no pair of keys; expected what `dyadwatch keys new` made")
        return public, secret

    def _check_made(self) -> None:
        if not self._secret.is_file():
            raise ConfigError(
                f"keys is {str(self.path)!r}, where there is no server.key_secret; make it with: dyadwatch keys new"
            )

    def _check_private(self, path: Path, mode: int) -> None:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{path} can be read by other users; expected mode {mode:o}: chmod {mode:o} {path}")

    def _entries(self) -> dict[str, _Entry]:
        try:
            raw = self._list.read_bytes()
            if len(raw) > _MOST_BYTES:
                raise ConfigError(f"{self._list} has {len(raw)} bytes; expected at most {_MOST_BYTES}")
            if not raw.strip():  # what an editor or a full disk leaves for a moment, or for good, revokes nobody
                raise ConfigError(f"{self._list} is empty; expected peers, or {{}} where nobody may connect")
            entries = msgspec.convert(_tree(raw.decode()), dict[str, _Entry])
        except OSError as e:
            raise ConfigError(f"{self._list} cannot be read ({e.strerror or e}); expected the allow-list") from None
        except (PlainYamlError, ValueError, RecursionError) as e:  # a ValidationError is a ValueError
            raise ConfigError(f"{self._list} is no allow-list: {' '.join(str(e).split())}") from None
        for name, entry in entries.items():
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{self._list}: name is {name!r:.80}; expected 1-64 characters of A-Z a-z 0-9 _ -")
            for source in entry.sources:
                _check_source(source, f"{self._list}: {name}: ")
        return entries

    def _write_list(self, entries: dict[str, _Entry]) -> None:
        """Replaces the list at one stroke, so that a running detector sees the old one or the new."""
        text = _HEADER + (yaml.safe_dump(msgspec.to_builtins(entries)) if entries else "{}\n")
        write_private(self._list, text.encode())


def _check_source(source: str, where: str = "") -> None:
    if source != ANY_SOURCE and not _NAME.fullmatch(source):
        raise ConfigError(f"{where}source is {source!r:.80}; expected 1-64 characters of A-Z a-z 0-9 _ -, or * for any")


def _tree(text: str) -> object:
    """What a list holds; one that holds nothing but remarks is a list of nobody."""
    try:
        return plain_yaml.parse(text).value or {}
    except EmptyYamlError:
        return {}
