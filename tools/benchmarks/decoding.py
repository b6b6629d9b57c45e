"""Hostile messages through the wire's decoder, in processes of their own: what it raises, what it costs."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field

from dyadwatch.core.errors import WireError
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.benchmarks.hostile import Parts, big_messages, small_messages, varied
from dyadwatch.tools.benchmarks.process import own_rss_mb

# What decoding may cost: a fixed part, and what a byte may add. 1 MiB: 23 ms.
COST_S, COST_S_PER_BYTE = 2e-3, 20e-9
_POOL = 4000
_BIG_EACH = 8
_BIG_EVERY = 25_000  # small messages between two big ones
_KEPT = 5


@dataclass
class Decoded:
    """What came of it.

    Arguments:
        messages: how many were decoded.
        reasons: of refusals, and `accepted`.
        errors: exceptions that are none of the wire's, with the kind of message, the first few.
        failed: how many there were.
        dearest: (share of the cost allowed, bytes, seconds, kind) of the message that cost most of it.
        rss_mb: by how much the memory of the process grew from the end of the first round on.
        seconds: it took.
    """

    messages: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    failed: int = 0
    dearest: tuple[float, int, float, str] = (0.0, 0, 0.0, "")
    rss_mb: float = 0.0
    seconds: float = 0.0

    def add(self, other: Decoded) -> None:
        """Takes the figures of another process in."""
        self.messages += other.messages
        self.reasons += other.reasons
        self.errors = [*self.errors, *other.errors][:_KEPT]
        self.failed += other.failed
        self.dearest = max(self.dearest, other.dearest)
        self.rss_mb = max(self.rss_mb, other.rss_mb)
        self.seconds = max(self.seconds, other.seconds)


def decode_hostile(count: int, seconds: float, processes: int = 2, seed: int = 0) -> Decoded:
    """Decodes so many hostile messages, or as many as the time allows.

    Arguments:
        count: messages in all.
        seconds: at most, for each process.
        processes: that share the work.
        seed: of the messages; each process makes its own.
    """
    total = Decoded()
    if processes == 1:
        return decode_some(count, seconds, seed)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for part in pool.starmap(decode_some, [(count // processes, seconds, seed + i) for i in range(processes)]):
            total.add(part)
    return total


def decode_some(count: int, seconds: float, seed: int) -> Decoded:
    """The same within this process."""
    limits, out = WireOptions(), Decoded()
    small, big = small_messages(seed, _POOL), big_messages(seed, _BIG_EACH)
    for name, parts in [*small, *big]:
        _first(name, parts, limits, out)
    rss = own_rss_mb()
    reasons: Counter[str] = Counter()
    began = time.monotonic()
    bigs = iter(varied(big, seed + 1))
    for n, (name, parts) in enumerate(varied(small, seed), 1):
        _one(name, parts, limits, reasons, out)
        if n % _BIG_EVERY == 0:
            _one(*next(bigs), limits, reasons, out)
            if time.monotonic() - began > seconds:
                break
        if n >= count:
            break
    out.seconds = time.monotonic() - began
    out.messages = reasons.total() + out.failed
    out.reasons = reasons
    out.rss_mb = max(0.0, own_rss_mb() - rss)
    return out


def _one(name: str, parts: Parts, limits: WireOptions, reasons: Counter[str], out: Decoded) -> None:
    try:
        decode_pose(parts, limits)
    except WireError as e:
        reasons[e.reason] += 1
    except Exception as e:  # noqa: BLE001  what must not be: it is what this program looks for
        out.failed += 1
        if len(out.errors) < _KEPT:
            out.errors.append(f"{name}: {type(e).__name__}: {e!s:.200} for {[p[:80] for p in parts]!r:.300}")
    else:
        reasons["accepted"] += 1


def _first(name: str, parts: Parts, limits: WireOptions, out: Decoded) -> None:
    """Takes the time of a message; of what is dear the best of three, since others use the machine too."""
    size = sum(map(len, parts))
    allowed = COST_S + COST_S_PER_BYTE * size
    spent = _time(name, parts, limits, out)
    if spent > allowed / 2:
        spent = min(spent, *(_time(name, parts, limits, out) for _ in range(2)))
    out.dearest = max(out.dearest, (spent / allowed, size, spent, name))


def _time(name: str, parts: Parts, limits: WireOptions, out: Decoded) -> float:
    began = time.thread_time()
    _one(name, parts, limits, Counter(), out)
    return time.thread_time() - began
