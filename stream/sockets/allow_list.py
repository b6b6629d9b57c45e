"""Who may do what: the allow-list as it stood at one moment, never changed, so that any thread may read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ANY_SOURCE = "*"
Domain = Literal["poses", "results"]  # of ZAP (ZeroMQ RFC 27): which of the two sockets a peer connects to


@dataclass(frozen=True)
class Peer:
    """One holder of a key.

    Arguments:
        name: what the allow-list calls it.
        key: its public key in Z85, 40 characters.
        sources: names of sources that it may send poses of; `*` is any.
        listen: whether it may receive results.
    """

    name: str
    key: str
    sources: frozenset[str] = frozenset()
    listen: bool = False

    def may_speak(self, source: str) -> bool:
        """Whether it may send poses under the name of a source."""
        return source in self.sources or ANY_SOURCE in self.sources

    def may_connect(self, domain: Domain) -> bool:
        """Whether it has any business at a socket."""
        return bool(self.sources) if domain == "poses" else self.listen


class Allowed:
    """An immutable allow-list. A peer is known by its public key, which is the user id of its messages.

    Arguments:
        peers: with a key each of their own.
    """

    def __init__(self, peers: Iterable[Peer] = ()) -> None:
        self._by_key = {peer.key: peer for peer in peers}

    def __len__(self) -> int:
        return len(self._by_key)

    def peer(self, user_id: str | None) -> Peer | None:
        """The peer of a user id; None for a key that is not, or no longer, on the list."""
        return None if user_id is None else self._by_key.get(user_id)

    def may_connect(self, user_id: str, domain: Domain) -> bool:
        """Whether a peer may connect to a socket at all."""
        peer = self._by_key.get(user_id)
        return peer is not None and peer.may_connect(domain)

    def may_speak(self, user_id: str | None, source: str) -> bool:
        """Whether a peer may send poses under the name of a source."""
        peer = self.peer(user_id)
        return peer is not None and peer.may_speak(source)

    def listeners(self) -> frozenset[str]:
        """Keys of all who may receive results."""
        return frozenset(key for key, peer in self._by_key.items() if peer.listen)
