"""The one way YAML is read and written: values alone, by the core schema of YAML 1.2, within limits.

Limits stand before the work: size before anything is read, depth while it is read, and no part of a file can stand for
another (no aliases, no merge keys), so that what a file costs is a line in its bytes. The core schema makes numbers of
what looks like numbers today: `1:30`, `yes`, `on` and `1_000` are text, and `010` is ten. Keys of mappings are text,
whatever they look like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

T = TypeVar("T")

MOST_BYTES = 64 * 1024  # about a second and a half; the default configuration is a fifth of it
MOST_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_WORDS = {
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "null": re.compile(r"~|null|Null|NULL|"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
_KINDS = ("str", "seq", "map", *_WORDS)
_LINE_BREAKS = frozenset("\x85\u2028\u2029\ufeff")  # kept in double quotes alone
_LONGEST_NUMBER = 400  # characters; longer ones cost more than their length


class PlainYamlError(ValueError):
    """A text is no YAML, or YAML that is not read here.

    Arguments:
        problem: what is wrong, and what was expected.
        line: where, from 1; None where it is the whole file.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.problem = problem
        self.line = line


class EmptyYamlError(PlainYamlError):
    """A text holds nothing but remarks."""


class Tree(NamedTuple):
    """What a text holds: `root` says where everything stands, `value` is the same as plain values."""

    root: yaml.Node
    value: Any


class _Resolver(BaseResolver):
    """The core schema of YAML 1.2."""

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return _TAG + ("seq" if kind is yaml.SequenceNode else "map")
        if not implicit[0] or value is None:
            return _TAG + "str"
        return _TAG + kind_of(value)


def kind_of(plain: str) -> str:
    """What a scalar without quotes is: `str`, `int`, `float`, `bool` or `null`."""
    return next((kind for kind, pattern in _WORDS.items() if pattern.fullmatch(plain)), "str")


class _Loader(Reader, Scanner, Parser, Composer, _Resolver):
    """From text to nodes; refuses depth, aliases and anchors as they come."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise PlainYamlError("anchors and aliases (& and *) are not read; write the value out in both places", line)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise PlainYamlError(f"is nested deeper than {MOST_DEPTH} levels", line)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def compose(text: str) -> yaml.Node:
    """A YAML text as nodes, which know their lines; `plain` makes values of them.

    Raises:
        PlainYamlError: naming the line; without a line for a text that is too long or has no value.
    """
    if len(text) > MOST_BYTES:
        raise PlainYamlError(f"is {len(text)} characters long; expected at most {MOST_BYTES} of YAML")
    try:
        root = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as e:
        line = None if e.problem_mark is None else e.problem_mark.line + 1
        raise PlainYamlError(f"is not valid YAML: {e.problem}", line) from None
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        raise PlainYamlError(
            f"is not valid YAML: character U+{ord(text[e.position]):04X} is not allowed", line
        ) from None
    except (yaml.YAMLError, ValueError) as e:
        if isinstance(e, PlainYamlError):
            raise
        raise PlainYamlError(f"is not valid YAML: {' '.join(str(e).split())}") from None
    if root is None:
        raise EmptyYamlError("is empty")
    return root


def parse(text: str) -> Tree:
    """A YAML text as plain values.

    Raises:
        PlainYamlError: as `compose` and `plain`.
    """
    root = compose(text)
    return Tree(root, plain(root))


def read_text(path: Path) -> str:
    """The text of a file; of one that is too large no more than that is read.

    Raises:
        OSError: when it cannot be read.
        PlainYamlError: when it is too large, or no text.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise PlainYamlError(f"is larger than {MOST_BYTES // 1024} KiB; expected at most that much YAML")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PlainYamlError("is not UTF-8 text") from None


def load(path: Path) -> Tree:
    """What a YAML file holds; a file that is too large is not read.

    Raises:
        OSError: when it cannot be read.
        PlainYamlError: as `parse`.
    """
    return parse(read_text(path))


def decode(path: Path, kind: type[T]) -> T:
    """What a YAML file holds, as a struct.

    Raises:
        OSError: when it cannot be read.
        PlainYamlError: as `parse`, and for a key that is missing, unknown or wrong, with its line.
    """
    tree = load(path)
    try:
        return msgspec.convert(tree.value, kind)
    except msgspec.ValidationError as e:
        text = " ".join(str(e).split())
        raise PlainYamlError(text, line_of(tree.root, text)) from None


def line_of(root: yaml.Node, message: str) -> int:
    """The line that a message of msgspec is about, as far as its path leads."""
    node, line = root, root.start_mark.line + 1
    path = message.rpartition("`$")[2].partition("`")[0]
    unknown = re.search(r"unknown field `(.*?)`", message)
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path) + ([(unknown[1], "")] if unknown else []):
        found = _step(node, name, index)
        if found is None:
            break
        line, node = found
    return line


def _step(node: yaml.Node, name: str, index: str) -> tuple[int, yaml.Node] | None:
    """Line of a part of a node, and the part; a key's own line, for its value may begin below it."""
    if isinstance(node, yaml.MappingNode) and name:
        return next(((key.start_mark.line + 1, part) for key, part in node.value if key.value == name), None)
    if isinstance(node, yaml.SequenceNode) and index.isdigit() and int(index) < len(node.value):
        part = node.value[int(index)]
        return part.start_mark.line + 1, part
    return None


def dump(value: object) -> bytes:
    """Plain values as YAML that `parse` and readers of YAML 1.1 both read as they are."""
    values = msgspec.to_builtins(value)
    return yaml.dump(values, Dumper=_Dumper, encoding="utf8", allow_unicode=True, sort_keys=False)


class _Dumper(yaml.SafeDumper):
    """Quotes what either schema takes for a number; never writes an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    breaks = not _LINE_BREAKS.isdisjoint(text)
    return dumper.represent_scalar(_TAG + "str", text, '"' if breaks else None if kind_of(text) == "str" else "'")


_Dumper.add_representer(str, _text)


def plain(node: yaml.Node) -> Any:
    """A node as plain values.

    Raises:
        PlainYamlError: for a tag that is not of the core schema, a key twice, and a scalar that is not of its tag.
    """
    line = node.start_mark.line + 1
    kind = node.tag.removeprefix(_TAG)
    if not node.tag.startswith(_TAG) or kind not in _KINDS:
        raise PlainYamlError(f"has the tag {node.tag:.80}; expected values without a tag", line)
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return dict(_items(node))
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [plain(part) for part in node.value]
    if isinstance(node, yaml.ScalarNode) and kind not in ("map", "seq"):
        return _scalar(node.value, kind, line)
    raise PlainYamlError(f"has the tag {node.tag:.80} on another kind of value", line)


def _items(node: yaml.MappingNode) -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for key, part in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise PlainYamlError("has a mapping or list for a key; expected text", line)
        if key.value == "<<" and key.style is None:
            raise PlainYamlError("merge keys (<<) are not read; write the keys out in every place", line)
        if key.value in seen:
            raise PlainYamlError(f"{key.value:.80} is given twice, first at line {seen[key.value]}", line)
        seen[key.value] = line
        yield key.value, plain(part)


def _scalar(text: str, kind: str, line: int) -> str | int | float | bool | None:
    if kind == "str":
        return text
    if len(text) > _LONGEST_NUMBER or not _WORDS[kind].fullmatch(text):
        raise PlainYamlError(f"has {text:.40} for a value of the kind {kind}", line)
    if kind == "null":
        return None
    if kind == "bool":
        return text[0] in "tT"
    if kind == "int":
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
