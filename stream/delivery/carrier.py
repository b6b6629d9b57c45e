"""What brings updates to one target, and what it may say: that it did, that it cannot now, or that it never will."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.memory.kept import Action
from dyadwatch.stream.messages import Message


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What carriers are given of the detector.

    Arguments:
        act: takes what people do about incidents and sources, from any thread.
        forget_s: seconds after which the detector forgets a source that is silent.
        program: name and version.
        devices: file of the devices that are notified by push; None where none are.
        announce: False for one that only tries whether an update arrives, beside a detector that may run.
    """

    act: Callable[[Action], None]
    forget_s: float
    program: str
    devices: Path | None = None
    announce: bool = True

    def device_file(self) -> Path:
        """See `devices`, which a target of kind push takes.

        Raises:
            ConfigError: there is none.
        """
        if self.devices is None:
            raise ConfigError("no file of devices is named; expected file of the target, or memory.file")
        return self.devices


class Carrier(Protocol):
    """Brings updates to one target, one after the other, on a thread of its own."""

    def send(self, parcel: Parcel) -> None:
        """Returns once the other side has the update.

        Raises:
            UnreachableError: it may have it later; so does any other error that is not expected.
            RefusedError: it will never take it.
        """
        ...

    def close(self) -> None:
        """Frees what it holds; a `send` that waits elsewhere gives up soon. From any thread, more than once."""
        ...


@runtime_checkable
class StateBoard(Protocol):
    """A carrier that shows the latest state of all sources as well, for which nothing waits in a spool."""

    def show(self, messages: Sequence[Message]) -> None:
        """Takes messages as they come; must not wait for the other side."""
        ...

    def tick(self) -> None:
        """Called a few times a second, messages or not."""
        ...
