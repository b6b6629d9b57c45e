"""`dyadwatch publish camera`, `calibrate-camera` and `models` as a person calls them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq
from msgspec import structs

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import COCO17
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.publishers.camera.camera_file import read_camera, write_camera
from dyadwatch.stream.publishers.camera.pose_model import find_model
from dyadwatch.stream.publishers.camera.preview import Preview
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.main import app

cv2 = pytest.importorskip("cv2", reason="needs the extra camera: pip install '.[camera]'")

FRAMES, FPS = 40, 25.0


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.avi"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (320, 240))
    for k in range(FRAMES):
        out.write(np.full((240, 320, 3), 120 + k % 5, np.uint8))
    out.release()
    return path


@pytest.fixture
def landmarks(tmp_path: Path) -> Path:
    """Two people, 1 m apart and 4 m away from a camera of 90 degrees, as another estimator would tell."""
    rng = np.random.default_rng(0)
    body = rng.uniform((-0.25, -0.8, -0.15), (0.25, 0.8, 0.15), (17, 3))
    for ends, y in (((5, 6), -0.5), ((11, 12), 0.1)):  # shoulders above the hips: they stand
        body[list(ends), 1] = y
    people = []
    for x in (-0.5, 0.5):
        at = body + np.array([x, 0.0, 4.0])
        image = at[:, :2] / at[:, 2:] * 160 + (160, 120)
        people.append({"image": image.tolist(), "world": (body + 7.0).tolist()})
    path = tmp_path / "seen.jsonl"
    path.write_text("\n".join(json.dumps({"people": people}) for _ in range(FRAMES)))
    return path


@pytest.fixture
def ear() -> Iterator[tuple[str, list[PoseFrame]]]:
    frames: list[PoseFrame] = []
    stop = threading.Event()
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, b"pose.")
        socket.bind("tcp://127.0.0.1:0")

        def listen() -> None:
            while not stop.is_set():
                if socket.poll(20):
                    frames.append(decode_pose(socket.recv_multipart(), WireOptions()))

        thread = threading.Thread(target=listen)
        thread.start()
        yield socket.getsockopt_string(zmq.LAST_ENDPOINT), frames
        stop.set()
        thread.join()


@pytest.fixture
def pose_model() -> None:
    """Skips where the pose model was not fetched, which tests never do."""
    pytest.importorskip("mediapipe", reason="needs the extra camera: pip install '.[camera]'")
    try:
        find_model("lite")
    except ConfigError as e:
        pytest.skip(str(e))


@pytest.fixture
def film_of_people(tmp_path: Path, shared_data: Path) -> Path:
    """Three people on a photo that is moved about a little."""
    photo = cv2.resize(cv2.imread(str(shared_data / "media" / "rtmlib_demo.jpg")), (475, 320))
    path = tmp_path / "people.avi"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (475, 320))
    for k in range(5):  # the fourth is 0.3 s after the first, which is when people are published
        out.write(np.roll(photo, k % 3, axis=1))
    out.release()
    return path


def _call(*words: str) -> None:
    app(words, result_action="return_value")


def test_a_video_and_anothers_landmarks_become_people_in_metres(
    film: Path,
    landmarks: Path,
    ear: tuple[str, list[PoseFrame]],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    to, frames = ear
    shown = tmp_path / "shown.png"
    seen = ("--landmarks", str(landmarks), "--layout", "coco17", "--fov", "90")
    _call(
        "publish", "camera", "--video", str(film), *seen, "--to", to, "--rate", "0", "--json", "--preview", str(shown)
    )
    summary = json.loads(capsys.readouterr().out)
    assert (summary["sent"], summary["not_people"]) == (FRAMES, {})
    assert summary["assumed_field_of_view"]
    assert "THE FIELD OF VIEW IS ONLY ASSUMED" in caplog.text
    assert [f.stamp for f in frames] == [round(k * 1e9 / FPS) for k in range(len(frames))]
    assert len(frames) == FRAMES
    last = frames[-1]
    assert (last.people, last.layout.name, last.clock, last.ids) == (2, "coco17", "media", (1, 2))
    assert {f.warnings for f in frames} == {("assumed_field_of_view",)}
    a, b = last.joints.mean(axis=1)
    assert np.linalg.norm(a - b) == pytest.approx(1.0, abs=0.02)
    assert a[2] == pytest.approx(-4.0, abs=0.2)
    assert shown.stat().st_size > 100


def test_a_video_is_played_again_as_the_same_source_with_new_ids(film: Path, landmarks: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown.avi"
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, b"pose.")
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.bind("tcp://127.0.0.1:0")
        to = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        seen = ("--landmarks", str(landmarks), "--layout", "coco17", "--preview", str(shown))
        command = [sys.executable, "-m", "dyadwatch.tools.main", "publish", "camera", "--video", str(film), *seen,
                   "--to", to, "--rate", "0", "--loop", "--json"]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                frames = [decode_pose(socket.recv_multipart(), WireOptions()) for _ in range(3 * FRAMES)]
            finally:
                process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
    assert json.loads(out)["stopped"]
    assert [f.seq for f in frames] == list(range(3 * FRAMES))
    assert len({(f.source, f.epoch) for f in frames}) == 1
    whole = round(FRAMES * 1e9 / FPS) + 1_000_000_000
    assert [f.stamp for f in frames] == [k // FRAMES * whole + round(k % FRAMES * 1e9 / FPS) for k in range(3 * FRAMES)]
    rounds = [{i for f in frames[k : k + FRAMES] for i in f.ids or ()} for k in range(0, 3 * FRAMES, FRAMES)]
    assert rounds == [{1, 2}, {3, 4}, {5, 6}]
    assert cv2.VideoCapture(str(shown)).isOpened()
    assert {p.name for p in tmp_path.iterdir()} == {"film.avi", "seen.jsonl", "shown.avi"}


def test_a_camera_is_not_played_again() -> None:
    with pytest.raises(ConfigError, match="--loop goes with --video: a camera has no end"):
        _call("publish", "camera", "--device", "0", "--loop")


def test_the_preview_is_whole_at_any_time(tmp_path: Path) -> None:
    path, stop, parts = tmp_path / "shown.png", threading.Event(), list[bytes]()
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    end = b"IEND\xaeB`\x82"

    def read() -> None:
        while not stop.is_set():
            if path.exists() and not (data := path.read_bytes()).endswith(end):
                parts.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        with Preview(str(path), 10.0, COCO17) as preview:
            preview.show(image, [])
    stop.set()
    reader.join()
    assert parts == []
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["shown.png", "shown.avi"])
def test_a_preview_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(ConfigError, match=rf"^preview is 'none/{name}', but there is no folder none; make it first$"),
        Preview(f"none/{name}", 10.0, COCO17) as preview,
    ):
        preview.show(np.zeros((48, 64, 3), np.uint8), [])


def test_no_image_is_stored_and_no_connection_made_but_the_one_it_was_told_to(
    film: Path, landmarks: Path, ear: tuple[str, list[PoseFrame]], tmp_path: Path
) -> None:
    _watch_what_it_does(film, ear[0], tmp_path, "--landmarks", str(landmarks), "--layout", "coco17")


def test_mediapipe_itself_stores_no_image_and_tells_nobody(
    pose_model: None, film_of_people: Path, ear: tuple[str, list[PoseFrame]], tmp_path: Path
) -> None:
    told = _watch_what_it_does(film_of_people, ear[0], tmp_path)
    assert max(f.people for f in ear[1]) == 3
    assert "THE FIELD OF VIEW IS ONLY ASSUMED" in told
    assert not re.search(r"W0000|XNNPACK|absl", told), "MediaPipe's own lines are held back"


def _watch_what_it_does(film: Path, to: str, tmp_path: Path, *more: str) -> str:
    """Runs the publisher with all its calls of the system written down, looks through them, returns its stderr."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace, which shows what connections a program makes, is not installed")
    log = tmp_path / "calls"
    work = tmp_path / "work"
    work.mkdir()
    words = ["publish", "camera", "--video", str(film), *more]
    command = [strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,openat", "-o", str(log)]
    command += [sys.executable, "-m", "dyadwatch.tools.main", *words, "--to", to, "--rate", "0"]
    env = {**os.environ, "TMPDIR": str(work)}
    done = subprocess.run(command, cwd=work, env=env, check=True, capture_output=True, text=True, timeout=100)
    calls = log.read_text()
    ports = set(re.findall(r"\{sa_family=AF_INET6?, .*?port=htons\((\d+)\)", calls))
    assert ports == {to.rsplit(":", 1)[1]}
    assert list(work.iterdir()) == []
    written = re.findall(r'openat\([^,]+, "([^"]+)", [^)]*O_(?:WRONLY|RDWR)', calls)
    assert [p for p in written if re.search(r"\.(png|jpe?g|avi|mp4|bmp)$", p) and p != str(film)] == []
    return done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "expected exactly one of --device, --video and --rtsp"),
        (("--device", "0", "--rtsp", "rtsp://x"), "expected exactly one of --device, --video and --rtsp"),
        (("--device", "0", "--landmarks", "x"), "--landmarks goes with --video"),
        (("--video", "x.mp4", "--most", "0"), "--most is 0; expected 1 to 32"),
        (("--video", "nowhere.mp4"), r"nowhere\.mp4 does not exist; expected a video file"),
        (("--video", "x.mp4", "--camera", "none.yaml"), r"none\.yaml cannot be read"),
    ],
)
def test_what_cannot_be_is_told(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _call("publish", "camera", *words)


def test_a_preview_of_no_known_kind_is_told(film: Path, landmarks: Path) -> None:
    words = ("--video", str(film), "--landmarks", str(landmarks), "--layout", "coco17")
    with pytest.raises(ConfigError, match=r"preview is 'x\.gif'; expected window, or a file \.mp4, \.avi, \.png"):
        _call("publish", "camera", *words, "--preview", "x.gif")


def test_a_preview_is_whole_even_if_the_landmarks_end_in_an_error(
    film: Path, landmarks: Path, ear: tuple[str, list[PoseFrame]], tmp_path: Path
) -> None:
    lines = landmarks.read_text().splitlines()
    landmarks.write_text("\n".join([*lines[:10], "no landmarks"]))
    shown = tmp_path / "shown.avi"
    words = ("--landmarks", str(landmarks), "--layout", "coco17", "--to", ear[0], "--rate", "0")
    with pytest.raises(ConfigError, match="line 11") as held:  # it keeps all that was at work alive, as a caller may
        _call("publish", "camera", "--video", str(film), *words, "--preview", str(shown))
    capture = cv2.VideoCapture(str(shown))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    del held


def test_bad_landmarks_are_told_with_their_line(film: Path, tmp_path: Path, ear: tuple[str, list[PoseFrame]]) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"people": []}\n{"people": [{"image": [[0, 0]], "world": [[0, 0, 0]]}]}\n')
    words = ("--landmarks", str(path), "--layout", "coco17", "--to", ear[0], "--rate", "0")
    with pytest.raises(ConfigError, match=r"bad\.jsonl line 2: 1 image, 1 world joints; expected 17 of coco17"):
        _call("publish", "camera", "--video", str(film), *words)


