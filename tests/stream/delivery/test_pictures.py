"""Pictures of the two people of an incident, as drawn and as JSON carries them."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray
from PIL import Image

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.codes import AttentionKind, IncidentReason, PairEnd, Severity
from dyadwatch.stream.configuration.config import AlarmOptions, Config
from dyadwatch.stream.configuration.delivery_options import WebhookOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.delivery import picture, picture_text
from dyadwatch.stream.delivery.parcel import Parcel, asks_to_look
from dyadwatch.stream.delivery.peak_poses import PeakPose, PeakPoses, peak_pose
from dyadwatch.stream.delivery.picture import draw_picture
from dyadwatch.stream.delivery.picture_view import PictureView
from dyadwatch.stream.delivery.pictures import Pictures
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.items import Window
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.messages import EventMessage
from dyadwatch.stream.scoring.scorer import Scorer

RED, BLUE, AMBER = (220, 38, 38), (29, 78, 216), (180, 83, 9)


def pixels(png: bytes, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture shows a colour, (N, 2) x and y."""
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int16)
    return np.argwhere(np.abs(image - colour).max(axis=2) < 24)[:, ::-1]


@pytest.fixture
def pose(peaks: PeakPoses, updates: Any) -> PeakPose:
    found = peaks.of(updates.incident())
    assert found is not None
    return found


def test_the_moment_is_that_at_which_the_limb_does_what_is_said_of_it(pose: PeakPose) -> None:
    wrist, head = UPPER11.index["right_wrist"], UPPER11.index["head"]
    assert (pose.ids, pose.at, pose.limb, pose.head) == ((1, 2), 20, (1, wrist, head), head)
    places = np.frombuffer(pose.places, "<f4").reshape(2, 11, 3)
    np.testing.assert_allclose(places[1, wrist], [0.12, 1.65, 0.05], atol=1e-6)
    np.testing.assert_allclose(np.frombuffer(pose.path, "<f4").reshape(-1, 3)[20], places[1, wrist])
    assert [UPPER11.joints[i] for i in pose.lit[1]] == ["right_elbow", "right_wrist", "right_shoulder"]
    assert pose.lit[0] == ()
    # upper bodies: the floor is where legs of their length of trunk end
    assert pose.floor_m == pytest.approx(0.95 - 1.85 * 0.5, abs=0.01)
    assert pose.stands == UPPER11.index["pelvis"]


def test_windows_are_kept_by_source_pair_and_stamp_the_latest_of_them(updates: Any) -> None:
    kept, window = PeakPoses(UPPER11, most=2), np.zeros((2, 5, 11, 3), np.float32)
    for source in ("yard", "hall", "attic"):
        kept.put(source, (1, 2), updates.at, window)
    assert [kept.of(updates.incident(source=s)) is not None for s in ("yard", "hall", "attic")] == [False, True, True]
    moved = structs.replace(updates.incident().pairs[0], peak_stamp=updates.at + 1)
    assert kept.of(updates.incident(pairs=(moved,))) is None
    assert kept.of(updates.incident(pairs=())) is None


def test_the_oldest_goes_once_there_are_too_many_and_what_is_put_again_is_new(updates: Any) -> None:
    kept, window = PeakPoses(UPPER11, most=8), np.zeros((2, 5, 11, 3), np.float32)
    names = [f"s{i}" for i in range(8)]

    def there() -> list[str]:
        return [s for s in [*names, "new"] if kept.of(updates.incident(source=s)) is not None]

    for source in names:
        kept.put(source, (1, 2), updates.at, window)
    assert there() == names
    kept.put("s0", (1, 2), updates.at, window)
    kept.put("new", (1, 2), updates.at, window)
    assert there() == ["s0", *names[2:], "new"]


