"""Brings updates to one device that is notified by push, or to every one at once."""

from __future__ import annotations

from pathlib import Path

from dyadwatch.core.errors import DeliveryError, UnreachableError
from dyadwatch.stream.configuration.delivery_options import PushOptions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.push_sender import PushSender
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.push.device_file import DeviceFile


class DeviceCarrier:
    """Brings updates to one device; see `Carrier`.

    Arguments:
        sender: that all devices share.
        id_: of the device.
    """

    def __init__(self, sender: PushSender, id_: str) -> None:
        self._sender = sender
        self._id = id_

    def send(self, parcel: Parcel) -> None:
        """See `PushSender.send`."""
        self._sender.send(parcel, self._id)

    def close(self) -> None:
        """Nothing is held."""


class EveryDeviceCarrier:
    """Brings an update to every device at once, for a test of the target; see `Carrier`.

    Arguments:
        options: of the target.
        wording: of the target.
        path: file of the devices.

    Raises:
        DeliveryError: the file cannot be used.
    """

    def __init__(self, options: PushOptions, wording: Wording, path: Path) -> None:
        self._sender = PushSender(options, wording, DeviceFile(path))

    def send(self, parcel: Parcel) -> None:
        """Returns once every device has it.

        Raises:
            UnreachableError: there is none, or one has it not.
        """
        devices, missed = self._sender.file.all(), list[str]()
        for device in devices:
            try:
                self._sender.send(parcel, device.id)
            except DeliveryError as e:
                missed.append(f"{device.name} of {device.who}: {e}")
        if not devices:
            raise UnreachableError("no device is notified yet; add one on the page, under Incidents")
        if missed:
            raise UnreachableError(f"{len(missed)} of {len(devices)} devices: {'; '.join(missed)}")

    def close(self) -> None:
        """Closes connections and file."""
        self._sender.close()
        self._sender.file.close()
