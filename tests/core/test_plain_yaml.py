"""YAML is read by one schema, within limits, and at a cost that is a line in its length."""

from __future__ import annotations

import contextlib
import math
import re
import time
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dyadwatch.core.files.plain_yaml import MOST_BYTES, MOST_DEPTH, PlainYamlError, decode, dump, load, parse

SCALARS = [
    ("1:30", "1:30"),
    ("12:30:45", "12:30:45"),
    ("190:20:30.15", "190:20:30.15"),
    ("yes", "yes"),
    ("No", "No"),
    ("on", "on"),
    ("OFF", "OFF"),
    ("y", "y"),
    ("010", 10),
    ("0o10", 8),
    ("0x1F", 31),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("-7", -7),
    ("+7", 7),
    ("1e3", 1000.0),
    ("1.5E-2", 0.015),
    (".5", 0.5),
    ("5.", 5.0),
    ("-.inf", -math.inf),
    (".Inf", math.inf),
    ("2026-11-21", "2026-11-21"),
    ("2026-11-21T14:30:00Z", "2026-11-21T14:30:00Z"),
    ("true", True),
    ("FALSE", False),
    ("tRue", "tRue"),
    ("~", None),
    ("Null", None),
    ("", None),
    ("=", "="),
    ("'12'", "12"),
    ("!!str 12", "12"),
    ("!!float 12", 12.0),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    found = parse(f"a: {text}").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(parse("a: .NaN").value["a"])


def test_keys_are_text() -> None:
    assert parse("{1: a, yes: b, 1:30: c, null: d}").value == {"1": "a", "yes": "b", "1:30": "c", "null": "d"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: &x 2\n", "line 2: anchors and aliases (& and *) are not read; write the value out in both places"),
        ("a: *x\n", "line 1: anchors and aliases (& and *) are not read; write the value out in both places"),
        ("a:\n  <<: {b: 1}\n", "line 2: merge keys (<<) are not read; write the keys out in every place"),
        ("a: 1\na: 2\n", "line 2: a is given twice, first at line 1"),
        ("? [a]\n: 2\n", "line 1: has a mapping or list for a key; expected text"),
        ("a: !!binary aGk=\n", "line 1: has the tag tag:yaml.org,2002:binary; expected values without a tag"),
        ("a: !!python/tuple []\n", "line 1: has the tag tag:yaml.org,2002:python/tuple; expected values without a tag"),
        ("a: !!int 1:30\n", "line 1: has 1:30 for a value of the kind int"),
        ("a: !!map x\n", "line 1: has the tag tag:yaml.org,2002:map on another kind of value"),
        ("a:\n - [\n", "line 3: is not valid YAML: expected the node content, but found '<stream end>'"),
        ("a: \x01", "line 1: is not valid YAML: character U+0001 is not allowed"),
        ("a: 1\n---\nb: 2\n", "line 2: is not valid YAML: but found another document"),
        ("", "is empty"),
        ("a: " + "9" * 5000, f"line 1: has {'9' * 40} for a value of the kind int"),
        ("[" * (MOST_DEPTH + 1), f"line 1: is nested deeper than {MOST_DEPTH} levels"),
        ("- " * (MOST_DEPTH + 1), f"line 1: is nested deeper than {MOST_DEPTH} levels"),
        ("a" * (MOST_BYTES + 1), f"is {MOST_BYTES + 1} characters long; expected at most {MOST_BYTES} of YAML"),
    ],
)
def test_what_is_refused_names_the_line(text: str, error: str) -> None:
    with pytest.raises(PlainYamlError, match=f"^{re.escape(error)}$"):
        parse(text)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 33)
    with pytest.raises(PlainYamlError, match="is larger than 64 KiB; expected at most that much YAML"):
        load(file)


class Lens(msgspec.Struct):
    f: float
    size: tuple[int, int] = (1, 1)


class Camera(msgspec.Struct, forbid_unknown_fields=True):
    lens: Lens
    names: dict[str, str] = {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("lens:\n\n  f: x\n", "line 3: Expected `float`, got `str` - at `$.lens.f`"),
        ("lens:\n  f: 1\n  size:\n    - 1\n    - x\n", "line 5: Expected `int`, got `str` - at `$.lens.size[1]`"),
        ("lens:\n  size: [1, 1]\n", "line 1: Object missing required field `f` - at `$.lens`"),
        ("lens: {f: 1}\n\ncolour: red\n", "line 3: Object contains unknown field `colour`"),
        ("lens: {f: 1}\nnames:\n  a: 1\n", "line 2: Expected `str`, got `int` - at `$.names[...]`"),
    ],
)
def test_wrong_values_name_the_line_and_the_key(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(PlainYamlError, match=f"^{re.escape(error)}$"):
        decode(tmp_path / "a.yaml", Camera)


# Text that a schema may take for something else, and what structs are written as.
_TEXT = st.one_of(
    st.sampled_from([text for text, _ in SCALARS] + ["<<", "*a", "&a", "!!int", "- a", "a: b", "#", "1e3", "0o7", "-"]),
    st.text(st.characters(codec="utf8"), max_size=8),
)
_PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), 1 << 63), st.floats(allow_nan=False), _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=12,
)


@given(_PLAIN)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_by_both_schemas(value: object) -> None:
    text = dump({"a": value}).decode()
    assert parse(text).value == {"a": value}
    assert yaml.safe_load(text) == {"a": value}


# Pieces that scanners, parsers and composers have stumbled over, repeated to any length.
_PIECES = st.one_of(
    st.sampled_from(
        ["[", "{", "- ", "? ", "a: ", "&a ", "*a ", "<<: ", "!!map ", "'", '"', "|\n", ">\n ", "#", ",", "\n", " ",
         "\t", "- - ", "{a: ", "[a, ", "? [", "%YAML 1.1\n", "---\n", "...\n", "\\x41", "1:30", "a", "é", "a:\n ", "{}"]
    ),
    st.text(alphabet="[]{}:,-?&*!|>'\"%@`# \n\tab1.", min_size=1, max_size=6),
)  # fmt: skip
_SECONDS, _SECONDS_A_BYTE = 0.5, 80e-6


@given(st.lists(_PIECES, min_size=1, max_size=6), st.integers(1, 20_000), st.text(alphabet="]}'\"\n", max_size=3))
@settings(max_examples=60, deadline=None)
def test_the_cost_of_any_text_is_a_line_in_its_length(pieces: list[str], length: int, end: str) -> None:
    unit = "".join(pieces)
    text = unit * (length // len(unit) + 1) + end
    began = time.process_time()
    with contextlib.suppress(PlainYamlError):
        parse(text)
    took = time.process_time() - began
    assert took <= _SECONDS + _SECONDS_A_BYTE * len(text), f"{took:.2f} s for {len(text)} characters of {unit!r}"


def test_merges_that_grow_tenfold_a_line_cost_nothing() -> None:
    lines = ["a0: &a0 {x: [y]}"] + [f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 12)]
    began = time.process_time()
    with pytest.raises(PlainYamlError, match="line 1: anchors and aliases"):
        parse("\n".join(lines))
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("room", ["core", "stream", "exporters", "tools"])
def test_nothing_reads_yaml_another_way(repo_root: Path, room: str) -> None:
    loads = re.compile(
        r"(?<!plain_)yaml\.(?:safe_load|load|full_load|unsafe_load|load_all|safe_load_all|SafeLoader|decode)\b"
    )
    files = [path for path in (repo_root / room).rglob("*.py") if path.name != "plain_yaml.py"]
    found = [str(path) for path in files if loads.search(path.read_text("utf8"))]
    assert found == []
