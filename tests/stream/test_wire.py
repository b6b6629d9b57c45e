from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec import structs

from dyadwatch.core.errors import WireError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, LAYOUTS, UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream import wire
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import Header, decode_pose, encode_pose, topic_source

LIMITS = WireOptions()


def body(people: int = 1, joints: int = 17, channels: int = 3) -> np.ndarray:
    """Joints in a column 1.7 m high, half a metre beside each other, confidence 1."""
    out = np.ones((people, joints, channels), "<f4")
    out[..., 0] = np.arange(people)[:, None] * 0.5
    out[..., 1] = np.linspace(0, 1.7, joints)
    out[..., 2] = 2.0
    return out


def header(**keys: Any) -> dict[str, Any]:
    return {"v": 1, "source": "hall", "epoch": 3, "seq": 7, "stamp": 5, "shape": [1, 17, 3], "layout": "coco17"} | keys


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in header().items() if k != key}


def packed(value: Any) -> bytes:
    """By the plain msgpack package, as a stranger would."""
    out = msgpack.packb(value)
    assert out is not None
    return out


def pack(head: Any = None, payload: Any = None, topic: bytes = b"pose.hall") -> list[bytes]:
    head = header() if head is None else head
    payload = body() if payload is None else payload
    return [
        topic,
        head if isinstance(head, bytes) else packed(head),
        payload if isinstance(payload, bytes) else np.asarray(payload, "<f4").tobytes(),
    ]


def with_value(value: float, at: tuple[int, ...] = (0, 3, 1), channels: int = 3) -> np.ndarray:
    out = body(channels=channels)
    out[at] = value
    return out


