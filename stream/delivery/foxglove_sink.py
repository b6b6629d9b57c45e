"""What the detector sees, live in Foxglove: skeletons, pairs and their evidence, scores, incidents, statuses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import foxglove
import msgspec
import numpy as np
from foxglove import Channel, Context

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.configuration.delivery_check import host_and_port
from dyadwatch.stream.configuration.output_options import FoxgloveOptions
from dyadwatch.stream.messages import Message, ScoreMessage, encode_json
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.people_socket import PeopleNow, PeopleQueue
from dyadwatch.stream.recordings.channels import JSON, Schema, schema_of
from dyadwatch.stream.recordings.foxglove_scene import SCENE, line_entity, scene_of

_MOST_BEHIND = 256  # messages for one viewer; the oldest of those it does not take go
_GONE_S = 15.0
_LOOK_S = 0.25
_MOST_NAMES = 4096
_RECENT_S = 2.0  # evidence that is older says nothing of now
_encode = msgspec.json.Encoder().encode


class FoxgloveSink:
    """A server that Foxglove connects to; a channel for each kind of message of each source.

    Nothing is encoded that nobody has subscribed to. A viewer that is too slow loses messages, the oldest first.

    Arguments:
        options: the section `foxglove` of the configuration.
        people: where the thread that receives puts who is where.
        look_s: between two looks at who wants poses.
        gone_s: a source of which nothing is told for so long loses its channels.

    Attributes:
        port: that it listens on.

    Raises:
        ConfigError: the address cannot be bound.
    """

    idle_s = 0.05

    def __init__(
        self, options: FoxgloveOptions, people: PeopleQueue, *, look_s: float = _LOOK_S, gone_s: float = _GONE_S
    ) -> None:
        self._people = people
        self._context = Context()
        host, port = host_and_port(options.bind)
        try:
            self._server = foxglove.start_server(
                name="dyadwatch", host=host, port=port, context=self._context, message_backlog_size=_MOST_BEHIND
            )
        except RuntimeError as e:
            raise ConfigError(
                f"foxglove.bind is {options.bind}, which cannot be bound ({e}); expected a free address"
            ) from None
        self.port = self._server.port
        self._channels: dict[str, Channel] = {}  # by topic
        self._seen: dict[str, float] = {}  # source -> monotonic seconds of the latest word of it
        self._colours: dict[str, dict[TrackId, int]] = {}  # source -> id -> number of its colour
        self._evidence: dict[tuple[str, tuple[TrackId, TrackId]], tuple[float, float]] = {}  # and when, monotonic
        self._looked = 0.0
        self._look_s, self._gone_s = look_s, gone_s

    def emit(self, messages: Sequence[Message]) -> None:
        """Publishes messages for those who subscribed to them."""
        now, unix = time.monotonic(), time.time_ns()
        for m in messages:
            if isinstance(m, ScoreMessage):
                self._evidence[m.source, m.pair] = m.evidence, now
            if m.source not in self._seen and m.source != DETECTOR:
                self._channel(f"scene.{m.source}", SCENE)
            self._seen[m.source] = now
            channel = self._channel(m.topic, schema_of(m))
            if channel.has_sinks():
                channel.log(encode_json(m), log_time=unix)

    def idle(self) -> None:
        """Publishes who is where; forgets what is gone."""
        while (people := self._people.take()) is not None:
            channel = self._channels.get(f"scene.{people.source}")
            if channel is not None and channel.has_sinks():
                channel.log(_encode(self._scene(people)), log_time=time.time_ns())
        now = time.monotonic()
        if now - self._looked < self._look_s:
            return
        self._looked = now
        self._people.wanted = any(c.has_sinks() for topic, c in self._channels.items() if topic.startswith("scene."))
        for key in [key for key, (_, at) in self._evidence.items() if now - at > _RECENT_S]:
            del self._evidence[key]
        for source in [source for source, at in self._seen.items() if now - at > self._gone_s]:
            del self._seen[source]
            self._colours.pop(source, None)
            for topic in [topic for topic in self._channels if topic.partition(".")[2] == source]:
                self._channels.pop(topic).close()

    def close(self) -> None:
        """Frees the port."""
        self._people.wanted = False
        self._server.stop()
        for channel in self._channels.values():
            channel.close()

    def _channel(self, topic: str, schema: Schema) -> Channel:
        found = self._channels.get(topic)
        if found is None:
            made = foxglove.Schema(name=schema.name, encoding=schema.encoding, data=schema.data)
            found = self._channels[topic] = Channel(topic, schema=made, message_encoding=JSON, context=self._context)
        return found

    def _scene(self, people: PeopleNow) -> dict[str, Any]:
        places = np.frombuffer(people.places, "<f4").reshape(len(people.ids), len(people.joints), 3)
        colours = [self._colour(people.source, who) for who in people.ids]
        at = time.time_ns()
        scene = scene_of(people.source, people.ids, places, people.bones, at, colours)
        row = {who: i for i, who in enumerate(people.ids)}
        lines: list[tuple[Sequence[float], Sequence[float], tuple[float, float, float]]] = []
        for pair in people.pairs:
            if not all(who in row for who in pair):
                continue
            first, second = (_middle(places[row[who]]) for who in pair)
            if first is not None and second is not None:
                evidence, _ = self._evidence.get((people.source, pair), (0.0, 0.0))
                lines.append((first, second, _shade(evidence)))
        scene["entities"].append(line_entity(f"{people.source}/pairs", lines, at))
        return scene

    def _colour(self, source: str, who: TrackId) -> int:
        of_source = self._colours.setdefault(source, {})
        if len(of_source) > _MOST_NAMES:
            of_source.clear()
        return of_source.setdefault(who, len(of_source))


def _middle(joints: np.ndarray) -> tuple[float, float, float] | None:
    seen = joints[~np.isnan(joints).any(axis=1)]
    if not len(seen):
        return None
    x, y, z = seen.mean(axis=0).round(3).tolist()
    return x, y, z


def _shade(evidence: float) -> tuple[float, float, float]:
    """Grey where nothing is odd, red from where an event opens."""
    part = min(max(evidence, 0.0), 1.0)
    return 0.6 + 0.3 * part, 0.6 * (1 - part) + 0.1, 0.6 * (1 - part) + 0.1
