"""The wire format, version 1: multipart [topic, header, payload]. See docs/wire-protocol.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError, WireError
from dyadwatch.core.skeletons.body_size import (
    FARTHEST_M,
    LARGEST_BODY_M,
    METRES,
    SMALLEST_BODY_M,
    WHOLE_BODY_JOINTS,
    likely_units,
)
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import LAYOUTS, find_layout, get_layout
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.skeletons.unseen import LEAST_FILLER, filled_joints
from dyadwatch.stream.codes import Refusal
from dyadwatch.stream.configuration.config import WireOptions

VERSION = 1
TOPIC = "pose."
_SOURCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Names and ids reach logs and terminals: no control characters.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
# A header is looked at only if it is no larger than its keys, and a name for everybody and every joint, can make it.
_HEADER_BYTES, _NAME_BYTES = 4096, 195
_MOST_LISTED = 4096  # ids or joint names, however wire.max_people and wire.max_joints are set
_MAX_SAID = 300  # characters of a text that quotes what came
_NOT_INTEGER = re.compile(r"got `float` - at `\$\.(?:epoch|seq|stamp)`")

_Unsigned = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE)]
# Those of lists are searched for control characters all at once, when their number is known to be small.
_ListName = Annotated[str, Meta(min_length=1, max_length=64)]
_Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | _ListName


class Header(Struct, frozen=True, omit_defaults=True):
    """The msgpack map of part two. Unknown keys are ignored, so that newer publishers keep working."""

    v: int
    source: str
    epoch: _Unsigned
    seq: _Unsigned
    stamp: _Unsigned
    shape: tuple[_Unsigned, _Unsigned, _Unsigned]
    clock: _Name = "unix"
    ids: Annotated[list[_Id], Meta(max_length=_MOST_LISTED)] | None = None
    layout: _Name | None = None
    joints: Annotated[list[_ListName], Meta(max_length=_MOST_LISTED)] | None = None
    axes: Literal["y-up", "z-up", "y-down"] = "y-up"
    units: Literal["m", "cm", "mm"] = "m"
    fps: Annotated[float, Meta(gt=0)] | None = None
    warnings: Annotated[tuple[_Name, ...], Meta(max_length=8)] = ()


class _Version(Struct):
    v: int


_FAST_REACH, _FAST_LARGE, _FAST_SMALL = 0.99 * FARTHEST_M, 0.99 * LARGEST_BODY_M, 1.01 * SMALLEST_BODY_M

_decode_header = msgspec.msgpack.Decoder(Header).decode
_decode_version = msgspec.msgpack.Decoder(_Version).decode
_encode_header = msgspec.msgpack.Encoder().encode


def encode_pose(frame: PoseFrame, *, fps: float | None = None) -> list[bytes]:
    """The three parts of a pose message, metres and Y up, four channels."""
    known = LAYOUTS.get(frame.layout.name)
    named = known is not None and known.joints == frame.layout.joints
    header = Header(
        v=VERSION,
        source=frame.source,
        epoch=frame.epoch,
        seq=frame.seq,
        stamp=frame.stamp,
        clock=frame.clock,
        shape=(frame.people, len(frame.layout), 4),
        ids=None if frame.ids is None else list(frame.ids),
        layout=frame.layout.name if named else None,
        joints=None if named else list(frame.layout.joints),
        fps=fps,
        warnings=frame.warnings,
    )
    payload = np.concatenate([frame.joints, frame.confidence[..., None]], axis=2, dtype="<f4")
    return [f"{TOPIC}{frame.source}".encode(), _encode_header(header), payload.tobytes()]


def topic_source(topic: bytes) -> str:
    """The source that a topic names.

    Raises:
        WireError: `bad_topic`.
    """
    return _topic_source(topic[:80])  # a cache would hash all of a topic of megabytes


@lru_cache(maxsize=256)
def _topic_source(topic: bytes) -> str:
    text = topic.decode("utf8", "replace")
    source = text.removeprefix(TOPIC)
    if not text.startswith(TOPIC) or len(topic) > 69 or not _SOURCE.fullmatch(source):
        raise WireError(
            Refusal.BAD_TOPIC,
            f"topic is {text!r}; expected 'pose.<source>' with 1-64 characters of A-Z a-z 0-9 _ -",
        )
    return source


def check_header(parts: Sequence[bytes], limits: WireOptions) -> Header:
    """The header of a message from outside whose coordinates nobody looks at yet; they are only counted.

    Raises:
        WireError: as `decode_pose`, for everything but the values in the payload.
    """
    header, _ = _checked_header(parts, limits)
    _values(header, parts[2])
    return header


def decode_pose(parts: Sequence[bytes], limits: WireOptions) -> PoseFrame:
    """The frame in a message from outside; nothing in it is trusted.

    Arguments:
        parts: the parts of one multipart message.
        limits: the largest counts and lengths that are taken.

    Raises:
        WireError: and nothing else, whatever the bytes; its `reason` is what gets counted.
    """
    header, layout = _checked_header(parts, limits)
    payload = parts[2]
    # Any 32 bits may come in: signalling NaNs and sums past the largest float are judged, not warned about.
    with np.errstate(all="ignore"):
        values = _values(header, payload)
        ordinary = _ordinary(values, header)
        joints, confidence = ordinary or _others(values, header)
        zeros = 0 if ordinary is not None else int(filled_joints(values[..., :3]).sum())
    ids = None if header.ids is None else tuple(header.ids)
    h = header
    return PoseFrame(h.source, h.epoch, h.seq, h.stamp, h.clock, layout, joints, confidence, ids, h.warnings, zeros)


def _checked_header(parts: Sequence[bytes], limits: WireOptions) -> tuple[Header, Layout]:
    if len(parts) != 3:
        raise WireError(Refusal.PART_COUNT, f"message has {len(parts)} parts; expected 3: topic, header, payload")
    topic, head, _ = parts
    source = topic_source(topic)
    size = sum(map(len, parts))
    if size > limits.max_bytes:
        raise WireError(
            Refusal.TOO_BIG, f"message has {size} bytes; expected at most {limits.max_bytes} (wire.max_bytes)"
        )
    most = _HEADER_BYTES + _NAME_BYTES * (limits.max_people + limits.max_joints)
    if len(head) > most:
        raise WireError(
            Refusal.HEADER_TOO_BIG,
            f"header has {len(head)} bytes; expected at most {most} (from wire.max_people and wire.max_joints)",
        )
    header = _header(head)
    if header.source != source:
        raise WireError(
            Refusal.SOURCE_MISMATCH,
            f"header key 'source' is {header.source[:80]!r:.80}; expected {source!r}, as in the topic",
        )
    _check_limits(header, limits)
    ids = None if header.ids is None else tuple(header.ids)
    joints = None if header.joints is None else tuple(header.joints)
    return header, _checked_layout(header.shape, ids, header.layout, joints)


def _header(head: bytes) -> Header:
    try:
        header = _decode_header(head)
    except msgspec.ValidationError as e:
        version = _peek_version(head)
        if version not in (None, VERSION):
            raise WireError(Refusal.VERSION, f"header key 'v' is {version}; expected {VERSION}") from None
        said = f"{e!s:.{_MAX_SAID}}"
        if _NOT_INTEGER.search(said):
            said += (
                " (a whole number, of stamps nanoseconds: in Python time.time_ns(), in JavaScript a BigInt, for "
                "instance BigInt(Date.now()) * 1000000n)"
            )
        raise WireError(Refusal.BAD_KEY, f"header: {said}; see `dyadwatch docs wire-protocol`") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError) as e:
        raise WireError(Refusal.BAD_MSGPACK, f"header is not a msgpack map: {e!s:.{_MAX_SAID}}") from None
    if header.v != VERSION:
        raise WireError(Refusal.VERSION, f"header key 'v' is {header.v}; expected {VERSION}")
    return header


def _peek_version(head: bytes) -> int | None:
    try:
        return _decode_version(head).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_Names = tuple[int | str, ...] | None


@lru_cache(maxsize=64)  # of a source it is nearly always what it was in the frame before
def _checked_layout(
    shape: tuple[int, int, int], ids: _Names, named: str | None, joints: tuple[str, ...] | None
) -> Layout:
    """The layout, by the parts of a header that are within limits; they are checked."""
    _check_names(ids, joints)
    layout = _layout(named, joints)
    _check_shape(shape, ids, layout)
    return layout


@lru_cache(maxsize=64)
def _custom_layout(joints: tuple[str, ...]) -> Layout:
    return find_layout(Layout.custom(joints).joints)


def _layout(named: str | None, joints: tuple[str, ...] | None) -> Layout:
    if (named is None) == (joints is None):
        raise WireError(Refusal.LAYOUT, "header has both or neither of 'layout' and 'joints'; expected exactly one")
    try:
        if named is not None:
            return get_layout(named)
        return _custom_layout(joints or ())
    except LayoutError as e:
        raise WireError(Refusal.LAYOUT, f"header: {e!s:.300}") from None


def _check_limits(header: Header, limits: WireOptions) -> None:
    """Comes before any work whose cost grows with the counts."""
    people, joints, _ = header.shape
    joints = max(joints, len(header.joints or ()))
    if people > limits.max_people:
        raise WireError(
            Refusal.TOO_MANY_PEOPLE,
            f"shape has {people} people; expected at most {limits.max_people} (wire.max_people)",
        )
    if joints > limits.max_joints:
        raise WireError(
            Refusal.TOO_MANY_JOINTS,
            f"message has {joints} joints; expected at most {limits.max_joints} (wire.max_joints)",
        )


def _check_names(ids: _Names, joints: _Names) -> None:
    for key, names in (("ids", ids), ("joints", joints)):
        for name in names or ():
            if isinstance(name, str) and not name.isprintable() and (bad := _CONTROL.search(name)) is not None:
                said = f"header key {key!r} holds the control character {bad.group()!r}; expected none"
                raise WireError(Refusal.BAD_KEY, said)


def _check_shape(shape: tuple[int, int, int], ids: _Names, layout: Layout) -> None:
    people, joints, channels = shape
    if joints != len(layout):
        raise WireError(Refusal.JOINT_COUNT, f"shape has {joints} joints; layout {layout.name!r} has {len(layout)}")
    if channels not in (3, 4):
        raise WireError(Refusal.CHANNELS, f"shape has {channels} channels; expected 3 (x y z) or 4 (x y z confidence)")
    if ids is not None:
        if len(ids) != people:
            raise WireError(Refusal.ID_COUNT, f"header has {len(ids)} ids for {people} people; expected one each")
        if len(set(map(str, ids))) != people:
            raise WireError(Refusal.DUPLICATE_IDS, f"ids are {list(ids[:16])!r:.120}; expected each person's own, once")


def _values(header: Header, payload: bytes) -> NDArray[np.float32]:
    people, joints, channels = header.shape
    expected = 4 * people * joints * channels
    if len(payload) != expected:
        raise WireError(
            Refusal.PAYLOAD_LENGTH,
            f"payload has {len(payload)} bytes; expected {expected} for shape {list(header.shape)} of float32",
        )
    values = np.frombuffer(payload, "<f4").reshape(people, joints, channels)
    return values if sys.byteorder == "little" else values.astype(np.float32)


def _ordinary(values: NDArray[np.float32], header: Header) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """What nearly every frame is, at a third of the cost: metres, Y up, everything seen, everybody of plausible size.

    None for anything else, and for what lies so near a limit that rounding could decide.
    """
    if header.axes != "y-up" or header.units != "m" or not values.size:
        return None
    reach, large, small = _FAST_REACH, _FAST_LARGE, _FAST_SMALL
    by_joint = values.transpose(1, 0, 2).copy()  # the extremes of its columns take half the time
    highest, lowest = np.maximum.reduce(by_joint, axis=0).tolist(), np.minimum.reduce(by_joint, axis=0).tolist()
    for high, low in zip(highest, lowest, strict=True):
        (x, y, z), (u, v, w) = high[:3], low[:3]
        # Every comparison with NaN is false, and an axis with one has it for both ends.
        if not (x < reach and y < reach and z < reach and -reach < u and -reach < v and -reach < w):
            return None
        dx, dy, dz = x - u, y - v, z - w
        if not (dx < large and dy < large and dz < large and (dx > small or dy > small or dz > small)):
            return None
        # Only of who has the origin within reach may a joint be zero, and hardly anybody has; so with other fillers.
        if (
            (u <= 0 <= x and v <= 0 <= y and w <= 0 <= z)
            or (v <= -1 <= y and u <= -1 <= x and w <= -1 <= z)
            or (y >= LEAST_FILLER or v <= -LEAST_FILLER)
        ) and filled_joints(values[..., :3]).any():
            return None
        if len(high) == 4 and not (low[3] >= 0 and high[3] <= 1):
            return None
    joints = np.array(values[..., :3])
    if values.shape[2] == 3:
        return joints, np.ones(joints.shape[:2], np.float32)
    return joints, np.array(values[..., 3])


def _others(values: NDArray[np.float32], header: Header) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The long way, which refuses what cannot be; a payload that makes sense the other way round is called that."""
    try:
        joints, confidence = _joints_and_confidence(values, header)
        _check_bodies(joints, header)
    except WireError as e:
        try:
            swapped, _ = _joints_and_confidence(values.byteswap(), header)
            _check_bodies(swapped, header)
        except WireError:
            raise e from None
        if not (np.abs(swapped) > SMALLEST_BODY_M).any():
            raise
        raise WireError(
            e.reason, f"payload is plausible read as big-endian floats; expected little-endian (read so: {e})"
        ) from None
    return joints, confidence


