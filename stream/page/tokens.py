"""Who may see and do what on the page: tokens in a file of which only hashes are kept, and links that work once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files.atomic import write_private
from dyadwatch.core.files.locks import waiting_lock

_LINK_NS = 3600 * 10**9  # a link works for an hour, once
_SESSION_NS = 30 * 86_400 * 10**9
_MOST = 1000
_LONGEST = 200  # characters of a token or a cookie; ours are shorter


class Role(StrEnum):
    """What somebody may do, the least first; each may what those before it may."""

    VIEWER = "viewer"  # look
    OPERATOR = "operator"  # acknowledge, snooze, judge, note
    ADMIN = "admin"  # see and remove the devices of others

    @property
    def rank(self) -> int:
        """0 for the least."""
        return tuple(Role).index(self)


class Token(Struct, frozen=True, kw_only=True):
    """One way in.

    Arguments:
        name: of whom it was made for; kept with what they do.
        role: what they may do.
        hash: SHA-256 of the token; tokens are random, so that nothing slower is needed. Empty for a link that was used.
        made: unix ns.
        until: unix ns; 0: until it is removed.
        once: whether it is a link.
    """

    name: str
    role: Role
    hash: str
    made: int
    until: int = 0
    once: bool = False


class _Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    secret: str
    tokens: tuple[Token, ...] = ()


class Tokens:
    """The file of tokens. It may be changed by another process at any time.

    Arguments:
        path: of the file; it is made with the first token, for its owner alone.

    Raises:
        ConfigError: what is there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._kept = _Kept(secret="")
        self._read()

    def all(self) -> tuple[Token, ...]:
        """Those that work, links too."""
        now = time.time_ns()
        return tuple(t for t in self._read().tokens if not t.until or t.until > now)

    def add(self, name: str, role: Role) -> str:
        """A new token; it is given back here and never again.

        Raises:
            ConfigError: the name is none, or taken.
        """
        if not (0 < len(name) <= 64 and name.isprintable() and name.strip() == name and "|" not in name):
            raise ConfigError(f"the name is {name!r:.80}; expected 1 to 64 printable characters")
        if any(t.name == name for t in self.all()):
            raise ConfigError(f"there is a token named {name!r} already; remove it first, or choose another name")
        return self._add(Token(name=name, role=role, hash="", made=time.time_ns()))

    def link(self, role: Role = Role.ADMIN) -> str:
        """A token that works once, within an hour."""
        now = time.time_ns()
        name = f"link-{secrets.token_hex(3)}"
        return self._add(Token(name=name, role=role, hash="", made=now, until=now + _LINK_NS, once=True))

    def remove(self, name: str) -> None:
        """Takes a token, or who came by a link, out again, at once.

        Raises:
            ConfigError: there is none of that name.
        """
        with self._changing() as kept:
            left = tuple(t for t in kept.tokens if t.name != name)
            if len(left) == len(kept.tokens):
                names = ", ".join(t.name for t in kept.tokens) or "none"
                raise ConfigError(f"there is no token named {name!r:.80}; those there are: {names}")
            self._write(structs.replace(kept, tokens=left))

    def enter(self, token: str) -> Token | None:
        """Whom a token belongs to; None for nobody. A link is used up."""
        found = self._find(token)
        if found is None or not found.once:
            return found
        with self._changing() as kept:
            now = time.time_ns()
            if not any(t.hash == found.hash for t in kept.tokens):  # somebody was quicker
                return None
            used = structs.replace(found, hash="", until=now + _SESSION_NS)
            self._write(structs.replace(kept, tokens=tuple(used if t.hash == found.hash else t for t in kept.tokens)))
        return used

    def bearer(self, token: str) -> Token | None:
        """Whom a lasting token belongs to."""
        found = self._find(token)
        return None if found is None or found.once else found

    def lasts(self, token: Token) -> bool:
        """Whether somebody who was let in may stay."""
        return any((t.name, t.made) == (token.name, token.made) for t in self.all())

    def cookie(self, token: Token) -> tuple[str, int]:
        """What a browser shows from now on instead of the token, and for how many seconds."""
        until = min(t for t in (token.until, time.time_ns() + _SESSION_NS) if t)
        said = f"{token.name.encode().hex()}|{token.made}|{until}"
        return f"{said}|{self._sign(said)}", max((until - time.time_ns()) // 10**9, 0)

    def session(self, cookie: str) -> Token | None:
        """Whose cookie it is; None where it is not one of ours, has expired, or whose token was removed."""
        said, _, signature = cookie[:_LONGEST].rpartition("|")
        if not hmac.compare_digest(self._sign(said).encode(), signature.encode("utf8", "replace")):
            return None
        name, made, until = said.split("|")
        if int(until) < time.time_ns():
            return None
        return next((t for t in self.all() if t.name.encode().hex() == name and t.made == int(made)), None)

    def _find(self, token: str) -> Token | None:
        wanted = hash_of(token[:_LONGEST])
        return next((t for t in self.all() if t.hash and hmac.compare_digest(t.hash, wanted)), None)

    def _add(self, token: Token) -> str:
        secret = secrets.token_urlsafe(24)
        with self._changing() as kept:
            now = time.time_ns()
            left = [t for t in kept.tokens if not t.until or t.until > now][-_MOST:]
            own = kept.secret or secrets.token_hex(32)
            self._write(_Kept(secret=own, tokens=(*left, structs.replace(token, hash=hash_of(secret)))))
        return secret

    def _sign(self, text: str) -> str:
        return hmac.new(self._read().secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def _read(self) -> _Kept:
        try:
            stat = self.path.stat()
            seen = stat.st_mtime_ns, stat.st_ino
            if seen != self._seen:
                self._kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
                self._seen = seen
        except FileNotFoundError:
            self._kept, self._seen = _Kept(secret=""), None
        except (OSError, msgspec.MsgspecError) as e:
            raise ConfigError(
                f"{self.path} is no file of tokens ({e!s:.200}); expected one that was made here"
            ) from None
        if not self._kept.secret:  # the first start: no cookie is signed yet
            self._kept = structs.replace(self._kept, secret=secrets.token_hex(32))
        return self._kept

    @contextmanager
    def _changing(self) -> Generator[_Kept]:
        """The only one, of all processes, who changes the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with waiting_lock(self.path.with_name(f"{self.path.name}.lock")):
            self._seen = None
            yield self._read()

    def _write(self, kept: _Kept) -> None:
        """Whole or not at all, and never readable by others: who has the secret can make cookies."""
        write_private(self.path, msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        self._seen = None


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
