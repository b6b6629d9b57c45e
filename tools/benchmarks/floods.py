"""The floods of `dyadwatch bench stress`: what each sends, and how fast."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.benchmarks.hostile import BIG, big_messages, header, message, people, small_messages, varied
from dyadwatch.tools.benchmarks.outlet import Bare, Outlet
from dyadwatch.tools.benchmarks.steady import Steady

VICTIM = "victim"  # the well-behaved source whose name others take
_LAST_EPOCH = 2**63 - 1
_PART = 4 << 20  # bytes; the largest frame that the receiver lets in by its default configuration


@dataclass(frozen=True)
class Flood:
    """One kind of flood.

    Arguments:
        name: as in the table.
        send: what it does, until the outlet is done.
        messages: how many it sends at most, as a part of all messages of the run.
        seconds: how long it lasts at most, as a part of the seconds of a phase.
        connections: sockets it sends through.
        large: it sends large or unfinished messages, for which there is a bar of its own.
        records: what it sends is recorded.
        newcomer: a well-behaved source comes while it lasts, and must be watched like any other.
    """

    name: str
    send: Callable[[Outlet], None]
    messages: float = 1.0
    seconds: float = 1.0
    connections: int = 1
    large: bool = False
    records: bool = False
    newcomer: bool = False


def run_flood(
    flood: Flood, address: str, seconds: float, count: int, ready: Any, go: Any, sent: Any, size: Any
) -> None:
    """Runs a flood as a process of its own: says that it is ready, waits for the word, and floods."""
    os.nice(5)  # the flood must not win by taking the processor from the source that behaves
    outlet = Outlet(address, time.time() + 3600, count, sent, size, flood.connections)
    ready.set()
    go.wait()
    outlet.until = time.time() + seconds
    try:
        flood.send(outlet)
    finally:
        outlet.close()


def _refused(out: Outlet) -> None:
    """Hostile messages of all small kinds, as fast as they go, through many connections."""
    for _, parts in varied(small_messages(out.count, 3000), 1):
        if out.done:
            return
        out.send(parts)


def _names(out: Outlet) -> None:
    """One good frame each of more names than there is room for, and then refused messages of ever new names."""
    one = people(1)
    for i in range(300):
        out.send(message(header(f"cam-{i}", shape=[1, 11, 3], stamp=time.time_ns()), one, f"cam-{i}"))
    while not out.done:
        out.send([b"pose.x%d" % out.number, b"\xc1", b""])
        if out.number % 1000 == 0:
            time.sleep(0.02)


def _ids(out: Outlet) -> None:
    """Thirty good frames a second of 32 people, every one with ids never seen before."""
    payload, number, seq = people(32), 0, 0
    epoch = time.time_ns()
    while not out.done:
        ids = list(range(number, number + 32))
        keys = {"shape": [32, 11, 3], "ids": ids, "epoch": epoch, "seq": seq, "stamp": time.time_ns()}
        out.send(message(header("crowd", **keys), payload, "crowd"))
        number, seq = number + 32, seq + 1
        time.sleep(1 / 30)


def _headers(out: Outlet) -> None:
    """Ten headers of 1 MiB a second."""
    pool = [message(header(ids=["a"] * 523_000), b"")]
    pool += [parts for name, parts in big_messages(out.count, 3) if name in ("big lists", "big deep")]
    while not out.done:
        out.send(pool[out.number % len(pool)])
        time.sleep(0.1)


def _large(out: Outlet) -> None:
    """Headers and payloads of 1 MiB, and messages of 3 MiB, as fast as they go."""
    pool = [parts for _, parts in big_messages(out.count, 4)]
    pool += [message(header(ids=["a"] * 523_000), b""), [b"pose.evil", b"x", bytes(3 * BIG)]]
    while not out.done:
        out.send(pool[out.number % len(pool)])


def _unfinished(out: Outlet) -> None:
    """Messages that never end, in parts of 4 MiB and in very many small ones; who is hung up on comes again."""
    bare: Bare | None = None
    size, begun, kept = _PART, 0, 0
    while not out.done:
        try:
            bare = bare or Bare(out.address)
            taken = bare.part(size)
            out.counted(1 if taken else 0, taken)
            kept += taken
            if kept > 600 * (1 << 20):  # enough to be seen; the machine has others on it
                time.sleep(0.2)
        except OSError:
            bare, begun, kept = None, begun + 1, 0
            size = _PART if begun % 2 else 1000
            time.sleep(0.05)
    if bare is not None:
        bare.close()


def _crowds(out: Outlet) -> None:
    """Sixty-four sources of four people at 30 frames a second: more than can be looked at."""
    frames = [encode_pose(frame) for frame in Steady("crowd", seed=4).base()]
    heads = [msgspec.msgpack.decode(parts[1]) for parts in frames]
    epoch, seq = time.time_ns(), 0
    while not out.done:
        began = time.time()
        for i in range(64):
            at = (seq + 25 * i) % len(frames)  # each elsewhere in the same minute
            own = {"source": f"crowd{i}", "epoch": epoch, "seq": seq, "stamp": time.time_ns()}
            out.send(message(heads[at] | own, frames[at][2], f"crowd{i}"))
        seq += 1
        time.sleep(max(0.0, began + 1 / 30 - time.time()))


def _stamps(out: Outlet) -> None:
    """Good frames with strange times: other units, constant, jumping, from 0, far ahead, numbers at random."""
    rng, payload, base = random.Random(0), people(2), time.time_ns()
    strange: list[Callable[[int, int], int]] = [
        lambda now, q: now // 1000,
        lambda now, q: now // 10**9,
        lambda now, q: base,
        lambda now, q: now + 20 * 10**9 * (q // 60 % 2),
        lambda now, q: now - base,
        lambda now, q: now + 8 * 10**18,
        lambda now, q: rng.getrandbits(63),
        lambda now, q: now + 20 * 10**9 * (q % 2),
    ]
    seq = 0
    while not out.done:
        for i, stamp in enumerate(strange):
            number = rng.getrandbits(63) if i == 6 else seq
            keys = {"ids": [1, 2], "seq": number, "stamp": stamp(time.time_ns(), seq), "epoch": base}
            out.send(message(header(f"odd{i}", **keys), payload, f"odd{i}"))
        seq += 1
        time.sleep(1 / 60)


def _connections(out: Outlet) -> None:
    """New connections all the time: some send a message and go, some never finish their greeting, some send rubbish."""
    url = urlsplit(out.address)
    open_ones: list[socket.socket] = []
    while not out.done:
        out.again()
        out.send(message(header(), people(2)))
        try:
            s = socket.create_connection((url.hostname, url.port), timeout=1)
            s.sendall((b"\xff" + b"\0" * 8, b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100)[out.number % 3])
            open_ones.append(s)
        except OSError:
            pass
        if len(open_ones) > 200:
            open_ones.pop(0).close()
        time.sleep(0.01)


def _recorded(out: Outlet) -> None:
    """Ten refused messages of 3 MiB a second that do not compress, and ten small ones."""
    noise = os.urandom(3 * BIG)
    while not out.done:
        out.send([b"pose.evil", b"x", noise])
        out.send(message(header(shape=[2, 11, 5]), people(2)))
        time.sleep(0.1)


def _impostor(out: Outlet) -> None:
    """Frames under the name of another source: of the last epoch there can be, and of old ones."""
    for epoch, seq in ((_LAST_EPOCH, 0), (_LAST_EPOCH, 1), (1, 0), (time.time_ns() + 10**9, 0)):
        keys = {"epoch": epoch, "seq": seq, "stamp": time.time_ns()}
        out.send(message(header(VICTIM, **keys), people(2), VICTIM))
        time.sleep(0.05)


FLOODS = (
    Flood("refused", _refused, messages=0.7, connections=16, seconds=8.0),
    Flood("stamps", _stamps),
    Flood("connections", _connections, connections=8),
    Flood("new ids", _ids),
    Flood("sources", _crowds, connections=8),
    Flood("headers", _headers, large=True),
    Flood("large", _large, large=True, seconds=0.5, connections=4),
    Flood("unfinished", _unfinished, large=True),
    Flood("impostor", _impostor, seconds=0.3),
    Flood("names", _names, messages=0.3, newcomer=True, seconds=2.0),
    Flood("recorded", _recorded, large=True, records=True, seconds=0.7),
)
