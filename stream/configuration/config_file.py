"""Reads configuration files and options such as `alarm.hold_s=3`.

Every error names where, key, value and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from msgspec import inspect

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.plain_yaml import PlainYamlError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_check import problems
from dyadwatch.stream.configuration.config_entries import entry_problem, has_entries
from dyadwatch.stream.configuration.config_keys import (
    KEYS,
    bare,
    expectation,
    inside,
    item_expectation,
    lookup,
    suggestion,
)

_STEP = re.compile(r"\[(\d+)\]|\.(\w+)|(\[\.\.\.\])")  # of a path, such as [0].over_s; [...] is some key of a mapping


class _Origin(NamedTuple):
    """Where a key was given, and its value as it was written there."""

    where: str
    written: str


def load_config(path: Path | None = None) -> Config:
    """Reads a configuration file; keys it leaves out keep their defaults.

    Arguments:
        path: a YAML file; None for the defaults.

    Raises:
        ConfigError: naming the file, the line, the key, its value and what was expected.
    """
    if path is None:
        return Config()
    try:
        text = plain_yaml.read_text(path)
    except OSError as e:
        raise ConfigError(f"{path} cannot be read ({e.strerror}); expected a YAML file") from None
    except PlainYamlError as e:
        raise ConfigError(f"{path} {e}; expected a YAML file") from None
    return parse_config(text, str(path))


def parse_config(text: str, name: str) -> Config:
    """Reads the text of a configuration.

    Arguments:
        text: YAML.
        name: what errors call the file.

    Raises:
        ConfigError: as `load_config`.
    """
    try:
        root = plain_yaml.compose(text)
        origins: dict[str, _Origin] = {}
        _collect(root, name, "", origins)
        tree = plain_yaml.plain(root)
    except PlainYamlError as e:
        where = f" line {e.line}:" if e.line else ""
        hint = "; expected sections such as 'wire:'" if e.problem == "is empty" else ""
        raise ConfigError(f"{name}{where} {e.problem}{hint}") from None
    return _convert(tree, origins, name, " by default")


def set_option(config: Config, *options: str) -> Config:
    """The configuration with options such as `alarm.hold_s=3` put over it, later ones last.

    Raises:
        ConfigError: naming the option, its value and what was expected.
    """
    tree: dict[str, Any] = msgspec.to_builtins(config)
    origins: dict[str, _Origin] = {}
    for option in options:
        key, equals, written = (part.strip() for part in option.partition("="))
        kind = KEYS.get(key)
        if not equals or isinstance(kind, inspect.StructType):
            raise ConfigError(f"option {option!r} sets nothing; expected section.key=value, such as alarm.hold_s=3")
        if kind is None:
            raise ConfigError(f"option {option!r}: {key} is not a key{suggestion(key)}")
        section, _, name = key.partition(".")
        value = written if isinstance(bare(kind), inspect.StrType) else _scalar(option, written)
        if name:
            tree[section][name] = value
        else:
            tree[section] = value
        origins[key] = _Origin(f"option {option!r}", written or "empty")
    return _convert(tree, origins, "options", "")


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration with plain values, such as {"alarm.hold_s": 3}, put over it.

    Raises:
        ConfigError: naming key, value and what was expected.
    """
    tree: dict[str, Any] = msgspec.to_builtins(config)
    for key, value in values.items():
        section, _, name = key.partition(".")
        if name:
            tree[section][name] = value
        else:
            tree[section] = value
    origins = {key: _Origin("settings", str(value)[:80]) for key, value in values.items()}
    return _convert(tree, origins, "settings", "")


def _scalar(option: str, written: str) -> object:
    try:
        return plain_yaml.parse(written).value if written else None
    except PlainYamlError as e:
        raise ConfigError(f"option {option!r:.200}: the value {e.problem}") from None


def _collect(node: yaml.Node, name: str, prefix: str, origins: dict[str, _Origin]) -> None:
    """Notes where each key stands; refuses unknown and doubled ones."""
    if not isinstance(node, yaml.MappingNode):
        what = prefix.rstrip(".") or "the file"
        hint = "; delete the line for the defaults" if prefix and _written(node) == "empty" else ""
        raise ConfigError(f"{_line(name, node)}: {what} is {_written(node)}; expected a mapping of keys{hint}")
    for key_node, value_node in node.value:
        key = f"{prefix}{key_node.value}" if isinstance(key_node, yaml.ScalarNode) else f"{prefix}{_written(key_node)}"
        kind = KEYS.get(key)
        if kind is None:
            raise ConfigError(f"{_line(name, key_node)}: {key} is not a key{suggestion(key)}")
        if key in origins:
            raise ConfigError(f"{_line(name, key_node)}: {key} is given twice, first at {origins[key].where}")
        # A section's line is that of its name; a value may start on a line below its key.
        is_section = isinstance(kind, inspect.StructType)
        where = _line(name, key_node if is_section else value_node)
        origins[key] = _Origin(where, _written(value_node))
        if is_section:
            _collect(value_node, name, key + ".", origins)
        elif has_entries(kind):
            _collect_entries(value_node, name, key, origins)


