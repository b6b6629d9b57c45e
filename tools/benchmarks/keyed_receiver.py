"""A receiver of poses in a process of its own, with or without keys: what `bench keys` measures."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import zmq
from msgspec import Struct

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.stream.configuration.config import SecurityOptions, WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.sockets.client_keys import read_client_keys
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.wire import decode_pose

_PEER = "bench"
_START_S, _SILENT_S = 60.0, 30.0
_MORE_S = 10.0  # to answer in, for a process that gave up waiting for messages


class KeyedReceived(Struct, frozen=True):
    """What came of a number of messages.

    Arguments:
        came: monotonic nanoseconds at which each frame was there.
        cpu_s: of the whole process meanwhile, its thread of libzmq that decrypts included.
    """

    came: list[int]
    cpu_s: float


class KeyedReceiver:
    """The receiver's process, and a socket that is connected to it.

    Arguments:
        keys: folder of keys with the peer `bench`; None asks nobody for keys.
        context: of the socket.
        silent_s: it gives up where no message gets in for so long.

    Raises:
        DyadwatchError: when it does not start or does not answer.
    """

    def __init__(
        self, keys: KeyFolder | None, context: zmq.Context[zmq.Socket[bytes]], silent_s: float = _SILENT_S
    ) -> None:
        self._silent_s = silent_s
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, None if keys is None else str(keys.path), silent_s))
        self._process.start()
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.LINGER, 0)
        try:
            address = self._answer(_START_S)
            if keys is not None:
                read_client_keys(keys.path / "handout" / f"{_PEER}.key_secret").apply(self.socket)
            self.socket.connect(address)
            if not self.socket.poll(round(_START_S * 1000)):
                raise DyadwatchError(f"the receiver at {address} did not subscribe within {_START_S:g} s")
        except BaseException:
            self.close()
            raise

    def expect(self, count: int) -> None:
        """From now on it takes so many messages, and measures; then ask for `received`.

        Raises:
            DyadwatchError: when it does not answer.
        """
        self._pipe.send(count)
        self._answer(self._silent_s + _MORE_S)

    def received(self) -> KeyedReceived:
        """What came of them; waits for it.

        Raises:
            DyadwatchError: when messages were lost or refused.
        """
        found = self._answer(self._silent_s + _MORE_S)
        if not isinstance(found, KeyedReceived):
            raise DyadwatchError(f"the receiver: {found}")
        return found

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self.socket.close()
        self._process.join(_MORE_S)
        if self._process.is_alive():
            self._process.terminate()

    def _answer(self, timeout_s: float):
        if not self._pipe.poll(timeout_s):
            raise DyadwatchError(f"the receiver's process did not answer within {timeout_s:g} s")
        try:
            return self._pipe.recv()
        except EOFError:
            raise DyadwatchError("the receiver's process ended; what it wrote above says why") from None


@contextmanager
def receivers(folder: Path) -> Iterator[dict[str, KeyedReceiver]]:
    """One receiver without keys and one with; `folder` is where those keys go."""
    keys = KeyFolder(folder / "keys")
    keys.add(_PEER, [_PEER])
    made: dict[str, KeyedReceiver] = {}
    with zmq.Context() as context:
        try:
            for side, asked in (("without keys", None), ("with keys", keys)):
                made[side] = KeyedReceiver(asked, context)
            yield made
        finally:
            for one in made.values():
                one.close()


def _serve(pipe: Connection, keys: str | None, silent_s: float) -> None:
    """Work of the process: tells its address, then takes as many messages as it is told to, until the pipe closes."""
    counters = Counters()
    with zmq.Context() as context:
        security = None if keys is None else Security(context, SecurityOptions(keys=keys), {}, counters, DETECTOR)
        wire = WireOptions(bind="tcp://127.0.0.1:*")
        # publishers are held up, not left out: every message counts
        receiver = Receiver(context, wire, counters, lambda _: True, decode_pose, None, security, waits=True)
        try:
            pipe.send(receiver.address)
            while True:
                while not pipe.poll(0.01):
                    receiver.waiting()  # libzmq subscribes, and asks for keys, within calls to the socket
                count = pipe.recv()
                pipe.send("ready")
                pipe.send(_take(receiver, count, counters, silent_s))
        except (EOFError, BrokenPipeError):
            pass  # nobody asks any more
        finally:
            receiver.close()
            if security is not None:
                security.close()


def _take(receiver: Receiver, count: int, counters: Counters, silent_s: float) -> KeyedReceived | str:
    came: list[int] = []
    until = time.monotonic() + silent_s
    while not receiver.waiting(50):
        if time.monotonic() > until:
            return f"no message came within {silent_s:g} s"
    began, until = time.process_time(), time.monotonic() + silent_s
    while len(came) < count:
        if receiver.receive(50) is not None:
            came.append(time.monotonic_ns())
        elif time.monotonic() > until:
            return f"{len(came)} of {count} messages came; refused were {counters.snapshot()}"
    return KeyedReceived(came, time.process_time() - began)