def test_a_camera_file_is_made_step_by_step(tmp_path: Path) -> None:
    out = tmp_path / "hall.yaml"
    _call("calibrate-camera", str(out), "--fov", "70", "--size", "1280x720")
    assert read_camera(out).intrinsics.assumed
    _call("calibrate-camera", str(out), "--lens", "900,910,640,360", "--size", "1280x720")
    assert not read_camera(out).intrinsics.assumed
    # Seen by a camera 2.6 m above the floor that looks down by 20 degrees.
    cos, sin, points = np.cos(np.radians(20)), np.sin(np.radians(20)), []
    for x, ahead in ((-1, 4), (1, 4), (-2, 9), (2, 8), (0, 6)):
        down, away = 2.6 * cos - ahead * sin, 2.6 * sin + ahead * cos
        points += ["--floor", f"{900 * x / away + 640},{910 * down / away + 360}={x},{ahead}"]
    _call("calibrate-camera", str(out), *points)
    place = read_camera(out).extrinsics
    assert place is not None
    np.testing.assert_allclose(place.position, (0, 2.6, 0), atol=1e-4)
    np.testing.assert_allclose(np.array(place.rotation)[:, 2], (0, -sin, -cos), atol=1e-5)
    assert place.error_px == pytest.approx(0, abs=0.01)


