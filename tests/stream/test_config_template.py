"""What is made of the options and of what is said of them: config.yaml and the JSON Schema of configuration files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import msgspec
import pytest

from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import parse_config
from dyadwatch.stream.configuration.config_keys import KEYS, expectation
from dyadwatch.stream.configuration.config_template import config_schema, default_text
from dyadwatch.stream.configuration.config_texts import of_fields, of_struct
from dyadwatch.stream.configuration.option_types import Section
from dyadwatch.stream.names import PROVIDERS


@pytest.fixture(scope="module")
def text() -> str:
    return default_text()


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return config_schema()


def test_the_committed_file_is_what_config_show_prints(text: str) -> None:
    assert (Path(__file__).parents[2] / "config.yaml").read_text("utf8") == text, (
        "config.yaml is not what the options say; expected `dyadwatch config show > config.yaml` after a change"
    )


def test_the_file_holds_the_defaults(text: str) -> None:
    assert parse_config(text, "config.yaml") == Config()


def test_what_can_compute_is_what_the_scorer_knows() -> None:
    assert expectation(KEYS["scorer.provider"]) == f"one of {', '.join(PROVIDERS)}"


def test_no_line_is_longer_than_120_characters(text: str) -> None:
    assert [line for line in text.splitlines() if len(line) > 120] == []


def test_the_file_mentions_and_explains_every_key(text: str) -> None:
    lines = text.splitlines()
    options = [key for key in KEYS if "." in key]
    assert len(options) > 25
    for key in options:
        section, _, name = key.partition(".")
        start = lines.index(f"{section}:")
        at = next(i for i, line in enumerate(lines[start:], start) if line.startswith(f"  {name}:"))
        comment = []
        while lines[at - 1].startswith("  #"):
            at -= 1
            comment.insert(0, lines[at].strip(" #"))
        assert " ".join(comment).endswith("."), key
        if "number" in expectation(KEYS[key]):
            assert re.search(r"Lower( \w+)?:", " ".join(comment)), key
            assert "higher" in " ".join(comment), key


def examples() -> Iterator[tuple[str, str]]:
    """Every key and the value that its text gives for an example."""
    said = {key: text for section in Config.__struct_fields__ for key, text in texts_of(section)}
    for key, text in said.items():
        for found in re.finditer(r"such as (?=[\[{])", text):
            yield key, balanced(text[found.end() :])


def texts_of(section: str) -> Iterator[tuple[str, str]]:
    struct = type(getattr(Config(), section))
    if issubclass(struct, Section):
        yield from ((f"{section}.{key}", text) for key, text in of_fields(struct).items())
    else:
        yield section, of_fields(Config)[section]


def balanced(text: str) -> str:
    """The text up to the bracket that closes the one it begins with."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        if depth == 0:
            return text[: i + 1]
    raise AssertionError(text)


def test_examples_are_sound() -> None:
    found = list(examples())
    assert {key for key, _ in found} == {
        "sense.ignore", "alarm.rules", "zones", "schedules", "liveness.expected", "merge.groups", "merge.offset_s",
        "delivery.to", "delivery.names",
    }  # fmt: skip
    groups = next(example for key, example in found if key == "merge.groups")
    for key, example in found:
        section, _, name = key.partition(".")
        text = f"{section}:\n  {name}: {example}\n" if name else f"{section}: {example}\n"
        if key == "merge.offset_s":
            text += f"  groups: {groups}\n"
        assert parse_config(text, key) != Config(), key


def test_schema_explains_all_that_a_file_may_hold(schema: dict[str, Any]) -> None:
    sections = [key for key in KEYS if "." not in key]
    assert len(schema["$defs"]) > len(sections)
    for name, part in schema["$defs"].items():
        assert part["description"].endswith("."), name
        for key, value in part.get("properties", {}).items():
            assert "$ref" in value or key == "kind" or value["description"].endswith("."), f"{name}.{key}"
    assert schema["$defs"]["AlarmOptions"]["properties"]["hold_s"]["minimum"] == 0


@pytest.mark.parametrize("value", ["tcp://127.0.0.1:65535", "ipc:///tmp/a", "tcp://*:*"])
def test_schema_and_file_take_the_same_addresses(schema: dict[str, Any], value: str) -> None:
    jsonschema.validate({"wire": {"bind": value}}, schema)
    assert parse_config(f"wire: {{bind: '{value}'}}", "x").wire.bind == value


@pytest.mark.parametrize("value", ["", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:65535\n", "127.0.0.1:5570"])
def test_schema_refuses_addresses_that_the_file_refuses(schema: dict[str, Any], value: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="does not match"):
        jsonschema.validate({"wire": {"bind": value}}, schema)
    with pytest.raises(msgspec.ValidationError, match=r"`\$\.wire\.bind`"):
        msgspec.convert({"wire": {"bind": value}}, Config)


class Base(Section, frozen=True):
    """A struct."""

    first: int = 1
    """Said of the
    first."""
    second: Annotated[int, msgspec.Meta(ge=0)] = 2  # nothing is said of it


class Derived(Base, frozen=True):
    """Another.

    Of more lines.
    """

    third: int = 3
    """Said of the third."""
    second: int = 2
    """Said of the second here."""


def test_texts_are_those_below_the_fields_of_a_struct_and_of_its_bases() -> None:
    assert of_struct(Derived) == "Another. Of more lines."
    assert of_fields(Base) == {"first": "Said of the first."}
    assert of_fields(Derived) == {
        "first": "Said of the first.", "second": "Said of the second here.", "third": "Said of the third.",
    }  # fmt: skip
    assert of_fields(int) == {}
