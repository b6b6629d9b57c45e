"""What can be checked at once is checked before anything slow: before files are read, and before a detector is awaited.

Every case is wrong twice: in what can be seen at once, and in what comes later (no such file, nobody who listens, no
such model). It is the first that must be told.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.tools.main import app

NOBODY = ("--wait", "0.3", "--to", "tcp://127.0.0.1:1")
NAME = "source is 'my cam'; expected 1-64 characters of A-Z a-z 0-9 _ -"
SENDING = {
    "simulator": ("publish", "simulator"),
    "file": ("publish", "file", "none.bvh"),
    "jsonl": ("publish", "jsonl", "--listen", "tcp://127.0.0.1:0"),
    "lsl": ("publish", "lsl", "--stream", "markers", "--map", "none.yaml"),
    "vmc": ("publish", "vmc", "--bind", "none.yaml"),
    "camera": ("publish", "camera", "--video", "none.mp4"),
    "replay": ("replay", "none.mcap"),
}


def refusal(*words: object) -> str:
    with pytest.raises(DyadwatchError) as e:
        app([str(w) for w in words])
    return str(e.value)


@pytest.mark.parametrize("verb", SENDING)
def test_names_addresses_and_keys_of_who_sends(verb: str) -> None:
    words = SENDING[verb]
    named = ("--as", "my cam") if verb == "replay" else ("--source", "my cam")
    assert refusal(*words, *NOBODY, *named) == NAME
    assert refusal(*words, "--to", "5570") == (
        "--to is '5570'; expected an address such as tcp://127.0.0.1:5570; a time goes with --until"
    )
    assert refusal(*words, *NOBODY, "--key", "none").startswith("keys is 'none', which cannot be read (No such file")
    assert refusal(*words, *NOBODY[2:], "--wait", "-1") == "--wait is -1; expected seconds, 0 or more"


@pytest.mark.parametrize("verb", ["simulator", "file", "camera"])
def test_the_rate_that_is_sent_at(verb: str) -> None:
    assert refusal(*SENDING[verb], *NOBODY, "--rate", "-1") == (
        "--rate is -1; expected 0 (as fast as possible) or a positive factor of real time"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((*SENDING["simulator"], "--fps", "0"), "--fps is 0; expected frames a second, more than 0"),
        ((*SENDING["simulator"], "--faults", "drop=2"), "faults "),
        ((*SENDING["file"], "--faults", "drop=2"), "faults "),
        ((*SENDING["file"], "--gap", "0.1"), "gap_s is 0.1; expected more than 0.5 s"),
        ((*SENDING["camera"], "--preview", "p.gif"), "preview is 'p.gif'; expected window, or a file .mp4"),
        ((*SENDING["camera"], "--preview", "no/p.png"), "preview is 'no/p.png', but there is no folder no; make it"),
        ((*SENDING["camera"], "--fov", "500"), "fov is 500; expected 10 to 170 degrees"),
        (("publish", "camera", "--device", "97"), "device is 97; expected a camera, and this machine has "),
        ((*SENDING["replay"], "--speed", "fast"), "--speed is 'fast'; expected a positive factor of real time, or max"),
    ],
)
def test_what_is_sent(words: tuple[str, ...], text: str) -> None:
    assert refusal(*words, *NOBODY).startswith(text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("detect", "none.bvh", "--model", "no.onnx"), "model no.onnx cannot be read: No such file"),
        (("detect", "none.bvh", "--source", "my cam"), NAME),
        (("detect", "none.bvh", "--set", "alarm.hold=1"), "option 'alarm.hold=1': alarm.hold is not a key"),
        (("view", "none.bvh", "--model", "no.onnx"), "model no.onnx cannot be read: No such file"),
        (("view", "none.bvh", "--png", "no/a.png"), "--png is no/a.png, but there is no folder no; make it first"),
        (("view", "none.mcap", "--html", "no/a.html"), "--html is no/a.html, but there is no folder no; make it"),
        (("view", "none.mcap", "--mp4", "."), "--mp4 is ., a folder; expected the name of a file"),
        (("recordings", "cut", "none.mcap", "--out", "no/a.mcap"), "--out is no/a.mcap, but there is no folder no;"),
        (("recordings", "cut", "none.mcap", "--out", "is"), "--out is is, which is there already; expected the name"),
        (("recordings", "merge", "none.mcap", "--out", "is"), "--out is is, which is there already; expected the name"),
        (("recordings", "export", "none.mcap", "--out", "is"), "--out is is, but is is no folder; expected a folder"),
        (("recordings", "export", "none.mcap", "--out", "is", "--format", "foxglove"), "--out is is, which is there"),
        (("calibrate-camera", "c.yaml", "--board", "none.mp4", "--height", "1.8"), "--height goes with --people-video"),
        (("calibrate-camera", "c.yaml", "--board", "none.mp4", "--refine-lens"), "--refine-lens goes with --floor"),
        (("calibrate-camera", "c.yaml", "--board", "none.mp4", "--floor", "1"), "--floor is '1'; expected x,y="),
        (("calibrate-camera", "no/c.yaml", "--board", "none.mp4"), "OUT is no/c.yaml, but there is no folder no;"),
        (("demo", "--picture", "no/p.svg", "--model", "no.onnx"), "--picture is no/p.svg, but there is no folder no"),
        (("demo", "--rate", "0", "--model", "no.onnx"), "--rate is 0; expected a positive factor of real time"),
        (("export", "none.npz", "--out", "a.onnx"), "none.npz: no such file; expected the .state.npz that"),
        (
            ("run", "--model", "no.onnx", "--set", "wire.bind=tcp://0.0.0.0:5570"),
            "wire.bind is 'tcp://0.0.0.0:5570', wh",
        ),
        (
            ("run", "--model", "no.onnx", "--keys", "none"),
            "keys is 'none', where there is no server.key_secret; make it",
        ),
    ],
)
def test_what_is_written_read_and_scored_with(
    words: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "is").touch()
    assert refusal(*words).startswith(text)
    assert [p.name for p in tmp_path.iterdir()] == ["is"]


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that another program uses."""
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind("tcp://127.0.0.1:0")
        yield socket.getsockopt_string(zmq.LAST_ENDPOINT)


