"""Pictures, films and pages of recordings and clips, looked at by their properties."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import EventReason
from dyadwatch.stream.configuration.config import Config, MergeOptions
from dyadwatch.stream.messages import EventMessage, EventRule, JointPairPart, ScoreMessage, encode_json
from dyadwatch.stream.publishers.simulator.scenario import Scenario, make_scenario
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.view import view
from dyadwatch.tools.viewing import film
from dyadwatch.tools.viewing.camera import look_at
from dyadwatch.tools.viewing.drawing import ALARM, CALM, FIRST, SECOND, Drawing
from dyadwatch.tools.viewing.page import page, serve
from dyadwatch.tools.viewing.recorded import recorded_scene
from dyadwatch.tools.viewing.scene import Scene

S = 1_000_000_000
BEGIN = 1_700_000_000 * S
SECONDS = 4.0
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def said(source: str, pair: tuple[int, int]) -> Iterator[ScoreMessage | EventMessage]:
    """Scores that rise and fall, and an event from 2 to 3 s."""
    for k in range(10, 20):
        end = BEGIN + k * S // 5
        score = 4.0 - abs(k - 12) / 2
        yield ScoreMessage(
            source=source, pair=pair, start=end - S, end=end, score=score, relation=score, unusual=0.0, model="tiny 1",
            evidence=score / 2, latency_ms=1.0,
        )  # fmt: skip
    yield EventMessage(
        type="close", id="one", source=source, pair=pair, clock="unix", start=BEGIN + 2 * S, end=BEGIN + 3 * S,
        stamp=BEGIN + 3 * S, score=1.0, relation=0.0, unusual=0.0, peak_score=4.0, peak_stamp=BEGIN + 12 * S // 5,
        threshold=2.0, evidence=2.0, rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=4.0),
        reason=EventReason.CALM_AGAIN, text="calm again", explanation="", model="tiny 1",
        joints=(JointPairPart(first="left_hand", second="head", share=0.5, shift_m=-0.2),),
    )  # fmt: skip


@cache
def life(seconds: float) -> Scenario:
    """Three people in a small room."""
    return make_scenario(5, people=3, duration_s=seconds, room_m=3.0)


def frames(source: str = "hall", **changes: Any) -> list[PoseFrame]:
    sent = life(SECONDS).frames(30.0, source=source, epoch=1, start_ns=BEGIN)
    return [replace(f, **changes) for f in sent]


def recorded(path: Path, *sent: list[PoseFrame], source: str = "", config: Config | None = None) -> Path:
    about = RecordingHeader(
        run="5", config=encode_json(config or Config()).decode(), model="tiny 1", raise_at="2.0", clear_at="1.0"
    )
    file = RecordingFile(path, about)
    together = [f for some in zip(*sent, strict=True) for f in some]
    for i, f in enumerate(together):
        file.parts(f"pose.{f.source}", encode_pose(f), f.stamp, f.stamp, i)
    if source:
        for m in said(source, (1, 2)):
            file.message(m, m.end if isinstance(m, ScoreMessage) else m.stamp)
    file.close()
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("view") / "day.mcap", frames(), source="hall")


@pytest.fixture(scope="module")
def scene(recording: Path) -> Scene:
    return recorded_scene([recording], 25.0, Config())[0]


def near(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where a picture has a colour, give or take the smoothing of edges; shape (h, w)."""
    return np.abs(np.asarray(picture, np.int16) - np.array(colour)).max(axis=2) <= 12


def test_a_recording_is_looked_at_with_its_scores(scene: Scene) -> None:
    assert scene.names[:2] == ("1", "2")
    assert scene.joints.shape == (round(SECONDS * 25), 3, 25, 3)
    assert scene.levels == (1.0, 0.5)  # of the evidence
    assert scene.missing is None
    assert scene.peak == pytest.approx(2.4)
    assert [(s.start, s.end, s.joints) for s in scene.spans] == [(2.0, 3.0, ("left_hand", "head"))]
    truth = frames()[30].joints
    np.testing.assert_allclose(scene.joints[25], truth, atol=1e-5)


