"""From a trained network to one ONNX file that takes raw metres and describes itself."""

# pyright: reportUnknownMemberType=false
# torch's own types are unknown in part.
from __future__ import annotations

import contextlib
import importlib
import logging
import tempfile
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dyadwatch.core.errors import ArtefactError, MissingExtraError
from dyadwatch.core.model_file.artefact import OUTPUTS, ArtefactInfo, read_info, seal, write_atomically
from dyadwatch.core.model_file.onnx_calibration import is_replaceable
from dyadwatch.exporters.parity import ParityReport, parity, random_pairs

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn
    from torch.onnx import ONNXProgram

OPSET = 20  # the first with GELU as one operator
_CHATTY = (
    "torch.onnx._internal.exporter._registration",  # "torchvision is not installed"
    "onnx_ir.passes.common.initializer_deduplication",  # "skipped", of what is left alone on purpose
)


def export(module: nn.Module, info: ArtefactInfo, path: str | Path) -> ParityReport:
    """Writes a network as an artefact, proven to compute the same; the file appears whole or not at all.

    Arguments:
        module: joints (B, 2, T, J, 3) in metres to score, relation, unusual, timing (B,), joint_pairs, shift
            (B, J, J).
        info: the description; its `parity` is filled in here.
        path: where the artefact goes; an older file there is replaced.

    Raises:
        ArtefactError: when the outputs have other shapes, or the graph does not compute what the module does.
        MissingExtraError: when torch, onnx or ONNX Runtime is not installed.
    """
    path = Path(path)
    training = module.training
    module.eval()
    try:
        model = _translate(module, info)
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder) / "trial.onnx"
            trial.write_bytes(seal(model, info))
            report = parity(module, trial)
    finally:
        module.train(training)
    sealed = seal(model, msgspec.structs.replace(info, parity=msgspec.to_builtins(report)))
    write_atomically(path, sealed)
    read_info(path)
    return report


def _translate(module: nn.Module, info: ArtefactInfo) -> bytes:
    """The ONNX graph of a network, with a free number of windows."""
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(package)
        except ImportError:
            raise MissingExtraError(package, "train") from None
    import torch

    example = torch.from_numpy(random_pairs(2, info.frames, len(info.joints), seed=0))
    _check_outputs(module, example)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module,
            (example,),
            input_names=["joints"],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
            optimize=False,
        )
        if program is None:
            raise ArtefactError("torch gave no ONNX program")
        _optimise(program)
    return _without_traces(program.model_proto)


def _optimise(program: ONNXProgram) -> None:
    """Folds constants and drops what is double, but leaves alone what `dyadwatch enrol` looks for by name.

    To the optimiser an input of the graph is no constant, so those tensors are inputs for as long as it works.
    """
    graph = program.model.graph
    names = [name for name in graph.initializers if is_replaceable(name)]
    graph.inputs.extend(graph.initializers[name] for name in names)
    program.optimize()
    del graph.inputs[1:]
    # an output given twice had one name, and is two only now
    for i, output in enumerate(graph.outputs):
        output.name = f"output {i}"
    for output, name in zip(graph.outputs, OUTPUTS, strict=True):
        output.name = name
    lost = [name for name in names if name not in graph.initializers]
    if lost:
        raise ArtefactError(f"the optimiser dropped {', '.join(lost)}, which 'dyadwatch enrol' needs")


def _check_outputs(module: nn.Module, example: Tensor) -> None:
    count, joints = example.shape[0], example.shape[3]
    outputs = module(example)
    have = [tuple(t.shape) for t in outputs]
    want = [(count,)] * (len(OUTPUTS) - 2) + [(count, joints, joints)] * 2
    if have != want:
        raise ArtefactError(f"the network gives outputs of shapes {have}; expected {want} for {', '.join(OUTPUTS)}")


def _without_traces(model: ModelProto) -> bytes:
    """The graph without the source lines and paths that the exporter writes to every node."""
    graph = model.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer, graph):
        part.doc_string = ""
        del part.metadata_props[:]
    del model.metadata_props[:]
    if model.functions:
        raise ArtefactError(f"the graph holds {len(model.functions)} local functions; expected plain operators only")
    return model.SerializeToString()


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Silences what torch and its optimiser say of their own insides during an export, and nothing else."""
    logs = [logging.getLogger(name) for name in _CHATTY]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
