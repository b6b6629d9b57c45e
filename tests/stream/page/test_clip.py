"""The clip of an incident comes out of the recording: who was there, before and after, and what is to be lit."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dyadwatch.core.explanation.explainer import How
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.limbs import Limb
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.alarms.guilty import guilty_joints
from dyadwatch.stream.memory.kept import KeptIncident
from dyadwatch.stream.messages import IncidentMessage, JointPairPart, OddLimb, ScoreMessage
from dyadwatch.stream.page.incident_clip import ClipUnavailableError, read_clip, span_of
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import recording_name, recordings_between
from dyadwatch.stream.wire import encode_pose

S = 1_000_000_000
START = 1_700_000_000 * S
Make = Callable[..., IncidentMessage]


@pytest.fixture
def folder(tmp_path: Path, encounter: Callable[..., list[PoseFrame]]) -> Iterator[Path]:
    """Twelve seconds of two people in a file that is still being written to, as a detector records them."""
    file = RecordingFile(tmp_path / recording_name(1, 1, START), RecordingHeader(run="1"))
    for frame in encounter(seconds=12.0):
        file.parts("pose.hall", encode_pose(frame), frame.stamp, frame.stamp + S // 100, frame.seq)
    for k in range(24):
        at = START + k * S // 2
        score = ScoreMessage(
            source="hall", pair=("ann", "bob"), start=at - S, end=at, score=1.0, relation=0.0, unusual=1.0,
            evidence=k / 10, doubtful=k == 9, model="m 1", latency_ms=1.0,
        )  # fmt: skip
        file.message(score, at)
    file.flush()
    yield tmp_path
    file.close()


def kept(incident: Make, **changes: object) -> KeptIncident:
    message = incident(began=START + 5 * S, people=("ann", "bob"), **changes)
    message = msgspec.structs.replace(message, pairs=(msgspec.structs.replace(message.pairs[0], pair=("ann", "bob")),))
    return KeptIncident(message=message, run="r", began=START, told=START)


def test_a_clip_has_both_people_before_and_after(folder: Path, incident: Make) -> None:
    of = kept(incident)
    first, last = span_of(of.message, 2.0, 1.0)
    clip = read_clip(folder, of, 0, first, last)
    assert clip.ids == ("ann", "bob")
    assert clip.start_s == pytest.approx(-2.0, abs=0.05)
    assert clip.frames == pytest.approx(6 * 30, abs=2)
    places = np.frombuffer(base64.b64decode(clip.places), "<f4").reshape(clip.frames, 2, len(clip.joints), 3)
    assert not np.isnan(places).any()
    assert (places[:, 0, 0, 0] < places[:, 1, 0, 0]).all(), "ann is on the left throughout"
    (curve,) = clip.curves
    assert curve.pair == ("ann", "bob")
    assert curve.times == [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    assert curve.evidence[0] == 0.6
    assert clip.doubtful


def test_a_detector_that_was_behind_is_no_obstacle(folder: Path, incident: Make) -> None:
    """An incident was told minutes after it happened: what was recorded had come long before."""
    of = kept(incident)
    first, last = span_of(of.message, 2.0, 1.0)
    assert read_clip(folder, of, 300 * S, first, last).frames > 170


@pytest.mark.parametrize(("offset_s", "said"), [(-4000, "nothing was recorded"), (4000, "nobody is seen")])
def test_another_clock_is_reckoned_with(folder: Path, incident: Make, offset_s: int, said: str) -> None:
    """The source's clock is an hour off the detector's, by which the recording goes: other frames came at that time."""
    of = kept(incident)
    first, last = span_of(of.message, 2.0, 1.0)
    with pytest.raises(ClipUnavailableError, match=said):
        read_clip(folder, of, offset_s * S, first, last)


def test_what_was_not_recorded_is_said(folder: Path, incident: Make) -> None:
    of = kept(incident, source="yard")
    first, last = span_of(of.message, 2.0, 1.0)
    with pytest.raises(ClipUnavailableError, match=r"^nobody is seen in the recording at that time$") as caught:
        read_clip(folder, of, 0, first, last)
    assert caught.value.code == "not_recorded"
    next(folder.glob("*.mcap")).write_bytes(b"torn")
    with pytest.raises(ClipUnavailableError, match=r"^the recording cannot be read: "):
        read_clip(folder, of, 0, first, last)


def test_only_files_of_that_time_are_opened(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / recording_name(1, k, START + k * 3600 * S)).write_bytes(b"")
    (tmp_path / "holiday.mcap").write_bytes(b"")
    found = recordings_between(tmp_path, START + 3500 * S, START + 3700 * S)
    assert [path.name[-9:] for path in found] == ["0000.mcap", "0001.mcap"]


def test_of_a_long_incident_the_part_around_its_peak_is_shown(incident: Make) -> None:
    long = incident(began=START, end=START + 1000 * S, peak_stamp=START + 500 * S)
    first, last = span_of(long, 5.0, 5.0)
    assert ((first - START) / S, (last - START) / S) == (455.0, 545.0)
    late = incident(began=START, end=START + 1000 * S, peak_stamp=START + 999 * S)
    assert span_of(late, 5.0, 5.0)[1] == START + 1005 * S


def test_the_limb_that_explains_it_is_lit_and_else_the_joints(incident: Make) -> None:
    message = incident()
    pair = message.pairs[0]
    limb = OddLimb(
        person=2, limb=Limb.LEFT_ARM, joint="left_wrist", toward="head", how=How.FAST, share=1.0, speed_m_s=3.0,
        distance_m=0.2, off_m=0.1, usual=1.0,
    )  # fmt: skip
    lit = msgspec.structs.replace(message, pairs=(msgspec.structs.replace(pair, limb=limb),))
    (guilty,) = guilty_joints(lit, UPPER11.joints)
    assert guilty.person == 2
    assert {UPPER11.joints[j] for j in guilty.joints} == {"left_elbow", "left_wrist"}
    parts = (JointPairPart(first="head", second="neck", share=0.5, shift_m=0.1),)
    plain = msgspec.structs.replace(message, pairs=(msgspec.structs.replace(pair, joints=parts),))
    assert [(g.person, g.joints) for g in guilty_joints(plain, UPPER11.joints)] == [(1, (0,)), (2, (1,))]
    assert guilty_joints(msgspec.structs.replace(message, pairs=()), UPPER11.joints) == ()