TOPIC_TEXT = "expected 'pose.<source>' with 1-64 characters of A-Z a-z 0-9 _ -"
SEE = "; see `dyadwatch docs wire-protocol`"
REFUSED: list[tuple[str, list[bytes], str, str]] = [
    ("no parts", [], "part_count", "message has 0 parts; expected 3: topic, header, payload"),
    ("two parts", pack()[:2], "part_count", "message has 2 parts; expected 3: topic, header, payload"),
    ("four parts", [*pack(), b""], "part_count", "message has 4 parts; expected 3: topic, header, payload"),
    ("no prefix", pack(topic=b"hall"), "bad_topic", f"topic is 'hall'; {TOPIC_TEXT}"),
    ("empty source", pack(topic=b"pose."), "bad_topic", f"topic is 'pose.'; {TOPIC_TEXT}"),
    ("space", pack(topic=b"pose.the hall"), "bad_topic", f"topic is 'pose.the hall'; {TOPIC_TEXT}"),
    ("newline", pack(topic=b"pose.hall\n"), "bad_topic", f"topic is 'pose.hall\\n'; {TOPIC_TEXT}"),
    ("not UTF-8", pack(topic=b"pose.\xff"), "bad_topic", f"topic is 'pose.\ufffd'; {TOPIC_TEXT}"),
    ("long source", pack(topic=b"pose." + b"a" * 65), "bad_topic", f"topic is 'pose.{'a' * 65}'; {TOPIC_TEXT}"),
    (
        "another source",
        pack(header(source="yard")),
        "source_mismatch",
        "header key 'source' is 'yard'; expected 'hall', as in the topic",
    ),
    (
        "too big",
        pack(payload=bytes(1 << 20)),
        "too_big",
        f"message has {(1 << 20) + 9 + len(packed(header()))} bytes; expected at most 1048576 (wire.max_bytes)",
    ),
    ("empty header", pack(b""), "bad_msgpack", "header is not a msgpack map: Input data was truncated"),
    (
        "cut header",
        pack(packed(header())[:-3]),
        "bad_msgpack",
        "header is not a msgpack map: Input data was truncated",
    ),
    (
        "trailing bytes",
        pack(packed(header()) + b"\x00"),
        "bad_msgpack",
        "header is not a msgpack map: MessagePack data is malformed: trailing characters (byte 59)",
    ),
    ("a list", pack([1, 2]), "bad_key", f"header: Expected `object`, got `array`{SEE}"),
    ("no v", pack(without("v")), "bad_key", f"header: Object missing required field `v`{SEE}"),
    ("no seq", pack(without("seq")), "bad_key", f"header: Object missing required field `seq`{SEE}"),
    ("seq text", pack(header(seq="7")), "bad_key", f"header: Expected `int`, got `str` - at `$.seq`{SEE}"),
    *(
        (
            f"{key} float",
            pack(header(**{key: 7.0})),
            "bad_key",
            f"header: Expected `int`, got `float` - at `$.{key}` (a whole number, of stamps nanoseconds: in "
            f"Python time.time_ns(), in JavaScript a BigInt, for instance BigInt(Date.now()) * 1000000n){SEE}",
        )
        for key in ("epoch", "seq", "stamp")
    ),
    ("v float", pack(header(v=1.0)), "bad_key", f"header: Expected `int`, got `float` - at `$.v`{SEE}"),
    (
        "escape sequences in what should be an axis",
        pack(header(axes="\x1b[2J" + 2000 * "a")),
        "bad_key",
        f"header: Invalid enum value '\\x1b[2J{273 * 'a'}{SEE}",
    ),
    ("seq bool", pack(header(seq=True)), "bad_key", f"header: Expected `int`, got `bool` - at `$.seq`{SEE}"),
    ("negative epoch", pack(header(epoch=-1)), "bad_key", f"header: Expected `int` >= 0 - at `$.epoch`{SEE}"),
    (
        "huge stamp",
        pack(header(stamp=2**63)),
        "bad_key",
        f"header: Expected `int` <= 9223372036854775807 - at `$.stamp`{SEE}",
    ),
    (
        "two dimensions",
        pack(header(shape=[1, 17])),
        "bad_key",
        f"header: Expected `array` of length 3, got 2 - at `$.shape`{SEE}",
    ),
    ("id bool", pack(header(ids=[True])), "bad_key", f"header: Expected `int | str`, got `bool` - at `$.ids[0]`{SEE}"),
    ("empty id", pack(header(ids=[""])), "bad_key", f"header: Expected `str` of length >= 1 - at `$.ids[0]`{SEE}"),
    (
        "escape sequence in an id",
        pack(header(ids=["\x1b[2J"])),
        "bad_key",
        r"header key 'ids' holds the control character '\x1b'; expected none",
    ),
    ("axes", pack(header(axes="x-up")), "bad_key", f"header: Invalid enum value 'x-up' - at `$.axes`{SEE}"),
    ("units", pack(header(units="inch")), "bad_key", f"header: Invalid enum value 'inch' - at `$.units`{SEE}"),
    ("fps", pack(header(fps=float("nan"))), "bad_key", f"header: Expected `float` > 0.0 - at `$.fps`{SEE}"),
    (
        "warnings without end",
        pack(header(warnings=["assumed_field_of_view"] * 9)),
        "bad_key",
        f"header: Expected `array` of length <= 8 - at `$.warnings`{SEE}",
    ),
    (
        "a warning that writes to the terminal",
        pack(header(warnings=["\x1b[2J"])),
        "bad_key",
        rf"header: Expected `str` matching regex '^[^\\x00-\\x1f\\x7f-\\x9f]*\\Z' - at `$.warnings[0]`{SEE}",
    ),
    ("version 2", pack(header(v=2)), "version", "header key 'v' is 2; expected 1"),
    ("version 2 of other shape", pack({"v": 2, "frames": []}), "version", "header key 'v' is 2; expected 1"),
    (
        "no layout",
        pack(without("layout")),
        "layout",
        "header has both or neither of 'layout' and 'joints'; expected exactly one",
    ),
    (
        "layout and joints",
        pack(header(joints=["nose"] * 17)),
        "layout",
        "header has both or neither of 'layout' and 'joints'; expected exactly one",
    ),
    (
        "unknown layout",
        pack(header(layout="coco18")),
        "layout",
        f"header: layout 'coco18' is not known; expected one of {', '.join(sorted(LAYOUTS))}, "
        "or send joint names instead",
    ),
    (
        "doubled joint",
        pack(without("layout") | {"joints": ["LWrist", "left_wrist"], "shape": [0, 2, 3]}, b""),
        "layout",
        "header: layout 'custom' names joints more than once: left_wrist",
    ),
    (
        "no joints",
        pack(without("layout") | {"joints": [], "shape": [0, 0, 3]}, b""),
        "layout",
        "header: layout 'custom' has no joints; expected at least one",
    ),
    (
        "too many people",
        pack(header(shape=[33, 17, 3])),
        "too_many_people",
        "shape has 33 people; expected at most 32 (wire.max_people)",
    ),
    (
        "too many joints",
        pack(header(shape=[1, 257, 3])),
        "too_many_joints",
        "message has 257 joints; expected at most 256 (wire.max_joints)",
    ),
    (
        "too many joint names",
        pack(without("layout") | {"joints": ["a"] * 257}),
        "too_many_joints",
        "message has 257 joints; expected at most 256 (wire.max_joints)",
    ),
    (
        "far too many joint names",
        pack(without("layout") | {"joints": ["a"] * 5000}),
        "bad_key",
        f"header: Expected `array` of length <= 4096 - at `$.joints`{SEE}",
    ),
    (
        "a header of nothing but joint names",
        pack(without("layout") | {"joints": ["a"] * 300_000}),
        "header_too_big",
        "header has 600057 bytes; expected at most 60256 (from wire.max_people and wire.max_joints)",
    ),
    ("joints", pack(header(shape=[1, 18, 3])), "joint_count", "shape has 18 joints; layout 'coco17' has 17"),
    (
        "channels",
        pack(header(shape=[1, 17, 2])),
        "channels",
        "shape has 2 channels; expected 3 (x y z) or 4 (x y z confidence)",
    ),
    ("ids", pack(header(ids=[1, 2])), "id_count", "header has 2 ids for 1 people; expected one each"),
    (
        "doubled ids",
        pack(header(shape=[2, 17, 3], ids=[1, "1"]), body(2)),
        "duplicate_ids",
        "ids are [1, '1']; expected each person's own, once",
    ),
    (
        "short payload",
        pack(payload=body().tobytes()[:-1]),
        "payload_length",
        "payload has 203 bytes; expected 204 for shape [1, 17, 3] of float32",
    ),
    (
        "float64",
        pack(payload=body().astype("<f8").tobytes()),
        "payload_length",
        "payload has 408 bytes; expected 204 for shape [1, 17, 3] of float32",
    ),
    (
        "infinity",
        pack(payload=with_value(np.inf)),
        "infinite",
        "payload holds infinite coordinates; expected metres, or NaN for an unseen joint",
    ),
    (
        "confidence in per cent",
        pack(header(shape=[1, 17, 4]), with_value(99, (0, 2, 3), 4)),
        "confidence",
        "payload holds a confidence of 99; expected 0 to 1",
    ),
    (
        "millimetres",
        pack(payload=body() * 1000),
        "absurd_body",
        "a person spans 1700 m with units 'm'; expected at most 3.5 m (mm sent as 'm'?)",
    ),
    (
        "centimetres",
        pack(payload=body() * 100),
        "absurd_body",
        "a person spans 170 m with units 'm'; expected at most 3.5 m (cm sent as 'm'?)",
    ),
    (
        "millimetres as centimetres",
        pack(header(units="cm"), body() * 1000),
        "absurd_body",
        "a person spans 17 m with units 'cm'; expected at most 3.5 m (mm sent as 'cm'?)",
    ),
    (
        "a joint across the room, in millimetres",
        pack(header(units="mm"), with_value(6.0) * 1000),
        "absurd_body",
        "a person spans 6 m with units 'mm'; expected at most 3.5 m (a wrong joint?)",
    ),
    (
        "a joint across the room",
        pack(payload=with_value(6.0)),
        "absurd_body",
        "a person spans 6 m with units 'm'; expected at most 3.5 m (a wrong joint?)",
    ),
    (
        "kilometres away",
        pack(payload=body() + np.float32(5000)),
        "absurd_place",
        "a joint lies 5002 m from the origin with units 'm'; expected at most 1000 m "
        "(wrong units, or a map's coordinates: subtract a local origin)",
    ),
    (
        "metres sent as millimetres",
        pack(header(units="mm")),
        "tiny_body",
        "a whole person spans less than 0.05 m with units 'mm'; expected a body (metres declared as 'mm'?)",
    ),
]