def test_floor_points_that_do_not_fit_an_assumed_lens_tell_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scene.yaml"
    place = ("201,119=3,15", "592,118=10,15", "781,579=10,5", "2,579=3,5")
    points = [word for point in place for word in ("--floor", point)]
    _call("calibrate-camera", str(out), "--fov", "70", "--size", "800x600", *points)
    said = " ".join(capsys.readouterr().err.split())
    assert "floor points fit to 26.3 pixels" in said
    assert "with a focal length of 917 instead of 571 pixels they would fit to 0.1" in said
    assert read_camera(out).intrinsics.assumed
    _call("calibrate-camera", str(out), *points, "--refine-lens")
    assert "add --refine-lens" not in capsys.readouterr().err
    lens = read_camera(out).intrinsics
    assert (round(lens.fx), lens.assumed) == (917, False)


def test_a_lens_found_later_keeps_what_else_is_known(tmp_path: Path) -> None:
    out = tmp_path / "hall.yaml"
    _call("calibrate-camera", str(out), "--fov", "70", "--size", "1280x720")
    known = structs.replace(read_camera(out), scale=0.93, scale_from="a person of 1.7 m", lean_deg=12.0)
    write_camera(out, known)
    _call("calibrate-camera", str(out), "--lens", "900,910,640,360", "--size", "1280x720")
    found = read_camera(out)
    assert found.intrinsics.fx == 900
    assert structs.replace(found, intrinsics=known.intrinsics) == known


