"""What a message costs grows no faster than its bytes, whatever is in it; by time on the processor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from struct import pack
from typing import Any

import msgpack
import numpy as np
import pytest

from dyadwatch.core.errors import WireError
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import decode_pose

LIMITS = WireOptions()
SMALL, LARGE = 6_000, 48_000  # bytes; both below what a header may have
TOWER = b"\x91" * 400 + b"\xc0"
_FRESH = count()


def packed(value: Any) -> bytes:
    out = msgpack.packb(value)
    assert out is not None
    return out


def message(payload: bytes = b"", **keys: Any) -> list[bytes]:
    head = {"v": 1, "source": "x", "epoch": 1, "seq": 0, "stamp": 1, "shape": [0, 11, 3], "layout": "upper11", **keys}
    return [b"pose.x", packed({k: v for k, v in head.items() if v is not None}), payload]


def raw(header: bytes) -> list[bytes]:
    return [b"pose.x", header, b""]


def names(size: int, length: int = 20) -> list[str]:
    """Names that nobody has seen before, of about `size` bytes in all."""
    run = next(_FRESH)
    return [f"J{run}Of{i}X".ljust(length, "q") for i in range(size // (length + 2))]


def floats(size: int, value: float) -> list[bytes]:
    joints = size // 12
    return message(np.full((1, joints, 3), value, "<f4").tobytes(), shape=[1, joints, 3], layout=None, joints=["a"])


def people(size: int, value: float) -> list[bytes]:
    """As many people of upper11 as there is room for."""
    n = max(size // (11 * 16), 1)
    return message(np.full((n, 11, 4), value, "<f4").tobytes(), shape=[n, 11, 4])


HOSTILE: dict[str, Callable[[int], list[bytes]]] = {
    "numbers for ids": lambda size: message(ids=[1] * size),
    "one name for all ids": lambda size: message(ids=["a"] * (size // 2)),
    "new ids": lambda size: message(ids=names(size)),
    "new joints": lambda size: message(layout=None, joints=names(size)),
    "joints of humps": lambda size: message(layout=None, joints=["aB" * 30] * (size // 62)),
    "warnings": lambda size: message(warnings=["w"] * (size // 2)),
    "a long source": lambda size: message(source="x" * size),
    "a long value": lambda size: message(axes="\x1b" * size),
    "unknown keys": lambda size: message(b"", **{f"k{i}": "" for i in range(size // 7)}),
    "one key again and again": lambda size: raw(b"\xdf" + pack(">I", size // 3) + b"\xa1v\x01" * (size // 3)),
    "a tower": lambda size: raw(b"\x81\xa1t" + b"\x91" * size),
    "towers that fit": lambda size: raw(b"\x81\xa1t\xdc" + pack(">H", size // 401) + TOWER * (size // 401)),
    "another version": lambda size: message(v=2, epoch=-1, other=["a"] * (size // 2)),
    "a promise of 2^32 names": lambda size: raw(b"\x81\xa3ids\xdd\xff\xff\xff\xff" + b"\xa1a" * (size // 2)),
    "a long topic": lambda size: [b"pose." + b"x" * size, b"", b""],
    "many parts": lambda size: [b"pose.x"] * (size // 6),
    "no numbers": lambda size: people(size, math.nan),
    "infinite": lambda size: people(size, math.inf),
    "tiny": lambda size: people(size, 1e-42),
    "huge": lambda size: people(size, 3e38),
    "a payload of another shape": lambda size: floats(size, 1.0),
}  # fmt: skip


def cost(make: Callable[[int], list[bytes]], size: int, times: int = 5) -> float:
    """Seconds on the processor of the fastest of some messages, each made anew."""
    best = math.inf
    for _ in range(times):
        parts = make(size)
        began = time.process_time_ns()
        with suppress(WireError):
            decode_pose(parts, WireOptions(max_people=4096))
        best = min(best, time.process_time_ns() - began)
    return best * 1e-9


def first_of_a_good_source(size: int) -> list[bytes]:
    """With joints nobody has seen before, of a rig of its own: the dearest of the good ones."""
    joints = names(size, 40)
    return message(layout=None, joints=joints, shape=[0, len(joints), 3])


@pytest.mark.parametrize("kind", HOSTILE)
def test_eight_times_the_bytes_cost_at_most_about_eight_times_as_much(kind: str) -> None:
    floor = cost(message_of_nobody, 0)
    small, large = (cost(HOSTILE[kind], size) for size in (SMALL, LARGE))
    assert large <= 14 * max(small, floor)


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_message_costs_more_than_a_good_one_of_its_size_may(kind: str) -> None:
    good = cost(first_of_a_good_source, 10_000) / 10_000
    assert cost(HOSTILE[kind], SMALL) <= 4 * SMALL * good
    assert cost(HOSTILE[kind], LARGE) <= 4 * LARGE * good


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_mebibyte_is_refused_at_less_than_the_cost_of_a_good_frame(kind: str) -> None:
    """Whatever it holds, it is not looked at: its size, or its shape, is enough."""
    parts = HOSTILE[kind](1 << 20)
    good = cost(first_of_a_good_source, 10_000)
    began = time.process_time_ns()
    with pytest.raises(WireError):
        decode_pose(parts, LIMITS)
    assert (time.process_time_ns() - began) * 1e-9 < max(good, 1e-3)


def message_of_nobody(size: int) -> list[bytes]:
    return message()
