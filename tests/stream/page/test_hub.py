"""What browsers are told: the present state, then every change; one that never reads costs nobody anything."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec
import numpy as np
import zmq

from dyadwatch.stream.messages import IncidentMessage, ScoreMessage, encode_json
from dyadwatch.stream.page.client import Client, event
from dyadwatch.stream.page.hub import MOST_CLIENTS, Hub
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.people_socket import PeopleNow

Make = Callable[..., IncidentMessage]


def score(evidence: float, pair: tuple[int, int] = (1, 2), source: str = "hall") -> ScoreMessage:
    return ScoreMessage(
        source=source, pair=pair, start=0, end=1, score=3.0, relation=0.0, unusual=0.0, evidence=evidence, model="m 1",
        latency_ms=1.0,
    )  # fmt: skip


def people(source: str = "hall") -> PeopleNow:
    places = np.zeros((2, 2, 3), "<f4").tobytes()
    return PeopleNow(
        source=source, stamp=1, joints=("head", "neck"), bones=((0, 1),), ids=(1, 2), pairs=((1, 2),), places=places
    )


async def taken(client: Client, count: int) -> list[bytes]:
    out: list[bytes] = []
    async for data in client.stream():
        out.append(data)
        if len(out) == count:
            break
    return out


def test_what_does_not_fit_is_lost_and_said_and_the_latest_picture_wins() -> None:
    async def run() -> list[bytes]:
        client = Client(most=3)
        for k in range(5):
            client.put(b"%d" % k)
            client.show(b"picture %d" % k)
        return await taken(client, 5)

    assert asyncio.run(run()) == [event("lost", b"2"), b"2", b"3", b"4", b"picture 4"]


def test_a_stream_that_was_closed_ends() -> None:
    async def run() -> list[bytes]:
        client = Client()
        client.close()
        return [data async for data in client.stream()]

    assert asyncio.run(run()) == []


def test_open_incidents_are_known_until_they_close(incident: Make) -> None:
    hub = Hub(scenes=True)
    hub.take([incident(type="open", end=None), incident("d4", type="open", end=None)])
    hub.take([incident()])
    assert [i.id for i in hub.state().incidents] == ["d4"]


def test_every_change_is_told_as_it_stands_on_the_wire_and_scores_are_not(incident: Make) -> None:
    async def run() -> list[bytes]:
        hub = Hub(scenes=True)
        client = hub.join()
        assert client is not None
        hub.take([score(0.5), incident()])
        return await taken(client, 1)

    (told,) = asyncio.run(run())
    assert told.startswith(b"event: message\ndata: {")
    data = told.partition(b"data: ")[2]
    assert msgspec.json.decode(data, type=IncidentMessage).id == "a1b2c3"
    assert data.strip() == encode_json(msgspec.json.decode(data, type=IncidentMessage))


def test_a_picture_has_the_people_and_the_latest_evidence_of_their_pairs() -> None:
    async def run() -> list[bytes]:
        hub = Hub(scenes=True)
        client = hub.join()
        assert client is not None
        hub.take([score(0.2), score(0.7), score(5.0, (3, 4))])
        hub.take_people(people())
        task = asyncio.create_task(hub.run())
        out = await taken(client, 1)
        task.cancel()
        return out

    (told,) = asyncio.run(run())
    (scene,) = msgspec.json.decode(told.removeprefix(b"event: view\ndata: "))
    assert scene["pairs"] == [{"pair": [1, 2], "evidence": 0.7, "score": 3.0}]
    assert (scene["head"], scene["soles"], scene["ids"]) == (0, False, [1, 2])


def test_there_is_a_most_of_pages() -> None:
    hub = Hub(scenes=True)
    clients = [hub.join() for _ in range(MOST_CLIENTS)]
    assert None not in clients
    assert hub.join() is None
    hub.leave(clients[0])  # pyright: ignore[reportArgumentType]
    assert hub.join() is not None


def _open_stream(page: Any, token: str, *, small: bool = False) -> socket.socket:
    host, port = page.config.page.bind.split(":")
    reader = socket.create_connection((host, int(port)), 5)
    if small:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return reader


def test_a_page_that_never_reads_loses_updates_and_slows_nobody(page: Any, incident: Make) -> None:
    """Megabytes go to one that reads; beside it are twenty that do not."""
    token = page.tokens.add("wall", Role.VIEWER)
    idle = [_open_stream(page, token, small=True) for _ in range(20)]
    reader = _open_stream(page, token)
    with ExitStack() as stack:
        for one in (*idle, reader):
            stack.callback(one.close)
        context = stack.enter_context(zmq.Context())
        detector = stack.enter_context(context.socket(zmq.PUB))
        stream = stack.enter_context(reader.makefile("rb"))
        detector.setsockopt(zmq.LINGER, 0)
        detector.bind(page.config.sinks.bind)
        reader.settimeout(60)
        heard: list[str] = []
        enough = threading.Event()
        pad = "x" * 20_000

        def send() -> None:
            sent = 0
            while not enough.is_set():
                message = incident(f"n{sent}", type="open", end=None, explanation=pad)
                detector.send_multipart([b"incident.hall", encode_json(message)])
                sent += 1
                time.sleep(0.01)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for line in iter(stream.readline, b""):
                if line.startswith(b'data: {"kind":"incident"'):
                    heard.append(msgspec.json.decode(line[6:])["id"])
                if len(heard) == 100:
                    break
        finally:
            enough.set()
            sender.join()
        assert len(heard) == 100, "whoever reads is told"
        assert heard == sorted(heard, key=lambda name: int(name[1:]))