@pytest.mark.parametrize("key", ["wire.bind", "sinks.bind"])
def test_a_port_that_is_taken_is_told_before_the_model_is_tried(taken: str, key: str) -> None:
    other = "sinks.bind=" if key == "wire.bind" else "wire.bind=ipc:///tmp/none"
    assert refusal("run", "--model", "no.onnx", "--set", f"{key}={taken}", "--set", other) == (
        f"{key} is {taken!r}; expected an address this machine can bind (another program uses the port; stop it or "
        "choose another)"
    )


def test_a_port_for_the_page_that_is_taken(taken: str) -> None:
    port = taken.rpartition(":")[2]
    assert refusal("view", "none.mcap", "--port", port) == (
        f"--port is {port}; expected a free port (Address already in use)"
    )


@pytest.mark.parametrize("picture", ["--png", "--mp4"])
def test_pictures_without_pillow(picture: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "PIL" or n.startswith("dyadwatch.tools.viewing.d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    viewing = importlib.import_module("dyadwatch.tools.viewing")
    monkeypatch.delattr(viewing, "drawing", raising=False)  # there once another test has imported it
    said = refusal("view", "none.mcap", picture, tmp_path / "x")
    assert said.startswith("Pillow, which --png and --mp4 need, is not installed; install it with: pip install")


def test_what_a_bundle_is_built_with_is_looked_for_before_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "mediapipe" else found(name, *a))
    said = refusal("models", "fetch", "--bundle", "none.tgz")
    assert said.startswith("mediapipe is not installed; install it with: pip install 'mediapipe")
