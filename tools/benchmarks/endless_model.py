"""A model that passes every trial and never returns once it sees people who are far from the origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dyadwatch.core.errors import MissingExtraError
from dyadwatch.core.model_file.artefact import OUTPUTS, ArtefactInfo, seal
from dyadwatch.core.skeletons.layouts import UPPER11

FAR_M = 100.0  # a joint beyond it, and the graph never ends
_FRAMES, _FPS = 30, 15.0


def build_endless_model(path: Path) -> None:
    """Writes an artefact of 30 frames at 15 fps that scores 0, or for ever.

    Raises:
        MissingExtraError: when onnx is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("onnx", "train") from None
    import numpy as np

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output], **attributes)

    def number(name: str, value: Any, kind: Any) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value, kind), name)

    scalar = [helper.make_tensor_value_info(n, TensorProto.FLOAT, []) for n in ("v", "w")]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    go, on = (helper.make_tensor_value_info(n, TensorProto.BOOL, []) for n in ("go", "on"))
    body = helper.make_graph(
        [node("Identity", ["go"], "on"), node("Identity", ["v"], "w")], "body", [turn, go, scalar[0]], [on, scalar[1]]
    )
    nodes = [
        node("ReduceMax", ["joints"], "most", keepdims=0),
        node("Greater", ["most", "far"], "is_far"),
        node("Loop", ["", "is_far", "most"], "again", body=body),
        node("Mul", ["again", "nought"], "zero"),
        node("Gather", ["joints", "first"], "person", axis=1),
        node("Gather", ["person", "first"], "frame", axis=1),
        node("Gather", ["frame", "first"], "x", axis=2),
        node("Unsqueeze", ["x", "two"], "rows"),
        node("Unsqueeze", ["x", "one"], "columns"),
        node("Sub", ["rows", "columns"], "apart"),
        node("Mul", ["apart", "zero"], "nothing"),
        node("ReduceSum", ["nothing", "both"], "score", keepdims=0),
        node("Identity", ["score"], "relation"),
        node("Identity", ["score"], "unusual"),
        node("Identity", ["score"], "timing"),
        node("Identity", ["nothing"], "joint_pairs"),
        node("Identity", ["nothing"], "shift"),
    ]
    joints = len(UPPER11)
    shapes = {"joint_pairs": ["batch", joints, joints], "shift": ["batch", joints, joints]}
    graph = helper.make_graph(
        nodes,
        "endless",
        [helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["batch", 2, _FRAMES, joints, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes.get(name, ["batch"])) for name in OUTPUTS],
        [
            number("far", FAR_M, np.float32),
            number("nought", 0, np.float32),
            number("first", 0, np.int64),
            number("one", [1], np.int64),
            number("two", [2], np.int64),
            number("both", [1, 2], np.int64),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    info = ArtefactInfo(
        name="endless", version="0", layout=UPPER11.name, joints=UPPER11.joints, frames=_FRAMES, fps=_FPS
    )
    path.write_bytes(seal(model.SerializeToString(), info))
