"""Sends pose frames to a detector, at the pace of their stamps or as fast as the wire takes them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from dyadwatch.core.errors import ConfigError, DyadwatchError, WireError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.sockets.client_keys import ClientKeys, keys_of
from dyadwatch.stream.wire import TOPIC, encode_pose, topic_source

DEFAULT_ADDRESS = "tcp://127.0.0.1:5570"
_FLUSH_MS = 5000  # what is still queued at the end gets this long to leave, or as long as `send` would wait
_ADDRESS = re.compile(r"tcp://[^\s/]+:(?P<port>\d{1,5})|(?:ipc|ws|wss|inproc)://\S+")
_TIME = re.compile(r"[\d.]+$|\d{4}-")
_REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


class PosePublisher:
    """One PUB end of the wire, as a context manager: connected and heard inside, flushed and closed after.

    The socket is an XPUB, which is a PUB that sees subscriptions: nothing is sent into the void before a
    detector listens. A full queue makes `send` wait, so nothing is lost unnoticed on this side.

    Arguments:
        address: where the detector binds.
        epoch: number of this run of the publisher, for frames whose epoch is 0; by default milliseconds since 1970,
            so that a restart gets a larger one.
        wait_s: how long entering waits for a detector; 0: does not wait, and what nobody hears is gone.
        patience_s: how long `send` waits for room in the queue; then the frame is counted in `shed`. 0 suits cameras,
            whose next frame is worth more than the last.
        keys: of this publisher, or its certificate `NAME.key_secret`, where the detector asks for some.

    Raises:
        ConfigError: the certificate cannot be used.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        epoch: int | None = None,
        wait_s: float = 10.0,
        patience_s: float = 30.0,
        keys: ClientKeys | str | Path | None = None,
    ) -> None:
        self._address = address
        self._epoch = time.time_ns() // 1_000_000 if epoch is None else epoch
        self._wait_s = wait_s
        self._patience_s = patience_s
        self._keys = keys_of(keys)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._sources: set[str] = set()
        self.sent = 0
        self.shed = 0

    def __enter__(self) -> Self:
        """Connects and waits for a detector.

        Raises:
            ConfigError: when the address cannot be connected to.
            DyadwatchError: when no detector listens within `wait_s`, or none that takes these keys.
        """
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket.setsockopt(zmq.SNDTIMEO, round(self._patience_s * 1000))
        if self._keys is not None:
            self._keys.apply(self._socket)
        try:
            self._connect(self._socket)
        except BaseException:
            self._close(0)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(max(_FLUSH_MS, round(self._patience_s * 1000)) if kind is None else 0)

    def send(self, frame: PoseFrame, *, fps: float | None = None) -> bool:
        """Sends a frame; a frame of epoch 0 gets the publisher's.

        Returns:
            whether it went out; if not, it is counted in `shed`.

        Raises:
            ConfigError: when the frame's source has a name that detectors refuse.
            DyadwatchError: when used outside of `with`.
        """
        if frame.source not in self._sources:
            check_source(frame.source)
            self._sources.add(frame.source)
        if frame.epoch == 0:
            frame = replace(frame, epoch=self._epoch)
        return self.send_parts(encode_pose(frame, fps=fps))

    def send_parts(self, parts: Sequence[bytes]) -> bool:
        """Sends a message that is already encoded, as it is.

        Returns:
            whether it went out; if not, it is counted in `shed`.

        Raises:
            DyadwatchError: when used outside of `with`.
        """
        if self._socket is None:
            raise DyadwatchError("a PosePublisher sends only inside its 'with' block")
        try:
            self._socket.send_multipart(parts)
        except zmq.Again:
            self.shed += 1
            return False
        self.sent += 1
        return True

    def _connect(self, socket: zmq.Socket[bytes]) -> None:
        refusals = socket.get_monitor_socket(_REFUSALS)
        try:
            socket.connect(self._address)
            heard = self._wait_s <= 0 or socket.poll(round(self._wait_s * 1000))
            refused = bool(refusals.poll(0))
        except zmq.ZMQError as e:
            raise ConfigError(
                f"address is {self._address!r}; expected something like {DEFAULT_ADDRESS!r} ({e})"
            ) from None
        finally:
            socket.disable_monitor()
            refusals.close()
        if not heard and refused:
            keys = "these keys" if self._keys else "a publisher without keys"
            raise DyadwatchError(
                f"the detector at {self._address} refuses {keys}; expected --key NAME.key_secret of a peer that its "
                "`dyadwatch keys list` shows with sources, or none where it has no keys itself"
            )
        if not heard:
            raise DyadwatchError(
                f"no detector listens at {self._address} after {self._wait_s:g} s; start one with: dyadwatch run"
            )

    def _close(self, flush_ms: int) -> None:
        if self._socket is not None:
            self._socket.close(flush_ms)
            self._socket = None
        if self._context is not None:
            self._context.term()
            self._context = None


def check_source(source: str) -> None:
    """Refuses names that detectors refuse.

    Raises:
        ConfigError: naming the source and what was expected.
    """
    try:
        topic_source(f"{TOPIC}{source}".encode())
    except WireError:
        raise ConfigError(f"source is {source!r:.80}; expected 1-64 characters of A-Z a-z 0-9 _ -") from None


def check_address(option: str, address: str) -> None:
    """Refuses what is no address to connect to, without looking for anybody there.

    Raises:
        ConfigError: naming the option, the address and what was expected.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or (match["port"] and not 1 <= int(match["port"]) <= 65535):
        hint = "; a time goes with --until" if _TIME.match(address) else ""
        raise ConfigError(f"{option} is {address!r:.120}; expected an address such as {DEFAULT_ADDRESS}{hint}")


def pace(frames: Iterable[PoseFrame], rate: float = 1.0, stop: threading.Event | None = None) -> Iterator[PoseFrame]:
    """The frames, each when its time has come: the first at once, the others as far behind it as their stamps say.

    Arguments:
        frames: in the order in which they are to leave.
        rate: times real time; 0 or infinite: without waiting at all.
        stop: ends the frames early once it is set, also in the middle of a wait.

    Raises:
        ConfigError: for a negative rate.
    """
    if not rate >= 0:
        raise ConfigError(f"rate is {rate:g}; expected 0 (as fast as possible) or a positive factor of real time")
    waits = rate > 0 and rate != float("inf")
    stop = stop or threading.Event()
    first: int | None = None
    began = time.monotonic()
    for frame in frames:
        if first is None:
            first, began = frame.stamp, time.monotonic()
        if waits:
            due = began + (frame.stamp - first) / NS / rate
            while (left := due - time.monotonic()) > 0 and not stop.is_set():
                stop.wait(min(left, 3600.0))
        if stop.is_set():
            return
        yield frame
