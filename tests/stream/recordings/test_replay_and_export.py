"""Recordings published again under other names and clocks, cut, merged, and exported to what others read."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ezc3d
import msgpack
import msgspec
import numpy as np
import pytest
from mcap.reader import make_reader

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ConfigError, RecordingError
from dyadwatch.core.readers.read import read_poses
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import Config, WireOptions
from dyadwatch.stream.recordings.c3d_export import write_c3d
from dyadwatch.stream.recordings.channels import ENDED, ENDED_SCHEMA, JSON, OTHERS, Ended, EndReason, RecordingHeader
from dyadwatch.stream.recordings.csv_export import write_tables
from dyadwatch.stream.recordings.edit import copy
from dyadwatch.stream.recordings.foxglove_export import write_scenes
from dyadwatch.stream.recordings.info import describe
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.pair_clips import PairClips, recording_clips
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.resend import Rewriter, paced
from dyadwatch.stream.recordings.write_queue import Published, ReceivedMessage
from dyadwatch.stream.tracking.scene_tracker import SceneTracker
from dyadwatch.stream.wire import decode_pose, encode_pose

NS = 10**9
SUCH = "2026-11-21T14:30:00+01:00 (Z for UTC)"
Frames = Callable[..., list[PoseFrame]]


def record(
    path: Path, frames: list[PoseFrame], *, run: int = 5, start: int = 0, topic: str = "", config: str = ""
) -> Path:
    """A recording in which every frame comes at its stamp, plus `start`."""
    file = RecordingFile(path, RecordingHeader(run=str(run), config=config))
    for i, f in enumerate(frames):
        file.parts(topic or f"pose.{f.source}", encode_pose(f), f.stamp + start, f.stamp, i)
    file.close()
    return path


def received(frame: PoseFrame, at: int = 0) -> ReceivedMessage:
    return ReceivedMessage(encode_pose(frame), frame.source, frame.stamp, at, 0)


def test_without_a_change_messages_pass_as_they_came(encounter: Frames) -> None:
    entry = received(encounter(seconds=0.1)[0])
    assert Rewriter().parts(entry) is entry.parts


def test_a_new_name_and_clock_leave_the_rest(encounter: Frames) -> None:
    frame = encounter(seconds=0.1)[1]
    rewriter = Rewriter("yard")
    rewriter.begin(5 * NS)
    parts = rewriter.parts(received(frame))
    assert parts is not None
    assert parts[2] == encode_pose(frame)[2]
    got = decode_pose(parts, WireOptions())
    assert (got.source, got.stamp, got.seq, got.epoch, got.ids) == ("yard", frame.stamp + 5 * NS, 1, 1, ("ann", "bob"))


def test_keys_of_later_versions_survive_a_new_name(encounter: Frames) -> None:

    topic, head, payload = encode_pose(encounter(seconds=0.1)[0])
    head = bytes(msgpack.packb(msgpack.unpackb(head) | {"lens": [1, 2]}) or b"")
    entry = ReceivedMessage([topic, head, payload], "hall", 0, 0, 0)
    parts = Rewriter("yard").parts(entry)
    assert parts is not None
    assert msgpack.unpackb(parts[1])["lens"] == [1, 2]


def test_every_round_is_a_later_run_and_runs_keep_their_order(encounter: Frames) -> None:
    frame = encounter(seconds=0.1)[0]
    for scale in (1, 10**6, 10**18):
        rewriter = Rewriter(new_runs=True)
        epochs = []
        for _ in range(2):
            rewriter.begin()
            for epoch in (3 * scale, 3 * scale, 4 * scale, 3 * scale, 9 * scale):
                parts = rewriter.parts(received(replace(frame, epoch=epoch)))
                assert parts is not None
                epochs.append(decode_pose(parts, WireOptions()).epoch)
        first = epochs[0]
        assert [e - first for e in epochs[:5]] == [0, 0, 1, 0, 2]
        assert first > 3 * scale
        assert epochs[5] > max(epochs[:5])


@pytest.mark.parametrize("parts", [[b"x"], [b"pose.hall", b"\xc1", b""], [b"pose.hall", b"\x05", b""]])
def test_what_cannot_be_rewritten_is_left_out_and_counted(parts: list[bytes]) -> None:
    rewriter = Rewriter("yard")
    assert rewriter.parts(ReceivedMessage(parts, None, 0, 0, 0)) is None
    assert rewriter.left_out == 1


def test_messages_leave_at_the_pace_they_came(encounter: Frames) -> None:
    entries = [received(f, i * NS // 10) for i, f in enumerate(encounter(seconds=0.2))]
    began = time.monotonic()
    assert list(paced(entries, 5.0, threading.Event())) == entries
    assert 0.09 < time.monotonic() - began < 1.0
    stopped = threading.Event()
    stopped.set()
    assert list(paced(entries, 1.0, stopped)) == []


def test_runs_that_follow_each_other_merge_with_their_ends(tmp_path: Path, encounter: Frames) -> None:
    frames = encounter(seconds=1.0)
    later = [replace(f, epoch=2) for f in frames]
    a, b = record(tmp_path / "a.mcap", frames), record(tmp_path / "b.mcap", later, run=6, start=9 * NS)
    assert copy(Playback([b, a]), tmp_path / "c.mcap") == 62
    entries = list(Playback([tmp_path / "c.mcap"]))
    ends = [i for i, e in enumerate(entries) if not isinstance(e, ReceivedMessage)]
    assert ends == [30, 61]
    assert [e.what for e in entries if isinstance(e, Published)] == 2 * [
        Ended(source="hall", reason=EndReason.END_OF_STREAM)
    ]


def test_recorders_of_different_sources_are_interleaved(tmp_path: Path, encounter: Frames) -> None:
    a = record(tmp_path / "a.mcap", encounter(seconds=1.0))
    b = record(tmp_path / "b.mcap", encounter("yard", seconds=1.0), run=6, start=NS // 60)
    copy(Playback([a, b]), tmp_path / "c.mcap")
    assert [e.source for e in Playback([tmp_path / "c.mcap"]).received()] == ["hall", "yard"] * 30


def test_the_same_source_twice_at_a_time_is_not_merged(tmp_path: Path, encounter: Frames) -> None:
    a = record(tmp_path / "a.mcap", encounter(seconds=1.0))
    b = record(tmp_path / "b.mcap", encounter(seconds=1.0), run=6, start=NS // 60)
    with pytest.raises(
        RecordingError, match=r"source 'hall' is in .*a\.mcap and in .*b\.mcap at the same time; expected"
    ):
        copy(Playback([a, b]), tmp_path / "c.mcap")
    with pytest.raises(RecordingError, match=r"a\.mcap: is there already; expected the name of a new file"):
        copy(Playback([b]), a)
    with pytest.raises(RecordingError, match="nothing to copy: no message in that time"):
        copy(Playback([a], "100"), tmp_path / "d.mcap")
    assert not (tmp_path / "c.mcap").exists()
    assert not (tmp_path / "d.mcap").exists()


def test_one_source_is_cut_out(tmp_path: Path, encounter: Frames) -> None:
    both = [f for pair in zip(encounter(seconds=1.0), encounter("yard", seconds=1.0), strict=True) for f in pair]
    path = record(tmp_path / "a.mcap", both)
    assert copy(Playback([path]), tmp_path / "b.mcap", ["yard"]) == 30
    info = describe(Playback([tmp_path / "b.mcap"]))
    assert set(info.sources) == {"yard"}
    yard = info.sources["yard"]
    assert (yard.frames, yard.people, yard.layout, yard.runs, round(yard.fps, 3)) == (30, 2, "upper11", 1, 30.0)
    assert (info.seconds, info.refused, info.notes) == (0.967, 0, [])


def test_frames_a_second_are_those_of_the_source_whenever_they_came(tmp_path: Path, encounter: Frames) -> None:
    frames = encounter(seconds=1.0)
    later = [replace(f, epoch=2, stamp=f.stamp + 60 * NS) for f in frames]
    files = [record(tmp_path / "a.mcap", frames), record(tmp_path / "b.mcap", later, run=6)]
    at_once = RecordingFile(tmp_path / "c.mcap", RecordingHeader(run="7", model="m 1"))
    for i, f in enumerate(encounter("yard", seconds=1.0)):
        at_once.parts("pose.yard", encode_pose(f), frames[0].stamp + 90 * NS + i * 1000, f.stamp, i)
    at_once.close()
    info = describe(Playback([*files, tmp_path / "c.mcap"]))
    assert {name: round(s.fps, 3) for name, s in info.sources.items()} == {"hall": 30.0, "yard": 30.0}
    assert info.sources["hall"].runs == 2
    assert [f["model"] for f in info.files] == ["", "", "m 1"]


def test_sources_without_a_channel_of_their_own_are_cut_and_ended_by_their_names(
    tmp_path: Path, encounter: Frames
) -> None:
    both = [f for pair in zip(encounter(seconds=1.0), encounter("yard", seconds=1.0), strict=True) for f in pair]
    a = record(tmp_path / "a.mcap", both, topic=OTHERS)
    b = record(tmp_path / "b.mcap", [replace(f, epoch=2) for f in both], run=6, start=9 * NS, topic=OTHERS)
    assert copy(Playback([a]), tmp_path / "c.mcap", ["yard"]) == 30
    assert {e.source for e in Playback([tmp_path / "c.mcap"]).received()} == {"yard"}
    copy(Playback([a, b]), tmp_path / "d.mcap")
    ends = [e.what for e in Playback([tmp_path / "d.mcap"]).said()]
    assert ends == 2 * [Ended(source=s, reason=EndReason.END_OF_STREAM) for s in ("hall", "yard")]


def test_what_cannot_be_understood_is_copied_as_it_is(tmp_path: Path, encounter: Frames) -> None:
    frames = encounter(seconds=1.0)
    file = RecordingFile(tmp_path / "a.mcap", RecordingHeader(run="5"))
    for i, f in enumerate(frames):
        file.parts("pose.hall", encode_pose(f), f.stamp, f.stamp, i)
    later = b'{"kind":"ended","v":2,"source":"hall","reason":"camera_moved"}'
    file.raw(ENDED, ENDED_SCHEMA, JSON, later, frames[-1].stamp, 0, 0)
    file.raw(OTHERS, ENDED_SCHEMA, JSON, b"\x90", frames[-1].stamp, 0, 0)  # a message without parts
    file.close()
    b = record(tmp_path / "b.mcap", [replace(f, epoch=2) for f in frames], run=6, start=9 * NS)
    assert copy(Playback([tmp_path / "a.mcap"]), tmp_path / "c.mcap", ["hall"]) == 30
    assert copy(Playback([tmp_path / "a.mcap", b]), tmp_path / "d.mcap") == 30 + 2 + 1 + 30 + 1
    (merged,) = Playback([tmp_path / "d.mcap"]).recordings
    assert next(m.data for m in merged.messages() if m.channel and m.channel.topic == ENDED) == later
    ends = [e.what for e in Playback([tmp_path / "d.mcap"]).said()]
    assert ends == 2 * [
        Ended(source="hall", reason=EndReason.END_OF_STREAM)
    ]  # nobody who reads it understands the other


def test_a_file_in_a_folder_that_is_not_there_is_not_begun(tmp_path: Path, encounter: Frames) -> None:
    a = record(tmp_path / "a.mcap", encounter(seconds=1.0))
    nowhere = tmp_path / "no" / "b.mcap"
    text = r"b\.mcap: cannot be made \(No such file or directory\); expected the name of a new file in a folder that"
    for write in (copy, write_scenes):
        with pytest.raises(RecordingError, match=text):
            write(Playback([a]), nowhere)


def test_every_note_is_told_once_however_often_a_recording_is_read(tmp_path: Path, encounter: Frames) -> None:
    file = RecordingFile(tmp_path / "a.mcap", RecordingHeader(run="5"))
    for i, f in enumerate(encounter(seconds=1.0)):
        file.parts("pose.hall", encode_pose(f), f.stamp, f.stamp, i + (i > 9))
    file.close()
    playback = Playback([tmp_path / "a.mcap"])
    for _ in range(3):
        assert len(list(playback)) == 30
    assert playback.notes == [f"{tmp_path / 'a.mcap'}: 1 received messages in or before it are missing"]


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (
            ("soon", None),
            f"--from is 'soon'; expected seconds from the beginning, or a time such as {SUCH}",
        ),
        ((None, "nan"), f"--until is 'nan'; expected seconds from the beginning, or a time such as {SUCH}"),
        (("2", "1"), "--until is 1, which is not after --from, 2"),
    ],
)
def test_times_that_make_no_sense(tmp_path: Path, encounter: Frames, span: tuple[str, str], text: str) -> None:
    path = record(tmp_path / "a.mcap", encounter(seconds=1.0))
    with pytest.raises(ConfigError) as e:
        Playback([path], *span)
    assert str(e.value) == text


def test_clips_are_the_pairs_while_they_are_near(tmp_path: Path, encounter: Frames) -> None:
    frames = encounter()  # 3 m apart at 0 s, 0.8 m from 2 s to 10 s, beyond 4 m at 11.2 s
    path = record(tmp_path / "a.mcap", frames[:150] + frames[200:])  # gone for 1.7 s
    one, two = recording_clips(Playback([path]))
    assert (one.layout.name, one.fps, one.session, two.clip_id[:13]) == (
        "upper11",
        30.0,
        "hall 2023-11-14T22",
        "hall-ann-bob-",
    )
    assert len(one) == pytest.approx(150, abs=2)
    assert len(two) == pytest.approx((11.23 - 200 / 30) * 30, abs=3)
    at = frames[100].stamp - frames[0].stamp
    np.testing.assert_allclose(one.joints[round(at * 30 / NS)], frames[100].joints, atol=0.02)
    assert list(recording_clips(Playback([path]), source="yard")) == []
    assert [len(c) // 15 for c in recording_clips(Playback([path]), fps=15.0, least_s=4.8)] == [5]


def test_long_encounters_become_several_clips(
    tmp_path: Path, person: Callable[..., np.ndarray], frame: Callable[..., PoseFrame]
) -> None:
    both = [person(-0.5), person(0.5)]
    path = record(tmp_path / "a.mcap", [frame(k, both, ids=[1, 2], fps=10.0) for k in range(1301)])
    assert [len(c) for c in recording_clips(Playback([path]), fps=10.0)] == [600, 600, 101]


@pytest.mark.parametrize("source_fps", [15.0, 30.0])
def test_rows_that_no_clip_holds_are_dropped(
    person: Callable[..., np.ndarray], frame: Callable[..., PoseFrame], source_fps: float
) -> None:
    """Also where the source's frames fall on odd points of the clips' time alone."""
    cutter, scene = PairClips("hall", 30.0, 3.0), SceneTracker("hall", Config(), 30.0, lambda reason: None)
    most = 0
    for k in range(600):
        stamp = 1_700_000_000 * NS + round((k / source_fps + 1 / 30) * NS)
        cutter.take(scene.take(frame(k, [person(0.0)], ids=[1], stamp=stamp)))
        most = max(most, *(len(rows) for rows in cutter._tracks.values()))
    assert 60 < most < 70


def test_tables_are_read_back(tmp_path: Path, encounter: Frames) -> None:
    frames = encounter(seconds=2.0)
    gone = replace(frames[7], joints=frames[7].joints.copy())
    gone.joints[0, 3] = np.nan
    path = record(tmp_path / "a.mcap", [*frames[:7], gone, *frames[8:], replace(frames[0], epoch=2, seq=0)])
    written = write_tables(Playback([path]), tmp_path / "out")
    assert [(p.name, rows) for p, rows in written] == [("hall.csv", 120), ("hall.2.csv", 2)]
    ((clip,),) = read_poses([tmp_path / "out" / "hall.csv"])
    assert (len(clip), clip.layout.name, round(clip.fps, 3)) == (60, "upper11", 30.0)
    np.testing.assert_allclose(clip.joints[30], frames[30].joints, atol=2e-5)
    assert np.isnan(clip.joints[7, 0, 3]).all()
    with pytest.raises(RecordingError, match=r"hall\.csv: is there already; expected a folder without it"):
        write_tables(Playback([path]), tmp_path / "out")
    with pytest.raises(RecordingError, match="nothing to export: no usable frame in that time"):
        write_tables(Playback([path], "50"), tmp_path / "out2")


def test_a_source_that_begins_afresh_and_one_with_the_next_name_have_tables_of_their_own(
    tmp_path: Path, encounter: Frames
) -> None:
    cam, other = encounter("cam", seconds=0.2), encounter("cam-2", seconds=0.2)
    path = record(tmp_path / "a.mcap", [*cam, *other, *(replace(f, epoch=2) for f in cam)])
    written = write_tables(Playback([path]), tmp_path / "out")
    assert [(p.name, rows) for p, rows in written] == [("cam.csv", 12), ("cam-2.csv", 12), ("cam.2.csv", 12)]


def test_one_table_of_a_source_is_open_at_a_time(tmp_path: Path, encounter: Frames) -> None:
    (first,) = encounter(seconds=1 / 30)
    path = record(tmp_path / "a.mcap", [replace(first, epoch=k, stamp=first.stamp + k * NS) for k in range(100)])
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as lowest_free:
        limit = lowest_free.fileno() + 40
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, allowed[1]))
    try:
        written = write_tables(Playback([path]), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, allowed)
    assert [rows for _, rows in written] == 100 * [2]


def test_exports_know_the_limits_that_were_recorded(
    tmp_path: Path, person: Callable[..., np.ndarray], frame: Callable[..., PoseFrame]
) -> None:
    frames = [frame(k, [person(i) for i in range(40)]) for k in range(5)]
    config = msgspec.json.encode(Config(wire=WireOptions(max_people=64))).decode()
    path = record(tmp_path / "a.mcap", frames, config=config)
    assert write_tables(Playback([path]), tmp_path / "out") == [(tmp_path / "out" / "hall.csv", 200)]
    assert write_scenes(Playback([path]), tmp_path / "s.mcap") == 5
    few = [frame(k, [person(0), person(1)]) for k in range(100, 103)]
    path = record(tmp_path / "b.mcap", [*frames, *few])  # without a detector the limits are the default's
    for write, out in ((write_tables, tmp_path / "few"), (write_scenes, tmp_path / "few.mcap")):
        playback = Playback([path])
        write(playback, out)
        assert playback.notes == ["left out: 5 messages for too_many_people"]
    path = record(tmp_path / "c.mcap", frames)
    for write, out in ((write_tables, tmp_path / "none"), (write_scenes, tmp_path / "none.mcap")):
        with pytest.raises(RecordingError, match="no usable frame in that time; left out: 5 messages for too_many_p"):
            write(Playback([path]), out)


def test_c3d_is_read_by_others_and_by_us(tmp_path: Path, encounter: Frames) -> None:
    frames = encounter(seconds=2.0)
    joints = np.stack([f.joints for f in frames])
    joints[5, 1, 2] = np.nan
    clip = Clip(joints, frames[0].layout, 30.0)
    write_c3d(tmp_path / "a.c3d", clip, ("ann", "bob"))
    theirs = ezc3d.c3d(str(tmp_path / "a.c3d"))
    point = theirs["parameters"]["POINT"]
    assert point["LABELS"]["value"] == [f"{p}:{j}" for p in ("ann", "bob") for j in clip.layout.joints]
    assert (point["UNITS"]["value"], point["RATE"]["value"][0]) == (["m"], 30.0)
    points = theirs["data"]["points"][:3].transpose(2, 1, 0).reshape(joints.shape)
    np.testing.assert_array_equal(np.isnan(points), np.isnan(joints))
    np.testing.assert_allclose(np.nan_to_num(points), np.nan_to_num(joints), atol=1e-6)
    ((ours,),) = read_poses([tmp_path / "a.c3d"])
    assert len(ours) == 60
    shared = [j for j in clip.layout.joints if j in ours.layout.index]
    assert len(shared) >= 8
    for j in shared:
        np.testing.assert_allclose(
            ours.joints[30, :, ours.layout.index[j]], joints[30, :, clip.layout.index[j]], atol=1e-5
        )
    with pytest.raises(RecordingError, match="70000 frames of 22 points; C3D takes 65535 of 255"):
        write_c3d(tmp_path / "b.c3d", Clip(np.zeros((70000, 2, 11, 3), "f4"), clip.layout, 30.0), ("a", "b"))


def test_names_that_c3d_cannot_hold_are_refused(tmp_path: Path) -> None:
    layout = Layout("long", ("head", "n" * 250), ())
    with pytest.raises(RecordingError) as e:
        write_c3d(tmp_path / "a.c3d", Clip(np.zeros((3, 2, 2, 3), "f4"), layout, 30.0), ("first", "second"))
    label = f"'second:{'n' * 52}"
    assert str(e.value) == f"{tmp_path / 'a.c3d'}: the label {label} has 257 characters; C3D takes 255"


def test_scenes_stand_upright_for_foxglove(tmp_path: Path, encounter: Frames) -> None:
    frames = encounter(seconds=0.5)
    frames[0].joints[0, 0] = np.nan
    path = record(tmp_path / "a.mcap", frames)
    assert write_scenes(Playback([path]), tmp_path / "s.mcap") == 15
    with (tmp_path / "s.mcap").open("rb") as stream:
        (schema, channel, message), *_ = make_reader(stream).iter_messages()
    assert schema is not None
    assert (schema.name, schema.encoding, channel.message_encoding) == ("foxglove.SceneUpdate", "jsonschema", "json")
    ann, bob = json.loads(message.data)["entities"]
    assert (ann["id"], bob["id"]) == ("hall/ann", "hall/bob")
    assert (len(ann["spheres"]), len(bob["spheres"])) == (10, 11)
    head = bob["spheres"][0]["pose"]["position"]
    x, y, z = frames[0].joints[1, 0].tolist()
    assert (head["x"], head["y"], head["z"]) == pytest.approx((x, -z, y), abs=1e-4)
    with pytest.raises(RecordingError, match=r"s\.mcap: is there already; expected the name of a new file"):
        write_scenes(Playback([path]), tmp_path / "s.mcap")
