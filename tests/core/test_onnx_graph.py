"""Tensors and parts of an ONNX graph, read and rewritten without the onnx package; held against that package."""

from __future__ import annotations

import time

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from dyadwatch.core.errors import ArtefactError
from dyadwatch.core.model_file import protobuf
from dyadwatch.core.model_file.onnx_graph import OnnxGraph
from dyadwatch.core.model_file.protobuf import field

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


def model(*, typed: bool = False, rows: np.ndarray = ROWS) -> onnx.ModelProto:
    """y = x @ float(rows).T + shift, with the half tensor `rows` and the float tensor `shift`, and notes of shapes."""
    if typed:
        bits = rows.astype(np.float16).view(np.uint16).astype(int).ravel().tolist()
        kept = TensorProto(name="rows", data_type=TensorProto.FLOAT16, dims=rows.shape, int32_data=bits)
        shift = helper.make_tensor("shift", TensorProto.FLOAT, [3], [0.5, 1.5, 2.5])
    else:
        kept = numpy_helper.from_array(rows.astype(np.float16), "rows")
        shift = numpy_helper.from_array(np.array([0.5, 1.5, 2.5], np.float32), "shift")
    axes = numpy_helper.from_array(np.array([1, 0]), "order")
    nodes = [
        helper.make_node("Cast", ["rows"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["wide"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["product"]),
        helper.make_node("Add", ["product", "shift"], ["y"]),
        helper.make_node("Gather", ["x", "order"], ["other"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", None]),
            helper.make_tensor_value_info("other", TensorProto.FLOAT, ["n", 2]),
        ],
        [kept, shift, axes],
        value_info=[
            helper.make_tensor_value_info("product", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("wide", TensorProto.FLOAT, [3, 2]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


PLAIN = model().SerializeToString()
X = np.array([[1, 2], [3, 4]], np.float32)


def run(data: bytes, wanted: str, **given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([wanted], given)[0])


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_tensors_come_as_they_are_kept(typed: bool) -> None:
    graph = OnnxGraph(model(typed=typed).SerializeToString(), "m")
    rows, shift = graph.read("rows"), graph.read("shift")
    assert (rows.dtype, shift.dtype) == (np.float16, np.float32)
    np.testing.assert_array_equal(rows, ROWS)
    np.testing.assert_array_equal(shift, [0.5, 1.5, 2.5])
    assert graph.names == {"rows", "shift", "order"}


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_other_rows_another_number_of_them(typed: bool) -> None:
    rows = np.array([[2, 1]] * 5, np.float64)
    data = OnnxGraph(model(typed=typed).SerializeToString(), "m").replaced({"rows": rows, "shift": np.arange(5.0)})
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    np.testing.assert_array_equal(run(data, "y", x=X), X @ rows.T + np.arange(5))
    np.testing.assert_array_equal(run(data, "other", x=X), X[:, ::-1])
    again = OnnxGraph(data, "m")
    assert again.read("rows").dtype == np.float16
    assert again.read("rows").shape == (5, 2)


def test_nothing_replaced_computes_the_same() -> None:
    np.testing.assert_array_equal(run(OnnxGraph(PLAIN, "m").replaced({}), "y", x=X), run(PLAIN, "y", x=X))


def test_a_part_takes_what_it_is_given_and_nothing_else() -> None:
    graph = OnnxGraph(PLAIN, "m")
    part = graph.part(["product"], ["y"])
    product = np.array([[1, 1, 1]], np.float32)
    np.testing.assert_array_equal(run(part, "y", product=product), [[1.5, 2.5, 3.5]])
    small = onnx.load_from_string(part)
    assert [node.op_type for node in small.graph.node] == ["Add"]
    assert [t.name for t in small.graph.initializer] == ["shift"]
    assert [i.name for i in small.graph.input] == ["product"]


def test_a_part_in_the_middle_keeps_the_inputs_it_needs() -> None:
    part = OnnxGraph(PLAIN, "m").part([], ["product"])
    np.testing.assert_array_equal(run(part, "product", x=X), X @ ROWS.T)
    assert OnnxGraph(part, "m").above("product") == {"product", "x", "turned", "wide", "rows"}


def refusal(data: bytes, name: str = "rows") -> str:
    with pytest.raises(ArtefactError) as caught:
        OnnxGraph(data, "model m").read(name)
    return str(caught.value)


def test_what_cannot_be_read_is_named() -> None:
    assert refusal(PLAIN, "cols") == "model m has no tensor 'cols'"
    assert refusal(PLAIN, "order") == (
        "model m: tensor 'order' has ONNX element type 7; expected 1 (float) or 10 (half)"
    )
    assert refusal(b"\x08\x0a") == "model m holds 0 graphs; expected one"
    assert refusal(PLAIN + PLAIN) == "model m holds 2 graphs; expected one"
    short = model()
    short.graph.initializer[0].raw_data = short.graph.initializer[0].raw_data[:-2]
    assert refusal(short.SerializeToString()) == "model m: tensor 'rows' has 5 entries, not those of shape [3, 2]"
    odd = model()
    odd.graph.initializer[0].raw_data = odd.graph.initializer[0].raw_data[:-1]
    assert refusal(odd.SerializeToString()) == "model m: tensor 'rows' has 11 bytes; expected a multiple of 2"
    outside = model()
    outside.graph.initializer[0].data_location = TensorProto.EXTERNAL
    assert refusal(outside.SerializeToString()) == (
        "model m: tensor 'rows' lies in another file; expected all within one"
    )
    with pytest.raises(ArtefactError, match="model m has no tensor 'cols'"):
        OnnxGraph(PLAIN, "model m").replaced({"cols": ROWS})


def walk(data: bytes) -> None:
    """Everything that reads; damage may go unnoticed here (the checksum is for that), or end in ArtefactError."""
    try:
        graph = OnnxGraph(data, "m")
        for name in ("rows", "shift"):
            graph.read(name)
        graph.replaced({"rows": ROWS})
        graph.part(["product"], ["y"])
    except ArtefactError:
        return


@given(length=st.integers(0, len(PLAIN) - 1))
def test_any_cut(length: int) -> None:
    walk(PLAIN[:length])


@given(at=st.integers(0, len(PLAIN) - 1), flip=st.integers(1, 255))
def test_any_flipped_byte(at: int, flip: int) -> None:
    damaged = bytearray(PLAIN)
    damaged[at] ^= flip
    walk(bytes(damaged))


@given(data=st.binary(max_size=200))
def test_any_bytes_in_place_of_the_graph(data: bytes) -> None:
    walk(data)
    walk(b"\x3a" + bytes([len(data) & 0x7F]) + data[: len(data) & 0x7F])


@pytest.mark.parametrize("dims", [[1] * 65, [1] * 17, [0, 2**62], [2**40]], ids=["65", "17", "none of 2^62", "2^40"])
def test_shapes_that_no_array_has_are_refused(dims: list[int]) -> None:
    data = model()
    del data.graph.initializer[1].dims[:]
    data.graph.initializer[1].dims.extend(dims)
    graph = OnnxGraph(data.SerializeToString(), "m.onnx")
    with pytest.raises(ArtefactError, match=r"tensor 'shift' has \d+ axes, the longest of \d+; no array has such a"):
        graph.read("shift")


def test_numbers_that_stand_one_by_one_are_read_at_a_cost_that_grows_with_them() -> None:
    """Each in a field of its own, as old writers put them; joined one to the other they cost the square."""

    def cost(count: int) -> float:
        one = b"\x25" + np.float32(1).tobytes()  # float_data, not packed
        tensor = field(1, count) + field(2, 1) + one * count + field(8, b"rows")
        graph = OnnxGraph(field(7, field(5, tensor)), "m.onnx")
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            assert graph.read("rows").shape == (count,)
            best = min(best, time.process_time() - began)
        return best

    assert cost(160_000) < 3 * 8 * cost(20_000)


def test_a_message_of_countless_fields_is_not_walked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "_MAX_FIELDS", 100)
    with pytest.raises(ArtefactError, match=r"m\.onnx has a message of more than 100 fields; export it again"):
        OnnxGraph(b"\x08\x0a" * 101, "m.onnx")