def _joints_and_confidence(
    values: NDArray[np.float32], header: Header
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Metres, Y up; a joint with any NaN coordinate, or one filled in, is unseen as a whole and has confidence 0."""
    raw = values[..., :3]
    filled = filled_joints(raw)
    if np.isinf(raw).any():
        raise WireError(
            Refusal.INFINITE, "payload holds infinite coordinates; expected metres, or NaN for an unseen joint"
        )
    joints = np.empty(raw.shape, np.float32)
    if header.axes == "y-up":
        joints[...] = raw
    elif header.axes == "z-up":
        joints[..., 0], joints[..., 1], joints[..., 2] = raw[..., 0], raw[..., 2], -raw[..., 1]
    else:
        joints[..., 0], joints[..., 1], joints[..., 2] = raw[..., 0], -raw[..., 1], -raw[..., 2]
    if header.units != "m":
        joints *= np.float32(METRES[header.units])
    seen = ~(np.isnan(joints).any(axis=-1) | filled)
    if not seen.all():
        joints[~seen] = np.nan
    if values.shape[2] == 3:
        return joints, np.asarray(seen, np.float32)
    confidence: NDArray[np.float32] = np.array(values[..., 3])
    confidence[~seen | np.isnan(confidence)] = 0
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1):
        worst = confidence.flat[np.abs(confidence - 0.5).argmax()]
        raise WireError(Refusal.CONFIDENCE, f"payload holds a confidence of {worst:g}; expected 0 to 1")
    return joints, confidence


def _check_bodies(joints: NDArray[np.float32], header: Header) -> None:
    """Refuses coordinates no room or body has, and names the likely cause."""
    if not joints.size:
        return
    high, low = np.fmax.reduce(joints, axis=1), np.fmin.reduce(joints, axis=1)
    span = float(np.fmax.reduce((high - low).max(axis=1)))
    if span > LARGEST_BODY_M:
        raise WireError(
            Refusal.ABSURD_BODY,
            f"a person spans {span:.4g} m with units {header.units!r}; expected at most {LARGEST_BODY_M} m "
            f"({likely_units(span / METRES[header.units], header.units)}?)",
        )
    far = float(np.fmax.reduce(np.maximum(np.abs(high), np.abs(low)), axis=None))
    if far > FARTHEST_M:
        raise WireError(
            Refusal.ABSURD_PLACE,
            f"a joint lies {far:.4g} m from the origin with units {header.units!r}; expected at most "
            f"{FARTHEST_M:g} m (wrong units, or a map's coordinates: subtract a local origin)",
        )
    whole = ~np.isnan(joints[..., 0]).any(axis=1)
    small = whole & ((high - low).max(axis=1) < SMALLEST_BODY_M)
    if joints.shape[1] >= WHOLE_BODY_JOINTS and small.any():
        raise WireError(
            Refusal.TINY_BODY,
            f"a whole person spans less than {SMALLEST_BODY_M} m with units {header.units!r}; expected a body "
            f"(metres declared as {header.units!r}?)",
        )
