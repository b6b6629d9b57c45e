"""An MQTT broker: retained states of all sources with Home Assistant's discovery, and every update once it is there."""

from __future__ import annotations

import logging
import secrets
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from dyadwatch.core.errors import ConfigError, UnreachableError
from dyadwatch.stream.configuration.delivery_options import MqttOptions
from dyadwatch.stream.delivery.carrier import Surroundings
from dyadwatch.stream.delivery.home_assistant import OFFLINE, ONLINE, Topics, discovery, stale_topics
from dyadwatch.stream.delivery.mqtt_commands import actions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.payload import payload
from dyadwatch.stream.delivery.pictures import Pictures
from dyadwatch.stream.delivery.secret import read_secret
from dyadwatch.stream.delivery.source_states import ABSENT, Shown, SourceStates
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.messages import AttentionMessage, Message
from dyadwatch.stream.names import DETECTOR

_log = logging.getLogger(__name__)
_KEEP_ALIVE_S = 10  # a detector whose network is gone is offline after one and a half times that
_SLOWEST_S = 5  # between two tries to connect
_WAIT_S = 10.0  # for the broker to take an update
_EVERY_S = 1.0  # between two states of a source in which nothing but numbers changed
_MOST_TAKEN = 1000
_ABSENT_S = 15.0  # after which a source of an earlier run that did not come again is shown as silent
_encode = msgspec.json.Encoder().encode


