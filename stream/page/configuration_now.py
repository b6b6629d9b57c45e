"""The configuration as the page shows it: every key with its text and value, what waits, and what changed lately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, inspect

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.plain_yaml import PlainYamlError
from dyadwatch.stream.config_difference import CONFIDENTIAL, is_live, plain_value
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_edit import is_blank
from dyadwatch.stream.configuration.config_file import parse_config
from dyadwatch.stream.configuration.config_keys import KEYS, expectation
from dyadwatch.stream.configuration.config_template import config_schema
from dyadwatch.stream.memory.kept import ConfigChange
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.settings.exchange import ConfigurationAccount, revision_of

_MOST_RUNS, _MOST_CHANGES = 20, 30


class Locked(StrEnum):
    """Why nothing can be changed here."""

    NOT_KEPT = "not_kept"
    NOT_HEARD = "not_heard"
    NO_FILE = "no_file"
    UNREADABLE = "unreadable"


LOCKED_WORDS = {
    Locked.NOT_KEPT: "the detector and the page have no folder in common; start both with the same memory.file",
    Locked.NOT_HEARD: "the detector does not answer; change its file with `dyadwatch config set`, or start it",
    Locked.NO_FILE: "the detector was started without a file; start it with --config FILE, or with `dyadwatch up`",
    Locked.UNREADABLE: "the file of the configuration cannot be used; `dyadwatch config check` says why",
}


class Setting(Struct, frozen=True, kw_only=True):
    """One key.

    Arguments:
        key: such as alarm.hold_s.
        text: what it means.
        value: as the file and the command line have it; in force unless it waits.
        default: where nothing is set.
        expected: what it takes, in words.
        schema: what it takes, as `dyadwatch config schema` has it.
        live: whether a change takes effect at once; otherwise it waits for a restart.
        fixed: whether the command line sets it, over the file.
        waits: whether `value` waits for a restart; `in_force` is what holds until then.
        hidden: whether the values are for admins alone.
    """

    key: str
    text: str
    value: Any
    default: Any
    expected: str
    schema: dict[str, Any]
    live: bool
    fixed: bool = False
    waits: bool = False
    in_force: Any = None
    hidden: bool = False


class SettingSection(Struct, frozen=True, kw_only=True):
    """A section with its keys; a key without a section is one by itself."""

    name: str
    text: str
    settings: tuple[Setting, ...]


class ConfigurationNow(Struct, frozen=True, kw_only=True):
    """All of it.

    Arguments:
        file: that the detector reads; empty for none.
        revision: of the file, to be given back with changes; empty for none.
        unread: whether the file was changed since the detector read it.
        locked: why nothing can be changed here; None where it can be.
        why: the same in words; empty where it can be.
        changes: the latest first, with who and when.
    """

    file: str
    revision: str
    unread: bool
    locked: Locked | None
    why: str
    sections: tuple[SettingSection, ...]
    changes: tuple[ConfigChange, ...]


def text_of(file: Path) -> str:
    """The text of a configuration file; empty for one that is not there.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return plain_yaml.read_text(file) if file.exists() else ""
    except (OSError, PlainYamlError) as e:
        raise ConfigError(f"{file} cannot be read ({e}); expected a YAML file") from None


def read_configuration(
    account: ConfigurationAccount | None, started: Config, locked: Locked | None, memory: Path | None, all_of_it: bool
) -> ConfigurationNow:
    """How it stands now.

    Arguments:
        account: what the detector says of it; None for nothing.
        started: what the page was started with, for want of a file that can be read.
        locked: why nothing can be changed, as far as it is known.
        memory: the file of incidents, which changes are kept in.
        all_of_it: whether values that are for admins alone are given.
    """
    account = account or ConfigurationAccount()
    config, why = started, ""
    if account.file:
        try:
            text = text_of(Path(account.file))
            config = Config() if is_blank(text) else parse_config(text, Path(account.file).name)
        except ConfigError as e:
            locked, why = Locked.UNREADABLE, str(e)
    elif locked is None:
        locked = Locked.NO_FILE
    revision = revision_of(Path(account.file)) if account.file else ""
    return ConfigurationNow(
        file=account.file,
        revision=revision,
        unread=bool(account.file) and revision != account.revision,
        locked=locked,
        why=why or (LOCKED_WORDS[locked] if locked else ""),
        sections=tuple(_sections(config, account, all_of_it)),
        changes=latest_changes(memory),
    )


def latest_changes(memory: Path | None) -> tuple[ConfigChange, ...]:
    """What was changed lately, the latest first; nothing where nothing is kept.

    Raises:
        MemoryFileError: the memory cannot be used.
    """
    if memory is None or not memory.exists():
        return ()
    with Store(memory) as store:
        found = [change for run in store.runs(_MOST_RUNS) for change in run.changes]
    return tuple(sorted(found, key=lambda change: -change.at)[:_MOST_CHANGES])


def _sections(config: Config, account: ConfigurationAccount, all_of_it: bool) -> Iterator[SettingSection]:
    in_force = {change.key: change.before for change in account.waiting}
    for name, text in _texts().items():
        keys = [key for key in _settings() if key == name or key.startswith(f"{name}.")]
        made = (_setting(key, config, account.fixed, in_force, all_of_it) for key in keys)
        yield SettingSection(name=name, text=text, settings=tuple(made))


def _setting(
    key: str, config: Config, fixed: Mapping[str, Any], in_force: Mapping[str, Any], all_of_it: bool
) -> Setting:
    known, hidden = _settings()[key], key == CONFIDENTIAL and not all_of_it
    value = fixed[key] if key in fixed else plain_value(config, key)
    return msgspec.structs.replace(
        known,
        value=None if hidden else value,
        fixed=key in fixed,
        waits=key in in_force,
        in_force=in_force.get(key),
        hidden=hidden,
    )


@cache
def _texts() -> dict[str, str]:
    """Names of the sections in order, and what is said of each."""
    schema = config_schema()
    return {name: _described(schema, part).get("description", "") for name, part in _top(schema).items()}


@cache
def _settings() -> dict[str, Setting]:
    """Every key with all that does not change."""
    schema, default = config_schema(), Config()
    made: dict[str, Setting] = {}
    for key, kind in KEYS.items():
        if isinstance(kind, inspect.StructType):
            continue
        section, _, name = key.partition(".")
        part = _top(schema)[section]
        part = dict(_described(schema, part)["properties"][name] if name else part)
        text = part.pop("description", "")
        part.pop("default", None)
        made[key] = Setting(
            key=key,
            text=text,
            value=None,
            default=plain_value(default, key),
            expected=expectation(kind),
            schema=part,
            live=is_live(key),
        )
    return made


def _top(schema: dict[str, Any]) -> dict[str, Any]:
    return _described(schema, schema)["properties"]


def _described(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a part of the schema refers to, or itself."""
    return schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
