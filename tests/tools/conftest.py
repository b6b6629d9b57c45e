"""What tests of verbs share: a model file in a moment, where its graph is of no concern; and mistakes in process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from dyadwatch.core.model_file.artefact import OUTPUTS, ArtefactInfo, seal
from dyadwatch.exporters import onnx_export
from dyadwatch.exporters.parity import BATCHES, TOLERANCE, ParityReport
from dyadwatch.tools import main as program

if TYPE_CHECKING:
    from torch import nn


def stand_in(info: ArtefactInfo) -> bytes:
    """An ONNX graph with the inputs and outputs of an artefact; all scores are how far the mean of all coordinates is
    from zero.
    """
    from onnx import TensorProto, helper

    joints = len(info.joints)
    axes = {"every": [1, 2, 3, 4], "but_joints": [1, 2, 4], "rows": [1], "columns": [2]}
    steps = [
        ("ReduceMean", ["joints", "every"], "mean", {"keepdims": 0}),
        *(("Abs", ["mean"], name, {}) for name in ("score", "relation", "unusual")),
        ("ReduceMean", ["joints", "but_joints"], "place", {"keepdims": 0}),
        ("Unsqueeze", ["place", "rows"], "row", {}),
        ("Unsqueeze", ["place", "columns"], "column", {}),
        ("Sub", ["row", "column"], "shift", {}),
        ("Abs", ["shift"], "joint_pairs", {}),
    ]
    shapes = {name: ["B"] for name in ("score", "relation", "unusual")}
    shapes |= {name: ["B", joints, joints] for name in ("joint_pairs", "shift")}
    graph = helper.make_graph(
        [helper.make_node(op, ins, [out], **attributes) for op, ins, out, attributes in steps],
        "stand-in",
        [helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["B", 2, info.frames, joints, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor(name, TensorProto.INT64, [len(of)], of) for name, of in axes.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", onnx_export.OPSET)], ir_version=9)
    return model.SerializeToString()


@pytest.fixture
def untranslated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model files have a graph that stands in for the network's, which takes ten seconds to translate."""

    def export(module: nn.Module, info: ArtefactInfo, path: str | Path) -> ParityReport:
        none: dict[str, float] = dict.fromkeys(OUTPUTS, 0.0)
        proof = ParityReport(windows=0, batches=BATCHES, absolute=none, relative=none, tolerance=TOLERANCE,
                             batch_invariant=True, torch="", onnxruntime="")  # fmt: skip
        told = msgspec.structs.replace(info, parity=msgspec.to_builtins(proof))
        Path(path).write_bytes(seal(stand_in(info), told))
        return proof

    monkeypatch.setattr(onnx_export, "export", export)


class Ran(NamedTuple):
    """A command's exit status, and what it wrote to standard output and to standard error."""

    code: object
    out: str
    err: str


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ran]]:
    """Runs the program on words in this process, to its end: the start of another takes longer than most commands."""
    log = logging.getLogger("dyadwatch")
    level = log.level

    def run(*words: str | Path) -> Ran:
        code: object = 0
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["dyadwatch", *map(str, words)])
            try:
                program.main()
            except SystemExit as stopped:
                code = stopped.code
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    yield run
    log.setLevel(level)


@pytest.fixture
def refused(ran: Callable[..., Ran]) -> Callable[..., str]:
    """Runs the program in this process on words that it must refuse: exit status 2, nothing on standard output, and
    what is on standard error is returned.
    """

    def run(*words: str | Path) -> str:
        done = ran(*words)
        assert (done.code, done.out) == (2, "")
        return done.err

    return run
