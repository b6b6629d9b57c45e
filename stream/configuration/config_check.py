"""Rules of the configuration that a type cannot say, most of them between several keys."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import inspect

from dyadwatch.core.site.unfit import UnfitError
from dyadwatch.stream.configuration.browser_ports import REFUSED_BY_BROWSERS
from dyadwatch.stream.configuration.config import Config, SiteRule
from dyadwatch.stream.configuration.config_keys import KEYS, lookup
from dyadwatch.stream.configuration.delivery_check import delivery_problems
from dyadwatch.stream.configuration.option_types import NAME
from dyadwatch.stream.configuration.site_rules import ALL, compiled

_NAME = re.compile(NAME)
_IN_WORDS: dict[str, Callable[[Any, Any], bool]] = {
    "more than": operator.gt,
    "at least": operator.ge,
    "at most": operator.le,
}
_ORDER = (  # a key, and how it stands to another wherever both have a value
    ("pairs.leave_m", "more than", "pairs.enter_m"),
    ("alarm.clear_at", "at most", "alarm.raise_at"),
    ("incidents.critical_above", "at least", "incidents.alarm_above"),
    ("incidents.critical_after_s", "at least", "incidents.alarm_after_s"),
)


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


def problems(config: Config) -> Iterator[Problem]:
    """Every rule that the configuration breaks beyond the types of its values."""
    for key, kind in KEYS.items():
        value = None if isinstance(kind, inspect.StructType) else lookup(config, key)
        if isinstance(value, float) and not math.isfinite(value):
            yield Problem((key,), value, "a finite number")
    for key, words, other in _ORDER:
        value, bound = lookup(config, key), lookup(config, other)
        if value is not None and bound is not None and not _IN_WORDS[words](value, bound):
            yield Problem((key, other), value, f"{words} {other}, which is {bound:g}")
    yield from _merge_problems(config)
    for keys, value, expected in delivery_problems(config.delivery):
        yield Problem(keys, value, expected)
    yield from _site_problems(config)
    if config.security.insecure and config.security.keys:
        yield Problem(
            ("security.insecure", "security.keys"), True, "false where security.keys is set: everybody needs a key then"
        )
    for key in ("page.bind", "foxglove.bind"):
        port = str(lookup(config, key)).rpartition(":")[2]
        if port.isascii() and port.isdigit() and int(port) in REFUSED_BY_BROWSERS - {0}:
            yield Problem((key,), lookup(config, key), f"another port, for browsers refuse to open {port}")
    if config.wire.bind == config.sinks.bind and not config.wire.bind.endswith((":*", ":0")):
        yield Problem(("sinks.bind", "wire.bind"), config.sinks.bind, "another address than wire.bind")


def _group_problems(groups: Mapping[str, Sequence[str]], owner: dict[str, str]) -> Iterator[Problem]:
    """What is wrong with names and sources of groups; fills in `owner`, the group of each source."""
    for name, sources in groups.items():
        for text in (name, *sources):
            if not _NAME.fullmatch(text):
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
            if not (_NAME.fullmatch(source) or (source == ALL and key == "schedules")):
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
