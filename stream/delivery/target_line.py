"""The way to one target: who is to have an update there, and the threads that bring it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import DeliveryState
from dyadwatch.stream.configuration.delivery_options import TargetOptions
from dyadwatch.stream.delivery.carrier import StateBoard
from dyadwatch.stream.delivery.courier import Courier
from dyadwatch.stream.delivery.filters import Filter
from dyadwatch.stream.delivery.parcel import Update
from dyadwatch.stream.delivery.spool import TargetAccount


class TargetLine(Protocol):
    """One target, of one receiver or of several that come and go."""

    @property
    def board(self) -> StateBoard | None:
        """What shows the states of sources there; None for nothing."""
        ...

    def start(self) -> None:
        """Begins with what waits from earlier runs."""
        ...

    def to(self, message: Update, at: int) -> Mapping[str, bool]:
        """Receivers, by their names in the spool -> whether only if they were notified of the incident before.

        Arguments:
            message: an update.
            at: unix ns.
        """
        ...

    def wake(self, names: Collection[str]) -> None:
        """Something new waits for these receivers, of all targets."""
        ...

    def try_now(self) -> None:
        """The other side is there again."""
        ...

    def tick(self) -> None:
        """Called a few times a second."""
        ...

    def state(self) -> tuple[Finding[DeliveryState], TargetAccount]:
        """How it stands; from any thread.

        Raises:
            sqlite3.Error: the spool cannot be read.
        """
        ...

    def delivers(self) -> bool:
        """Whether anything waits for a receiver whose last try did not fail; from any thread.

        Raises:
            sqlite3.Error: the spool cannot be read.
        """
        ...

    def end(self) -> None:
        """Stops soon."""
        ...

    def join(self, within_s: float) -> bool:
        """Waits for the end; False if it did not come in time."""
        ...


class OneReceiverLine:
    """A target that is one receiver.

    Arguments:
        target: its options.
        courier: brings its updates.
    """

    def __init__(self, target: TargetOptions, courier: Courier) -> None:
        self._filter = Filter(target)
        self._courier = courier
        self.board = courier.carrier if isinstance(courier.carrier, StateBoard) else None
        self.start = courier.start
        self.try_now = courier.try_now
        self.state = courier.state
        self.join = courier.join

    def to(self, message: Update, at: int) -> Mapping[str, bool]:
        """See `TargetLine`."""
        taken = self._filter.takes(message, at)
        return {} if taken is False else {self._courier.name: taken is None}

    def wake(self, names: Collection[str]) -> None:
        """See `TargetLine`."""
        if self._courier.name in names:
            self._courier.wake()

    def delivers(self) -> bool:
        """See `TargetLine`."""
        return self.state()[0].code is DeliveryState.DELIVERING

    def tick(self) -> None:
        """See `TargetLine`."""
        if self.board is not None:
            self.board.tick()

    def end(self) -> None:
        """See `TargetLine`."""
        self._courier.end()
        self._courier.carrier.close()
