"""What goes wrong between people and a detector: a seeded saboteur for streams of pose frames."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, cast

import msgspec
import numpy as np
from msgspec import Meta

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.core.units import NS

_Share = Annotated[float, Meta(ge=0, le=1)]
_NotNegative = Annotated[float, Meta(ge=0)]
_LIMBS = (
    ("left_elbow", "left_wrist", "left_hand", "left_handtip", "left_thumb"),
    ("right_elbow", "right_wrist", "right_hand", "right_handtip", "right_thumb"),
    ("left_knee", "left_ankle", "left_foot"),
    ("right_knee", "right_ankle", "right_foot"),
    ("head", "neck", "nose"),
)


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, and how often; by default nothing.

    Shares count frames; rates count beginnings a second.

    Arguments:
        drop: share of frames that never arrive.
        double: share of frames that arrive twice.
        late: share of frames that arrive up to `late_s` after their turn.
        reorder: share of frames that change places with the next.
        jitter_ms: standard deviation of the stamps' error, never more than three times that.
        occlude: rate at which a limb or the head of each person is hidden, for about `occlude_s`; half of the times
            its joints are unseen (NaN, confidence 0), else guessed 15 cm off with confidence 0.1.
        vanish: rate at which each person is missing, for about `vanish_s`.
        id_switch: rate at which two people exchange their ids for good.
        id_new: rate at which each person gets a fresh id.
        no_ids: the source does not track.
        skew_ppm: how much too fast the source's clock runs, parts in a million.
        step_s, step_at_s: the clock jumps by so much, so late after the start.
        silent_s, silent_at_s: the source is silent for so long, so late after the start.
    """

    drop: _Share = 0.0
    double: _Share = 0.0
    late: _Share = 0.0
    late_s: _NotNegative = 0.1
    reorder: _Share = 0.0
    jitter_ms: _NotNegative = 0.0
    occlude: _NotNegative = 0.0
    occlude_s: _NotNegative = 0.5
    vanish: _NotNegative = 0.0
    vanish_s: _NotNegative = 0.3
    id_switch: _NotNegative = 0.0
    id_new: _NotNegative = 0.0
    no_ids: bool = False
    skew_ppm: float = 0.0
    step_s: float = 0.0
    step_at_s: _NotNegative = 10.0
    silent_s: _NotNegative = 0.0
    silent_at_s: _NotNegative = 10.0


def parse_faults(text: str) -> Faults:
    """Faults from `key=value` pairs with commas between, such as `drop=0.05,jitter_ms=4,no_ids=true`.

    Raises:
        ConfigError: naming the key, the value and what was expected.
    """
    pairs = [p.partition("=") for p in text.split(",") if p.strip()]
    try:
        return msgspec.convert({k.strip(): v.strip() for k, _, v in pairs}, Faults, strict=False)
    except msgspec.ValidationError as e:
        known = ", ".join(Faults.__struct_fields__)
        raise ConfigError(f"faults are {text!r}: {e}; expected key=value pairs of {known}") from None


def apply_faults(frames: Iterable[PoseFrame], faults: Faults, seed: int) -> Iterator[PoseFrame]:
    """The frames as they would arrive if those things went wrong.

    Stamps and contents stay those of the moment of acquisition; dropped frames leave a gap in the numbers.

    Arguments:
        frames: of one source, in order.
        faults: what goes wrong.
        seed: same frames, faults and seed, same result.

    Raises:
        ConfigError: when a share or rate is out of range.
    """
    try:
        msgspec.convert(msgspec.structs.asdict(faults), Faults)
    except msgspec.ValidationError as e:
        raise ConfigError(f"faults: {e}") from None
    seen, delivered = np.random.default_rng([seed, 1]).spawn(2)
    return _deliver(_distort(frames, faults, seen), faults, delivered)


