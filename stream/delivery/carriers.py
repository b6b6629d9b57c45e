"""From the options of a target to what brings updates there; what is not installed is named with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dyadwatch.core.errors import MissingExtraError
from dyadwatch.stream.configuration.delivery_options import (
    AppriseOptions,
    CommandOptions,
    MqttOptions,
    Target,
    WebhookOptions,
)
from dyadwatch.stream.delivery.carrier import Carrier, Surroundings
from dyadwatch.stream.delivery.wording import Wording

EXTRA = "notify"


def make_carrier(
    name: str, target: Target, names: Mapping[str, str], around: Surroundings, connected: Callable[[], None]
) -> Carrier:
    """What brings updates to a target.

    Arguments:
        name: of the target.
        target: its options.
        names: source -> what people call the place.
        around: what it is given of the detector.
        connected: to be called when the other side is there again.

    Raises:
        ConfigError: a secret cannot be read, or an address is none.
        MissingExtraError: the library that it takes is not installed.
    """
    at, wording = f"delivery.to.{name}", Wording(target, names)
    try:
        match target:
            case MqttOptions():
                from dyadwatch.stream.delivery.mqtt import MqttCarrier

                return MqttCarrier(at, target, wording, around, connected)
            case WebhookOptions():
                from dyadwatch.stream.delivery.webhook import WebhookCarrier

                return WebhookCarrier(at, target, wording)
            case AppriseOptions():
                from dyadwatch.stream.delivery.apprise_carrier import AppriseCarrier

                return AppriseCarrier(at, target, wording)
            case CommandOptions():
                from dyadwatch.stream.delivery.command import CommandCarrier

                return CommandCarrier(target, wording)
    except ModuleNotFoundError as e:
        if (e.name or "").startswith("dyadwatch"):
            raise
        raise MissingExtraError(e.name or "a library", EXTRA) from None
