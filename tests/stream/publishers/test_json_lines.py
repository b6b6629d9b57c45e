"""JSON lines become the frames they mean, or one refusal that names what is wrong."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.errors import LayoutError, WireError
from dyadwatch.core.skeletons.layouts import SBU15, UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.publishers.json_declaration import Declaration
from dyadwatch.stream.publishers.json_lines import JsonSender

NAMED = {"head": [0, 1.65, 0.05], "neck": [0, 1.45, 0], "LShoulder": [0.2, 1.4, 0], "right_shoulder": [-0.2, 1.4, 0]}
ARRIVED = 1_700_000_000_000_000_000


def line(*persons: Any, **keys: Any) -> bytes:
    return json.dumps({"persons": [p if "joints" in p else {"joints": p} for p in persons], **keys}).encode()


def sender(**declared: Any) -> JsonSender:
    return JsonSender(Declaration(**declared), WireOptions())


def read(sender: JsonSender, text: bytes, seq: int = 0) -> PoseFrame:
    frame = sender.read(text, ARRIVED, "hall", seq)
    assert frame is not None
    return frame


def test_joints_by_name() -> None:
    frame = read(sender(), line({"joints": NAMED, "id": "ann"}, {"joints": NAMED, "id": 7}, stamp=5), 3)
    assert frame.layout.joints == ("head", "neck", "left_shoulder", "right_shoulder")
    assert (frame.source, frame.seq, frame.stamp, frame.clock, frame.ids) == ("hall", 3, 5, "unix", ("ann", 7))
    assert np.allclose(frame.joints[0, 2], [0.2, 1.4, 0])
    assert frame.confidence.tolist() == [[1] * 4] * 2


def test_what_a_later_line_leaves_out_is_unseen_and_order_does_not_count() -> None:
    s = sender()
    read(s, line(NAMED))
    frame = read(s, line({"left_shoulder": [1, 1, 1, 0.5], "head": [1, 2, None], "neck": None}))
    assert frame.layout.joints[2] == "left_shoulder"
    assert frame.joints[0, 2].tolist() == [1, 1, 1]
    assert np.isnan(frame.joints[0, [0, 1, 3]]).all()
    assert frame.confidence.tolist() == [[0, 0, 0.5, 0]]
    assert frame.ids is None


def test_a_joint_at_zero_is_unseen() -> None:
    frame = read(sender(), line({"head": [0, 0, 0], "neck": [0, 1.45, 0], "hip": [0, 0.9, 0.1]}))
    assert np.isnan(frame.joints[0, :, 0]).tolist() == [True, False, False]
    assert frame.zeros == 1


def test_joints_in_the_order_of_a_declared_layout() -> None:
    s = sender()
    assert s.read(b'{"layout": "upper11", "units": "mm", "axes": "z-up", "fps": 25}', ARRIVED, "hall", 0) is None
    points = [[100 * k, 0, 1000] for k in range(11)]
    frame = read(s, line(points, time=1.5))
    assert frame.layout is UPPER11
    assert np.allclose(frame.joints[0, 3], [0.3, 1.0, 0])
    assert frame.stamp == 1_500_000_000
    assert s.declared.fps == 25
    assert read(s, line()).people == 0


def test_a_sender_declares_over_the_flags() -> None:
    s = sender(layout="sbu15", units="cm", clock="lab")
    assert read(s, line([[1, 2, 3]] * 14 + [[30, 40, 50]], stamp=1)).layout is SBU15
    s.read(b'{"joints": ["head", "neck"]}', ARRIVED, "hall", 0)
    frame = read(s, line([[100, 0, 0], None], stamp=1))
    assert frame.layout.joints == ("head", "neck")
    assert frame.joints[0, 0].tolist() == [1, 0, 0]
    assert frame.clock == "lab"


def test_frames_without_stamp_get_their_arrival_and_never_the_same_twice() -> None:
    s = sender(clock="lab")
    first, second = read(s, line(NAMED)), read(s, line(NAMED))
    assert (first.stamp, first.clock) == (ARRIVED, "unix")
    assert second.stamp == ARRIVED + 1000
    assert s.unstamped == 2


def test_a_media_clock_numbers_the_frames() -> None:
    s = sender(clock="media", fps=25)
    frames = [read(s, line(NAMED)) for _ in range(3)]
    assert [(f.stamp, f.clock) for f in frames] == [(0, "media"), (40_000_000, "media"), (80_000_000, "media")]


def test_blank_lines_and_nobody_before_anybody_mean_nothing() -> None:
    assert sender().read(b" \r", ARRIVED, "hall", 0) is None
    assert sender().read(line(), ARRIVED, "hall", 0) is None


FAR = [[17 + 3 * k, 0, 0] for k in range(11)]


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        (b'{"persons": [', "bad_json", "line is not a JSON object: "),
        (b'{"persons": [{"joints": [[NaN, 1, 2]]}]}', "bad_json", "(NaN is not JSON; send null for an unseen joint)"),
        (b'{"\x80ersons": []}', "bad_json", "declaration is not a JSON object: 'utf-8' codec can't decode byte 0x80"),
        (b"[1]", "bad_key", "line: Expected `object`, got `array`; see `dyadwatch docs sources`"),
        (b'{"persons": {}}', "bad_key", "Expected `array`, got `object` - at `$.persons`"),
        (b'{"person": []}', "bad_key", "key 'person' is unknown; expected source"),
        (b'{"persons": [{"joints": {"head": "x"}}]}', "bad_key", "at `$.persons[0].joints[...]`"),
        (line(NAMED, stamp=-1), "bad_key", "Expected `int` >= 0 - at `$.stamp`"),
        (line(NAMED, stamp=1.5), "bad_key", "Expected `int | null`, got `float` - at `$.stamp`"),
        (line([[0, 0, 0]] * 11), "layout", "points without names, and no layout is declared"),
        (line({}), "layout", "has no joints; expected at least one"),
        (line({"a": None, "A": None}), "layout", "names joints more than once: a"),
        (line({f"j{k}": None for k in range(257)}), "too_many_joints", "line has 257 joints; expected at most 256"),
        (line(*[NAMED] * 33), "too_many_people", "line has 33 persons; expected at most 32"),
        (line({"head": [1, 2]}), "channels", "joint 'head' has 2 numbers; expected 3 (x y z), 4 (and confidence) or"),
        (line({"head": [1, 2, 3, 1.5]}), "confidence", "confidence of 1.5"),
        (line({"head": [1e39, 2, 3]}), "infinite", "infinite coordinates"),
        (line({"joints": NAMED, "id": 1}, NAMED), "id_count", "1 of 2 persons have an id; expected all of them"),
        (line({"joints": NAMED, "id": 1}, {"joints": NAMED, "id": "1"}), "duplicate_ids", "each person's own, once"),
        (line({"x" * 65: None}), "bad_key", "Expected `str` of length <= 64"),
        (line(NAMED, stamp="1"), "bad_key", "JavaScript's numbers hold them as a BigInt only, such as BigInt(ms)"),
        (line(NAMED, time=1.7e12), "bad_key", "(seconds: a time in milliseconds is 'time': ms / 1000)"),
        (b'{"type": "hello"}', "bad_key", "key 'type' is unknown; expected source, layout, joints, units"),
        (line(NAMED).decode().encode("utf-16"), "bad_json", "line is UTF-16 or no text; expected UTF-8"),
        (line(NAMED).decode().encode("utf-16-le"), "bad_json", "line is UTF-16 or no text; expected UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_and_harms_nothing(text: bytes, reason: str, words: str) -> None:
    s = sender(units="m")
    with pytest.raises(WireError) as e:
        s.read(text, ARRIVED, "hall", 0)
    assert e.value.reason == reason
    assert words in str(e.value)
    assert read(s, line(NAMED)).people == 1


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        (
            line({"headd": [0, 0, 0]}),
            "joint_name",
            "joint 'headd' is none of those declared: head, neck",
        ),
        (line([[0, 0, 0]] * 12), "joint_count", "person has 12 joints; layout 'upper11' has 11"),
        (line(FAR), "absurd_body", "a person spans 30 m with units 'm'"),
        (line([[v * 100 for v in p] for p in FAR]), "absurd_body", "(mm sent as 'm'?)"),
    ],
)
def test_what_contradicts_the_layout_is_named(text: bytes, reason: str, words: str) -> None:
    with pytest.raises(WireError) as e:
        sender(layout="upper11").read(text, ARRIVED, "hall", 0)
    assert e.value.reason == reason
    assert words in str(e.value)


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        (b'{"layout": "upper12"}', "layout", "declaration: layout 'upper12' is not known; expected one of"),
        (b'{"layout": "upper11", "joints": ["a"]}', "layout", "both 'layout' and 'joints'; expected one of them"),
        (b'{"source": "my cam"}', "bad_topic", "with 1-64 characters of A-Z a-z 0-9 _ -"),
        (b'{"units": "feet"}', "bad_key", "units is 'feet'; expected one of m, cm, mm; see `dyadwatch docs sources`"),
        (b'{"axes": "Z-up"}', "bad_key", "axes is 'Z-up'; expected one of y-up, z-up, y-down (did you mean 'z-up'?)"),
        (b'{"axes": "z_up"}', "bad_key", "(did you mean 'z-up'?)"),
        (b'{"axes": 1}', "bad_key", "axes is 1; expected one of y-up, z-up, y-down; see"),
        (b'{"unit": "mm"}', "bad_key", "key 'unit' is unknown; expected source, layout, joints, units, axes, fps, "
         "clock (did you mean 'units'?)"),
        (b'{"Axes": "z-up"}', "bad_key", "(did you mean 'axes'?)"),
        (b'{"fps": "30"}', "bad_key", "Expected `float | null`, got `str` - at `$.fps`"),
        (b"{'axes': 'z-up'}", "bad_json", "line is not a JSON object"),
        (b'{"axes": "z-up"', "bad_json", "line is not a JSON object"),
        (b'\x00{"axes": "z-up"}', "bad_json", "line is UTF-16 or no text"),
        (b'{"fps": 1e400}', "bad_key", "Number out of range - at `$.fps`"),
        (b'{"fps": 1e-300, "clock": "media"}', "bad_key", "Expected `float` >= 0.01 - at `$.fps`"),
        (b'{"fps": 1e300}', "bad_key", "Expected `float` <= 10000.0 - at `$.fps`"),
        (b'{"fps": NaN}', "bad_json", "line is not a JSON object"),
        (b'{"fps": 0}', "bad_key", "Expected `float` >= 0.01 - at `$.fps`"),
        (b'{"frame_rate": 30}', "bad_key", "key 'frame_rate' is unknown"),
        (b'{"type": "header", "up": "z"}', "bad_key", "key 'type' is unknown"),
        (b'{"type": "header", "of": "z_up"}', "bad_key", "key 'type' is unknown"),
        (b'{"meta": {"units": "cm"}}', "bad_key", "key 'meta' is unknown"),
        (b'{units: "cm"}', "bad_json", "line is not a JSON object"),
        (b"# units: cm", "bad_json", "line is not a JSON object"),
        (b"axes=z-up", "bad_json", "line is not a JSON object"),
        ('{"axes": "z-up"}'.encode("utf-16"), "bad_json", "line is UTF-16 or no text"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("midstream", [False, True])
def test_after_a_refused_declaration_frames_wait_for_a_good_one(
    text: bytes, reason: str, words: str, midstream: bool
) -> None:
    s = sender(units="m")
    if midstream:
        assert s.read(b'{"axes": "y-down"}', ARRIVED, "hall", 0) is None
        read(s, line(NAMED))
    with pytest.raises(WireError) as e:
        s.read(text, ARRIVED, "hall", 0)
    assert e.value.reason == reason
    assert words in str(e.value)
    for _ in range(2):
        with pytest.raises(WireError, match="the sender's declaration was refused") as e:
            s.read(line(NAMED), ARRIVED, "hall", 0)
        assert e.value.reason == "undeclared"
    assert s.read(b'{"axes": "z-up"}', ARRIVED, "hall", 0) is None
    assert np.allclose(read(s, line(NAMED)).joints[0, 0], [0, 0.05, -1.65])


@pytest.mark.parametrize(
    ("key", "value", "refused"),
    [
        ("units", "cm", "frame has units 'cm', and 'm' holds; expected it in a declaration, a line of its own"),
        ("axes", "Z-up", "frame has axes 'Z-up', and 'y-up' holds; expected it in a declaration, a line of its own"),
        ("units", "m", ""),
        ("axes", "y-up", ""),
        ("units", 3, ""),
        ("fps", 29.7, ""),
    ],
)
def test_a_frame_that_says_otherwise_than_was_declared_is_refused(key: str, value: Any, refused: str) -> None:
    s = sender()
    if not refused:
        assert read(s, line(NAMED, **{key: value})).people == 1
        return
    with pytest.raises(WireError, match=re.escape(refused)) as e:
        s.read(line(NAMED, **{key: value}), ARRIVED, "hall", 0)
    assert e.value.reason == "undeclared"
    assert read(s, line(NAMED)).people == 1


def test_frames_of_two_sources_of_one_sender_are_not_one() -> None:
    s = sender()
    assert read(s, line(NAMED, source="room1")).people == 1
    with pytest.raises(WireError, match="frame has source 'room2', and those before it 'room1'; expected one") as e:
        s.read(line(NAMED, source="room2"), ARRIVED, "hall", 0)
    assert e.value.reason == "source_changed"
    assert read(s, line(NAMED, source="room1")).people == 1
    assert read(s, line(NAMED)).people == 1


@pytest.mark.parametrize("marks", [1, 2])
def test_a_byte_order_mark_may_stand_before_any_line(marks: int) -> None:
    s, mark = sender(), b"\xef\xbb\xbf" * marks
    assert s.read(mark + b'{"axes": "z-up"}', ARRIVED, "hall", 0) is None
    for _ in range(2):
        assert np.allclose(read(s, mark + line(NAMED)).joints[0, 0], [0, 0.05, -1.65])


@pytest.mark.parametrize(
    "bad", [b"{oops", b"INFO: started", b'{"type": "hello"}', b"[1]", b'{"persons": [', b"\xff", line(NAMED)[40:]]
)
def test_a_line_that_is_no_declaration_costs_no_frame(bad: bytes) -> None:
    s = sender()
    with pytest.raises(WireError):
        s.read(bad, ARRIVED, "hall", 0)
    assert read(s, line(NAMED)).people == 1


def test_a_byte_order_mark_is_passed_over_on_every_line() -> None:
    s = sender()
    assert s.read(b'\xef\xbb\xbf{"axes": "z-up"}', ARRIVED, "hall", 0) is None
    assert s.declared.axes == "z-up"
    assert read(s, b"\xef\xbb\xbf" + line(NAMED)).people == 1
    assert s.read(b"\xef\xbb\xbf", ARRIVED, "hall", 0) is None


def test_joints_that_come_later_join_the_layout() -> None:
    s = sender()
    first = read(s, line({"head": [0, 1.6, 0]}, {"neck": [1, 1.4, 0]}))
    assert first.layout.joints == ("head", "neck"), "of all persons"
    second = read(s, line({"LWrist": [0, 1, 0], "neck": [0, 1.4, 0]}))
    assert second.layout.joints == ("head", "neck", "left_wrist")
    assert np.isnan(second.joints[0, 0]).all()
    third = read(s, line({"head": [0, 1.6, 0]}))
    assert third.layout is second.layout, "no new one where nothing is new"
    with pytest.raises(WireError, match="joint 'tail' has 2 numbers"):
        s.read(line({"tail": [0, 0]}), ARRIVED, "hall", 0)
    assert read(s, line({"head": None})).layout is second.layout, "a line that is refused adds nothing"


def test_the_layout_grows_to_the_limit_and_no_further() -> None:
    s = sender()
    for k in range(256):
        read(s, line({f"j{k}": [0, 1, 0]}))
    with pytest.raises(WireError, match="line has 257 joints with the 256 named before; expected at most 256") as e:
        s.read(line({"tail": [0, 0, 0]}), ARRIVED, "hall", 0)
    assert e.value.reason == "too_many_joints"
    assert len(read(s, line({"j7": [0, 1, 0]})).layout) == 256


def test_a_second_source_name_is_refused_by_name() -> None:
    s = sender()
    s.read(b'{"source": "room1"}', ARRIVED, "hall", 0)
    read(s, line(NAMED))
    with pytest.raises(WireError, match="source is 'room2' and was 'room1' before; expected one source a conn") as e:
        s.read(b'{"source": "room2"}', ARRIVED, "hall", 0)
    assert e.value.reason == "source_changed"
    with pytest.raises(WireError, match="'room2'") as e:
        s.read(line(NAMED), ARRIVED, "hall", 0)
    assert e.value.reason == "undeclared"
    s.read(b'{"source": "room1"}', ARRIVED, "hall", 0)
    assert read(s, line(NAMED)).people == 1


def test_files_one_after_the_other_are_several_sources() -> None:
    s = JsonSender(Declaration(), WireOptions(), one_source=False)
    s.read(b'{"source": "room1"}', ARRIVED, "hall", 0)
    read(s, line(NAMED))
    s.read(b'{"source": "room2"}', ARRIVED, "hall", 0)
    assert (s.declared.source, read(s, line({"neck": [0, 1, 0]})).layout.joints) == ("room2", ("neck",))
    s.read(b'{"source": "room3"}', ARRIVED, "hall", 0)
    with pytest.raises(WireError, match="source is 'room4' and was 'room3' before"):
        s.read(b'{"source": "room4"}', ARRIVED, "hall", 0)


def test_flags_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(LayoutError, match="declaration has both 'layout' and 'joints'; expected one of them"):
        sender(layout="upper11", joints=["head"])


GOOD = line({"joints": NAMED, "id": "ann"}, stamp=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["persons", "joints", "id", "head", "stamp", "time", "layout", "units", "fps", "source"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def survives(text: bytes) -> None:
    s = sender()
    frame = None
    with suppress(WireError):
        frame = s.read(text, ARRIVED, "hall", 0)
    assert frame is None or frame.joints.shape == (*frame.confidence.shape, 3)
    read(sender(), GOOD)


@given(VALUES)
def test_any_json_is_read_or_refused(value: Any) -> None:
    survives(json.dumps(value).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    survives(text)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_a_good_line_with_a_changed_byte_or_cut_short_is_read_or_refused(at: int, byte: int, end: int) -> None:
    survives(GOOD[:at] + bytes([byte]) + GOOD[at + 1 :])
    survives(GOOD[:end])


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"persons":' * 100_000, b'{"stamp": 1' + b"0" * 5000 + b"}"])
def test_deep_and_huge_lines_are_refused(text: bytes) -> None:
    with pytest.raises(WireError):
        sender().read(text, ARRIVED, "hall", 0)


def test_the_documents_lines_are_read(repo_root: Path) -> None:
    text = (repo_root / "docs" / "sources.md").read_text("utf8")
    lines = text[text.index('{"source": "lab"') :].partition("```")[0].splitlines()
    s = sender()
    assert s.read(lines[0].encode(), ARRIVED, "lab", 0) is None
    frames = [read(s, each.encode()) for each in lines[1:]]
    assert [f.confidence.tolist() for f in frames] == [[[1, 1]], [[np.float32(0.9), 0]]]
    assert (s.declared.source, s.declared.fps) == ("lab", 30)
