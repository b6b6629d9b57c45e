"""What the types of the section `delivery` allow and their meaning does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from dyadwatch.stream.configuration.delivery_options import (
    AppriseOptions,
    CommandOptions,
    DeliveryOptions,
    MqttOptions,
    PushOptions,
    Target,
    TargetOptions,
    WebhookOptions,
)
from dyadwatch.stream.configuration.hours import parse_hours
from dyadwatch.stream.configuration.option_types import NAME
from dyadwatch.stream.configuration.templates import FIELDS, template_problem

_NAME = re.compile(NAME)

_Problem = tuple[tuple[str, ...], object, str]  # keys, the culprit first; value; expected


def delivery_problems(delivery: DeliveryOptions) -> Iterator[_Problem]:
    """Every rule that the section breaks: (keys that it depends on, value, what was expected)."""
    pushed = [name for name, target in delivery.to.items() if isinstance(target, PushOptions)]
    if len(pushed) > 1:
        yield (f"delivery.to.{pushed[1]}", "delivery.to"), "push", f"one target of this kind; {pushed[0]} is one"
    for name, target in delivery.to.items():
        if not _NAME.fullmatch(name):
            yield ("delivery.to",), name, f"names of 1 to 64 characters A-Z a-z 0-9 _ -, unlike {name!r:.80}"
            continue
        for key, value, expected in _target_problems(target):
            at = f"delivery.to.{name}"
            yield (f"{at}.{key}", at, "delivery.to"), value, expected


def host_and_port(bind: str) -> tuple[str, int]:
    """Of an address such as `metrics.bind`."""
    host, _, port = bind.rpartition(":")
    return host.strip("[]"), int(port)


def _target_problems(target: Target) -> Iterator[tuple[str, object, str]]:
    yield from _common_problems(target)
    match target:
        case MqttOptions():
            yield from _mqtt_problems(target)
        case WebhookOptions():
            parts = _split(target.url)
            if parts is None or parts[0] not in ("http", "https") or not parts[1]:
                yield "url", target.url, "an address like https://host/path"
            yield from _one_of(target, "secret_file", "secret_env", needed=False)
        case AppriseOptions():
            yield from _one_of(target, "url", "url_file", "url_env", needed=True)
        case CommandOptions():
            if not target.command or not target.command[0]:
                yield "command", target.command, "a program and its arguments, such as [/usr/local/bin/page, --loud]"
        case PushOptions():
            if target.picture:
                yield "picture", target.picture, "false: a push message has no room for one"


def _common_problems(target: TargetOptions) -> Iterator[tuple[str, object, str]]:
    for span in target.hours:
        try:
            parse_hours(span)
        except ValueError as e:
            yield "hours", span, f"{e}, unlike {span!r:.40}"
    for key in ("title", "text"):
        if template_problem(getattr(target, key)):
            yield key, getattr(target, key), f"text with no other fields than {{{'}, {'.join(FIELDS)}}}"


def _mqtt_problems(target: MqttOptions) -> Iterator[tuple[str, object, str]]:
    if (target.password_file or target.password_env) and not target.user:
        yield "user", target.user, "a name, since a password is given"
    if target.ca_file and not target.tls:
        yield "tls", target.tls, "true, since ca_file is given"
    yield from _one_of(target, "password_file", "password_env", needed=False)


def _one_of(target: TargetOptions, *keys: str, needed: bool) -> Iterator[tuple[str, object, str]]:
    given = [key for key in keys if getattr(target, key)]
    if len(given) > 1:
        yield given[1], getattr(target, given[1]), f"only one of {', '.join(keys)}"
    if needed and not given:
        yield keys[0], "", f"one of {', '.join(keys)}"


def _split(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        return (parts.scheme, parts.hostname or "") if parts.port != 0 else None
    except ValueError:
        return None
