"""Inputs that once showed a fault, by reference, as `_shared/send.py` sends them: encoded, decoded, judged."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.loading import load_model, load_scorer
from dyadwatch.stream.configuration.config import Config, WireOptions
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.messages import EventMessage, ScoreMessage
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.main import app

_START = 1_700_000_000_000_000_000
_FPS = 30
_ORDINARY = 1.0  # surprise that one normal window in ten has


def windows_in(frames: int, shape: WindowShape) -> int:
    """Windows of two people seen for so many frames without a gap: one at every hop of the model's grid."""
    return (round(frames * shape.fps / _FPS) - shape.frames + 1) // Config().windows.hop


class Judged:
    """What the shipped model made of a source: scores, events, and what was counted."""

    def __init__(self, frames: list[PoseFrame]) -> None:
        config = Config()
        scorer, thresholds = load_scorer(config)
        pipeline = Pipeline(scorer, thresholds, config)
        messages = pipeline.run(frames)
        self.wanted = windows_in(len(frames), scorer.shape)
        self.scores = [m.score for m in messages if isinstance(m, ScoreMessage)]
        self.events: list[EventMessage] = events_of(messages)
        self.counts = pipeline.counters.of(frames[0].source)

    @property
    def median(self) -> float:
        return float(np.median(self.scores))


@pytest.fixture(scope="session")
def cases(repo_root: Path) -> Path:
    named = os.environ.get("DYADWATCH_CASES")
    root = Path(named) if named else repo_root.parent / "shared" / "cases"
    if not (root / "_shared" / "pair.npz").exists():
        pytest.skip(f"no cases: {root} does not have _shared/pair.npz; set DYADWATCH_CASES to the folder that has it")
    return root


def _made(file: Path, pose: np.ndarray, index: dict[str, int]) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"case_{file.parent.name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.ix, module.pose = index, pose  # pyright: ignore[reportAttributeAccessIssue]
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


@pytest.fixture
def sent(cases: Path) -> Callable[[str], list[PoseFrame]]:
    """The frames of a case, by its name; `None` for the unchanged control."""

    def send(name: str | None) -> list[PoseFrame]:
        with np.load(cases / "_shared" / "pair.npz") as z:
            pose, index = z["pose"].astype(float), {str(n): i for i, n in enumerate(z["joints"])}
        make = ModuleType("control") if name is None else _made(cases / name / "make.py", pose, index)
        variant: Callable[[np.ndarray, int], Any] = getattr(make, "variant", lambda a, i: a)
        frames: list[PoseFrame] = []
        for i, people in enumerate(pose):
            values = np.asarray(variant(people, i), "<f4")
            ids = make.ids(i) if hasattr(make, "ids") else list(range(1, len(values) + 1))
            header = {
                "v": 1, "source": name or "control", "epoch": 1, "seq": i, "stamp": _START + round(i * 1e9 / _FPS),
                "shape": list(values.shape), "ids": ids, "layout": getattr(make, "layout", "kinect25"),
            }  # fmt: skip
            topic = f"pose.{header['source']}".encode()
            frames.append(decode_pose([topic, msgspec.msgpack.encode(header), values.tobytes()], WireOptions()))
        return frames

    return send


def test_the_unchanged_control_is_ordinary(sent: Callable[[str | None], list[PoseFrame]]) -> None:
    control = Judged(sent(None))
    assert (len(control.scores), control.events, control.counts) == (control.wanted, [], {})
    assert control.median < _ORDINARY


def test_a_neck_between_the_shoulders_is_the_neck_of_every_sensor(sent: Callable[[str], list[PoseFrame]]) -> None:
    found = Judged(sent("wire-neck-between-shoulders"))
    assert (len(found.scores), found.events) == (found.wanted, [])
    assert found.median < _ORDINARY


@pytest.mark.parametrize(("file", "judged"), [("1_of_4_even", True), ("1_of_4_odd", True), ("1_of_2_odd", False)])
def test_the_share_of_hidden_frames_decides(
    cases: Path, capsys: pytest.CaptureFixture[str], file: str, judged: bool
) -> None:
    path = cases / "joint-hidden-by-phase" / f"head_{file}.csv"
    app(["detect", str(path), "--json", "--scores"], result_action="return_value")
    out, err = capsys.readouterr()
    scores = [m["score"] for m in map(json.loads, out.splitlines()) if m["kind"] == "score"]
    windows = windows_in(120, load_model(Config()).shape)
    assert len(scores) == (windows if judged else 0)
    if judged:
        assert np.median(scores) < _ORDINARY
    else:
        last = " ".join(err.split()).rpartition(" was not judged")[2]
        assert f"{windows} windows left out, in which a joint is out of sight for more than 34% of the time" in last
        assert "most head of person 0" in last


def test_joints_at_zero_are_unseen(sent: Callable[[str], list[PoseFrame]]) -> None:
    found = Judged(sent("wire-zeros-unseen"))
    assert found.events == []
    assert found.median < _ORDINARY
    assert found.counts["zeros_unseen"] == 3 * 120


def test_ids_that_exchange_their_places_are_followed_by_place(sent: Callable[[str], list[PoseFrame]]) -> None:
    found = Judged(sent("wire-swapped-ids"))
    assert (len(found.scores), found.events) == (found.wanted, [])
    assert found.median < _ORDINARY
    assert list(found.counts) == ["ids_exchanged"]