@pytest.mark.parametrize(("parts", "reason", "text"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refusals_name_what_is_wrong(parts: list[bytes], reason: str, text: str) -> None:
    with pytest.raises(WireError) as refusal:
        decode_pose(parts, LIMITS)
    assert refusal.value.reason == reason
    assert str(refusal.value) == text


def test_limits_are_those_of_the_configuration() -> None:
    parts = pack(header(shape=[2, 17, 3]), body(2))
    decode_pose(parts, WireOptions(max_people=2, max_joints=17, max_bytes=sum(map(len, parts))))
    for limits, reason in (
        (WireOptions(max_people=1), "too_many_people"),
        (WireOptions(max_joints=16), "too_many_joints"),
        (WireOptions(max_bytes=sum(map(len, parts)) - 1), "too_big"),
    ):
        with pytest.raises(WireError) as refusal:
            decode_pose(parts, limits)
        assert refusal.value.reason == reason


def test_defaults_and_unknown_keys() -> None:
    frame = decode_pose(pack(header(camera="left", depth={"a": [1, None]})), LIMITS)
    assert (frame.source, frame.epoch, frame.seq, frame.stamp, frame.clock) == ("hall", 3, 7, 5, "unix")
    assert frame.layout is COCO17
    assert frame.ids is None
    assert frame.warnings == ()
    np.testing.assert_array_equal(frame.joints, body())
    np.testing.assert_array_equal(frame.confidence, np.ones((1, 17)))


def test_nobody_in_view_is_valid() -> None:
    frame = decode_pose(pack(header(shape=[0, 17, 4], ids=[]), b""), LIMITS)
    assert frame.people == 0
    assert frame.joints.shape == (0, 17, 3)
    assert frame.confidence.shape == (0, 17)
    assert frame.ids == ()


def test_one_unseen_coordinate_hides_the_joint() -> None:
    frame = decode_pose(pack(header(shape=[1, 17, 4]), with_value(np.nan, (0, 3, 2), 4)), LIMITS)
    assert np.isnan(frame.joints[0, 3]).all()
    assert np.isnan(frame.joints).sum() == 3
    assert frame.confidence[0, 3] == 0
    assert frame.confidence.sum() == 16


@pytest.mark.parametrize("axes", ["y-up", "z-up", "y-down"])
@pytest.mark.parametrize("units", ["m", "cm"])
@pytest.mark.parametrize("filler", [-1, 100, 999, -999, -9999, 1e6, float(np.float32(3.4e38))])
def test_fillers_hide_the_joint_and_are_counted(filler: float, axes: str, units: str) -> None:
    """Also those that no room reaches, for which the message was refused as a whole."""
    values = body(2)
    values *= 100 if units == "cm" else 1
    values[0, [3, 5]] = filler
    values[1] = filler
    frame = decode_pose(pack(header(shape=[2, 17, 3], axes=axes, units=units), values), LIMITS)
    assert np.argwhere(np.isnan(frame.joints[0, :, 0])).tolist() == [[3], [5]]
    assert np.isnan(frame.joints[1]).all()
    assert (frame.zeros, int((frame.confidence == 0).sum())) == (19, 19)


@pytest.mark.parametrize("place", [1, -2, -1.5, 0.25])
def test_a_place_with_three_equal_coordinates_is_a_place(place: float) -> None:
    values = body(1)
    values += np.float32(place) - values[0, 4]
    frame = decode_pose(pack(header(shape=[1, 17, 3]), values), LIMITS)
    assert frame.joints[0, 4].tolist() == [place] * 3
    assert frame.zeros == 0


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("axes", ["y-up", "z-up", "y-down"])
@pytest.mark.parametrize("units", ["m", "cm"])
def test_exact_zeros_hide_the_joint_and_are_counted(channels: int, axes: str, units: str) -> None:
    values = body(2, channels=channels)
    values[..., :3] *= 100 if units == "cm" else 1
    values[0, [3, 5], :3] = [[0, 0, 0], [0.0, -0.0, 0.0]]
    values[1, 4, :3] = [0, 1e-6, 0]  # noise about the origin is a place
    frame = decode_pose(pack(header(shape=[2, 17, channels], axes=axes, units=units), values), LIMITS)
    assert np.argwhere(np.isnan(frame.joints[..., 0])).tolist() == [[0, 3], [0, 5]]
    assert frame.zeros == 2
    assert np.argwhere(frame.confidence == 0).tolist() == [[0, 3], [0, 5]]


def test_who_is_all_zeros_is_not_there() -> None:
    values = body(2)
    values[1] = 0
    frame = decode_pose(pack(header(shape=[2, 17, 3]), values), LIMITS)
    assert (frame.people, frame.zeros) == (2, 17)
    assert np.isnan(frame.joints[1]).all()
    again = decode_pose(encode_pose(frame), LIMITS)
    assert again.zeros == 0, "what is sent on says unseen"
    np.testing.assert_array_equal(again.joints, frame.joints)


def test_unseen_confidence_means_none() -> None:
    frame = decode_pose(pack(header(shape=[1, 17, 4]), with_value(np.nan, (0, 3, 3), 4)), LIMITS)
    assert frame.confidence[0, 3] == 0
    assert not np.isnan(frame.joints).any()


def test_a_person_of_few_joints_may_be_small() -> None:
    hand = {"joints": ["left_wrist", "left_thumb"], "shape": [1, 2, 3]}
    frame = decode_pose(pack(without("layout") | hand, np.zeros((1, 2, 3))), LIMITS)
    assert frame.layout.joints == ("left_wrist", "left_thumb")


def test_joint_names_in_any_spelling_find_a_known_layout() -> None:
    names = [f"{j.split('_')[-1]}-{j[0].upper()}" if "_" in j else j.title() for j in COCO17.joints]
    assert decode_pose(pack(without("layout") | {"joints": names}), LIMITS).layout is COCO17


@pytest.mark.parametrize("units", ["m", "cm", "mm"])
@pytest.mark.parametrize(
    ("axes", "to_wire"),
    [("y-up", lambda p: p), ("z-up", lambda p: p[..., [0, 2, 1]] * [1, -1, 1]), ("y-down", lambda p: p * [1, -1, -1])],
)
def test_axes_and_units_are_converted(units: str, axes: str, to_wire: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (2, 17, 3))
    scale = {"m": 1, "cm": 100, "mm": 1000}[units]
    parts = pack(header(shape=[2, 17, 3], axes=axes, units=units), to_wire(points) * scale)
    np.testing.assert_allclose(decode_pose(parts, LIMITS).joints, points, atol=2e-7)


def test_axes_stay_right_handed() -> None:
    """x cross y is z for the unit vectors of the wire, whatever the axes: nobody is mirrored."""
    unit = np.concatenate([np.eye(3), np.zeros((14, 3))])[None]
    for axes in ("y-up", "z-up", "y-down"):
        x, y, z = decode_pose(pack(header(axes=axes), unit), LIMITS).joints[0, :3]
        np.testing.assert_array_equal(np.cross(x, y), z)


def test_the_message_may_be_read_only_and_is_not_kept() -> None:
    payload = bytearray(body().tobytes())
    frame = decode_pose([*pack()[:2], memoryview(payload)], LIMITS)  # pyright: ignore[reportArgumentType]
    payload[:] = bytes(len(payload))
    np.testing.assert_array_equal(frame.joints, body())
    assert frame.joints.flags.writeable


frames = st.builds(
    lambda layout, people, ids, **rest: PoseFrame(
        layout=layout,
        joints=rest.pop("rng").uniform(-1, 1, (people, len(layout), 3)).astype(np.float32),
        confidence=np.ones((people, len(layout)), np.float32),
        ids=None if ids is None else tuple(ids[:people]),
        **rest,
    ),
    layout=st.sampled_from([*LAYOUTS.values(), Layout.custom(["hub", "left_tip", "right_tip"])]),
    people=st.integers(0, 4),
    ids=st.none()
    | st.lists(
        st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=64),
        min_size=4,
        max_size=4,
        unique_by=str,
    ),
    source=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    epoch=st.integers(0, 2**63 - 1),
    seq=st.integers(0, 2**63 - 1),
    stamp=st.integers(0, 2**63 - 1),
    clock=st.sampled_from(["unix", "media", "tai"]),
    warnings=st.sampled_from([(), ("assumed_field_of_view",), ("lens_dirty", "assumed_field_of_view")]),
    rng=st.integers(0, 9).map(np.random.default_rng),
)


@given(frames, st.data())
def test_what_is_encoded_is_decoded(frame: PoseFrame, data: st.DataObject) -> None:
    hidden = data.draw(hnp.arrays(bool, frame.confidence.shape))
    joints = np.where(hidden[..., None], np.float32(np.nan), frame.joints)
    confidence = np.where(
        hidden, 0, data.draw(hnp.arrays(np.float32, hidden.shape, elements=st.floats(0, 1, width=32)))
    )
    frame = replace(frame, joints=joints, confidence=confidence.astype(np.float32))
    back = decode_pose(encode_pose(frame, fps=30.0), LIMITS)
    np.testing.assert_array_equal(back.joints, joints)
    np.testing.assert_array_equal(back.confidence, confidence)
    for key in ("source", "epoch", "seq", "stamp", "clock", "ids", "warnings"):
        assert getattr(back, key) == getattr(frame, key)
    assert back.layout.joints == frame.layout.joints
    assert back.joints.dtype == back.confidence.dtype == np.float32


def refusal_of(parts: list[bytes]) -> WireError | PoseFrame:
    try:
        return decode_pose(parts, LIMITS)
    except WireError as e:
        return e


def decodes_or_refuses(parts: list[bytes]) -> None:
    got = refusal_of(parts)
    if isinstance(got, WireError):
        assert got.reason
        assert len(str(got)) < 1000
        assert str(got).isprintable()
    else:
        assert not np.isinf(got.joints).any()
        assert got.joints.shape == (*got.confidence.shape, 3)
        assert ((got.confidence >= 0) & (got.confidence <= 1)).all()


def sometimes(good: bytes) -> st.SearchStrategy[bytes]:
    return st.just(good) | st.binary(max_size=300)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=100), max_size=5) | st.tuples(*map(sometimes, pack())).map(list))
