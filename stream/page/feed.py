"""Brings what the detector says to the event loop of the page, from threads that wait on sockets."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import zmq

from dyadwatch.core.errors import DyadwatchError, WireError
from dyadwatch.stream.messages import Message
from dyadwatch.stream.page.hub import Hub
from dyadwatch.stream.people_socket import decode_people
from dyadwatch.stream.subscriber import Subscriber

_log = logging.getLogger(__name__)
_TURN_S = 0.1
_MOST_AT_ONCE = 500
_AGAIN_S = 5.0


def address_to_listen(bind: str) -> str:
    """Where a page on the same machine finds what is bound at `sinks.bind`."""
    for everywhere in ("*", "0.0.0.0"):
        bind = bind.replace(f"tcp://{everywhere}:", "tcp://127.0.0.1:")
    return bind


class Feed:
    """Two threads: one listens to results, the other, while a browser looks on, to who is where.

    Arguments:
        hub: that is fed.
        address: where the detector publishes.
        people: file of the socket for poses; empty for none.
        listen_key: certificate of the page, where the detector asks for keys.
    """

    def __init__(self, hub: Hub, address: str, people: str, listen_key: str) -> None:
        self._hub = hub
        self._subscriber = Subscriber(address, Path(listen_key) if listen_key else None)
        self._people = people
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._results, name="results", daemon=True)]
        if people:
            self._threads.append(threading.Thread(target=self._scenes, name="scenes", daemon=True))
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to listen."""
        self._loop = loop
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join(1.0)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the page is stopping
            self._stop.set()

    def _results(self) -> None:
        while not self._stop.is_set():
            try:
                with self._subscriber as subscriber:
                    self._listen(subscriber)
            except DyadwatchError as e:
                _log.warning("%s", e)
                self._stop.wait(_AGAIN_S)

    def _listen(self, subscriber: Subscriber) -> None:
        said = 0.0
        while not self._stop.is_set():
            messages: list[Message] = []
            timeout = _TURN_S
            try:
                while len(messages) < _MOST_AT_ONCE and (message := subscriber.receive(timeout)) is not None:
                    messages.append(message)
                    timeout = 0.0
            except WireError as e:
                if time.monotonic() - said > _AGAIN_S:
                    said = time.monotonic()
                    _log.warning("%s", e)
            if messages:
                self._on_loop(self._hub.take, messages)

    def _scenes(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVHWM, 256)
            socket.setsockopt(zmq.MAXMSGSIZE, 1 << 22)
            socket.connect(f"ipc://{self._people}")
            listens = False
            while not self._stop.is_set():
                if self._hub.watching != listens:
                    listens = not listens
                    socket.setsockopt(zmq.SUBSCRIBE if listens else zmq.UNSUBSCRIBE, b"")
                if not socket.poll(round(_TURN_S * 1000)):
                    continue
                try:
                    people = decode_people(socket.recv())
                except msgspec.MsgspecError:
                    continue
                self._on_loop(self._hub.take_people, people)