class MqttCarrier:
    """One broker, on the thread of its client.

    Updates are published with QoS 1 and count as delivered once the broker has taken them. States are retained, with
    QoS 0: what is lost with a connection is published anew with the next.

    Arguments:
        at: of the target in the configuration, for errors.
        options: of the target.
        wording: of the target.
        around: what it is given of the detector.
        connected: called when the broker is there again.

    Raises:
        ConfigError: the password or the certificate cannot be read.
    """

    def __init__(
        self, at: str, options: MqttOptions, wording: Wording, around: Surroundings, connected: Callable[[], None]
    ) -> None:
        self._options = options
        self._wording = wording
        self._pictures = Pictures(options, wording)
        self._around = around
        self._connected = connected
        self._topics = Topics(options.node)
        self._states = SourceStates(wording, options.least)
        self._lock = threading.RLock()
        self._shown: dict[str, tuple[Shown, float]] = {}  # source -> the state published last, and when
        self._inherited: dict[str, float] = {}  # sources of earlier runs that the broker knows, and since when
        self._absent: set[str] = set()  # of those the ones that are shown as silent
        self._to_remove: set[str] = set()  # sources that went while the broker was away
        self._changed = threading.Condition()
        self._taken: dict[int, None] = {}  # message ids that the broker has taken, the latest last
        self._on_way: tuple[str, paho.MQTTMessageInfo] | None = None  # key; the client sends it again by itself
        self._up = self._closed = False
        self._why = "not connected yet"
        self._client = self._make(at)
        self._client.connect_async(options.host, options.port, keepalive=_KEEP_ALIVE_S)
        self._client.loop_start()

    def send(self, parcel: Parcel) -> None:
        """Returns once the broker has taken the update; see `Carrier`."""
        calls = isinstance(parcel.message, AttentionMessage)
        topic = self._topics.calls if calls else self._topics.incidents
        with self._changed:
            if not self._changed.wait_for(lambda: self._up or self._closed, 1.0) or self._closed:
                raise UnreachableError(f"the broker {self._place} is not connected ({self._why})")
        if self._on_way is None or self._on_way[0] != parcel.key:
            self._on_way = (
                parcel.key,
                self._client.publish(topic, payload(parcel, self._wording, self._pictures), qos=1),
            )
        mid = self._on_way[1].mid
        with self._changed:
            if not self._changed.wait_for(lambda: mid in self._taken or self._closed, _WAIT_S) or self._closed:
                raise UnreachableError(f"the broker {self._place} has not taken an update ({self._why})")
            self._taken.pop(mid, None)
        self._on_way = None

    def show(self, messages: Sequence[Message]) -> None:
        """Takes messages, and publishes states in which something changed that is to be seen at once."""
        wanted = self._options.sources
        if wanted:
            messages = [m for m in messages if m.source in wanted or m.source == DETECTOR]
        with self._lock:
            self._publish(self._states.take(messages))

    def tick(self) -> None:
        """Publishes states that changed otherwise, or must not expire; takes away sources that are gone."""
        with self._lock:
            now = time.monotonic()
            for source in self._states.gone():
                self._remove(source)
            for source, at in list(self._inherited.items()):
                if now - at > self._around.forget_s:
                    self._remove(source)
                elif now - at > _ABSENT_S and source not in self._absent and self._up:
                    self._absent.add(source)
                    self._client.publish(self._topics.state(source), _encode(ABSENT), retain=True)
            self._publish(set(self._states.names()), urgent=False)

    def close(self) -> None:
        """Says that the detector is offline, and leaves."""
        with self._changed:
            was_up, self._closed = self._up and not self._closed and self._around.announce, True
            self._changed.notify_all()
        if was_up:
            info = self._client.publish(self._topics.available, OFFLINE, qos=1, retain=True)
            with self._changed:
                self._changed.wait_for(lambda: info.mid in self._taken, 0.3)
        self._client.disconnect()

    @property
    def _place(self) -> str:
        return f"{self._options.host}:{self._options.port}"

    def _make(self, at: str) -> paho.Client:
        options = self._options
        # One name for all connections of this run: a new one ends the old one, and its last will comes before.
        client = paho.Client(CallbackAPIVersion.VERSION2, f"dyadwatch-{options.node}-{secrets.token_hex(4)}")
        if options.user:
            secret = read_secret(at, "password", options.password_file, options.password_env)
            client.username_pw_set(options.user, secret or None)
        if options.tls:
            try:
                cast(Any, client).tls_set_context(ssl.create_default_context(cafile=options.ca_file or None))
            except (OSError, ssl.SSLError) as e:
                raise ConfigError(
                    f"{at}.ca_file is {options.ca_file}, which cannot be used ({e}); expected a file of certificates"
                ) from None
        if self._around.announce:
            client.will_set(self._topics.available, OFFLINE, qos=1, retain=True)
        client.reconnect_delay_set(1, _SLOWEST_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _publish(self, sources: set[str], urgent: bool = True) -> None:
        """States that differ from what was published last, or are about to expire."""
        if not self._up:
            return
        now = time.monotonic()
        for source in sorted(sources):
            shown = self._states.of(source)
            before = self._shown.get(source)
            if before is None:
                self._announce(source)
                self._absent.discard(source)
            else:
                old = now - before[1]
                if old < self._options.expire_s / 3 and (shown == before[0] or (not urgent and old < _EVERY_S)):
                    continue
            self._inherited.pop(source, None)
            self._shown[source] = (shown, now)
            self._client.publish(self._topics.state(source), _encode(shown), retain=True)

    def _announce(self, source: str) -> None:
        place = self._wording.place(source)
        for topic, content in discovery(self._options, self._topics, source, place, self._around.program):
            self._client.publish(topic, _encode(content), retain=True)

    def _remove(self, source: str) -> None:
        self._shown.pop(source, None)
        self._inherited.pop(source, None)
        if not self._up:
            self._to_remove.add(source)
            return
        self._to_remove.discard(source)
        announced = {topic for topic, _ in discovery(self._options, self._topics, source, "", "")}
        for topic in (*announced, *stale_topics(self._options, self._topics, source), self._topics.state(source)):
            self._client.publish(topic, b"", qos=1, retain=True)

    def _show_all(self) -> None:
        with self._lock:
            self._shown.clear()
            present = set(self._states.names())
            self._to_remove -= present
            for source in sorted(self._to_remove):
                self._remove(source)  # which keeps it in mind where the connection is lost meanwhile
            self._publish(present)

    def _know(self, source: str) -> None:
        """A source that the broker knows from before: how it was announced otherwise goes, and so does it, in time."""
        with self._lock:
            for topic in stale_topics(self._options, self._topics, source):
                self._client.publish(topic, b"", qos=1, retain=True)
            if source in self._states.names():
                return
            if self._options.sources and source not in self._options.sources:
                self._remove(source)
            else:
                self._inherited.setdefault(source, time.monotonic())

    def _on_connect(
        self, client: paho.Client, data: Any, flags: paho.ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._why = f"it answered: {code}"
            return  # the courier logs it
        if not self._around.announce:
            self._set_up()
            return
        client.publish(self._topics.available, ONLINE, qos=1, retain=True)
        wanted = [self._topics.available, self._topics.any_state, f"{self._options.discovery_prefix}/status"]
        if self._options.commands:
            wanted.append(self._topics.any_command)
        client.subscribe([(topic, 1) for topic in wanted])
        self._set_up()
        self._show_all()
        self._connected()

    def _set_up(self) -> None:
        with self._changed:
            self._up = True
            self._changed.notify_all()

    def _on_connect_fail(self, client: paho.Client, data: Any) -> None:
        self._why = f"{sys.exc_info()[1] or 'no answer'}"

    def _on_disconnect(
        self,
        client: paho.Client,
        data: Any,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        with self._changed:
            if self._up:
                self._why = f"the connection was lost: {code}"
            self._up = False

    def _on_publish(
        self, client: paho.Client, data: Any, mid: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._taken.pop(mid, None)
            self._taken[mid] = None
            if len(self._taken) > _MOST_TAKEN:  # those of states, for which nobody waits
                del self._taken[next(iter(self._taken))]
            self._changed.notify_all()

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        try:
            self._take(message)
        except Exception:  # noqa: BLE001 - a client's message must not end the connection
            _log.exception("a message under %s could not be used", message.topic)

    def _take(self, message: paho.MQTTMessage) -> None:
        if message.topic == f"{self._options.discovery_prefix}/status":
            if message.payload == ONLINE.encode():  # Home Assistant has started, and forgotten all
                self._show_all()
            return
        if message.topic == self._topics.available:
            if message.payload == OFFLINE.encode() and not message.retain and not self._closed:
                # The last will of an earlier run, whose end the broker saw late.
                self._client.publish(self._topics.available, ONLINE, qos=1, retain=True)
            return
        source = self._topics.source(message.topic)
        if message.topic == self._topics.state(source):
            if message.retain and message.payload:
                self._know(source)
        elif message.topic == self._topics.command(source) and not message.retain:
            with self._lock:
                open_ = self._states.open_of(source)
            for action in actions(bytes(message.payload), source, open_, self._options):
                self._around.act(action)