def test_the_floor_is_below_the_feet_below_who_stands_and_at_who_lies(updates: Any) -> None:
    def floor(layout: Layout, *people: list[list[float]]) -> tuple[float, int]:
        window = np.array(people, np.float32)[:, None].repeat(3, axis=1)
        pose = peak_pose(window, layout, updates.incident())
        return pose.floor_m, pose.stands

    upper = Layout("custom", ("pelvis", "neck"), (("pelvis", "neck"),))
    standing, sitting, lying = [[0, 1, 0], [0, 1.5, 0]], [[2, 0.5, 0], [2, 1, 0]], [[2, -0.1, 0], [2.5, 0, 0]]
    assert floor(upper, standing, sitting) == (pytest.approx(1 - 1.85 * 0.5, abs=1e-3), 0)
    assert floor(upper, standing, lying) == (pytest.approx(-0.1), 0)
    assert floor(upper, lying, lying) == (pytest.approx(-0.1), 0)
    whole = Layout("custom", ("pelvis", "neck", "left_ankle"), (("pelvis", "neck"),))
    assert floor(whole, [*standing, [0, 0.1, 0]], [*sitting, [2, 0.2, 0]]) == (pytest.approx(0.1), -1)


def test_who_is_who_and_the_odd_limb_are_seen_where_they_are(pose: PeakPose) -> None:
    png = draw_picture(pose, "Living room", "29 Nov 14:03:12", "right hand of 2 toward the head of 1")
    assert Image.open(io.BytesIO(png)).size == (960, 640)
    assert len(png) < 60_000
    view = PictureView(pose, (28 * 2, 84 * 2, (960 - 28) * 2, (640 - 112) * 2))
    hand = view(view.places[1, UPPER11.index["right_wrist"]]) / 2
    assert np.hypot(*(pixels(png, RED) - hand).T).min() < 3
    for person, colour in ((0, BLUE), (1, AMBER)):
        left_hand = view(view.places[person, UPPER11.index["left_wrist"]]) / 2
        assert np.hypot(*(pixels(png, colour) - left_hand).T).min() < 4
    plain = draw_picture(structs.replace(pose, lit=((), ()), limb=None, path=b""), "", "", "")
    assert len(pixels(plain, RED)) == 0 < len(pixels(plain, BLUE))
    assert png == draw_picture(pose, "Living room", "29 Nov 14:03:12", "right hand of 2 toward the head of 1")


@pytest.mark.parametrize("turn", range(0, 360, 45))
def test_all_of_both_is_in_the_picture_wherever_they_stand(pose: PeakPose, turn: int) -> None:
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    spin = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])

    def turned(data: bytes) -> bytes:
        points = np.frombuffer(data, "<f4").reshape(-1, 3) @ spin.T + [3000, 5, -40]
        return points.astype("<f4").tobytes()

    there = structs.replace(pose, places=turned(pose.places), path=turned(pose.path), floor_m=pose.floor_m + 5)
    view = PictureView(there, (0, 0, 960, 460))
    where = np.concatenate([view(view.places).reshape(-1, 2), view(view.path)])
    assert where.min() > 0
    assert (where < [960, 460]).all()
    # the odd hand is not behind the two
    assert view.nearness(view.places[1, 8]) >= view.nearness(view.places).mean()
    draw_picture(there, "", "", "")


def test_two_at_one_place_and_ids_and_places_of_any_length_are_drawn(pose: PeakPose) -> None:
    one = pose.places[: len(pose.places) // 2]
    png = draw_picture(
        structs.replace(pose, places=one + one, ids=("ann\x00" * 20, ""), head=-1), "Küche " * 90, "", "word" * 400
    )
    assert Image.open(io.BytesIO(png)).size == (960, 640)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one", ["one"]),
        ("aaaa bbbb", ["aaaa", "bbbb"]),
        ("aaaa bbbb cccc", ["aaaa", "bbbb", "cccc"]),
        ("aaaa bbbb cc, dddd", ["aaaa", "bbbb", "cc…"]),
        ("mmmmmmmmm", ["mm…"]),
    ],
)
def test_long_texts_have_three_lines_and_are_cut_with_dots(text: str, lines: list[str]) -> None:
    font, _ = picture_text.font_of(20)
    width = max(font.getlength(word) for word in ("aaaa", "bbbb", "cccc", "cc,…", "m…")) * 1.01
    found = picture_text._lines(text, font, width)
    assert [re.sub("m+", "mm", line) for line in found] == lines
    assert all(font.getlength(line) <= width for line in found)


