"""From the options of a target to what brings updates there; what is not installed is named with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dyadwatch.core.errors import MissingExtraError
from dyadwatch.stream.configuration.delivery_options import (
    AppriseOptions,
    CommandOptions,
    MqttOptions,
    PushOptions,
    Target,
    WebhookOptions,
)
from dyadwatch.stream.delivery.carrier import Carrier, Surroundings
from dyadwatch.stream.delivery.courier import Courier
from dyadwatch.stream.delivery.spool import Spool
from dyadwatch.stream.delivery.target_line import OneReceiverLine, TargetLine
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.push.device_file import DeviceFile

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
            case PushOptions():
                from dyadwatch.stream.delivery.push_carriers import EveryDeviceCarrier

                return EveryDeviceCarrier(target, wording, around.device_file())
    except ModuleNotFoundError as e:
        raise MissingExtraError.of(e, EXTRA) from None


def make_line(
    name: str,
    target: Target,
    names: Mapping[str, str],
    around: Surroundings,
    spool: Spool,
    clock: Callable[[], int],
    connected: Callable[[], None],
) -> TargetLine:
    """The way to a target, with the threads that bring updates there, not started yet.

    Arguments:
        name, target, names, around, connected: as for `make_carrier`.
        spool: where updates wait.
        clock: unix ns.

    Raises:
        ConfigError: a secret cannot be read, or an address is none.
        DeliveryError: the file of devices cannot be used.
        MissingExtraError: the library that it takes is not installed.
    """
    if not isinstance(target, PushOptions):
        carrier = make_carrier(name, target, names, around, connected)
        return OneReceiverLine(target, Courier(name, carrier, spool, clock))
    try:
        from dyadwatch.stream.delivery.devices_line import DevicesLine
        from dyadwatch.stream.delivery.push_sender import PushSender
    except ModuleNotFoundError as e:
        raise MissingExtraError.of(e, EXTRA) from None
    sender = PushSender(target, Wording(target, names), DeviceFile(around.device_file()), clock)
    return DevicesLine(name, target, sender, spool, clock)
