"""What every configuration key may hold, in words, and the rules that join several keys."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from msgspec import inspect

from dyadwatch.core.site.unfit import UnfitError
from dyadwatch.stream.configuration.config import Config, SiteRule
from dyadwatch.stream.configuration.delivery_check import delivery_problems
from dyadwatch.stream.configuration.site_rules import ALL, compiled
from dyadwatch.stream.names import PROVIDERS

_TCP = re.compile(r"tcp://(\*|[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\]):(\*|\d{1,5})")
_SOURCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IPC = re.compile(r"ipc://.+")


class Problem(NamedTuple):
    """A value that its type allows and its meaning does not.

    Arguments:
        keys: all it depends on, the culprit first.
        value: of the culprit, or of what is inside it.
        expected: in words.
        inside: where in the culprit; empty for the whole of it.
    """

    keys: tuple[str, ...]
    value: object
    expected: str
    inside: str = ""


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


def problems(config: Config) -> Iterator[Problem]:
    """Every rule that the configuration breaks beyond the types of its values."""
    for key, kind in KEYS.items():
        if not isinstance(kind, inspect.StructType):
            value = lookup(config, key)
            if isinstance(value, float) and not math.isfinite(value):
                yield Problem((key,), value, "a finite number")
    pairs, alarm = config.pairs, config.alarm
    if pairs.leave_m <= pairs.enter_m:
        yield Problem(
            ("pairs.leave_m", "pairs.enter_m"),
            pairs.leave_m,
            f"more than pairs.enter_m, which is {pairs.enter_m:g}",
        )
    if alarm.raise_at is not None and alarm.clear_at is not None and alarm.clear_at > alarm.raise_at:
        yield Problem(
            ("alarm.clear_at", "alarm.raise_at"),
            alarm.clear_at,
            f"at most alarm.raise_at, which is {alarm.raise_at:g}",
        )
    yield from _incident_problems(config)
    if config.scorer.provider not in PROVIDERS:
        yield Problem(("scorer.provider",), config.scorer.provider, f"one of {', '.join(PROVIDERS)}")
    yield from _merge_problems(config)
    for keys, value, expected in delivery_problems(config.delivery, config.metrics):
        yield Problem(keys, value, expected)
    yield from _site_problems(config)
    if not _is_address(config.wire.bind):
        yield Problem(("wire.bind",), config.wire.bind, "an address like tcp://127.0.0.1:5570 or ipc:///path")
    if config.sinks.bind and not _is_address(config.sinks.bind):
        yield Problem(
            ("sinks.bind",),
            config.sinks.bind,
            "an address like tcp://127.0.0.1:5571 or ipc:///path, or '' for no socket",
        )
    if config.security.insecure and config.security.keys:
        yield Problem(
            ("security.insecure", "security.keys"), True, "false where security.keys is set: everybody needs a key then"
        )
    if config.wire.bind == config.sinks.bind and not config.wire.bind.endswith((":*", ":0")):
        yield Problem(("sinks.bind", "wire.bind"), config.sinks.bind, "another address than wire.bind")


def _incident_problems(config: Config) -> Iterator[Problem]:
    options = config.incidents
    for name, alarm, critical in (
        ("above", options.alarm_above, options.critical_above),
        ("after_s", options.alarm_after_s, options.critical_after_s),
    ):
        if critical < alarm:
            yield Problem(
                (f"incidents.critical_{name}", f"incidents.alarm_{name}"),
                critical,
                f"at least incidents.alarm_{name}, which is {alarm:g}",
            )


def _group_problems(groups: Mapping[str, Sequence[str]], owner: dict[str, str]) -> Iterator[Problem]:
    """What is wrong with names and sources of groups; fills in `owner`, the group of each source."""
    for name, sources in groups.items():
        for text in (name, *sources):
            if not _SOURCE.fullmatch(text):
                yield Problem(
                    ("merge.groups",), text, f"names of 1 to 64 characters A-Z a-z 0-9 _ -, unlike {text!r:.80}"
                )
        if len(set(sources)) < 2 or len(set(sources)) < len(sources):
            yield Problem(("merge.groups",), sources, f"two or more different sources in {name!r}")
        for source in sources:
            if source in owner:
                yield Problem(("merge.groups",), source, f"each source once; {source!r} is in {owner[source]!r} too")
            owner[source] = name
    for name in groups:
        if name in owner:
            yield Problem(("merge.groups",), name, f"names of groups that no source has, unlike {name!r}")


def _merge_problems(config: Config) -> Iterator[Problem]:
    merge = config.merge
    owner: dict[str, str] = {}
    yield from _group_problems(merge.groups, owner)
    for source, offset in merge.offset_s.items():
        if source not in owner:
            yield Problem(("merge.offset_s", "merge.groups"), source, f"sources of merge.groups, unlike {source!r}")
        if not math.isfinite(offset):
            yield Problem(("merge.offset_s",), offset, f"a finite number for {source!r}")
    if len(owner) + len(merge.groups) > config.wire.max_sources:
        yield Problem(
            ("merge.groups", "wire.max_sources"),
            merge.groups,
            f"at most wire.max_sources, which is {config.wire.max_sources}, groups and sources in all",
        )


def _site_problems(config: Config) -> Iterator[Problem]:
    """What is wrong with zones and schedules beyond the types of their values."""
    group_of = {source: group for group, sources in config.merge.groups.items() for source in sources}
    kinds: tuple[tuple[str, Mapping[str, Sequence[SiteRule]]], ...] = (
        ("zones", config.zones),
        ("schedules", config.schedules),
    )
    for key, by_source in kinds:
        for source, rules in by_source.items():
            if not (_SOURCE.fullmatch(source) or (source == ALL and key == "schedules")):
                yield Problem((key,), repr(source), "names of sources or groups", " of a source")
            if source in group_of:
                expected = f"{group_of[source]}, its group in merge.groups, which has the pairs"
                yield Problem((key, "merge.groups"), source, expected, " of a source")
            for i, rule in enumerate(rules):
                yield from _rule_problems(rule, rules[:i], key, f".{source}[{i}]")


def _rule_problems(rule: SiteRule, before: Sequence[SiteRule], key: str, at: str) -> Iterator[Problem]:
    if any(rule.name == other.name for other in before):
        yield Problem((key,), rule.name, "a name of its own for each", f"{at}.name")
    if rule.ignore == (rule.factor is not None):
        found = "beside a factor" if rule.ignore else "without a factor"
        yield Problem((key,), f"{str(rule.ignore).lower()} {found}", "one of the two", f"{at}.ignore")
    try:
        compiled(rule)
    except UnfitError as e:
        yield Problem((key,), e.found, e.expected, f"{at}.{e.key}")


def lookup(config: Config, key: str) -> object:
    """The value under a dotted key."""
    value: Any = config
    for name in key.split("."):
        value = cast("dict[str, Any]", value)[name] if isinstance(value, dict) else getattr(value, name)
    return value


def _is_address(text: str) -> bool:
    tcp = _TCP.fullmatch(text)
    if tcp is not None:
        return tcp[2] == "*" or int(tcp[2]) <= 65535
    return _IPC.fullmatch(text) is not None
