"""Surprise maps found in a graph and fitted again, on a graph small enough to see through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dyadwatch.core.errors import ArtefactError
from dyadwatch.core.model_file.onnx_calibration import Refitted, is_replaceable, map_sites, refit
from dyadwatch.core.model_file.onnx_graph import OnnxGraph
from dyadwatch.core.scoring.nearest import Distances
from dyadwatch.core.scoring.tail_calibration import TailCalibration
from dyadwatch.exporters.engine import run_model

RNG = np.random.default_rng(0)
NORMAL = RNG.gamma(3, 0.2, 400)
MAPS = {
    "neighbours": TailCalibration.fit(NORMAL),
    "whitened": TailCalibration.fit(NORMAL + 1),
    "relation": TailCalibration.fit(RNG.normal(size=400)),
    "unusual": TailCalibration.fit(RNG.exponential(0.8, 400)),
    "score": TailCalibration.fit(RNG.exponential(0.9, 400)),
}


def model(maps: Mapping[str, TailCalibration] = MAPS) -> bytes:
    """Windows of one frame and joint: x is the distance, y the whitened one, z of the first person the logit."""
    nodes: list[onnx.NodeProto] = []
    tensors = [numpy_helper.from_array(np.array(i), f"at{i}") for i in range(3)]
    tensors += [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("last", [1]), ("column", [-1, 1]))]

    def node(op: str, inputs: list[str], output: str, **more) -> str:
        nodes.append(helper.make_node(op, inputs, [output], **more))
        return output

    def mapped(name: str, source: str, output: str) -> str:
        surprise = maps[name]
        tensors.append(numpy_helper.from_array(surprise.knots.astype(np.float32), f"{name}_map.knots"))
        tensors.append(numpy_helper.from_array(surprise.slopes.astype(np.float32)[:, None], f"{name}_map.column"))
        tensors.append(numpy_helper.from_array(surprise.slopes.astype(np.float32), f"{name}_map.slopes"))
        wide = node("Unsqueeze", [source, "last"], f"{name} wide")
        above = node("Relu", [node("Sub", [wide, f"{name}_map.knots"], f"{name} gap")], f"{name} above")
        slopes = node("Reshape", [f"{name}_map.slopes", "column"], f"{name} slopes")
        return node("Squeeze", [node("MatMul", [above, slopes], f"{name} product"), "last"], output)

    first = "joints"
    for k, axis in enumerate((1, 1, 1)):
        first = node("Gather", [first, "at0"], f"first{k}", axis=axis)
    x, y, z = (node("Gather", [first, f"at{i}"], f"raw{i}", axis=1) for i in range(3))
    relation = mapped("relation", z, "relation")
    near = node("Add", [mapped("neighbours", x, "n"), mapped("whitened", y, "w")], "near")
    unusual = mapped("unusual", near, "unusual")
    mapped("score", node("Add", [unusual, relation], "joined"), "score")
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["n", 2, 1, 1, 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in ("score", "relation", "unusual")],
        [t for t in tensors if not t.name.endswith(".column")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def windows(*columns: NDArray[np.floating] | float) -> NDArray[np.float32]:
    """Windows whose raw scores are these three columns."""
    one = np.stack(np.broadcast_arrays(*columns), axis=-1)[:, None, None, None, :]
    return np.repeat(one, 2, axis=1).astype(np.float32)


GRAPH = OnnxGraph(model(), "model m")
FAR = 3 + RNG.gamma(3, 0.3, 60)
LOGITS = 6 + RNG.normal(size=60)


CALM = RNG.normal(size=30)  # logits as where the part learnt


def refitted(keep: bool, run=run_model, seen: NDArray[np.floating] = CALM) -> Refitted:
    sites = map_sites(GRAPH, "model m")
    # what the graph would measure is nothing: with its own clips in the support set all are at no distance
    given = windows(np.zeros(60), np.zeros(60), LOGITS)
    distances = Distances(FAR.astype(np.float32), FAR.astype(np.float32) + 1)
    zeros = np.zeros(len(seen))
    return refit(GRAPH, sites, given, distances, run, seen=windows(zeros, zeros, seen), keep=keep)


def scored(found: Refitted, *columns) -> NDArray[np.float32]:
    return run_model(GRAPH.replaced(found.tensors), {"joints": windows(*columns)}, ["score"])[0]


def test_maps_are_found_with_what_they_are_applied_to() -> None:
    sites = map_sites(GRAPH, "model m")
    assert {s.name: (s.takes, set(s.after)) for s in sites.values()} == {
        "neighbours": ("neighbours wide", set()),
        "whitened": ("whitened wide", set()),
        "relation": ("relation wide", set()),
        "unusual": ("unusual wide", {"neighbours", "whitened"}),
        "score": ("score wide", {"neighbours", "whitened", "relation", "unusual"}),
    }
    np.testing.assert_allclose(sites["score"].surprise(np.arange(5.0)), MAPS["score"](np.arange(5.0)), rtol=1e-5)


def test_a_new_normal_is_calm_and_the_old_one_is_not_asked() -> None:
    calm = windows(FAR, FAR + 1, LOGITS)
    before = run_model(model(), {"joints": calm}, ["score"])[0]
    assert before.min() > 3
    found = refitted(keep=False)
    after = scored(found, FAR, FAR + 1, LOGITS)
    np.testing.assert_allclose(after, found.scores["score"], atol=1e-4)
    assert np.median(after) < 0.6
    assert scored(found, np.full(1, FAR.max() + 6), 0, 0) > 3
    assert not found.maps["whitened"].slopes.any()


def test_a_learnt_part_never_says_more_than_it_did() -> None:
    logits = np.linspace(-5, 15, 200)
    for keep in (False, True):
        relation = refitted(keep).maps["relation"]
        assert np.all(relation(logits) <= MAPS["relation"](logits) + 1e-4)
        assert np.median(relation(LOGITS)) < 0.6 < MAPS["relation"](LOGITS).min()
        assert relation(np.array(30.0)) > 3


def test_a_learnt_part_is_believed_as_far_as_the_clips_do_not_surprise_it() -> None:
    def at(surprise: float) -> NDArray[np.floating]:
        logits = np.linspace(-3, 6, 2000)
        return np.full(30, logits[np.argmin(np.abs(MAPS["relation"](logits) - surprise))])

    whole = refitted(False).maps["relation"]
    for surprise, share in ((0.3, 1.0), (0.9, 0.5), (1.2, 0.0), (3.0, 0.0)):
        found = refitted(False, seen=at(surprise))
        assert found.belief == {"relation": pytest.approx(share, abs=0.02)}
        logits = np.linspace(-5, 15, 200)
        np.testing.assert_allclose(found.maps["relation"](logits), share * whole(logits), atol=0.2)
        assert found.maps["relation"].slopes.any() == (share > 0)
    kept = refitted(True, seen=at(3.0))
    assert kept.belief == {}, "with keep the sensor is the same"
    assert kept.maps["relation"].slopes.any()


def test_what_is_kept_stays_as_it_was() -> None:
    found = refitted(keep=True)
    for name in ("neighbours", "whitened", "unusual", "score"):
        np.testing.assert_allclose(found.maps[name](NORMAL), MAPS[name](NORMAL), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        scored(found, NORMAL, NORMAL + 1, -9), run_model(model(), {"joints": windows(NORMAL, NORMAL + 1, -9.0)},
                                                       ["score"])[0], rtol=1e-3, atol=1e-4)  # fmt: skip


def test_the_heavy_part_runs_once() -> None:
    asked: list[Sequence[str]] = []

    def run(data: bytes, given: Mapping[str, NDArray[np.float32]], wanted: Sequence[str]) -> list:
        asked.append(tuple(wanted))
        taken = {i.name for i in onnx.load_from_string(data).graph.input}
        assert ("joints" in taken) == (len(asked) == 1)
        return run_model(data, given, wanted)

    refitted(False, run)
    assert asked == [("relation wide",), ("unusual wide",), ("score wide",), ("score", "relation", "unusual")]


def test_which_tensors_an_export_must_leave_alone() -> None:
    assert all(map(is_replaceable, ("neighbours.support", "neighbours.precision", "flow_map.knots", "x_map.slopes")))
    assert not any(map(is_replaceable, ("neighbours.swap", "encoder.position", "val_3")))


def test_files_without_the_maps_are_refused() -> None:
    old = onnx.load_from_string(model())
    for tensor in old.graph.initializer:
        if tensor.name == "score_map.slopes":
            tensor.name = "val_7"
    with pytest.raises(ArtefactError) as caught:
        map_sites(OnnxGraph(old.SerializeToString(), "model m"), "model m")
    assert str(caught.value) == (
        "model m has no tensors score_map.slopes: it was made by an older dyadwatch; export it again"
    )
    twice = onnx.load_from_string(model())
    twice.graph.node.append(helper.make_node("Sub", ["near", "score_map.knots"], ["more"]))
    with pytest.raises(ArtefactError, match=r"model m applies score_map.knots to 2 tensors; expected one"):
        map_sites(OnnxGraph(twice.SerializeToString(), "model m"), "model m")