def test_a_picture_shows_two_people_in_two_colours_and_the_event(scene: Scene) -> None:
    drawing = Drawing(scene)
    event, calm = drawing.picture(2.4), drawing.picture(1.0)
    assert event.size == (1280, 720)
    for colour in (FIRST, SECOND):
        people = near(event, colour)
        assert 1500 < people[:500].sum() < 40_000
        assert people[504:].sum() == 0
    assert near(event, ALARM)[:504].sum() > 200  # the score in red, and the joints that contribute
    assert near(calm, ALARM)[:504].sum() == 0
    assert np.asarray(event)[600, :, 0].min() < 60  # the curve and the cursor
    assert (np.asarray(event) == [254, 226, 226]).all(axis=2).sum() > 5000  # the span of the event
    assert drawing.picture(2.4).tobytes() == event.tobytes()


def test_all_axes_have_one_scale(scene: Scene) -> None:
    camera = look_at(scene, (0, 0, 1280, 500))
    middle, metre = camera.target, 0.001
    where, depth = camera.project(np.stack([middle, middle + np.array([0, metre, 0])]))
    up = np.linalg.norm(where[1] - where[0]) / np.cos(np.radians(16))
    aside = np.array([np.cos(camera.azimuth), 0, -np.sin(camera.azimuth)]) * metre
    across = np.linalg.norm(camera.project(middle + aside)[0] - where[0])
    assert up == pytest.approx(across, rel=0.01)
    assert camera.pixels(metre, float(depth[0])) == pytest.approx(across, rel=0.01)
    whole, _ = camera.project(scene.joints[:, :2].reshape(-1, 3))
    assert (np.nanmin(whole, axis=0) > 0).all()
    assert (np.nanmax(whole, axis=0) < [1280, 500]).all()


def test_in_a_picture_the_two_fill_the_view(scene: Scene) -> None:
    far = replace(scene, joints=scene.joints.copy())
    far.joints[:20, :2] += np.array([8.0, 0.0, 8.0], np.float32)  # they come from far away
    for at in (1.6, 2.4):
        drawn = near(Drawing(far, at=at).picture(at), FIRST) | near(Drawing(far, at=at).picture(at), SECOND)
        rows, columns = np.flatnonzero(drawn[64:504].any(axis=1)), np.flatnonzero(drawn[64:504].any(axis=0))
        assert max(int(rows[-1] - rows[0]) / 440, int(columns[-1] - columns[0]) / 1280) > 0.7
    box = (0, 64, 1280, 504)
    assert look_at(far, box).distance > 1.5 * look_at(far, box, 2.4).distance


@pytest.mark.parametrize("levels", [(2.0, 1.0), (1.55, 1.5)])
def test_thresholds_are_named_beside_their_lines(scene: Scene, levels: tuple[float, float]) -> None:
    picture = Drawing(replace(scene, levels=levels), at=2.4).picture(2.4)
    beside = {word: near(picture, colour)[526:676, 1172:] for word, colour in (("raise", ALARM), ("clear", CALM))}
    rows = {word: np.flatnonzero(found.any(axis=1)) for word, found in beside.items()}
    assert rows["raise"].max() < rows["clear"].min()
    assert (np.asarray(picture)[526:676, 1172:1176] == 255).all()  # no line reaches the names


