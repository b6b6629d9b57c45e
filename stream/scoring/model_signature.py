"""Whether the graph in a model file takes and gives what the file's description says, before it serves."""

from __future__ import annotations

from collections.abc import Sequence

from dyadwatch.core.errors import ArtefactError
from dyadwatch.core.model_file.artefact import LATER, OUTPUTS, ArtefactInfo
from dyadwatch.core.model_file.onnx_runtime import Tensor

_FLOAT = "tensor(float)"


def check_signature(what: str, info: ArtefactInfo, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Compares names, element types, ranks and every fixed dimension; free ones show only when windows are scored.

    Arguments:
        what: names the file in errors.
        info: the file's description.
        inputs, outputs: of the graph.

    Raises:
        ArtefactError: naming the input or output, what was found, and what was expected.
    """
    joints = len(info.joints)
    if [i.name for i in inputs] != ["joints"]:
        names = ", ".join(i.name for i in inputs) or "none"
        raise ArtefactError(f"{what}: the graph has the inputs {names:.200}; expected one, 'joints'; export it again")
    _check(what, f"input 'joints', for windows of {info.frames} frames", inputs[0], (2, info.frames, joints, 3))
    found = {o.name: o for o in outputs}
    for name in OUTPUTS:
        if name not in found:
            if name in LATER:
                continue
            raise ArtefactError(
                f"{what}: the graph has no output {name!r}; expected {', '.join(OUTPUTS)}; export it again"
            )
        _check(what, f"output {name!r}", found[name], (joints, joints) if name in ("joint_pairs", "shift") else ())


def _check(what: str, which: str, tensor: Tensor, expected: tuple[int, ...]) -> None:
    """One tensor against the dimensions after the batch, which itself must be free."""
    shape = list(tensor.shape)
    if tensor.type != _FLOAT:
        raise ArtefactError(f"{what}: {which} is {tensor.type}; expected {_FLOAT}; export it again")
    wanted = f"[batch, {', '.join(map(str, expected))}]" if expected else "[batch]"
    if len(shape) != 1 + len(expected) or any(
        isinstance(dim, int) and dim != size for dim, size in zip(shape[1:], expected, strict=True)
    ):
        raise ArtefactError(f"{what}: {which} has shape {shape}; its description says {wanted}; export it again")
    if isinstance(shape[0], int):
        raise ArtefactError(
            f"{what}: {which} has the fixed batch size {shape[0]}; expected a free one; export it again"
        )
