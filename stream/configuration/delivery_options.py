"""Where incidents and calls are delivered: the section `delivery` of the configuration, one struct a kind of target."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from dyadwatch.stream.codes import Severity
from dyadwatch.stream.configuration.option_types import NAME, PORT, Count, Port, Positive, Section, shaped

Send = Literal["calls", "incidents", "both"]


class TargetOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every kind of target has in common."""

    send: Send = "both"
    """calls: whom to call and when it is over; incidents: how each goes, update by update; or both."""
    sources: tuple[str, ...] = ()
    """Names of the sources to deliver. Empty: all."""
    least: Severity = Severity.NOTICE
    """Lowest severity that is delivered."""
    hours: tuple[str, ...] = ()
    """Only what begins then, such as "mon-fri 21:00-07:00", local time. Empty: always."""
    picture: bool = False
    """Whether a picture of the two as skeletons goes with what asks people to look."""
    title: str = ""
    """A template. Empty: the default wording."""
    text: str = ""
    """A template. Empty: the default wording."""


class MqttOptions(TargetOptions, frozen=True, kw_only=True, tag="mqtt"):
    """A broker: retained states of all sources, Home Assistant's discovery, and updates as they come."""

    host: Annotated[str, Meta(min_length=1, extra={"expected": "name or address of the broker"})] = "127.0.0.1"
    """Name or address of the broker."""
    port: Port = 1883
    """Port of the broker."""
    user: str = ""
    """User name at the broker."""
    password_file: str = ""
    """File of the password of user."""
    password_env: str = ""
    """Environment variable of the password of user."""
    tls: bool = False
    """Whether the broker is spoken to over TLS."""
    ca_file: str = ""
    """File of the authority that signed the broker's certificate. Empty: those that the system trusts."""
    node: Annotated[str, shaped(NAME, "1 to 64 characters A-Z a-z 0-9 _ -")] = "dyadwatch"
    """Name of this detector, where several use one broker."""
    discovery: Literal["device", "components", "off"] = "device"
    """components: for Home Assistant before 2024.12; off: none."""
    discovery_prefix: Annotated[
        str, shaped(r"[^+#\s\x00-\x1f/]+(?:/[^+#\s\x00-\x1f/]+)*", "a topic such as homeassistant")
    ] = "homeassistant"
    """Topic of the discovery, as it is set in Home Assistant."""
    expire_s: Positive = 60.0
    """Seconds after which Home Assistant shows a state as unavailable."""
    commands: bool = True
    """Whether the broker's clients may acknowledge and snooze."""
    snooze_min: Positive = 30.0
    """Minutes of the snooze button."""


class WebhookOptions(TargetOptions, frozen=True, kw_only=True, tag="webhook"):
    """An HTTP server that takes one POST an update."""

    url: str
    """Address, such as https://host/path."""
    secret_file: str = ""
    """File of the secret that requests are signed with."""
    secret_env: str = ""
    """Environment variable of the secret that requests are signed with."""
    timeout_s: Positive = 10.0
    """Seconds that a request may take."""


class AppriseOptions(TargetOptions, frozen=True, kw_only=True, tag="apprise"):
    """ntfy, e-mail, Telegram, Slack and whatever else the library Apprise speaks."""

    send: Send = "calls"
    picture: bool = True
    """Whether a picture of the two as skeletons goes with what asks people to look, where the service takes any."""
    url: str = ""
    """Address as Apprise has it, where it holds no secret."""
    url_file: str = ""
    """File of addresses."""
    url_env: str = ""
    """Environment variable of addresses."""


class CommandOptions(TargetOptions, frozen=True, kw_only=True, tag="command"):
    """A program that is run for each update, one at a time."""

    send: Send = "calls"
    command: tuple[str, ...]
    """The program and its arguments."""
    timeout_s: Positive = 30.0
    """Seconds after which it is ended, with all that it started."""
    most_tries: Count = 3
    """Tries of one update, before it is left out."""


class PushOptions(TargetOptions, frozen=True, kw_only=True, tag="push"):
    """Devices that were added on the page, through the push services of their browsers' makers."""

    send: Send = "calls"
    contact: Annotated[
        str,
        shaped(
            r"mailto:[^\s@]+@[\w-]+(?:\.[\w-]+)+|https://[\w-]+(?:\.[\w-]+)+(?:/\S*)?",
            "an address such as mailto:me@example.org or https://example.org",
        ),
    ]
    """Where push services reach who runs this, such as mailto:me@example.org; they ask for it and are sent it."""
    services: tuple[
        Annotated[
            str,
            shaped(
                rf"(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::{PORT})?",
                "a host such as push.example.org, without https://",
            ),
        ],
        ...,
    ] = ("fcm.googleapis.com", "updates.push.services.mozilla.com", "*.push.apple.com", "*.notify.windows.com")
    """Hosts of push services, *. in front for all below one, :port behind. No device makes the detector connect to
    another: with hosts of your network in it, whoever may log in to the page can have it do so."""
    file: str = ""
    """File of the devices and of the key that messages are signed with. Empty: push.db beside the incidents."""
    timeout_s: Positive = 10.0
    """Seconds that a request may take."""


Target = MqttOptions | WebhookOptions | AppriseOptions | CommandOptions | PushOptions


class DeliveryOptions(Section, frozen=True):
    """Incidents and calls can be delivered to where people already look. See `dyadwatch docs integrations`."""

    to: dict[str, Target] = {}
    """Targets by name, such as {home: {kind: mqtt, host: 192.168.1.5}, phone: {kind: apprise, url_file: phone.txt}}.
    Kinds are mqtt, webhook, apprise, command and push; every target may have send, sources, least, hours, picture,
    title and text. Empty: nothing is delivered."""
    file: str = ""
    """File in which updates wait until they are delivered, from the folder the service starts in. Empty: delivery.db
    beside the file of incidents."""
    most_waiting: Count = 10_000
    """Updates that may wait for one target; beyond it those go first that only say that an incident still goes on.
    Lower: more is lost while the other side is down for long; higher: more of the disk is used, some 3 kB each."""
    keep_h: Positive = 72.0
    """Hours after which what could not be delivered is left out. Lower: calls of a long outage are lost; higher: people
    are called about what is long over."""
    names: dict[str, str] = {}
    """What people call the places of sources, such as {cam_1: living room}; used in texts. Left out: the names of the
    sources."""


def wants_pictures(options: DeliveryOptions) -> bool:
    """Whether any target is to have pictures."""
    return any(target.picture for target in options.to.values())


class MetricsOptions(Section, frozen=True):
    """What Prometheus reads. See `dyadwatch docs integrations`."""

    bind: Annotated[
        str,
        shaped(
            rf"|(?:127(?:\.\d{{1,3}}){{3}}|localhost|\[::1\]):{PORT}",
            "an address of this machine alone, like 127.0.0.1:9108, or '' for none",
        ),
    ] = ""
    """Address for http://.../metrics, such as 127.0.0.1:9108; of this machine alone. Empty: none."""