@example([b"pose.hall", b"\x81\xa3ids\xdd\xff\xff\xff\xff", b""])  # a list of 2^32 ids that never come
@example([b"pose.hall", b"\x81\xa1q" + b"\x91" * 500_000, b""])  # a deep tower of lists
@example([b"pose.hall", b"\x81\xa6source\xa1\xff", b""])  # not UTF-8
@example([b"pose.hall", b"\x81\xa1v\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b""])
def test_arbitrary_bytes_raise_nothing_but_the_wire_error(parts: list[bytes]) -> None:
    decodes_or_refuses(parts)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(Header.__struct_fields__) | st.text(max_size=5), values, max_size=3), st.data())
def test_arbitrary_header_values_raise_nothing_but_the_wire_error(keys: dict[str, Any], data: st.DataObject) -> None:
    head = header() | keys
    for gone in data.draw(st.lists(st.sampled_from(sorted(head)), max_size=1)):
        del head[gone]
    decodes_or_refuses(pack(head))


@settings(max_examples=200)
@given(st.integers(0, 2), st.data())
def test_arbitrary_mutations_of_good_messages_raise_nothing_but_the_wire_error(part: int, data: st.DataObject) -> None:
    parts = pack(header(shape=[2, 17, 4], ids=[1, "b"]), body(2, channels=4))
    raw = bytearray(parts[part])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not raw:
            break
    parts[part] = bytes(raw)
    decodes_or_refuses(parts)


