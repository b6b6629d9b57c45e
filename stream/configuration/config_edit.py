"""Changes keys in the text of a configuration file, and leaves remarks, order and everything else as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec
import yaml
from msgspec import inspect

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.plain_yaml import EmptyYamlError, PlainYamlError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import parse_config, set_option
from dyadwatch.stream.configuration.config_keys import KEYS, lookup, suggestion


def with_options(text: str, name: str, *options: str) -> str:
    """The text of a file with options such as `alarm.hold_s=3` in it.

    Arguments:
        text: of a sound configuration, or empty.
        name: what errors call the file.

    Raises:
        ConfigError: the file or an option is not sound, or the result would not be; or there are remarks within a
            value, which is changed by hand.
    """
    if not is_blank(text):
        parse_config(text, name)
    wanted = set_option(Config(), *options)
    for option in options:
        key = option.partition("=")[0].strip()
        text = _with(text, name, key, _written(lookup(wanted, key)))
    parse_config(text, name)
    return text


def with_settings(text: str, name: str, settings: Mapping[str, object]) -> str:
    """The text of a file with keys set to plain values.

    Arguments:
        text: of a sound configuration, or empty.
        name: what errors call the file.
        settings: such as {"alarm.hold_s": 3}.

    Raises:
        ConfigError: as `with_options`, naming the line that a key would stand in.
    """
    if not is_blank(text):
        parse_config(text, name)
    try:
        for key, value in settings.items():
            if key not in KEYS:
                raise ConfigError(f"{name}: {key} is not a key{suggestion(key)}", key=key)
            if isinstance(KEYS[key], inspect.StructType):
                raise ConfigError(f"{name}: {key} is a section; expected a key of it, as alarm.hold_s is", key=key)
            text = _with(text, name, key, _written(value))
    except PlainYamlError as e:
        raise ConfigError(f"{name} {e}") from None
    parse_config(text, name)
    return text


def wrong_settings(text: str, name: str, settings: Mapping[str, object]) -> dict[str, str]:
    """What is wrong, by key; "" for what belongs to none of them. Empty where `with_settings` would not raise."""
    wrong: dict[str, str] = {}
    rest = dict(settings)
    while (found := _problem(text, name, rest)) is not None:
        culprit = found.key if found.key in rest else ""
        # By itself, if that is as wrong: then its line is not moved by those that would come above it.
        alone = _problem(text, name, {culprit: rest.pop(culprit)}) if culprit else None
        wrong[culprit] = str(alone if alone is not None and alone.key == culprit else found)
        if not culprit:
            break
    return wrong


def _problem(text: str, name: str, settings: Mapping[str, object]) -> ConfigError | None:
    try:
        with_settings(text, name, settings)
    except ConfigError as e:
        return e
    return None


def is_blank(text: str) -> bool:
    """Whether a text holds nothing but remarks: nothing is set in it."""
    try:
        plain_yaml.compose(text)
    except EmptyYamlError:
        return True
    except PlainYamlError:
        return False
    return False


def _written(value: object) -> str:
    """A value on one line, as JSON, which is YAML."""
    return msgspec.json.encode(msgspec.to_builtins(value)).decode()


def _with(text: str, name: str, key: str, written: str) -> str:
    """The text with one key set."""
    section, _, inner = key.partition(".")
    found = None
    if not is_blank(text):
        root = plain_yaml.compose(text)
        assert isinstance(root, yaml.MappingNode), "a sound configuration is a mapping"
        found = _value_of(root, section)
    if found is None:
        added = f"{section}:\n  {inner}: {written}\n" if inner else f"{section}: {written}\n"
        return text + ("\n" if text and not text.endswith("\n") else "") + added
    if not inner:
        return _replaced(text, name, key, found, written)
    assert isinstance(found, yaml.MappingNode), "a section is a mapping"
    value = _value_of(found, inner)
    if value is not None:
        return _replaced(text, name, key, value, written)
    if found.flow_style:
        at = found.start_mark.index + 1
        return f"{text[:at]}{inner}: {written}{', ' if found.value else ''}{text[at:]}"
    first = found.value[0][0].start_mark
    return f"{text[: first.index]}{inner}: {written}\n{' ' * first.column}{text[first.index :]}"


def _value_of(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _replaced(text: str, name: str, key: str, value: yaml.Node, written: str) -> str:
    start, end = value.start_mark, _end_of(value)
    head, within = text[: start.index], text[start.index : end].rstrip()
    tail = text[start.index + len(within) :]
    own_line = not head.rpartition("\n")[2].strip()
    if (start.line != value.end_mark.line and "#" in within) or (own_line and head.rstrip()[-1:] != ":"):
        text = f"{name} line {start.line + 1}: {key} has remarks on its lines; change it there by hand"
        raise ConfigError(text, key=key)
    if own_line:  # it comes to stand beside its key
        head = head.rstrip()
    return f"{head}{'' if head[-1:].isspace() else ' '}{written}{tail}"


def _end_of(node: yaml.Node) -> int:
    """Where a value ends; what follows a block, empty lines and remarks, YAML counts to the block."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = cast("yaml.Node | tuple[yaml.Node, yaml.Node]", node.value[-1])
        return _end_of(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index
