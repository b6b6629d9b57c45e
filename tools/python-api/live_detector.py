"""A real detector in a process of its own, for measuring and showing: frames in, everything it says out."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.messages import Message, StatusMessage
from dyadwatch.stream.publishers.publisher import PosePublisher, pace
from dyadwatch.stream.sockets.client_keys import ClientKeys
from dyadwatch.stream.sockets.free_port import free_port
from dyadwatch.stream.subscriber import Subscriber

_START_S = 30
_QUIET_S = 1.5


def free_address() -> str:
    """A loopback address that nobody uses now."""
    return f"tcp://127.0.0.1:{free_port()}"


@contextmanager
def running_detector(
    model: Path, settings: Sequence[str] = (), keys: ClientKeys | None = None
) -> Generator[tuple[str, str], None, None]:
    """A detector in a process of its own on free ports; gives its addresses in and out.

    Arguments:
        model: the artefact.
        settings: further `--set` options.
        keys: of a peer that may listen, where the settings name a folder of keys.

    Raises:
        DyadwatchError: when it does not start; the message holds what it said.
    """
    with tempfile.TemporaryDirectory(prefix="dyadwatch-") as folder:
        into, out = free_address(), free_address()
        command = [sys.executable, "-m", "dyadwatch.tools.main", "run", "--json", "--model", str(model)]
        options = [f"wire.bind={into}", f"sinks.bind={out}", *settings]
        command += [word for option in options for word in ("--set", option)]
        with (Path(folder) / "log").open("w+b") as log:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
            try:
                _wait_until_ready(process, out, log, keys)
                yield into, out
            finally:
                process.terminate()
                process.wait(timeout=_START_S)


def _wait_until_ready(process: subprocess.Popen[bytes], out: str, log: IO[bytes], keys: ClientKeys | None) -> None:
    with Subscriber(out, keys, kinds=("status",)) as subscriber:
        for _ in range(10 * _START_S):
            if subscriber.receive(0.1) is not None:
                return
            if process.poll() is not None:
                break
    log.seek(0)
    raise DyadwatchError(f"the detector did not start: {log.read().decode('utf8', 'replace').strip()}")


def tell_live(
    model: Path, frames: Iterable[PoseFrame], rate: float, settings: Sequence[str] = ()
) -> tuple[list[Message], dict[str, dict[str, int]]]:
    """Publishes frames to a running detector and collects what it says.

    Arguments:
        model: the artefact.
        frames: of one or more sources, in order of their stamps.
        rate: times real time.
        settings: further `--set` options of the detector.

    Returns:
        (scores and events in the order they came, what was dropped by source and reason).
    """
    messages: list[Message] = []
    dropped: dict[str, dict[str, int]] = {}
    quiet = threading.Event()
    with running_detector(model, settings) as (into, out):

        def listen() -> None:
            last = time.monotonic()
            with Subscriber(out, most_waiting=0) as subscriber:
                while not (quiet.is_set() and time.monotonic() - last > _QUIET_S):
                    message = subscriber.receive(0.05)
                    if message is None:
                        continue
                    if isinstance(message, StatusMessage):
                        dropped[message.source] = message.dropped
                    else:
                        messages.append(message)
                        last = time.monotonic()

        listener = threading.Thread(target=listen, name="listener")
        listener.start()
        try:
            with PosePublisher(into) as publisher:
                for frame in pace(frames, rate):
                    publisher.send(frame)
        finally:
            quiet.set()
            listener.join()
    return messages, dropped
