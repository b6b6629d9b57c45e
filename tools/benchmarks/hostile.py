"""Hostile messages: of every kind a sender of poses could send, by mistake or on purpose."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from dyadwatch.core.skeletons.layouts import LAYOUTS

Parts = list[bytes]
Maker = Callable[[random.Random], Parts]

BIG = 1 << 20
_pack = msgspec.msgpack.Encoder().encode
_UPPER = "upper11"
_BODY = (
    (0.0, 1.65), (0.0, 1.45), (0.0, 0.95), (0.2, 1.4), (-0.2, 1.4), (0.25, 1.1), (-0.25, 1.1), (0.3, 0.9), (-0.3, 0.9),
    (0.1, 0.95), (-0.1, 0.95),
)  # fmt: skip
_WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**64 - 1, -(2**63), 1.5, float("nan"), float("inf"), "", "x", "x" * 300, "\x00\x1b[2J",
    b"", b"\xff" * 40, [], [1, 2], [[[]]], {}, {"a": {}}, ["a"] * 200, [2, 11], [2, 11, 3, 4], [0, 0, 0],
    [2**62, 11, 3], [-1, 11, 3], ["2", 11, 3], "y-up", "z-up", "mm", "upper11", "kinect25", "nobody99",
)  # fmt: skip
_FLOATS = (float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 1e-45, 1e9, 1700.0, 0.0, -0.0, 5e-3, 3.6)


def header(source: str = "evil", **keys: Any) -> dict[str, Any]:
    """The header of a good frame of two people, with some keys replaced."""
    return {
        "v": 1, "source": source, "epoch": 1, "seq": 0, "stamp": 1_700_000_000_000_000_000, "shape": [2, 11, 3],
        "layout": _UPPER, **keys,
    }  # fmt: skip


def people(count: int, apart_m: float = 0.6, aside_m: float = 0.0) -> bytes:
    """A payload of standing people on a floor, eight a row, all moved to the right; shape (count, 11, 3)."""
    values = [c for p in range(count) for x, y in _BODY for c in (aside_m + p % 8 * apart_m + x, y, p // 8 * apart_m)]
    return struct.pack(f"<{len(values)}f", *values)


def message(head: Any, payload: bytes, source: str = "evil") -> Parts:
    """The parts of a message; a header of bytes goes as it is."""
    return [b"pose." + source.encode(), head if isinstance(head, bytes) else _pack(head), payload]


def _valid(rng: random.Random) -> Parts:
    layout = LAYOUTS[rng.choice(sorted(LAYOUTS))]
    count, channels = rng.randint(0, 5), rng.choice((3, 4))
    keys: dict[str, Any] = {"shape": [count, len(layout), channels], "axes": rng.choice(("y-up", "z-up", "y-down"))}
    if rng.random() < 0.5:
        keys["ids"] = rng.sample(range(10**6), count) if rng.random() < 0.5 else [f"p{i}" for i in range(count)]
    if rng.random() < 0.3:
        keys |= {"layout": None, "joints": list(layout.joints)}
    keys["stamp"] = rng.getrandbits(63)
    keys["epoch"] = rng.choice((0, 1, 2**63 - 1))
    values = [rng.random() for _ in range(count * len(layout) * channels)]
    return message(header(**keys), struct.pack(f"<{len(values)}f", *values))


def _parts(rng: random.Random) -> Parts:
    good = message(header(), people(2))
    return rng.choice(([], good[:1], good[:2], [*good, b""], good[::-1], [b""] * 3, [b""] * 50, good * 8))


def _topic(rng: random.Random) -> Parts:
    wrong = (
        b"", b"pose.", b"pose.\x00", b"pose." + b"x" * 65, b"POSE.evil", b"pose.e vil", b"\xff\xfe\x00", b"pose.evil\n",
        b"pose.\xf0\x9f\x98\x80", b"status.evil", b"p" * 10_000, b"pose.other", b"pose.@detector", b"pose.\x1b[31m",
    )  # fmt: skip
    return [rng.choice(wrong), *message(header(), people(2))[1:]]


def _noise(rng: random.Random) -> Parts:
    return message(rng.randbytes(rng.choice((0, 1, 2, 7, 40, 300, 5000))), people(2))


def _keys(rng: random.Random) -> Parts:
    head = header(ids=None, joints=None, axes="y-up", units="m", fps=30.0, clock="unix", warnings=[], later="x")
    for key in rng.sample(sorted(head), rng.randint(1, 3)):
        if rng.random() < 0.3:
            del head[key]
        else:
            head[key] = rng.choice(_WRONG)
    return message(head, people(2))


def _raw_msgpack(rng: random.Random) -> Parts:
    whole = _pack(header())
    choices = (
        b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01", b"\xc1", b"\x91" * 5000, b"\x81\x01" * 3000, b"\xd6\xff\x00\x00\x00\x00",
        whole[: rng.randint(0, len(whole))], whole + whole, whole[:1] + b"\xa1v\x01" * 12, b"\x80", b"\x90", b"\xc0",
        whole.replace(b"\xa5shape\x93", b"\xa5shape\xdd\x7f\xff\xff\xff"), whole.replace(b"\xa1v\x01", b"\xa1v\x02"),
        whole.replace(b"\xa6layout", b"\xa3ids\xdd\x00\x10\x00\x00\xa6layout"),
    )  # fmt: skip
    return message(rng.choice(choices), people(2))


def _shape(rng: random.Random) -> Parts:
    big = (0, 1, 2, 11, 32, 33, 256, 257, 65_536, 2**31, 2**32, 2**62, 2**63 - 1)
    shape = [rng.choice(big), rng.choice((11, *big)), rng.choice((3, 4, *big))]
    return message(header(shape=shape), rng.choice((b"", people(2), people(32), b"\0" * 3)))


def _values(rng: random.Random) -> Parts:
    payload = bytearray(people(2, aside_m=rng.choice((0, 0, 0, 900, 1700, -1e6))))
    for _ in range(rng.choice((0, 1, 3, 66))):
        struct.pack_into("<f", payload, 4 * rng.randrange(66), rng.choice(_FLOATS))
    if rng.random() < 0.3:
        payload[rng.randrange(len(payload)) :] = rng.randbytes(rng.randint(0, 9))
    return message(header(units=rng.choice(("m", "cm", "mm"))), bytes(payload))


def _size(rng: random.Random) -> int:
    """From 16 bytes to 16 KiB, as often between 16 and 32 as between 8 Ki and 16 Ki."""
    return int(16 * 2 ** rng.uniform(0, 10))


def _lists(rng: random.Random, size: int) -> Parts:
    """A header of about `size` bytes: long lists, strings and nested maps, in keys that are known and that are not."""
    key = rng.choice(("ids", "joints", "warnings", "shape", "later", "clock", "layout"))
    value: Any = rng.choice(
        (["a"] * (size // 2), list(range(size // 4)), "x" * size, [[]] * size, [{"a": 1}] * (size // 5), b"\0" * size)
    )
    return message(header(**{key: value}), rng.choice((b"", people(2))))


def _deep(rng: random.Random, size: int) -> Parts:
    nest = rng.choice((b"\x91", b"\x81\xa1a", b"\xdc\x00\x01")) * (size // 3)
    return message(_pack(header())[:-13] + b"\xa6layout" + nest, people(2))


def _payload(rng: random.Random, size: int) -> Parts:
    fill = rng.choice((b"\0", b"\xff", b"\x7f", people(1)))
    return message(header(shape=[rng.choice((2, 32)), 11, 3]), (fill * (size // len(fill) + 1))[:size])


SMALL_KINDS: dict[str, Maker] = {
    "valid": _valid, "parts": _parts, "topic": _topic, "noise": _noise, "keys": _keys, "msgpack": _raw_msgpack,
    "shape": _shape,
    "values": _values, "lists": lambda rng: _lists(rng, _size(rng)),
    "deep": lambda rng: _deep(rng, _size(rng)), "payload": lambda rng: _payload(rng, _size(rng)),
}  # fmt: skip
BIG_KINDS: dict[str, Maker] = {
    "big lists": lambda rng: _lists(rng, BIG - 4096),
    "big deep": lambda rng: _deep(rng, BIG - 4096),
    "big payload": lambda rng: _payload(rng, BIG - 4096),
    "too big": lambda rng: _payload(rng, BIG + 4096),
}


def small_messages(seed: int, count: int) -> list[tuple[str, Parts]]:
    """Messages of all kinds but the big ones, in turn, each with the name of its kind."""
    rng = random.Random(seed)
    makers = list(SMALL_KINDS.items())
    return [(name, make(rng)) for name, make in (makers[i % len(makers)] for i in range(count))]


def big_messages(seed: int, each: int) -> list[tuple[str, Parts]]:
    """Messages of about 1 MiB, `each` of every kind."""
    rng = random.Random(seed)
    return [(name, make(rng)) for name, make in BIG_KINDS.items() for _ in range(each)]


def varied(pool: list[tuple[str, Parts]], seed: int) -> Iterator[tuple[str, Parts]]:
    """The messages of a pool again and again without end.

    The first time they are as they are, then each with one byte of its header replaced, or one byte of its payload.
    """
    rng = random.Random(seed)
    yield from pool
    while True:
        draws = rng.randbytes(len(pool) * 4)
        for i, (name, parts) in enumerate(pool):
            at, byte, which = draws[4 * i] << 8 | draws[4 * i + 1], draws[4 * i + 2 : 4 * i + 3], draws[4 * i + 3]
            k = 2 if which < 40 else 1
            if len(parts) == 3 and (n := len(parts[k])):
                part, at = parts[k], at % n
                parts = [*parts]
                parts[k] = part[:at] + byte + part[at + 1 :]
            yield name, parts
