"""A configuration that is changed while the detector runs: what takes effect at once, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import inspect

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_keys import KEYS, lookup
from dyadwatch.stream.memory.kept import ChangedKey

# Sections, and single keys of others, that take effect at once.
LIVE_SECTIONS = ("alarm", "incidents", "attention", "liveness")
LIVE_KEYS = ("zones", "schedules", "learning.enough_min")
_LONGEST = 60  # characters of a value in a line


@dataclass(frozen=True)
class Judging:
    """What a detector judges by, and the rest of its configuration.

    Arguments:
        config: the whole of it.
        thresholds: when a score raises and clears an alarm.
        calibration: that the thresholds come from; None for none.
    """

    config: Config
    thresholds: Thresholds
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Difference:
    """What differs between two configurations.

    Arguments:
        live: keys that take effect at once, before and after.
        restart: keys that wait for a restart.
        config: the present one with the live keys of the other.
    """

    live: tuple[ChangedKey, ...]
    restart: tuple[str, ...]
    config: Config

    def __str__(self) -> str:
        """For people: what changes, and what waits."""
        parts = [f"{c.key} from {_written(c.before)} to {_written(c.after)}" for c in self.live]
        if self.restart:
            parts.append(f"only after a restart: {', '.join(self.restart)}")
        return "; ".join(parts) or "nothing changed"


def is_live(key: str) -> bool:
    """Whether a change of a key, such as `alarm.hold_s`, takes effect at once."""
    return key.partition(".")[0] in LIVE_SECTIONS or key in LIVE_KEYS


def difference(present: Config, wanted: Config) -> Difference:
    """What differs, key by key."""
    keys = [key for key, kind in KEYS.items() if not isinstance(kind, inspect.StructType)]
    changed = [key for key in keys if lookup(present, key) != lookup(wanted, key)]
    live = tuple(
        ChangedKey(key=key, before=_plain(lookup(present, key)), after=_plain(lookup(wanted, key)))
        for key in changed
        if is_live(key)
    )
    restart = tuple(key for key in changed if not is_live(key))
    return Difference(live, restart, _with(present, wanted, [change.key for change in live]))


def _with(config: Config, other: Config, keys: Sequence[str]) -> Config:
    """A configuration with some keys of another."""
    for key in keys:
        section, _, name = key.partition(".")
        value = lookup(other, key)
        if name:
            value = msgspec.structs.replace(getattr(config, section), **{name: value})
        config = msgspec.structs.replace(config, **{section: value})
    return config


def _plain(value: object) -> object:
    return msgspec.to_builtins(value)


def _written(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