def _distort(frames: Iterable[PoseFrame], faults: Faults, rng: np.random.Generator) -> Iterator[PoseFrame]:
    """Faults of what a frame holds."""
    names: dict[TrackId, TrackId] = {}
    hidden: dict[TrackId, tuple[int, list[int], bool]] = {}
    gone: dict[TrackId, int] = {}
    first = last = None
    for frame in frames:
        first = frame.stamp if first is None else first
        dt = 0.0 if last is None else max(frame.stamp - last, 0) / NS
        last = frame.stamp
        people: tuple[TrackId, ...] = frame.ids if frame.ids is not None else tuple(range(frame.people))
        joints, confidence = frame.joints.copy(), frame.confidence.copy()
        for p, person in enumerate(people):
            if rng.random() < faults.occlude * dt:
                until = frame.stamp + round(faults.occlude_s * rng.uniform(0.5, 1.5) * NS)
                hidden[person] = (until, _limb(frame.layout, rng), rng.random() < 0.5)
            if rng.random() < faults.vanish * dt:
                gone[person] = frame.stamp + round(faults.vanish_s * rng.uniform(0.5, 1.5) * NS)
            if rng.random() < faults.id_new * dt:
                names[person] = int(cast("int", rng.integers(10_000, 2**31)))
            until, limb, unseen = hidden.get(person, (0, [], True))
            if frame.stamp < until:
                joints[p, limb] = np.nan if unseen else joints[p, limb] + rng.normal(0, 0.15 / 3**0.5, (len(limb), 3))
                confidence[p, limb] = 0.0 if unseen else 0.1
        if len(people) > 1 and rng.random() < faults.id_switch * dt:
            one, other = (people[int(k)] for k in rng.choice(len(people), 2, replace=False))
            names = {p: p for p in people} | names
            names[one], names[other] = names[other], names[one]
        here = [p for p, person in enumerate(people) if frame.stamp >= gone.get(person, frame.stamp)]
        ids = None if faults.no_ids or frame.ids is None else tuple(names.get(people[p], people[p]) for p in here)
        stamp = _stamp(frame.stamp, first, faults, rng)
        yield replace(frame, stamp=stamp, joints=joints[here], confidence=confidence[here], ids=ids)


def _limb(layout: Layout, rng: np.random.Generator) -> list[int]:
    """Joints that get hidden together; a third of the joints where the layout has no limbs known by name."""
    limbs = [found for limb in _LIMBS if (found := [layout.index[j] for j in limb if j in layout.index])]
    if not limbs:
        return sorted(rng.choice(len(layout), max(1, len(layout) // 3), replace=False).tolist())
    return limbs[int(rng.integers(len(limbs)))]


def _stamp(stamp: int, first: int, faults: Faults, rng: np.random.Generator) -> int:
    since = stamp - first
    stamp += round(since * faults.skew_ppm * 1e-6)
    if since >= faults.step_at_s * NS:
        stamp += round(faults.step_s * NS)
    if faults.jitter_ms > 0:
        stamp += round(float(np.clip(rng.standard_normal(), -3, 3)) * faults.jitter_ms * 1e6)
    return max(stamp, 0)


def _deliver(frames: Iterable[PoseFrame], faults: Faults, rng: np.random.Generator) -> Iterator[PoseFrame]:
    """Faults of the way: what arrives, how often, and when."""
    waiting: list[tuple[int, int, PoseFrame]] = []
    first = None
    for n, frame in enumerate(frames):
        now = frame.stamp
        first = now if first is None else first
        silence = now - first - faults.silent_at_s * NS
        dropped, doubled, late, swapped, delay = rng.random(5)
        if dropped < faults.drop or 0 <= silence < faults.silent_s * NS:
            continue
        if late < faults.late:
            heapq.heappush(waiting, (now + round(faults.late_s * (0.3 + 0.7 * delay) * NS), n, frame))
        elif swapped < faults.reorder:
            heapq.heappush(waiting, (now + 1, n, frame))
        else:
            yield frame
        while waiting and waiting[0][0] <= now:
            yield heapq.heappop(waiting)[2]
        if doubled < faults.double:
            yield frame
    while waiting:
        yield heapq.heappop(waiting)[2]
