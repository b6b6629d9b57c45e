"""What is kept of messages that were refused: a digest of each, and of a flood of them only how many there were."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum

from dyadwatch.core.errors import WireError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Refusal
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.recordings.channels import RefusedMessage
from dyadwatch.stream.recordings.write_queue import ReceivedMessage
from dyadwatch.stream.wire import decode_pose

_KEPT_BYTES = 256  # of topic and header
_KEPT_SIZES = 16
_KINDS = 16  # topics and reasons that are counted apart between two summaries
_Kind = tuple[str, str]


def digest(parts: Sequence[bytes], reason: StrEnum) -> RefusedMessage:
    """What is kept of a message that was refused for a reason."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return RefusedMessage(
        reason=str(reason),
        topic=readable(parts),
        parts=len(parts),
        sizes=[len(part) for part in parts[:_KEPT_SIZES]],
        bytes=sum(map(len, parts)),
        sha256=whole.hexdigest(),
        header=parts[1][:_KEPT_BYTES].hex() if len(parts) > 1 else "",
    )


def readable(parts: Sequence[bytes]) -> str:
    """The beginning of the topic; what is no UTF-8 is escaped."""
    return parts[0][:_KEPT_BYTES].decode("utf8", "backslashreplace") if parts else ""


def why_refused(parts: Sequence[bytes], wire: WireOptions) -> StrEnum:
    """The reason for which a message is refused."""
    try:
        decode_pose(parts, wire)
    except WireError as e:
        return e.reason
    return Refusal.UNKNOWN


def decode_received(received: ReceivedMessage, wire: WireOptions) -> PoseFrame:
    """The frame of a recorded message.

    Raises:
        WireError: it was refused when it came, or is refused by the limits given.
    """
    if received.refused is not None:
        raise WireError(
            _recorded(received.refused.reason), "was refused when it came, and only a digest of it is recorded"
        )
    return decode_pose(received.parts, wire)


def _recorded(reason: str) -> Refusal:
    """A reason as another version may have written it."""
    try:
        return Refusal(reason)
    except ValueError:
        return Refusal.UNKNOWN


class RefusedBudget:
    """How many refused messages are recorded one by one; the others are counted. From any thread.

    Arguments:
        most: messages a minute.
        most_bytes: bytes of what is kept of them, a minute.
        clock: seconds that only go forward.
    """

    def __init__(
        self, most: int = 600, most_bytes: int = 1_000_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._count = self._bytes = 0
        self._only_counted: Counter[_Kind] = Counter()

    def admit(self) -> bool:
        """Whether one more is recorded by itself."""
        with self._lock:
            now = self._clock()
            if now >= self._until:
                self._until, self._count, self._bytes = now + 60.0, 0, 0
            if self._count >= self._most or self._bytes >= self._most_bytes:
                return False
            self._count += 1
            return True

    def spend(self, size: int) -> None:
        """Records the bytes that one took."""
        with self._lock:
            self._bytes += size

    def only_count(self, topic: str, reason: StrEnum) -> None:
        """Counts one that is not recorded by itself."""
        with self._lock:
            kind = (topic, str(reason))
            if kind not in self._only_counted and len(self._only_counted) >= _KINDS:
                kind = ("", str(reason) if ("", str(reason)) in self._only_counted else str(Refusal.UNKNOWN))
            self._only_counted[kind] += 1

    def take(self) -> list[RefusedMessage]:
        """What was only counted since the last time."""
        with self._lock:
            counted, self._only_counted = self._only_counted, Counter()
        return [RefusedMessage(reason=reason, topic=topic, count=n) for (topic, reason), n in counted.items()]
