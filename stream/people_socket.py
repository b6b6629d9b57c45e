"""Who is where now, for pages that draw it: a message a source, at most twenty a second, while somebody listens.

A socket of its own, a file that its owner alone can use: poses leave the detector only by what is configured for that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import zmq
from msgspec import Struct

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import TrackId

if TYPE_CHECKING:  # a page that only reads these messages needs no stations
    from dyadwatch.stream.tracking.scene_tracker import SceneTracker

_log = logging.getLogger(__name__)
_EVERY_NS = 50_000_000
_TURN_MS, _QUIET_MS = 25, 200
_LONGEST_PATH = 100  # bytes; the system allows little more
_MOST_WAITING = 512
_MOST_NAMES = 4096
_LEAST_CONFIDENCE = 0.2


class PeopleNow(Struct, frozen=True, kw_only=True):
    """Who is where in one source.

    Arguments:
        source: its name, or that of a group.
        stamp: ns, of the frame.
        joints: names of the joints, as the source has them.
        bones: positions of two joints each.
        ids: of the people.
        pairs: ids of two who are near enough to be scored.
        places: metres, Y up, float32 little endian, shape (people, joints, 3), NaN where unseen.
    """

    source: str
    stamp: int
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    ids: tuple[TrackId, ...]
    pairs: tuple[tuple[TrackId, TrackId], ...]
    places: bytes


_encode = msgspec.msgpack.Encoder().encode
decode_people = msgspec.msgpack.Decoder(PeopleNow).decode


def people_of(scene: SceneTracker) -> PeopleNow | None:
    """Who is where by the latest frame of a scene; None before the first."""
    if scene.latest is None:
        return None
    frame, seen = scene.latest
    rows = [s.row for s in seen]
    weak = frame.confidence[rows] < _LEAST_CONFIDENCE
    places = np.where(weak[..., None], np.float32(np.nan), frame.joints[rows])
    return PeopleNow(
        source=scene.source,
        stamp=frame.stamp,
        joints=frame.layout.joints,
        bones=frame.layout.bone_indices,
        ids=tuple(s.track.id for s in seen),
        pairs=tuple(pair.ids for pair in scene.open_pairs),
        places=places.astype("<f4").tobytes(),
    )


class PeopleQueue:
    """Who is where, between the thread that receives and one that tells of it; the oldest go where it is too slow.

    Arguments:
        most: messages that may wait.

    Attributes:
        wanted: whether somebody wants them; `offer` is to be called only then.
    """

    def __init__(self, most: int = _MOST_WAITING) -> None:
        self.wanted = False
        self._due: dict[str, int] = {}
        self._waiting: deque[PeopleNow] = deque(maxlen=most)

    def offer(self, scene: SceneTracker | None) -> None:
        """Takes who is in a scene, if it is time for it; never waits. From the thread that changes the scene."""
        now = time.monotonic_ns()
        if scene is None or now < self._due.get(scene.source, 0):
            return
        if len(self._due) > _MOST_NAMES:  # of sources that come and go
            self._due.clear()
        self._due[scene.source] = now + _EVERY_NS
        people = people_of(scene)
        if people is not None:
            self._waiting.append(people)

    def take(self) -> PeopleNow | None:
        """The oldest that waits; None for none."""
        return self._waiting.popleft() if self._waiting else None


class PeopleSocket:
    """Publishes who is where, on a thread of its own. The thread that receives only hands over copies.

    Arguments:
        path: file of the socket, `sinks.people` of the configuration.

    Attributes:
        queue: takes who is where; wanted while somebody listens.

    Raises:
        ConfigError: the file cannot be made.
    """

    def __init__(self, path: str) -> None:
        if len(path.encode()) > _LONGEST_PATH:
            raise ConfigError(f"sinks.people is {path!r}; expected a path of at most {_LONGEST_PATH} bytes")
        self._path = Path(path)
        self.queue = PeopleQueue()
        self._stop = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 256)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._socket.bind(f"ipc://{path}")
            self._path.chmod(0o600)
        except (OSError, zmq.ZMQError) as e:
            self._context.destroy(linger=0)
            raise ConfigError(f"sinks.people is {path!r}; expected a file that can be made ({e})") from None
        self._thread = threading.Thread(target=self._work, name="people", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and removes the file."""
        self._stop.set()
        self._thread.join(1.0)
        self._path.unlink(missing_ok=True)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
        except Exception:  # noqa: BLE001 - whatever it is, pages go without poses, and detecting goes on
            _log.exception("poses are no longer told to pages; detecting goes on")
        finally:
            self.queue.wanted = False
            self._context.destroy(linger=0)

    def _turn(self) -> None:
        # XPUB tells the first who subscribes, and the last who leaves, however they leave.
        if self._socket.poll(_TURN_MS if self.queue.wanted else _QUIET_MS):
            while self._socket.poll(0):
                self.queue.wanted = self._socket.recv()[:1] == b"\x01"
        while (people := self.queue.take()) is not None:
            self._socket.send(_encode(people), zmq.NOBLOCK)
