"""Every key of the configuration: its type, what that takes in words, and the key that was meant by another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, cast

from msgspec import inspect

from dyadwatch.stream.configuration.config import Config


def bare(kind: inspect.Type) -> inspect.Type:
    """A type without the words that belong to it."""
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _flatten(struct: inspect.StructType, prefix: str = "") -> Iterator[tuple[str, inspect.Type]]:
    for field in struct.fields:
        key = prefix + field.encode_name
        yield key, field.type
        if isinstance(field.type, inspect.StructType):
            yield from _flatten(field.type, key + ".")


def _all_keys() -> dict[str, inspect.Type]:
    root = inspect.type_info(Config)
    assert isinstance(root, inspect.StructType)
    return dict(_flatten(root))


KEYS = _all_keys()  # "alarm" and "alarm.hold_s" -> its type


def expectation(kind: inspect.Type) -> str:  # noqa: PLR0911 - a line a type
    """What a type takes, such as `a number >= 0`.

    Raises:
        TypeError: no words are known for this type; a new kind of option needs a line here.
    """
    match kind:
        case inspect.Metadata():
            words = cast("dict[str, str]", kind.extra or {})  # of `option_types.shaped`
            return words.get("expected") or expectation(kind.type)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _bounds(kind)
        case inspect.FloatType():
            return "a number" + _bounds(kind)
        case inspect.StrType():
            return "text"
        case inspect.ListType() | inspect.VarTupleType():
            return f"a list, each {item_expectation(kind.item_type)}"
        case inspect.TupleType():
            return f"{len(kind.item_types)} values, each {expectation(kind.item_types[0])}"
        case inspect.DictType():
            return f"a mapping of names, each to {expectation(kind.value_type)}"
        case inspect.LiteralType() | inspect.EnumType():
            return "one of " + ", ".join(map(str, kind.values if isinstance(kind, inspect.LiteralType) else kind.cls))
        case inspect.StructType():
            return "a mapping of keys"
        case inspect.UnionType():
            some = [expectation(t) for t in kind.types if not isinstance(t, inspect.NoneType)]
            return " or ".join([*dict.fromkeys(some), *["null"] * (len(some) < len(kind.types))])
        case _:
            raise TypeError(f"no words for {kind}")


def item_expectation(kind: inspect.Type) -> str:
    """What an item of a list takes; of a mapping, what each of its keys takes."""
    if not isinstance(kind, inspect.StructType):
        return expectation(kind)
    return "a mapping of " + ", ".join(f"{f.encode_name} ({expectation(f.type)})" for f in kind.fields)


def inside(kind: inspect.Type, step: int | str) -> inspect.Type:
    """The type of an item of a list, or of a key of one of its mappings."""
    if isinstance(kind, inspect.UnionType):
        kind = next(t for t in kind.types if not isinstance(t, inspect.NoneType))
    if isinstance(kind, inspect.StructType):
        return next(field.type for field in kind.fields if field.encode_name == step)
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    if isinstance(kind, inspect.TupleType):
        assert isinstance(step, int)
        return kind.item_types[step]
    assert isinstance(kind, inspect.ListType | inspect.VarTupleType)
    return kind.item_type


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge:g} to {kind.le:g}"
    signs = ((">", kind.gt), (">=", kind.ge), ("<", kind.lt), ("<=", kind.le))
    return "".join(f" {sign} {bound:g}" for sign, bound in signs if bound is not None)


def suggestion(key: str) -> str:
    """A hint towards the key that was meant, to be put behind an error; empty if none comes near."""
    name = key.rpartition(".")[2]
    same = [known for known in KEYS if known.rpartition(".")[2] == name]
    near = same or difflib.get_close_matches(key, KEYS, n=1, cutoff=0.75)
    if not near:
        by_name = {known.rpartition(".")[2]: known for known in KEYS}
        near = [by_name[match] for match in difflib.get_close_matches(name, by_name, n=1, cutoff=0.75)]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def lookup(config: Config, key: str) -> object:
    """The value under a dotted key."""
    value: Any = config
    for name in key.split("."):
        value = cast("dict[str, Any]", value)[name] if isinstance(value, dict) else getattr(value, name)
    return value
