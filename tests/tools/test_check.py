"""`dyadwatch check`: what a source looks like, and what to change; a real publisher, real files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import Config, WireOptions
from dyadwatch.stream.health.source_check import CheckListener
from dyadwatch.stream.health.source_verdict import SourceVerdict
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.tools.main import app

Frames = NDArray[np.float32]


@pytest.fixture(scope="module")
def people() -> Frames:
    """Two simulated people for 3 s at 30 fps, kinect25."""
    return make_scenario(5, 2, 8.0).joints()[:90]


def z_up(a: Frames) -> Frames:
    return np.stack([a[..., 0], -a[..., 2], a[..., 1]], axis=-1).astype(np.float32)


def checked(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, what was printed as JSON, and what was said."""
    code = 0
    try:
        app(["check", *map(str, words), "--json"], result_action="return_value")
    except SystemExit as e:
        code = int(e.code or 0)
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_files_are_judged_one_by_one(people: Frames, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes: dict[str, Callable[[Frames], Frames]] = {
        "fine": lambda a: a,
        "turned": z_up,
        "small": lambda a: a * np.float32(0.4),
        "frozen": lambda a: a[np.minimum(np.arange(90), 20)],
    }
    clips = [Clip(change(people), KINECT25, 30.0, clip_id=name) for name, change in changes.items()]
    write_clips(tmp_path / "all", clips)
    code, verdicts, _ = checked(capsys, tmp_path / "all")
    found = {v["source"]: [r["code"] for r in v["remarks"]] for v in verdicts}
    assert code == 1
    assert found == {"fine": [], "turned": ["turned"], "small": ["odd_size"], "frozen": ["frozen"]}
    fine, turned, small, _ = verdicts
    assert (fine["people"], fine["fps"], fine["upright"], fine["of"]) == (2, 30.0, 2, 2)
    assert 1.4 < fine["height_m"][0] <= fine["height_m"][1] < 2.0
    assert turned["upright"] == 0
    assert "z-up sent as y-up? Declare it" in turned["remarks"][0]["text"]
    assert small["remarks"][0]["blinding"] is False
    write_clips(tmp_path / "good", clips[:1])
    assert checked(capsys, tmp_path / "good")[0] == 0
    assert checked(capsys, tmp_path / "all", "--set", "sense.ignore=[turned,nobody_upright,odd_size,frozen]")[0] == 0


def test_a_table_says_what_to_change(people: Frames, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(tmp_path / "c", [Clip(z_up(people), KINECT25, 30.0, clip_id=f"c{k}") for k in range(2)])
    with pytest.raises(SystemExit, match="1"):
        app(["check", str(tmp_path / "c")], result_action="return_value")
    said = capsys.readouterr().out
    assert "0 of 2" in said
    assert "c0 and 1 more: BLIND nobody stands, and yet they walk (" in said


def test_nothing_is_learnt_from_what_can_be_no_bodies(
    people: Frames, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clips(tmp_path / "c", [Clip(z_up(people), KINECT25, 30.0, clip_id=f"c{k}") for k in range(2)])
    says = r"no clip can be used; 2 skipped that cannot be used, such as c0 of c: nobody stands, and yet they walk"
    for verb in (["train", str(tmp_path / "c")], ["enrol", "shipped", str(tmp_path / "c")]):
        with pytest.raises(DyadwatchError, match=says):
            app([*verb, "--out", str(tmp_path / "m.onnx")], result_action="return_value")
    write_clips(tmp_path / "small", [Clip(people * np.float32(0.45), KINECT25, 30.0, clip_id="child")])
    with pytest.raises(DyadwatchError, match="usable clips; expected at least 5"):
        app(["train", str(tmp_path / "small"), "--out", str(tmp_path / "m.onnx")], result_action="return_value")
    assert "small: child: person 1 measures about 0." in capsys.readouterr().err.replace("person 0", "person 1")


def test_one_person_alone_can_be_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["frame,person," + ",".join(f"{name}_{axis}" for name in KINECT25.joints for axis in "xyz")]
    for k, joints in enumerate(make_scenario(5, 2, 2.0).joints()[:, 0]):
        rows.append(f"{k},ann," + ",".join(f"{value:.4f}" for value in (joints * 0.4).ravel()))
    (tmp_path / "ann.csv").write_text("\n".join(rows))
    code, (verdict,), _ = checked(capsys, tmp_path / "ann.csv", "--fps", "30", "--units", "m", "--axes", "y-up")
    assert (code, verdict["source"], verdict["people"]) == (1, "ann.csv", 1)
    assert [r["code"] for r in verdict["remarks"]] == ["odd_size"]
    assert verdict["remarks"][0]["text"].startswith("ann measures about 0.")


def test_live_sources_are_judged_each_by_itself(people: Frames) -> None:
    listener = CheckListener(Config(wire=WireOptions(bind="tcp://127.0.0.1:*")))
    verdicts: list[SourceVerdict] = []
    listening = threading.Thread(target=lambda: verdicts.extend(listener.run(3.0, threading.Event())))
    listening.start()
    now = time.time_ns()
    with PosePublisher(listener.address) as publisher:
        for k in range(60):
            for source, change in (("good", 1.0), ("inches", 0.4), ("large", 100.0)):
                joints = people[k] * np.float32(change)
                seen = np.ones(joints.shape[:2], np.float32)
                publisher.send(PoseFrame(source, 1, k, now + k * NS // 30, "unix", KINECT25, joints, seen, (1, 2)))
    listening.join(30)
    good, inches, large = verdicts
    assert (good.source, good.frames, good.people, good.remarks) == ("good", 60, 2, ())
    assert good.fps == pytest.approx(30, abs=0.1)
    assert [r.code for r in inches.remarks] == ["odd_size"]
    assert (large.source, large.frames, large.remarks[0].code) == ("large", 0, "refused")
    assert "a person spans" in large.remarks[0].text


def test_nothing_that_comes_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, verdicts, said = checked(capsys, "tcp://127.0.0.1:*", "--seconds", "0.2")
    assert (code, verdicts) == (1, [])
    assert "nothing came to tcp://127.0.0.1:" in said
    assert "does a publisher run, and connect to this address?" in said


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one address to listen at, or files and folders"):
        app(["check", "tcp://127.0.0.1:5570", "x.bvh"], result_action="return_value")
    with pytest.raises(ConfigError, match="--seconds is 0; expected more than 0"):
        app(["check", "--seconds", "0"], result_action="return_value")