def test_a_film_has_every_picture(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "day.mp4"
    view([recording], mp4=out, fps=5.0)
    assert f"{SECONDS * 5:.0f} pictures, {SECONDS:.1f} s" in " ".join(capsys.readouterr().err.split())
    command = [film.find_ffmpeg(), "-hide_banner", "-i", str(out), "-f", "null", "-"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "1280x720" in told
    assert re.search(r"Video: (h264|mpeg4)", told)
    assert re.findall(r"frame= *(\d+)", told)[-1] == f"{SECONDS * 5:.0f}"


def test_a_page_holds_the_scene_and_loads_nothing(scene: Scene) -> None:
    text = page(replace(scene, names=("</script><b>", *scene.names[1:])), at=1.5)
    assert "</script><b>" not in text
    assert "default-src 'none'" in text
    assert re.findall(r"https?:|src=|href=|import|fetch|XMLHttpRequest|WebSocket", text) == []
    data = json.loads(re.findall(r"const scene = (.*);\n", text)[0])
    assert data["names"][0] == "</script><b>"
    assert data["at"] == 1.5
    assert len(base64.b64decode(data["joints"])) == scene.joints.size * 4
    assert (data["levels"], data["spans"][0]["start"], data["shape"]) == ([1.0, 0.5], 2.0, [100, 3, 25])


def test_a_page_tells_how_much_of_its_window_the_two_need(scene: Scene) -> None:
    data = json.loads(re.findall(r"const scene = (.*);\n", page(scene))[0])
    right, away = (np.array([f(data["azimuth"]) for f in fs]) for fs in ((np.cos, np.sin), (np.sin, np.cos)))
    where = scene.joints[:, :2].reshape(-1, 3) - np.array(data["target"])
    across, along = where[:, 0] * right[0] - where[:, 2] * right[1], where[:, [0, 2]] @ away
    c, s = np.cos(0.28), np.sin(0.28)  # as the page has it
    depth = data["distance"] - where[:, 1] * s - along * c
    x, y = across / depth, -(where[:, 1] * c - along * s) / depth
    left, top, far_right, bottom = data["reach"]
    assert np.mean((x >= left) & (x <= far_right) & (y >= top) & (y <= bottom)) > 0.98
    assert np.ptp(x) > 0.9 * (far_right - left)
    assert np.ptp(y) > 0.8 * (bottom - top)  # names stand above


def test_a_page_draws_people_by_the_module_of_the_detectors_page(scene: Scene, repo_root: Path) -> None:
    module = (repo_root / "stream" / "page" / "static" / "view3d.js").read_text("utf8")
    assert module[module.index("class View3D") :] in page(scene)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed; on Debian and Ubuntu: apt install chromium")
def test_a_browser_shows_the_page_and_turns_it(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(scene, at=1.5), "utf8")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown_page = browser.new_page(viewport={"width": 800, "height": 600})
        shown_page.on("console", lambda m: complaints.append(m.text))
        shown_page.on("pageerror", lambda e: complaints.append(str(e)))
        shown_page.goto(f"file://{tmp_path / 'page.html'}")
        expect(shown_page.locator("#title")).to_have_text(scene.title)
        expect(shown_page.locator("#clock")).to_contain_text("1.5 s")
        canvas = shown_page.locator("#scene")
        before = canvas.screenshot()
        canvas.hover()
        shown_page.mouse.down()
        shown_page.mouse.move(200, 200)
        assert canvas.screenshot() != before, "it turns"
        shown_page.mouse.up()
        shown_page.locator("#plot").click(position={"x": 770, "y": 60})
        expect(shown_page.locator("#clock")).not_to_contain_text("1.5 s")
        browser.close()
    assert complaints == []


def test_the_page_is_served_to_this_machine_alone(scene: Scene) -> None:
    text = page(scene)
    listening: list[ThreadingHTTPServer] = []
    began = threading.Event()

    def ready(server: ThreadingHTTPServer) -> None:
        listening.append(server)
        began.set()

    thread = threading.Thread(target=serve, args=(text, 0, ready))
    thread.start()
    assert began.wait(30)
    host, port = listening[0].server_address[:2]
    try:
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert answer.read().decode() == text
        foreign = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": "elsewhere.example"})
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(foreign, timeout=30)
        refused.value.close()
    finally:
        listening[0].shutdown()
        thread.join(30)


def test_without_scores_the_picture_says_how_to_get_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "poses.mcap", frames())
    view([path], png=tmp_path / "one.png", at=1.0)
    said = " ".join(capsys.readouterr().err.split())
    assert "no scores in the file; give --model shipped, or a model file, to score it" in said
    assert f"{tmp_path / 'one.png'}: 1.0 s of 4.0 s" in said
    assert "stamps" not in said
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (1280, 720)


def test_a_pose_file_is_scored_with_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(tmp_path / "clips", [Clip(life(6.0).joints(30.0)[:, :2].copy(), KINECT25, 30.0, clip_id="one")])
    view([tmp_path / "clips"], html=tmp_path / "page.html", model=Path("shipped"))
    data = shown(tmp_path / "page.html")
    assert data["names"] == ["A", "B"]
    assert len(data["curves"][0]["values"]) > 5
    assert data["missing"] is None
    told = capsys.readouterr().err
    assert "--model" not in told
    assert f"{tmp_path / 'page.html'}: 6.0 s" in " ".join(told.split())


def shown(path: Path) -> dict[str, Any]:
    """What a page holds."""
    return json.loads(re.findall(r"const scene = (.*);\n", path.read_text("utf8"))[0])


def test_what_is_set_prevails_over_what_was_recorded(recording: Path, tmp_path: Path) -> None:
    out, near = tmp_path / "page.html", ("pairs.enter_m=0.1", "pairs.leave_m=0.2")
    view([recording], html=out, model=Path("shipped"))
    assert shown(out)["curves"]
    view([recording], html=out, model=Path("shipped"), set_=near)
    assert (shown(out)["curves"], shown(out)["missing"]) == ([], "no window of two people near each other was scored")


def at_double_speed(path: Path, *begins_s: float) -> Path:
    """The same four seconds, each time received in two."""
    file, at = RecordingFile(path, RecordingHeader(run="5")), 0
    for epoch, begin_s in enumerate(begins_s, 1):
        for f in frames(epoch=epoch):
            came = BEGIN + round(begin_s * S) + (f.stamp - BEGIN) // 2
            file.parts("pose.hall", encode_pose(f), came, f.stamp, at)
            at += 1
    file.close()
    return path


def test_what_came_at_double_speed_says_whose_seconds_the_axis_counts(tmp_path: Path) -> None:
    scene, notes = recorded_scene([at_double_speed(tmp_path / "fast.mcap", 0)], 25.0, Config())
    assert scene.seconds == pytest.approx(SECONDS, abs=0.1)
    assert notes == ["by the stamps of its frames 4 s are shown, which the axis and --at count; they came within 2 s"]


def test_of_a_long_recording_a_part_with_people_is_shown(tmp_path: Path) -> None:
    path = at_double_speed(tmp_path / "day.mcap", 5.0, 10.0, 1000.0)  # in its middle nobody sends
    scene, notes = recorded_scene([path], 25.0, Config())
    assert scene.seconds == pytest.approx(SECONDS, abs=0.1)
    assert notes[0] == "997 s are recorded; shown is what came in the 21 s from 0 s on, choose with --from and --until"
    assert notes[1].startswith("by the stamps of its frames 4 s are shown")


def test_of_a_long_recording_the_part_is_that_of_the_source(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "day.mcap", RecordingHeader(run="5"))
    for i, (source, later) in enumerate([("hall", 0), ("yard", 500)]):
        for k, f in enumerate(frames(source), i * len(frames())):
            file.parts(f"pose.{source}", encode_pose(f), f.stamp + later * S, f.stamp, k)
        for m in said(source, (1, 2)):  # the peak of the hall is the higher one
            if isinstance(m, ScoreMessage):
                file.message(structs.replace(m, score=m.score - i), m.end + later * S)
    file.close()
    paths = [tmp_path / "day.mcap"]
    assert recorded_scene(paths, 25.0, Config())[0].title == "hall"
    scene, notes = recorded_scene(paths, 25.0, Config(), source="yard")
    assert (scene.title, scene.missing) == ("yard", None)
    assert "s from 487 s on" in notes[0]
    with pytest.raises(ConfigError, match=r"^--source is 'lab'; expected one that is recorded: hall, yard$"):
        recorded_scene(paths, 25.0, Config(), source="lab")
    with pytest.raises(ConfigError, match=r"^--source is 'yard', of which nothing came in that time; choose other"):
        recorded_scene(paths, 25.0, Config(), source="yard", start="0", end="20")


def test_a_group_is_seen_as_it_was_merged(tmp_path: Path) -> None:
    config = Config(merge=MergeOptions(groups={"hall": ["a", "b"]}))
    path = recorded(tmp_path / "two.mcap", frames("a"), frames("b"), source="hall", config=config)
    merged, _ = recorded_scene([path], 15.0, Config())
    assert (merged.title, set(merged.names)) == ("hall", {"1", "2", "3"})
    sent = frames()[30]
    body = JointMap.between(sent.layout, sent.layout).positions(sent.joints[0])
    np.testing.assert_allclose(merged.joints[15, merged.names.index("1")], body, atol=1e-4)
    alone, _ = recorded_scene([path], 15.0, Config(), source="a")
    assert alone.missing == "no scores in the file; give --model shipped, or a model file, to score it"


def test_errors_name_what_was_given(recording: Path, tmp_path: Path) -> None:
    def told(**options: Any) -> str:
        with pytest.raises(ConfigError) as e:
            view([recording], png=tmp_path / "x.png", **options)
        return str(e.value)

    assert told(source="yard") == "--source is 'yard'; expected one that is recorded: hall"
    assert told(pair=("1", "9")) == "--pair names '9', who is not seen; expected two of 1, 2, 3"
    assert told(at=9.0) == "--at is 9; expected 0 to 4.0 seconds"
    assert told(fps=0.5) == "--fps is 0.5; expected 1 to 120 pictures a second"
    nobody = recorded(tmp_path / "nobody.mcap", [replace(f, joints=f.joints[:0], confidence=f.confidence[:0], ids=())
                                                for f in frames()])  # fmt: skip
    with pytest.raises(ConfigError, match="hall: nobody is seen in it; expected people for two frames or more"):
        view([nobody], png=tmp_path / "x.png")


def test_a_pair_is_looked_for_in_every_stretch(tmp_path: Path) -> None:
    sent = frames()
    again = [replace(f, epoch=2, ids=(7, 8, 9), stamp=f.stamp + 60 * S) for f in sent[:60]]
    path = recorded(tmp_path / "two.mcap", [*sent, *again])
    assert recorded_scene([path], 25.0, Config())[0].names[:1] == ("1",)
    scene, _ = recorded_scene([path], 25.0, Config(), pair=("9", "8"))
    assert (scene.names[:2], scene.seconds) == (("9", "8"), pytest.approx(2.0, abs=0.1))

    def told(*pair: str) -> str:
        with pytest.raises(ConfigError) as e:
            recorded_scene([path], 25.0, Config(), pair=pair)
        return str(e.value)

    assert told("1", "4") == "--pair names '4', who is not seen; expected two of 1, 2, 3, 7, 8, 9"
    assert told("1", "1") == "--pair names '1' twice; expected two people"
    assert told("1", "7") == (
        "--pair names '1' and '7', between whom the source began anew; expected two who are seen in one run of it"
    )


def test_of_a_pose_file_a_part_is_shown(tmp_path: Path) -> None:
    clip = Clip(life(6.0).joints(30.0)[:, :2].copy(), KINECT25, 30.0, clip_id="one")
    write_clips(tmp_path / "clips", [clip])
    out = tmp_path / "page.html"
    view([tmp_path / "clips"], html=out, fps=30.0, from_="2", until="5", pair=("B", "A"))
    assert (shown(out)["shape"][0], shown(out)["names"]) == (90, ["B", "A"])
    first = np.frombuffer(base64.b64decode(shown(out)["joints"]), "<f4")[:3]
    np.testing.assert_allclose(first, clip.joints[60, 1, 0], atol=1e-5)

    def told(**options: Any) -> str:
        with pytest.raises(ConfigError) as e:
            view([tmp_path / "clips"], html=out, **options)
        return str(e.value)

    assert told(from_="6") == "--from is 6; expected less than the 6.0 seconds of the clip"
    assert told(from_="3", until="2") == "--until is 2, which is not after --from, 3"
    assert told(until="soon") == "--until is 'soon'; expected seconds from the beginning of the clip"
    assert told(pair=("A", "X")) == "--pair names 'X', who is not seen; expected two of A, B"
    assert told(source="hall") == ("--source is 'hall'; expected it with recordings alone, pose files have no sources")


@pytest.mark.parametrize("kind", ["png", "html"])
def test_what_cannot_be_written_is_told(recording: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "no" / "x"
    with pytest.raises(ConfigError) as e:
        view([recording], png=out if kind == "png" else None, html=out if kind == "html" else None, fps=5.0)
    assert str(e.value) == f"--{kind} is {out}, but there is no folder {out.parent}; make it first"


def test_an_ffmpeg_that_cannot_is_told(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^--mp4 is .*x\.mp4, but there is no folder .*no; make it first$"):
        view([recording], mp4=tmp_path / "no" / "x.mp4", fps=2.0)
    with pytest.raises(ConfigError, match=r"x.mp4 cannot be written; ffmpeg says: .*No such file"):
        film.write_film(tmp_path / "no" / "x.mp4", [Image.new("RGB", (64, 48))] * 3, 2.0, (64, 48))
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho ' V..... gif  GIF'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake))
    with pytest.raises(ConfigError, match=r"has no encoder for .mp4; expected one of libx264, libopenh264, mpeg4"):
        view([recording], mp4=tmp_path / "x.mp4", fps=2.0)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"none does not run .*; expected an ffmpeg, see IMAGEIO_FFMPEG_EXE"):
        view([recording], mp4=tmp_path / "x.mp4", fps=2.0)
