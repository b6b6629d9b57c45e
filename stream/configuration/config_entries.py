"""What is wrong with settings that stand under names of the user's own, such as the targets of `delivery.to`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect

from dyadwatch.stream.configuration.config_keys import expectation


class EntryProblem(NamedTuple):
    """Where, such as `delivery.to.phone.port`, and the rest of the sentence."""

    key: str
    text: str


def has_entries(kind: inspect.Type) -> bool:
    """Whether a key holds settings under names."""
    return isinstance(kind, inspect.DictType) and bool(_structs(kind.value_type))


def entry_problem(key: str, value: Any, kind: inspect.Type) -> EntryProblem | None:
    """The first thing that is wrong in a mapping from names to settings; None where that is not what is wrong.

    Arguments:
        key: of the mapping.
        value: as it was written, plain values.
        kind: its type.
    """
    if not isinstance(kind, inspect.DictType) or not isinstance(value, Mapping):
        return None
    kinds = _structs(kind.value_type)
    for name, entry in cast(Mapping[str, object], value).items() if kinds else ():
        found = _problem(f"{key}.{name}", entry, kinds)
        if found is not None:
            return found
    return None


def _structs(kind: inspect.Type) -> dict[str, inspect.StructType]:
    """The structs of a type by their tag; empty where it has others too."""
    types = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    structs = {str(t.tag): t for t in types if isinstance(t, inspect.StructType) and t.tag_field}
    return structs if len(structs) == len(types) else {}


def _problem(at: str, entry: object, kinds: Mapping[str, inspect.StructType]) -> EntryProblem | None:
    tag = next(iter(kinds.values())).tag_field
    assert tag is not None
    if not isinstance(entry, dict):
        return EntryProblem(at, f"is {_written(entry)}; expected a mapping of keys, {tag} among them")
    entry = cast(dict[str, Any], entry)
    names = ", ".join(sorted(kinds))
    if tag not in entry:
        return EntryProblem(at, f"has no {tag}; expected {tag}: one of {names}")
    kind = kinds.get(entry[tag]) if isinstance(entry[tag], str) else None
    if kind is None:
        return EntryProblem(f"{at}.{tag}", f"is {_written(entry[tag])}; expected one of {names}")
    fields = {field.encode_name: field for field in kind.fields}
    for key in entry:
        if key != tag and key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return EntryProblem(f"{at}.{key}", f"is not a key of {tag} {entry[tag]}{hint}")
    for key, field in fields.items():
        if field.required and key not in entry:
            return EntryProblem(at, f"has no {key}; expected {key}: {expectation(field.type)}")
    try:
        msgspec.convert(entry, kind.cls)
    except msgspec.ValidationError as e:
        key = str(e).rpartition("`$.")[2].partition("`")[0].partition("[")[0]
        if key in fields:
            return EntryProblem(f"{at}.{key}", f"is {_written(entry[key])}; expected {expectation(fields[key].type)}")
    return None


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value[:80] or "empty"
    return msgspec.json.encode(value).decode()[:80]
