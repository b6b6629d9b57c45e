"""What differs between two configurations: what takes effect at once, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import inspect

from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_keys import KEYS, lookup
from dyadwatch.stream.memory.kept import ChangedKey

# Sections, and single keys of others, that take effect at once.
LIVE_SECTIONS = ("alarm", "incidents", "attention", "liveness")
LIVE_KEYS = ("zones", "schedules", "learning.enough_min", "scorer.model")
CONFIDENTIAL = "delivery.to"  # the address of a webhook is the right to send there: names of targets alone are told
_LONGEST = 60  # characters of a value in a line


@dataclass(frozen=True)
class Difference:
    """What differs between two configurations.

    Arguments:
        live: keys that take effect at once, before and after.
        waiting: keys that wait for a restart, likewise.
        config: the present one with the live keys of the other.
    """

    live: tuple[ChangedKey, ...]
    waiting: tuple[ChangedKey, ...]
    config: Config

    @property
    def restart(self) -> tuple[str, ...]:
        """The keys that wait for a restart."""
        return tuple(change.key for change in self.waiting)

    def __str__(self) -> str:
        """For people: what changes, and what waits."""
        parts = [f"{c.key} from {_written(c.before)} to {_written(c.after)}" for c in self.live]
        if self.waiting:
            parts.append(f"only after a restart: {', '.join(self.restart)}")
        return "; ".join(parts) or "nothing changed"


def is_live(key: str) -> bool:
    """Whether a change of a key, such as `alarm.hold_s`, takes effect at once."""
    return key.partition(".")[0] in LIVE_SECTIONS or key in LIVE_KEYS


def difference(present: Config, wanted: Config) -> Difference:
    """What differs, key by key."""
    keys = [key for key, kind in KEYS.items() if not isinstance(kind, inspect.StructType)]
    changed = [key for key in keys if lookup(present, key) != lookup(wanted, key)]
    live = tuple(_change(present, wanted, key) for key in changed if is_live(key))
    waiting = tuple(_change(present, wanted, key) for key in changed if not is_live(key))
    return Difference(live, waiting, _with(present, wanted, [change.key for change in live]))


def plain_value(config: Config, key: str) -> object:
    """The value under a dotted key as plain data."""
    return msgspec.to_builtins(lookup(config, key))


def _change(present: Config, wanted: Config, key: str) -> ChangedKey:
    before, after = plain_value(present, key), plain_value(wanted, key)
    if key == CONFIDENTIAL:
        before, after = sorted(present.delivery.to), sorted(wanted.delivery.to)
    return ChangedKey(key=key, before=before, after=after, waits=not is_live(key))


def _with(config: Config, other: Config, keys: Sequence[str]) -> Config:
    """A configuration with some keys of another."""
    for key in keys:
        section, _, name = key.partition(".")
        value = lookup(other, key)
        if name:
            value = msgspec.structs.replace(getattr(config, section), **{name: value})
        config = msgspec.structs.replace(config, **{section: value})
    return config


def _written(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
