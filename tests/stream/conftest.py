"""People and streams that the tests of the live path share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dyadwatch.core.model_file.artefact import ArtefactInfo, seal
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import ScorerOptions
from dyadwatch.stream.scoring.scorer import Scorer

START = 1_700_000_000 * NS

# An upright body: metres from the floor below its pelvis, in the order of UPPER11.
BODY = np.array(
    [
        [0.0, 1.65, 0.05],
        [0.0, 1.45, 0.0],
        [0.0, 0.95, 0.0],
        [0.2, 1.4, 0.0],
        [-0.2, 1.4, 0.0],
        [0.25, 1.1, 0.0],
        [-0.25, 1.1, 0.0],
        [0.25, 0.9, 0.1],
        [-0.25, 0.9, 0.1],
        [0.1, 0.95, 0.0],
        [-0.1, 0.95, 0.0],
    ],
    np.float32,
)


class Drops(Counter[str]):
    """Counts reasons the way a station calls it."""

    def __call__(self, reason: str) -> None:
        self[reason] += 1


def person(x: float, z: float = 0.0) -> NDArray[np.float32]:
    """Joints (11, 3) of somebody who stands at (x, z)."""
    return BODY + np.array([x, 0, z], np.float32)


def make_frame(
    seq: int,
    people: Sequence[NDArray[np.float32]] = (),
    *,
    stamp: int | None = None,
    ids: Sequence[TrackId] | None = None,
    source: str = "hall",
    epoch: int = 1,
    fps: float = 30.0,
    layout: Layout = UPPER11,
    clock: str = "unix",
) -> PoseFrame:
    """A frame as the wire decoder would make it; frame `seq` of a clean source unless a stamp is given."""
    joints = np.stack(people).astype(np.float32) if len(people) else np.zeros((0, len(layout), 3), np.float32)
    joints[:, :1, 1] += np.float32(1e-6 * (seq % 7))  # a living body is never the same bit for bit
    seen = ~np.isnan(joints).any(axis=2)
    return PoseFrame(
        source=source,
        epoch=epoch,
        seq=seq,
        stamp=START + round(seq * NS / fps) if stamp is None else stamp,
        clock=clock,
        layout=layout,
        joints=joints,
        confidence=np.asarray(seen, np.float32),
        ids=None if ids is None else tuple(ids),
    )


# Factories rather than values, and once a session, so that property tests may use them.
@pytest.fixture(scope="session", name="Drops")
def drops_fixture() -> type[Drops]:
    return Drops


@pytest.fixture(scope="session", name="person")
def person_fixture() -> Callable[..., NDArray[np.float32]]:
    return person


@pytest.fixture(scope="session", name="frame")
def frame_fixture() -> Callable[..., PoseFrame]:
    return make_frame


FRAMES, FPS = 10, 15.0


def tiny_model() -> bytes:
    """A real ONNX graph with the inputs and outputs of an artefact; its scores can be worked out by hand.

    relation: three times how much nearer than a metre the two come. unusual: metres a second of the fastest joint.
    timing: half of that. score: relation and unusual. All alike in both orders of the persons. Made of steps that
    round the same in every batch: sums of several numbers do not, their order depends on the shape.
    """
    joints = len(UPPER11)
    consts = {
        "zero": np.int64(0),
        "one": np.int64(1),
        "two": np.int64(2),
        "axis2": np.array([2], np.int64),
        "axis3": np.array([3], np.int64),
        "time": np.array([1], np.int64),
        "all": np.array([1, 2], np.int64),
        "all_steps": np.array([1, 2, 3], np.int64),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "last": np.array([-1], np.int64),
        "end": np.array([FRAMES], np.int64),
        "metre": np.float32(1),
        "three": np.float32(3),
        "half": np.float32(0.5),
        "fps": np.float32(FPS),
    }

    def length(of: str) -> list[tuple[str, list[str], str, dict[str, int]]]:
        """Of the vectors `of`, as `of`_length."""
        out: list[tuple[str, list[str], str, dict[str, int]]] = []
        for axis, index in (("x", "zero"), ("y", "one"), ("z", "two")):
            out += [("Gather", [of, index], f"{of}_{axis}", {"axis": -1})]
            out += [("Mul", [f"{of}_{axis}", f"{of}_{axis}"], f"{of}_{axis}2", {})]
        out += [
            ("Add", [f"{of}_x2", f"{of}_y2"], f"{of}_xy2", {}),
            ("Add", [f"{of}_xy2", f"{of}_z2"], f"{of}_xyz2", {}),
        ]
        return [*out, ("Sqrt", [f"{of}_xyz2"], f"{of}_length", {})]

    steps = [
        ("Gather", ["joints", "zero"], "a", {"axis": 1}),
        ("Gather", ["joints", "one"], "b", {"axis": 1}),
        ("Unsqueeze", ["a", "axis3"], "rows", {}),
        ("Unsqueeze", ["b", "axis2"], "columns", {}),
        ("Sub", ["rows", "columns"], "gap", {}),
        *length("gap"),
        ("ReduceMin", ["gap_length", "time"], "nearest", {"keepdims": 0}),
        ("Sub", ["nearest", "metre"], "shift", {}),
        ("Sub", ["metre", "nearest"], "nearness", {}),
        ("Relu", ["nearness"], "joint_pairs", {}),
        ("ReduceMax", ["joint_pairs", "all"], "most", {"keepdims": 0}),
        ("Mul", ["most", "three"], "relation", {}),
        ("Slice", ["joints", "first", "last", "axis2"], "before", {}),
        ("Slice", ["joints", "second", "end", "axis2"], "after", {}),
        ("Sub", ["after", "before"], "step", {}),
        *length("step"),
        ("ReduceMax", ["step_length", "all_steps"], "longest", {"keepdims": 0}),
        ("Mul", ["longest", "fps"], "unusual", {}),
        ("Mul", ["unusual", "half"], "timing", {}),
        ("Add", ["relation", "unusual"], "score", {}),
    ]
    shapes = {"score": ["B"], "relation": ["B"], "unusual": ["B"], "timing": ["B"]}
    shapes |= {"joint_pairs": ["B", joints, joints], "shift": ["B", joints, joints]}
    graph = helper.make_graph(
        [helper.make_node(op, ins, [out], **attributes) for op, ins, out, attributes in steps],
        "tiny",
        [helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["B", 2, FRAMES, joints, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in consts.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="session")
def tiny_artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed artefact of upper11 at 15 fps with windows of 10 frames."""
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    info = ArtefactInfo(name="tiny", version="1", layout="upper11", joints=UPPER11.joints, frames=FRAMES, fps=FPS)
    path.write_bytes(seal(tiny_model(), info))
    return path


@pytest.fixture(scope="session")
def scorer(tiny_artefact: Path) -> Scorer:
    return Scorer(tiny_artefact, ScorerOptions(threads=1))


def encounter(source: str = "hall", *, seconds: float = 12.0, fps: float = 30.0, ids: bool = True) -> list[PoseFrame]:
    """Two people approach, and one hits twice at 3 s and at 7 s; they leave each other at 10 s."""
    frames = []
    for seq in range(round(seconds * fps)):
        t = seq / fps
        apart = float(np.interp(t, [0, 2, 10, 12], [3.0, 0.8, 0.8, 6.0]))
        first, second = person(-apart / 2), person(apart / 2)
        for at in (3.0, 3.4, 7.0, 7.5):
            first[7, 0] += 0.6 * np.exp(-(((t - at) / 0.08) ** 2))
        frames.append(make_frame(seq, [first, second], ids=["ann", "bob"] if ids else None, source=source, fps=fps))
    return frames


@pytest.fixture(scope="session", name="encounter")
def encounter_fixture() -> Callable[..., list[PoseFrame]]:
    return encounter
