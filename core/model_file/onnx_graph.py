"""The graph of a model file, read and rewritten by hand: named tensors, parts of the graph; no onnx package.

Enough of the format for what `dyadwatch train` writes: tensors within the file, floats and halves, no nested graphs.
Whatever else a file holds is carried over as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ArtefactError
from dyadwatch.core.model_file.protobuf import field, fields, varint

# Field numbers: of ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto.
_GRAPH = 7
_NODE, _TENSOR, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP = 1, 2, 4
_DIMS, _TYPE, _FLOATS, _INTS, _TENSOR_NAME, _RAW, _OUTSIDE = 1, 2, 4, 5, 8, 9, 14
_INFO_NAME, _INFO_TYPE = 1, 2
_FLOAT, _HALF = 1, 10
_MAX_AXES = 16
_DTYPES = {_FLOAT: np.dtype("<f4"), _HALF: np.dtype("<f2")}


@dataclass(frozen=True)
class Node:
    """One operation: its name, the tensors it takes and gives, and its bytes."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    whole: bytes


class OnnxGraph:
    """The graph of an ONNX file.

    Arguments:
        model: the bytes of the file.
        what: names it in errors.

    Raises:
        ArtefactError: when the bytes are damaged or hold no graph.
    """

    def __init__(self, model: bytes, what: str) -> None:
        self._what = what
        self._model = [(number, whole, content) for number, whole, content in fields(model, what)]
        graphs = [content for number, whole, content in self._model if _is_message(number, whole, _GRAPH)]
        if len(graphs) != 1:
            raise ArtefactError(f"{what} holds {len(graphs)} graphs; expected one")
        self._fields = list(fields(graphs[0], what))
        self._tensors: dict[str, tuple[bytes, bytes]] = {}
        nodes: list[Node] = []
        for number, whole, content in self._fields:
            if _is_message(number, whole, _TENSOR):
                self._tensors[self._name(content, _TENSOR_NAME)] = whole, content
            elif _is_message(number, whole, _NODE):
                nodes.append(self._node(whole, content))
        self.nodes = tuple(nodes)

    @property
    def names(self) -> frozenset[str]:
        """Names of the tensors that lie in the file."""
        return frozenset(self._tensors)

    @cached_property
    def makers(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {output: node for node in self.nodes for output in node.outputs}

    def read(self, name: str) -> NDArray[np.floating]:
        """A tensor of floats or halves, in the type it is kept in.

        Raises:
            ArtefactError: when there is none of that name, or it is kept in a form that is not read here.
        """
        if name not in self._tensors:
            raise ArtefactError(f"{self._what} has no tensor {name!r}")
        content = self._tensors[name][1]
        dims, kind, data = self._data(content, f"{self._what}: tensor {name!r}")
        if len(data) != int(np.prod([1, *dims], dtype=object)):
            raise ArtefactError(f"{self._what}: tensor {name!r} has {len(data)} entries, not those of shape {dims}")
        return data.reshape(dims).astype(_DTYPES[kind].newbyteorder("="))

    def replaced(self, tensors: Mapping[str, NDArray[np.floating]]) -> bytes:
        """The file with other tensors in the place of some, of any shape, kept in the type they had.

        What the file notes of the shapes of intermediate results is left out, for it may no longer hold.

        Raises:
            ArtefactError: when the file has no tensor of a name.
        """
        new: dict[bytes, bytes] = {}
        for name, value in tensors.items():
            kind = _DTYPES[self._data_type(name)]
            new[self._tensors[name][0]] = _tensor_field(name, np.asarray(value).astype(kind))
        kept = [new.get(whole, whole) for number, whole, _ in self._fields if number != _VALUE_INFO]
        return self._with_graph(kept)

    def above(self, tensor: str, stop: Iterable[str] = ()) -> frozenset[str]:
        """All tensors that `tensor` is made from, itself included; the way back ends at those of `stop`."""
        stopped, found, open_ = frozenset(stop), set[str](), [tensor]
        while open_:
            name = open_.pop()
            if name in found:
                continue
            found.add(name)
            if name not in stopped and name in self.makers:
                open_ += self.makers[name].inputs
        return frozenset(found)

    def part(self, given: Iterable[str], wanted: Iterable[str]) -> bytes:
        """A model that makes the float tensors `wanted` out of the float tensors `given` and the inputs it needs."""
        given, wanted = tuple(given), tuple(wanted)
        needed = frozenset[str]().union(*(self.above(name, given) for name in wanted))
        made = needed - frozenset(given)
        kept: list[bytes] = []
        for number, whole, content in self._fields:
            if _is_message(number, whole, _NODE):
                keep = any(output in made for output in self._node(whole, content).outputs)
            elif _is_message(number, whole, _TENSOR):
                keep = self._name(content, _TENSOR_NAME) in made
            elif _is_message(number, whole, _INPUT):
                keep = self._name(content, _INFO_NAME) in made
            else:
                keep = number not in (_VALUE_INFO, _OUTPUT)
            if keep:
                kept.append(whole)
        kept += [_float_info(_INPUT, name) for name in given if name in needed]
        kept += [_float_info(_OUTPUT, name) for name in wanted]
        return self._with_graph(kept)

    def _with_graph(self, kept: Iterable[bytes]) -> bytes:
        graph = field(_GRAPH, b"".join(kept))
        return b"".join(graph if _is_message(number, whole, _GRAPH) else whole for number, whole, _ in self._model)

    def _node(self, whole: bytes, content: bytes) -> Node:
        inputs: list[str] = []
        outputs: list[str] = []
        op = ""
        for number, _, value in fields(content, self._what):
            if number == _NODE_INPUT:
                inputs.append(_text(value))
            elif number == _NODE_OUTPUT:
                outputs.append(_text(value))
            elif number == _NODE_OP:
                op = _text(value)
        return Node(op, tuple(inputs), tuple(outputs), whole)

    def _name(self, message: bytes, tag: int) -> str:
        return next((_text(value) for number, _, value in fields(message, self._what) if number == tag), "")

    def _data_type(self, name: str) -> int:
        if name not in self._tensors:
            raise ArtefactError(f"{self._what} has no tensor {name!r}")
        return self._data(self._tensors[name][1], f"{self._what}: tensor {name!r}")[1]

    def _data(self, message: bytes, what: str) -> tuple[list[int], int, NDArray]:
        """Shape, element type and flat entries of a tensor."""
        dims: list[int] = []
        kind, raw, floats = 0, b"", bytearray()
        halves: list[int] = []
        for number, whole, content in fields(message, what):
            if number == _DIMS:
                dims += _numbers(whole, content, what)
            elif number == _TYPE:
                kind = varint(content, 0, what)[0]
            elif number == _RAW:
                raw = content
            elif number == _FLOATS:
                floats += content  # packed or one by one, four bytes each
            elif number == _INTS:
                halves += _numbers(whole, content, what)
            elif number == _OUTSIDE and any(content):
                raise ArtefactError(f"{what} lies in another file; expected all within one")
        if kind not in _DTYPES:
            raise ArtefactError(f"{what} has ONNX element type {kind}; expected {_FLOAT} (float) or {_HALF} (half)")
        # As many axes, or as long ones, no array has; checked before their product, which no bytes would bound.
        if len(dims) > _MAX_AXES or max(dims, default=0) >= 1 << 40:
            raise ArtefactError(f"{what} has {len(dims)} axes, the longest of {max(dims)}; no array has such a shape")
        data = raw or (bytes(floats) if kind == _FLOAT else np.asarray([h & 0xFFFF for h in halves], "<u2").tobytes())
        if len(data) % _DTYPES[kind].itemsize:
            raise ArtefactError(f"{what} has {len(data)} bytes; expected a multiple of {_DTYPES[kind].itemsize}")
        return dims, kind, np.frombuffer(data, _DTYPES[kind])


def _is_message(number: int, whole: bytes, tag: int) -> bool:
    return number == tag and whole[0] & 7 == 2


def _text(value: bytes) -> str:
    return value.decode("utf8", "surrogateescape")  # garbled names stay different from each other


def _numbers(whole: bytes, content: bytes, what: str) -> Iterator[int]:
    """Repeated numbers, packed into one field or one a field."""
    at = 0
    while at < len(content):
        value, at = varint(content, at, what)
        yield value
        if whole[0] & 7 == 0:
            return


def _tensor_field(name: str, value: NDArray[np.floating]) -> bytes:
    kind = _FLOAT if value.dtype.itemsize == 4 else _HALF
    message = b"".join(field(_DIMS, size) for size in value.shape)
    message += field(_TYPE, kind) + field(_TENSOR_NAME, name.encode("utf8", "surrogateescape"))
    return field(_TENSOR, message + field(_RAW, np.ascontiguousarray(value).tobytes()))


def _float_info(tag: int, name: str) -> bytes:
    """An input or output: floats of whatever shape."""
    kind = field(1, field(1, _FLOAT))  # TypeProto.tensor_type.elem_type
    return field(tag, field(_INFO_NAME, name.encode("utf8", "surrogateescape")) + field(_INFO_TYPE, kind))
