"""What the detector says, as it stands, and on to every browser. All of it on the one thread of the event loop."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import deque
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from dyadwatch.core.skeletons.landmarks import has_soles, head_of
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.messages import (
    IncidentMessage,
    Message,
    ScoreMessage,
    StatusMessage,
    encode_json,
)
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.page.client import MOST_OF_PROGRAM, Client, event
from dyadwatch.stream.people_socket import PeopleNow

MOST_CLIENTS = 200
_VIEW_S = 0.05  # between two pictures
_STRIP_S, _STRIP_POINTS = 0.5, 120  # a minute of the evidence of every source
_HEARD_S = 4.0  # without a word for so long the detector is lost: its status comes every second
_FORGET_S = 30.0  # a source without a status for so long is dropped
_encode = msgspec.json.Encoder().encode
Evidence = dict[tuple[TrackId, TrackId], tuple[float, float]]


class PairNow(Struct, frozen=True, kw_only=True):
    """A pair near enough to be scored, and how near an alarm it is; 1 raises one. Null before the first score."""

    pair: tuple[TrackId, TrackId]
    evidence: float | None
    score: float | None


class SceneNow(Struct, frozen=True, kw_only=True):
    """Who is where in one source.

    Arguments:
        bones: positions of two joints each.
        head: position of the joint that a head is drawn at; -1 for none.
        soles: whether the lowest joints stand on the floor.
        places: base64 of float32, shape (people, joints, 3), metres, Y up, NaN where unseen.
    """

    source: str
    stamp: int
    bones: tuple[tuple[int, int], ...]
    head: int
    soles: bool
    ids: tuple[TrackId, ...]
    pairs: tuple[PairNow, ...]
    places: str


class StateNow(Struct, frozen=True, kw_only=True):
    """All that a page needs to begin with; what changes comes as events from then on."""

    detector: bool
    sources: tuple[StatusMessage, ...]
    incidents: tuple[IncidentMessage, ...]
    strips: dict[str, tuple[float, ...]]
    strip_s: float = _STRIP_S
    scenes: bool


class Hub:
    """The present state, and the browsers that follow it.

    Arguments:
        scenes: whether the detector tells who is where.
    """

    def __init__(self, scenes: bool) -> None:
        self._scenes = scenes
        self._clients: set[Client] = set()
        self._status: dict[str, tuple[float, StatusMessage]] = {}
        self._incidents: dict[str, IncidentMessage] = {}
        self._evidence: dict[str, Evidence] = {}
        self._people: dict[str, PeopleNow] = {}
        self._peaks: dict[str, float] = {}
        self._strips: dict[str, deque[float]] = {}
        self._began = time.monotonic()
        self._heard = -_HEARD_S
        self._connected: bool | None = None  # not known yet
        self._run = ""

    @property
    def watching(self) -> bool:
        """Whether any browser looks on."""
        return any(client.looks for client in self._clients)

    @property
    def connected(self) -> bool:
        """Whether the detector is heard."""
        return bool(self._connected)

    @property
    def sources(self) -> tuple[StatusMessage, ...]:
        """The latest status of every source, by name."""
        return tuple(message for _, (_, message) in sorted(self._status.items()))

    def state(self) -> StateNow:
        """How everything stands."""
        return StateNow(
            detector=self.connected,
            sources=self.sources,
            incidents=tuple(self._incidents.values()),
            strips={source: tuple(strip) for source, strip in self._strips.items()},
            scenes=self._scenes,
        )

    def join(self, kinds: frozenset[str] | None = None) -> Client | None:
        """A new browser, or with kinds a program that hears such messages alone; None where there are too many.

        A program is told first whether the detector is there; a browser asks for the whole state.
        """
        if len(self._clients) >= MOST_CLIENTS:
            return None
        client = Client() if kinds is None else Client(MOST_OF_PROGRAM, kinds, looks=False)
        if kinds is not None and self._connected is not None:
            client.put(event("detector", b"true" if self._connected else b"false"))
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """The browser is gone."""
        client.close()
        self._clients.discard(client)

    def close(self) -> None:
        """Ends all streams."""
        for client in tuple(self._clients):
            self.leave(client)

    def take(self, messages: Iterable[Message]) -> None:
        """Takes up what the detector said."""
        self._heard = time.monotonic()
        for message in messages:
            match message:
                case ScoreMessage():
                    of_source = self._evidence.setdefault(message.source, {})
                    of_source[message.pair] = message.evidence, message.score
                    self._peaks[message.source] = max(self._peaks.get(message.source, 0.0), message.evidence)
                case StatusMessage():
                    self._take_status(message)
                case IncidentMessage():
                    if message.type == "close":
                        self._incidents.pop(message.id, None)
                    else:
                        self._incidents[message.id] = message
                case _:
                    pass
            self._pass_on(message)

    def take_people(self, people: PeopleNow) -> None:
        """Takes up who is where."""
        self._people[people.source] = people

    def tell(self, name: str, data: bytes) -> None:
        """Tells every browser; programs, too, whether the detector is there."""
        told = event(name, data)
        for client in self._clients:
            if client.looks or name == "detector":
                client.put(told)

    def _pass_on(self, message: Message) -> None:
        """To those who want messages of its kind."""
        kind = str(message.__struct_config__.tag)
        wanted = [client for client in self._clients if kind in client.kinds]
        if wanted:
            told = event("message", encode_json(message))
            for client in wanted:
                client.put(told)

    async def run(self) -> None:
        """Pictures, strips and whether the detector is there, until it is cancelled."""
        strip_due = time.monotonic() + _STRIP_S
        while True:
            await asyncio.sleep(_VIEW_S)
            if self._people:
                self._show()
            now = time.monotonic()
            if now >= strip_due:
                strip_due = max(strip_due + _STRIP_S, now)
                self._strip()
                self._look(now)

    def _take_status(self, message: StatusMessage) -> None:
        if message.run != self._run:  # another detector, or this one anew: nothing of the earlier one is open
            self._run = message.run
            self._status.clear()
            self._incidents.clear()
            self._evidence.clear()
            self._strips.clear()
            self.tell("reset", b"{}")
        self._status[message.source] = time.monotonic(), message

    def _show(self) -> None:
        people, self._people = self._people, {}
        if self.watching:
            view = event("view", _encode([self._scene(p) for p in people.values()]))
            for client in self._clients:
                if client.looks:
                    client.show(view)

    def _scene(self, people: PeopleNow) -> SceneNow:
        known = self._evidence.get(people.source, {})
        pairs: list[PairNow] = []
        for pair in people.pairs:
            evidence, score = known.get(pair, (None, None))
            pairs.append(PairNow(pair=pair, evidence=evidence, score=score))
        if len(known) > len(people.pairs):  # forgets pairs that parted
            self._evidence[people.source] = {pair: known[pair] for pair in people.pairs if pair in known}
        return SceneNow(
            source=people.source,
            stamp=people.stamp,
            bones=people.bones,
            head=head_of(people.joints),
            soles=has_soles(people.joints),
            ids=people.ids,
            pairs=tuple(pairs),
            places=base64.b64encode(people.places).decode(),
        )

    def _strip(self) -> None:
        peaks, self._peaks = self._peaks, {}
        for source in self._status:
            if source != DETECTOR:
                strip = self._strips.setdefault(source, deque(maxlen=_STRIP_POINTS))
                strip.append(round(peaks.get(source, 0.0), 3))
        if self._clients and self._strips:
            self.tell("strip", _encode({source: strip[-1] for source, strip in self._strips.items()}))

    def _look(self, now: float) -> None:
        connected = now - self._heard < _HEARD_S
        if connected != self._connected and (connected or now - self._began >= _HEARD_S):
            self._connected = connected
            self.tell("detector", b"true" if connected else b"false")
        gone = [source for source, (at, _) in self._status.items() if now - at > _FORGET_S] if connected else []
        for source in gone:
            del self._status[source]
            self._strips.pop(source, None)
            self._evidence.pop(source, None)
            self.tell("gone", _encode(source))