def test_without_a_font_of_the_system_letters_lose_their_marks(pose: PeakPose, monkeypatch: pytest.MonkeyPatch) -> None:
    assert picture_text.readable("Küche  №\x07", False) == "Kuche No"
    assert picture_text.readable("Küche  №\x07", True) == "Küche №"
    monkeypatch.setattr(picture_text, "_FONTS", ("none.ttf",))
    picture_text.font_of.cache_clear()
    assert draw_picture(pose, "Küche", "", "").startswith(b"\x89PNG")
    picture_text.font_of.cache_clear()


def test_pictures_go_with_what_asks_people_to_look_alone(updates: Any) -> None:
    rose = updates.incident(kind="update", reason=IncidentReason.SEVERITY_ROSE, severity=Severity.CRITICAL)
    look = [updates.incident(), rose, updates.call(), updates.call(what=AttentionKind.ESCALATED)]
    assert all(asks_to_look(m) for m in look)
    others = [updates.call(what=kind) for kind in AttentionKind if kind not in ("call", "escalated")]
    assert not any(asks_to_look(m) for m in [*others, updates.incident(kind="update"), updates.incident(kind="close")])


def test_json_carries_a_picture_where_it_is_asked_for_and_no_pose_waits_for_others(
    deliver: Any, server: Any, make_server: Any, updates: Any, until: Any, peaks: Any, tmp_path: Path
) -> None:
    other = make_server(0)
    other.always = 500
    sink = deliver(
        peaks=peaks, seen=WebhookOptions(url=server.url, picture=True), blind=WebhookOptions(url=other.url)
    )  # fmt: skip
    sink.emit([updates.incident(), updates.incident(kind="update"), updates.call()])
    until(lambda: len(server.taken) == 3 and other.asked, "all")
    bodies = [json.loads(body) for _, body in server.taken]
    assert [("picture" in body) for body in bodies] == [True, False, True]
    head, _, data = bodies[0]["picture"].partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (960, 640)
    assert "picture" not in json.loads(other.asked[0][1])
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as spool:
        waiting = [text for (text,) in spool.execute("SELECT parcel FROM waiting WHERE target = 'blind'")]
    assert [json.loads(text)["pose"] for text in waiting] == [None] * 3


def test_what_cannot_be_drawn_costs_nobody_the_words(
    pose: PeakPose, updates: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise ValueError("no ink")

    monkeypatch.setattr(picture, "draw_picture", broken)
    options = WebhookOptions(url="http://127.0.0.1/", picture=True)
    pictures = Pictures(options, Wording(options, {}))
    parcel = Parcel(key="1405dc-1", number=1, at=updates.at, message=updates.call(), pose=pose)
    assert pictures.data_uri(parcel) is None
    assert "1405dc-1 goes without its picture, which cannot be drawn" in caplog.text


def test_the_windows_of_all_peaks_are_kept_though_the_batch_went_on(scorer: Scorer, encounter: Any) -> None:
    """An event that opens names the peak of then, which a later window of the same batch may have beaten."""
    losses = DropLog(Counters())
    intake = Ingest(scorer.shape, Config(), losses)
    peaks: dict[tuple[str, tuple[TrackId, TrackId], int], NDArray[np.float32]] = {}
    judge = Scoring(
        scorer,
        Thresholds(raise_at=0.2, clear_at=0.1),
        Config(alarm=AlarmOptions(min_duration_s=0, update_s=0.1)),
        losses,
        on_peak=lambda source, pair, stamp, joints: peaks.update({(source, pair, stamp): joints}),
    )
    batch = [item for number, frame in enumerate(encounter(seconds=12.0)) for item in intake.push(frame, number)]
    batch += intake.finish(PairEnd.SHUTDOWN)  # the source has no pair any more
    events = [m for m in judge.judge(batch) if isinstance(m, EventMessage)]
    assert len(events) > 32
    windows = {i.end: i.joints for i in batch if isinstance(i, Window)}
    for m in events:
        np.testing.assert_array_equal(peaks[m.source, m.pair, m.peak_stamp], windows[m.peak_stamp])
    assert len(peaks) == len({m.peak_stamp for m in events})
