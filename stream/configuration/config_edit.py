"""Changes keys in the text of a configuration file, and leaves remarks, order and everything else as they are."""

from __future__ import annotations

import msgspec
import yaml

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.plain_yaml import EmptyYamlError, PlainYamlError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import parse_config, set_option
from dyadwatch.stream.configuration.config_keys import lookup


def with_options(text: str, name: str, *options: str) -> str:
    """The text of a file with options such as `alarm.hold_s=3` in it.

    Arguments:
        text: of a sound configuration, or empty.
        name: what errors call the file.

    Raises:
        ConfigError: the file or an option is not sound, or the result would not be; or a value stands on several lines,
            which is changed by hand.
    """
    if not is_blank(text):
        parse_config(text, name)
    for option in options:
        key, _, _ = option.partition("=")
        key = key.strip()
        value = lookup(set_option(Config(), option), key)
        text = _with(text, name, key, _written(value))
    parse_config(text, name)
    return text


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
    start, end = value.start_mark, value.end_mark
    if start.line != end.line:
        raise ConfigError(f"{name} line {start.line + 1}: {key} stands on several lines; change it there by hand")
    space = " " if start.index and not text[start.index - 1].isspace() else ""  # of an empty value
    return f"{text[: start.index]}{space}{written}{text[end.index :]}"
