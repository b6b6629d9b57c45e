"""The way to devices that are notified by push: a courier for each, so that none waits for another's push service."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping

from msgspec import structs

from dyadwatch.core.errors import DeliveryError
from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import DeliveryState, Severity
from dyadwatch.stream.configuration.delivery_options import PushOptions
from dyadwatch.stream.delivery.carrier import StateBoard
from dyadwatch.stream.delivery.courier import Courier
from dyadwatch.stream.delivery.filters import Filter
from dyadwatch.stream.delivery.parcel import Update
from dyadwatch.stream.delivery.push_carriers import DeviceCarrier
from dyadwatch.stream.delivery.push_sender import PushSender
from dyadwatch.stream.delivery.spool import Spool, TargetAccount
from dyadwatch.stream.delivery.spool_file import receiver_name
from dyadwatch.stream.push.push_device import PushDevice


class DevicesLine:
    """A target of kind push. In the spool a device is `NAME/ID`; what became of its updates is counted for the target.

    Devices are looked for before each update and a few times a second, since the page adds and removes them. What waits
    for one that is not there any more goes as the file of devices says so: its courier finds nobody.

    Arguments:
        name: of the target.
        target: its options.
        sender: closed with it, as is its file.
        spool: where updates wait.
        clock: unix ns.
    """

    board: StateBoard | None = None

    def __init__(
        self, name: str, target: PushOptions, sender: PushSender, spool: Spool, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._name = name
        self._sender = sender
        self._spool = spool
        self._clock = clock
        self._filters = {
            least: Filter(structs.replace(target, least=max(least, target.least, key=lambda s: s.rank)))
            for least in Severity
        }
        self._devices: dict[str, PushDevice] = {}  # by their names in the spool
        self._couriers: dict[str, Courier] = {}  # replaced, never changed: others read it meanwhile
        self._unread: tuple[str, float] | None = None  # why the file cannot be read, and monotonic seconds since when

    def start(self) -> None:
        """See `TargetLine`."""
        self._look()
        self._hire({name for name in self._spool.receivers(self._name) if name not in self._devices})

    def to(self, message: Update, at: int) -> Mapping[str, bool]:
        """See `TargetLine`."""
        self._look()
        takes = {least: choice.takes(message, at) for least, choice in self._filters.items()}
        return {
            name: taken is None for name, device in self._devices.items() if (taken := takes[device.least]) is not False
        }

    def wake(self, names: Collection[str]) -> None:
        """See `TargetLine`."""
        for name, courier in self._couriers.items():
            if name in names:
                courier.wake()

    def try_now(self) -> None:
        """See `TargetLine`."""
        for courier in self._couriers.values():
            courier.try_now()

    def tick(self) -> None:
        """See `TargetLine`."""
        self._look()

    def state(self) -> tuple[Finding[DeliveryState], TargetAccount]:
        """See `TargetLine`. A failure names how many devices and the push service of one, no device and nobody."""
        account, couriers, unread = self._spool.account(self._name), self._couriers, self._unread
        failing = [failing for courier in couriers.values() if (failing := courier.failing) is not None]
        if unread is not None:
            error, since = unread
            seconds = round(time.monotonic() - since, 1)
            found = Finding(DeliveryState.FAILING, error=error, seconds=seconds, waiting=account.waiting)
        elif failing and account.waiting:
            error, seconds = max(failing, key=lambda one: one[1])
            found = Finding(
                DeliveryState.FAILING,
                error=error,
                seconds=seconds,
                waiting=account.waiting,
                failing=len(failing),
                receivers=len(couriers),
            )
        elif account.waiting:
            found = Finding(DeliveryState.DELIVERING, waiting=account.waiting)
        else:
            found = Finding(DeliveryState.READY)
        return found, account

    def delivers(self) -> bool:
        """See `TargetLine`."""
        return any(c.failing is None and self._spool.account(name).waiting for name, c in self._couriers.items())

    def end(self) -> None:
        """See `TargetLine`."""
        for courier in self._couriers.values():
            courier.end()
        self._sender.close()

    def join(self, within_s: float) -> bool:
        """See `TargetLine`."""
        until = time.monotonic() + within_s
        ended = [courier.join(max(until - time.monotonic(), 0.0)) for courier in self._couriers.values()]
        self._sender.file.close()
        return all(ended)

    def _look(self) -> None:
        """Who is to be notified now."""
        now = self._clock()
        try:
            devices = {
                receiver_name(self._name, d.id): d for d in self._sender.file.all() if not d.until or d.until > now
            }
        except DeliveryError as e:
            self._unread = (str(e), time.monotonic() if self._unread is None else self._unread[1])
            return
        self._unread, self._devices = None, devices
        self._hire({name for name in devices if name not in self._couriers})
        self._dismiss({name for name in self._couriers if name not in devices})

    def _hire(self, names: Collection[str]) -> None:
        if not names:
            return
        couriers = {
            name: Courier(name, DeviceCarrier(self._sender, name.rpartition("/")[2]), self._spool, self._clock)
            for name in names
        }
        self._couriers = {**self._couriers, **couriers}
        for courier in couriers.values():
            courier.start()

    def _dismiss(self, names: Collection[str]) -> None:
        """Ends couriers for whose devices nothing waits any more."""
        done = {name for name in names if not self._waits(name)}
        for name in set(names) - done:
            if self._couriers[name].failing is not None:
                self._couriers[name].try_now()
        for name in done:
            self._couriers[name].end()
        if done:
            self._couriers = {name: courier for name, courier in self._couriers.items() if name not in done}

    def _waits(self, name: str) -> bool:
        try:
            return self._spool.account(name).waiting > 0
        except sqlite3.Error:
            return True