@settings(max_examples=150)
@given(st.sampled_from([3, 4]), st.sampled_from(["m", "mm"]), st.data())
@example(3, "m", None)
def test_any_32_bits_pass_without_a_warning(channels: int, units: str, data: st.DataObject | None) -> None:
    odd = [0x7F800001, 0xFF812345, 0x7FC00000, 0x00000001, 0x807FFFFF, 0x7F7FFFFF, 0xFF7FFFFF, 0x80000000]
    words = body(channels=channels).view("<u4").copy()
    if data is None:
        words.reshape(-1)[: len(odd)] = odd
    else:
        for at in data.draw(st.lists(st.integers(0, words.size - 1), max_size=6)):
            words.reshape(-1)[at] = data.draw(st.sampled_from(odd) | st.integers(0, 2**32 - 1))
    decodes_or_refuses(pack(header(shape=[1, 17, channels], units=units), words.tobytes()))


def big_endian(channels: int, units: str = "m") -> np.ndarray:
    """Two people as a program on a big-endian machine, or one that uses DataView without `true`, would send them."""
    people = body(2, channels=channels) + np.float32(0.123)
    people[..., 3:] = 0.75
    scale = np.float32({"m": 1, "mm": 1000}[units])
    return (people * np.array([scale, scale, scale, 1][:channels], np.float32)).astype(">f4").view("<f4")


