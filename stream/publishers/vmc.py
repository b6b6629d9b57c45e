"""VMC over UDP: performers on ports of their own become the people of one source."""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError, WireError
from dyadwatch.stream.codes import SenderReason
from dyadwatch.stream.publishers.checked import checked_frame
from dyadwatch.stream.publishers.live import LiveFrame, Refusals
from dyadwatch.stream.publishers.osc import read_osc
from dyadwatch.stream.publishers.performers import Performers
from dyadwatch.stream.publishers.vmc_avatar import LAYOUT, Avatar, Vector
from dyadwatch.stream.publishers.vmc_frames import VmcFrames

_LARGEST = 65_536
_AT_ONCE = 256  # datagrams read before frames that are due get their turn
_OTHER_SENDER_S = 2.0
_LEAST_LOOK_S, _LONGEST_LOOK_S = 0.002, 0.1


class Place(NamedTuple):
    """Where a performer's origin lies in the common room: metres, and degrees to the left about the vertical."""

    x: float = 0.0
    z: float = 0.0
    degrees: float = 0.0

    def puts(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Joints (J, 3) of the performer's own room, in the common one."""
        c, s = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        x, y, z = joints.T
        return np.stack([c * x + s * z + self.x, y, -s * x + c * z + self.z], axis=1)


class PerformerOptions(NamedTuple):
    """One performer.

    Arguments:
        port: on which their messages come in.
        name: id of the person.
        scale: of the avatar to the person, more than 1 where the avatar is too small; None takes what the sender tells
            of scale and offset (VMC 2.1), if anything.
        place: where their origin lies.
        bind: the avatar's bind pose, for senders that tell rotations only.
    """

    port: int
    name: str
    scale: float | None = None
    place: Place = Place()
    bind: Mapping[str, Vector] | None = None


class _Performer:
    """A bound socket, what has come in on it, and from whom."""

    def __init__(self, options: PerformerOptions, bound: socket.socket, frames: VmcFrames) -> None:
        self.options = options
        self.socket = bound
        self.frames = frames
        self.sender: tuple[str, int] | None = None
        self.heard = 0.0


class VmcListener:
    """Listens to performers, as a context manager: ports are bound inside, and free after.

    Arguments:
        performers: each on a port of their own.
        source: name of the source.
        fps, delay_s: of the merged frames, see `Performers`.
        host: address of this machine on which the ports are.
        refusals: counts every message that cannot be used.
    """

    def __init__(
        self,
        performers: Sequence[PerformerOptions],
        refusals: Refusals,
        *,
        source: str = "vmc",
        fps: float = 30.0,
        delay_s: float = 0.1,
        host: str = "127.0.0.1",
    ) -> None:
        self.people = Performers(
            source, [p.name for p in performers], LAYOUT, fps=fps, delay_s=delay_s, refusals=refusals
        )
        self._options = performers
        self._source = source
        self._host = host
        self._refusals = refusals
        self._look_s = min(max(0.25 / fps, _LEAST_LOOK_S), _LONGEST_LOOK_S)
        self._selector = selectors.DefaultSelector()
        self._performers: list[_Performer] = []
        self.ports: list[int] = []

    def __enter__(self) -> Self:
        """Binds.

        Raises:
            ConfigError: for a port that cannot be bound.
        """
        try:
            for k, options in enumerate(self._options):
                self._open(k, options)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def frames(self, stopped: Callable[[], bool]) -> Iterator[LiveFrame]:
        """Merged frames as they become due, until asked to stop."""
        while not stopped():
            for key, _ in self._selector.select(self._look_s):
                key.data()
            yield from self.people.due(time.time_ns())

    def _open(self, who: int, options: PerformerOptions) -> None:
        bound = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_DGRAM)
        self._performers.append(_Performer(options, bound, self._frames(options)))
        bound.setblocking(False)
        try:
            bound.bind((self._host, options.port))
        except (OSError, OverflowError) as e:
            raise ConfigError(
                f"performer {options.name!r} has port {options.port} on {self._host!r}; expected one this machine can "
                f"bind ({getattr(e, 'strerror', None) or e})"
            ) from None
        self.ports.append(bound.getsockname()[1])
        self._selector.register(bound, selectors.EVENT_READ, partial(self._receive, who, self._performers[-1]))

    def _frames(self, options: PerformerOptions) -> VmcFrames:
        return VmcFrames(Avatar(options.bind), partial(self._refuse, options), fits=options.scale is None)

    def _receive(self, who: int, performer: _Performer) -> None:
        for _ in range(_AT_ONCE):
            try:
                datagram, address = performer.socket.recvfrom(_LARGEST)
            except OSError:
                return
            self._take(who, performer, datagram, address[:2])

    def _take(self, who: int, performer: _Performer, datagram: bytes, address: tuple[str, int]) -> None:
        arrived, now = time.time_ns(), time.monotonic()
        if performer.sender != address:
            if performer.sender is not None and now - performer.heard < _OTHER_SENDER_S:
                text = f"{address[0]}:{address[1]} sends too, while {performer.sender[0]}:{performer.sender[1]} does"
                self._refuse(performer.options, SenderReason.TWO_SENDERS, f"{text}; only the first is listened to")
                return
            if performer.sender is not None:  # what the one before said of its avatar is not true of this one's
                performer.frames = self._frames(performer.options)
            performer.sender = address
        performer.heard = now
        try:
            messages = read_osc(datagram)
        except WireError as e:
            self._refuse(performer.options, e.reason, str(e))
            return
        for stamp, joints in performer.frames.take(messages, arrived):
            self._add(who, performer.options, stamp, joints, arrived)

    def _add(self, who: int, options: PerformerOptions, stamp: int, joints: NDArray[np.float64], arrived: int) -> None:
        placed = options.place.puts(joints * (1.0 if options.scale is None else options.scale))
        try:
            frame = checked_frame(
                placed[None],
                source=self._source,
                seq=0,
                stamp=stamp,
                clock=f"vmc {options.name}"[:64],
                layout=LAYOUT,
                ids=None,
            )
        except WireError as e:
            self._refuse(options, e.reason, str(e))
            return
        self.people.add(who, frame, arrived)

    def _refuse(self, options: PerformerOptions, reason: StrEnum, text: str) -> None:
        self._refusals.add(self._source, reason, f"{options.name}: {text}")

    def _close(self) -> None:
        for performer in self._performers:
            performer.socket.close()
        self._selector.close()
