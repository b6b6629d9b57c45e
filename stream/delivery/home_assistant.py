"""Home Assistant's MQTT discovery: what a source looks like there, as one message a device or one a component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import structs

from dyadwatch.stream.codes import SourceState
from dyadwatch.stream.configuration.delivery_options import MqttOptions

ACKNOWLEDGE, SNOOZE = "acknowledge", "snooze"
ONLINE, OFFLINE = "online", "offline"
# Keys of the state; each is a sensor.
_SENSORS: dict[str, dict[str, Any]] = {
    "problem": {"p": "binary_sensor", "name": "Problem", "device_class": "problem"},
    "people": {"p": "sensor", "name": "People", "icon": "mdi:account-multiple", "state_class": "measurement"},
    "state": {
        "p": "sensor",
        "name": "State",
        "icon": "mdi:eye-check",
        "device_class": "enum",
        "options": [str(state) for state in SourceState],
    },
    "score": {
        "p": "sensor",
        "name": "Score",
        "icon": "mdi:chart-line",
        "state_class": "measurement",
        "suggested_display_precision": 1,
    },
    "last_incident": {"p": "sensor", "name": "Last incident", "icon": "mdi:message-alert"},
}
_BUTTONS: dict[str, dict[str, Any]] = {
    ACKNOWLEDGE: {"p": "button", "name": "Acknowledge", "icon": "mdi:check"},
    SNOOZE: {"p": "button", "name": "Snooze", "icon": "mdi:bell-sleep"},
}


class Topics:
    """The topics of one detector.

    Arguments:
        node: its name on the broker.
    """

    def __init__(self, node: str) -> None:
        self.base = f"dyadwatch/{node}"
        self.available = f"{self.base}/available"
        self.incidents = f"{self.base}/incidents"
        self.calls = f"{self.base}/calls"
        self.any_state = f"{self.base}/sources/+/state"
        self.any_command = f"{self.base}/sources/+/command"

    def state(self, source: str) -> str:
        """Of a source, retained JSON."""
        return f"{self.base}/sources/{source}/state"

    def command(self, source: str) -> str:
        """Of a source: `acknowledge` or `snooze`."""
        return f"{self.base}/sources/{source}/command"

    def source(self, topic: str) -> str:
        """The source that a topic is about."""
        return topic.removeprefix(f"{self.base}/sources/").partition("/")[0]


def discovery(
    options: MqttOptions, topics: Topics, source: str, place: str, program: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The retained messages that announce a source: topic and content. Empty ones under the same topics remove it.

    Arguments:
        options: of the target.
        topics: of the detector.
        source: its name.
        place: what people call it.
        program: name and version.
    """
    if options.discovery == "off":
        return
    node = f"{options.node}_{source}"
    whole = {
        "dev": {
            "ids": [f"dyadwatch_{node}"],
            "name": place or source,
            "mf": "dyadwatch",
            "mdl": "pose source",
            "sw": program,
        },
        "o": {"name": "dyadwatch", "sw": program},
        "availability": [{"topic": topics.available}],
    }
    parts = dict(_parts(options, topics, source, node))
    if options.discovery == "device":
        yield f"{options.discovery_prefix}/device/dyadwatch_{node}/config", {**whole, "cmps": parts}
        return
    for key, part in parts.items():
        kind = part.pop("p")
        yield f"{options.discovery_prefix}/{kind}/dyadwatch_{node}/{key}/config", {**whole, **part}


def stale_topics(options: MqttOptions, topics: Topics, source: str) -> set[str]:
    """Topics under which a source may have been announced with other options, and is not with these."""
    ways = [structs.replace(options, discovery=way, commands=True) for way in ("device", "components")]
    announced = {topic for way in ways for topic, _ in discovery(way, topics, source, "", "")}
    return announced - {topic for topic, _ in discovery(options, topics, source, "", "")}


def _parts(options: MqttOptions, topics: Topics, source: str, node: str) -> Iterator[tuple[str, dict[str, Any]]]:
    own: Mapping[str, Any]
    for key, own in _SENSORS.items():
        yield (
            key,
            {
                **own,
                "unique_id": f"dyadwatch_{node}_{key}",
                "state_topic": topics.state(source),
                "value_template": f"{{{{ value_json.{key} }}}}",
                **({"json_attributes_topic": topics.state(source)} if key == "problem" else {}),
                "expire_after": round(options.expire_s),
            },
        )
    for key, own in _BUTTONS.items() if options.commands else ():
        yield (
            key,
            {
                **own,
                "unique_id": f"dyadwatch_{node}_{key}",
                "command_topic": topics.command(source),
                "payload_press": key,
            },
        )