@pytest.mark.parametrize("units", ["m", "mm"])
@pytest.mark.parametrize("channels", [3, 4])
def test_big_endian_floats_are_called_that(channels: int, units: str) -> None:
    got = refusal_of(pack(header(shape=[2, 17, channels], units=units), big_endian(channels, units).tobytes()))
    assert isinstance(got, WireError)
    assert str(got).startswith("payload is plausible read as big-endian floats; expected little-endian (read so: ")
    assert got.reason in ("infinite", "confidence", "absurd_body", "absurd_place", "tiny_body")


@pytest.mark.parametrize("scale", [1000.0, 1e6, 1e-3, 1e30])
def test_what_is_wrong_in_either_order_is_not(scale: float) -> None:
    got = refusal_of(pack(payload=body() * scale))
    assert isinstance(got, WireError)
    assert "endian" not in str(got)


def test_topic_source() -> None:
    assert topic_source(b"pose.Cam_1-left") == "Cam_1-left"
    assert topic_source(b"pose." + b"a" * 64) == "a" * 64


def test_the_encoder_names_a_layout_only_when_its_joints_are_those() -> None:
    shrunk = Layout("upper11", UPPER11.joints[:5])
    frame = PoseFrame("s", 0, 0, 0, "unix", shrunk, np.zeros((0, 5, 3), np.float32), np.zeros((0, 5), np.float32), None)
    head = msgpack.unpackb(encode_pose(frame)[1])
    assert "layout" not in head
    assert head["joints"] == list(UPPER11.joints[:5])


@given(
    st.integers(1, 4),
    st.sampled_from([3, 4]),
    st.lists(
        st.sampled_from([0.0, 1.0, -1.7, 3.46, 3.5, 3.52, 0.05, 0.0506, 991.0, 1000.0, 1001.0, np.nan, np.inf]),
        max_size=4,
    ),
    st.integers(0, 2**31),
)
def test_the_short_way_of_ordinary_frames_leads_where_the_long_one_does(
    people: int, channels: int, odd: list[float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, (people, 11, channels)).astype(np.float32)
    for value in odd:
        values.flat[rng.integers(values.size)] = value
    if odd and odd[0] == 0:
        values[rng.integers(people), rng.integers(11), :3] = 0
    header = Header(v=1, source="a", epoch=1, seq=0, stamp=0, shape=(people, 11, channels), layout="upper11")
    short = wire._ordinary(values, header)
    assert short is not None or odd
    if short is not None:
        joints, confidence = wire._joints_and_confidence(values, header)
        wire._check_bodies(joints, header)
        assert np.array_equal(short[0], joints)
        assert np.array_equal(short[1], confidence)
        assert short[0].flags["C_CONTIGUOUS"]
    declared = structs.replace(header, units="cm")
    assert wire._ordinary(values, declared) is None