def _collect_entries(node: yaml.Node, name: str, key: str, origins: dict[str, _Origin]) -> None:
    """Notes where settings under names of the user's own stand."""
    for key_node, value_node in node.value if isinstance(node, yaml.MappingNode) else ():
        inner = f"{key}.{key_node.value}"
        origins[inner] = _Origin(_line(name, key_node), _written(value_node))
        _collect_entries(value_node, name, inner, origins)


def _line(name: str, node: yaml.Node) -> str:
    return f"{name} line {node.start_mark.line + 1}"


def _written(node: yaml.Node) -> str:
    """A value as the file has it, short enough for a sentence."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if not isinstance(node, yaml.ScalarNode):
        return "a list"
    if node.style in ("'", '"'):
        return repr(node.value)[:80]
    return node.value[:80] or "empty"


def _convert(tree: object, origins: Mapping[str, _Origin], name: str, if_not_given: str) -> Config:
    """The checked configuration; `if_not_given` is reported behind a wrong value that stands in no origin."""
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as e:
        path = str(e).rpartition(" - at `$.")[2].rstrip("`")
        key = path.partition("[")[0]
        if key not in KEYS:
            raise ConfigError(f"{name}: {e}") from None
        found = entry_problem(key, _inner(tree, key), KEYS[key])
        if found is not None:
            where = origins.get(found.key) or origins.get(found.key.rpartition(".")[0]) or origins[key]
            raise ConfigError(f"{where.where}: {found.key} {found.text}", key=key) from None
        origin = origins[key]
        steps = _steps(tree, key, path)
        if steps is not None:
            where = key + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
            raise ConfigError(f"{origin.where}: {where} is {_inner_problem(tree, key, steps)}", key=key) from None
        text = f"{origin.where}: {key} is {origin.written}; expected {_expected(key, origin)}"
        raise ConfigError(text, key=key) from None
    for problem in problems(config):
        culprit = next((key for key in problem.keys if key in origins), "")
        where = origins[culprit].where if culprit else name
        if problem.inside:
            key = problem.keys[0] + problem.inside
            raise ConfigError(f"{where}: {key} is {problem.value}; expected {problem.expected}", key=culprit)
        own = origins.get(problem.keys[0])
        written = f"{lookup(config, problem.keys[0])!r}{if_not_given}" if own is None else own.written
        text = f"{where}: {problem.keys[0]} is {written}; expected {problem.expected}"
        raise ConfigError(text, key=culprit)
    return config


def _steps(tree: Any, key: str, path: str) -> list[int | str] | None:
    """The way from a key to the value in it that is wrong; None where the key itself is, or it cannot be known."""
    steps: list[int | str] = []
    for number, name, some in _STEP.findall(path.removeprefix(key)):
        if not some:
            steps.append(int(number) if number else name)
            continue
        inner = _inner(tree, key, steps)
        wrong = next((k for k, v in inner.items() if not _fits(key, steps, {k: v})), None)
        if wrong is None:
            return None
        steps.append(wrong)
    return steps or None


def _inner(tree: Any, key: str, steps: Sequence[int | str] = ()) -> Any:
    """What was written under a key, or in it at the end of some steps."""
    for step in (*key.split("."), *steps):
        tree = tree[step]
    return tree


def _fits(key: str, steps: Sequence[int | str], value: object) -> bool:
    """Whether a mapping in the place of a key would be taken; for keys that are mappings of names themselves."""
    if steps:  # no key holds mappings of names within others
        return True
    for name in reversed(key.split(".")):
        value = {name: value}
    try:
        msgspec.convert(value, Config)
    except msgspec.ValidationError:
        return False
    return True


def _inner_problem(tree: Any, key: str, steps: list[int | str]) -> str:
    """The value of a list's item, or of a key in it, and what was expected there."""
    value, kind = _inner(tree, key), KEYS[key]
    for step in steps:
        value, kind = value[step], inside(kind, step)
    written = msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)
    return f"{written[:80]}; expected {item_expectation(kind)}"


def _expected(key: str, origin: _Origin) -> str:
    expected = expectation(KEYS[key])
    if "number" in expected and _is_quoted_number(origin.written):
        expected += ", written without quotes"
    return expected


def _is_quoted_number(written: str) -> bool:
    text = written.strip("'\"")
    return text != written and plain_yaml.kind_of(text) in ("int", "float")