def test_after_another_lens_floor_points_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, again = (
        str(tmp_path / "hall.yaml"),
        "the camera's place was found with another lens; give the floor points again",
    )
    place = ("201,119=3,15", "592,118=10,15", "781,579=10,5", "2,579=3,5")
    points = [word for point in place for word in ("--floor", point)]
    for words, told in (
        (("--fov", "70", *points), False),
        (("--lens", "917,917,400,300"), True),
        (("--lens", "917,917,400,300"), False),
        (("--lens", "900,900,400,300", *points), False),
    ):
        _call("calibrate-camera", out, "--size", "800x600", *words)
        assert (again in " ".join(capsys.readouterr().err.split())) == told


def test_a_lens_that_no_camera_has_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "hall.yaml"
    for known in (False, True):
        with pytest.raises(ConfigError, match=r"hall\.yaml is not written: Expected `float` > 0\.0 - at `\$\.intrin"):
            _call("calibrate-camera", str(out), "--lens=-5,5,1,1", "--size", "64x48")
        assert out.exists() == known
        _call("calibrate-camera", str(out), "--lens", "50,50,32,24", "--size", "64x48")
    assert read_camera(out).intrinsics.fx == 50


def test_the_scale_of_people_is_found_from_their_feet_on_the_floor(
    pose_model: None, shared_data: Path, tmp_path: Path
) -> None:
    out, film = tmp_path / "scene.yaml", str(shared_data / "media" / "Cam_x1_0.mp4")
    place = ("201,119=3,15", "592,118=10,15", "781,579=10,5", "2,579=3,5")
    points = [word for point in place for word in ("--floor", point)]
    _call("calibrate-camera", str(out), "--lens", "964.24,964.63,400,300", "--size", "800x600", *points)
    _call("calibrate-camera", str(out), "--people-video", film, "--seconds", "1.2")
    file = read_camera(out)
    assert file.extrinsics is not None
    assert file.extrinsics.position[1] == pytest.approx(7.0, abs=0.2)
    assert file.scale_from == "feet on the floor"
    assert 0.6 < file.scale < 0.95, "the people of this scene are small"
    assert 10 < file.lean_deg < 30, "it is seen from high above"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "does not exist; expected a lens to begin with: --board, --lens or --fov"),
        (("--lens", "1,2"), "--lens needs --size"),
        (("--lens", "1,2", "--size", "64x48"), "--lens is '1,2'; expected fx,fy,cx,cy"),
        (("--fov", "70", "--size", "big"), "--size is 'big'; expected something like 1280x720"),
        (("--fov", "70", "--size", "64x48", "--floor", "1,2=3,4"), "1 floor points are given; expected at least 4"),
        (("--fov", "70", "--size", "64x48", "--floor", "1;2"), "--floor is '1;2'; expected x,y=right,ahead"),
        (("--fov", "70", "--size", "64x48", "--height", "1.8"), "--height goes with --people-video"),
        (("--fov", "70", "--size", "64x48", "--refine-lens"), "--refine-lens goes with --floor"),
    ],
)
def test_what_cannot_be_calibrated_is_told(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _call("calibrate-camera", str(tmp_path / "c.yaml"), *words)
