"""Where incidents and calls are delivered: the section `delivery` of the configuration, one struct a kind of target."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from dyadwatch.stream.codes import Severity

_Port = Annotated[int, Meta(ge=1, le=65535)]
_Seconds = Annotated[float, Meta(gt=0)]
_Minutes = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=1)]

Send = Literal["calls", "incidents", "both"]


class TargetOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every kind of target has in common."""

    send: Send = "both"  # whom to call and when it is over; how incidents go, update by update; or both
    sources: tuple[str, ...] = ()  # only of these; none: of all
    least: Severity = Severity.NOTICE  # nothing that is less grave
    hours: tuple[str, ...] = ()  # only what begins then, such as "mon-fri 21:00-07:00", local time; none: always
    title: str = ""  # a template; empty: the default wording
    text: str = ""


class MqttOptions(TargetOptions, frozen=True, kw_only=True, tag="mqtt"):
    """A broker: retained states of all sources, Home Assistant's discovery, and updates as they come."""

    host: str = "127.0.0.1"
    port: _Port = 1883
    user: str = ""
    password_file: str = ""
    password_env: str = ""
    tls: bool = False
    ca_file: str = ""  # of the authority that signed the broker's certificate; empty: those that the system trusts
    node: str = "dyadwatch"  # of this detector, where several use one broker
    discovery: Literal["device", "components", "off"] = "device"
    discovery_prefix: str = "homeassistant"
    expire_s: _Seconds = 60.0  # Home Assistant shows a state as unavailable once it is so old
    commands: bool = True  # whether the broker's clients may acknowledge and snooze
    snooze_min: _Minutes = 30.0  # what the snooze button does


class WebhookOptions(TargetOptions, frozen=True, kw_only=True, tag="webhook"):
    """An HTTP server that takes one POST an update."""

    url: str
    secret_file: str = ""
    secret_env: str = ""
    timeout_s: _Seconds = 10.0


class AppriseOptions(TargetOptions, frozen=True, kw_only=True, tag="apprise"):
    """ntfy, e-mail, Telegram, Slack and whatever else the library Apprise speaks."""

    send: Send = "calls"
    url: str = ""
    url_file: str = ""
    url_env: str = ""


class CommandOptions(TargetOptions, frozen=True, kw_only=True, tag="command"):
    """A program that is run for each update, one at a time."""

    send: Send = "calls"
    command: tuple[str, ...]
    timeout_s: _Seconds = 30.0
    most_tries: _Count = 3  # of one update, before it is left out


Target = MqttOptions | WebhookOptions | AppriseOptions | CommandOptions


class DeliveryOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where incidents and calls are delivered. See docs/integrations.md."""

    to: dict[str, Target] = {}  # name -> target
    file: str = ""  # the spool; empty: delivery.db beside the memory
    most_waiting: _Count = 10_000  # updates, of each target
    keep_h: _Seconds = 72.0  # what could not be delivered for so long is left out
    names: dict[str, str] = {}  # source -> what people call the place


class MetricsOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Prometheus may look. See docs/integrations.md."""

    bind: str = ""  # such as 127.0.0.1:9108; empty: nowhere
