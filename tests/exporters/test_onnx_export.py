"""Exported graphs: the same numbers, any batch, whole files only."""

import importlib
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from dyadwatch.core.errors import ArtefactError, MissingExtraError
from dyadwatch.core.iadnet.batch_invariant import mean_over_time
from dyadwatch.core.iadnet.network import IADNet
from dyadwatch.core.iadnet.relation import soft_distances
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.model_file.artefact import OUTPUTS, ArtefactInfo, read_info
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.exporters.onnx_export import export
from dyadwatch.exporters.parity import parity, random_pairs

INFO = ArtefactInfo(name="t", version="1", layout="upper11", joints=UPPER11.joints, frames=12, fps=15)
SIZES = {"width": 16, "heads": 2, "units": 1, "features": 8, "flow_features": 6, "flow_layers": 3}


class Whole(nn.Module):
    """Frame, encoder and folded flow, with the outputs of an artefact."""

    def __init__(self, **sizes) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = IADNet(IADNetConfig.for_layout(UPPER11, INFO.frames, **SIZES, **sizes))
        self.flow = self.net.flow.folded()

    def forward(self, joints):
        both = torch.stack(self.net.features(joints), 1)
        unusual = -0.5 * self.flow(self.net.narrow(both).flatten(0, 1)).unflatten(0, (-1, 2)).sum(1)
        d = soft_distances(joints[:, 0].unbind(-1), joints[:, 1].unbind(-1))
        d = mean_over_time(d.flatten(2)).unflatten(-1, (11, 11))
        return 2 * unusual, unusual + 1, unusual, unusual - 1, d, d - 1


class Heads(nn.Module):
    """All outputs out of one number for each window."""

    def __init__(self, number) -> None:
        super().__init__()
        self.number = number

    def forward(self, joints):
        a = self.number(joints)
        pairs = a[:, None, None].expand(-1, 11, 11)
        return a, a, a, a, pairs, pairs + 0.0


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "whole.onnx"
    module = Whole()
    return module, path, export(module, INFO, path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A tiny graph, quick to export, and a factory of modules beside it."""
    path = tmp_path_factory.mktemp("model") / "plain.onnx"
    export(Heads(lambda joints: joints[:, 0, 0, 0, 0] * 2), INFO, path)
    return path


class TestWhole:
    def test_report_is_within_rounding_and_in_the_metadata(self, exported):
        _, path, report = exported
        assert set(report.absolute) == set(OUTPUTS)
        assert max(report.relative.values()) < 1e-4
        assert report.batch_invariant
        info = read_info(path)
        assert info.parity["relative"] == report.relative
        assert info.parity["batches"] == [1, 2, 7, 32]
        assert (info.name, info.frames) == ("t", 12)

    @pytest.mark.parametrize("count", [1, 3, 33])
    def test_any_number_of_windows(self, exported, count):
        module, path, _ = exported
        windows = random_pairs(count, 12, 11, seed=5)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        with torch.inference_mode():
            expected = module(torch.from_numpy(windows))
        for name, want in zip(OUTPUTS, expected, strict=True):
            have = np.asarray(session.run([name], {"joints": windows})[0])
            np.testing.assert_allclose(have, want.numpy(), rtol=1e-4, atol=1e-4)

    def test_parity_again_with_other_windows(self, exported):
        module, path, _ = exported
        assert parity(module.eval(), path, seed=9).windows == 64

    def test_only_standard_operators_and_no_paths(self, exported):
        onnx = pytest.importorskip("onnx")
        _, path, _ = exported
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert {entry.domain for entry in model.opset_import} == {""}
        assert b"site-packages" not in path.read_bytes()
        assert b".py" not in path.read_bytes()

    def test_other_weights_are_caught(self, exported):
        _, path, _ = exported
        torch.manual_seed(7)
        other = Whole()
        with torch.no_grad():
            other.net.narrow.bias.add_(3)
        with pytest.raises(ArtefactError, match=r"output '\w+' differs from the network by .*expected at most 0\.001"):
            parity(other.eval(), path)


class TestRefusals:
    def test_a_graph_that_depends_on_its_batch(self, tmp_path):
        def mixed(joints):
            return joints[:, 0, 0, 0, 0] + joints.mean()

        every = "joint_pairs, relation, score, shift, timing, unusual"
        with pytest.raises(ArtefactError, match=f"{every} depend on which windows"):
            export(Heads(mixed), INFO, tmp_path / "m.onnx")
        assert list(tmp_path.iterdir()) == []

    def test_wrong_shapes(self, tmp_path):
        class Short(nn.Module):
            def forward(self, joints):
                return (joints[:, 0, 0, 0, 0],)

        with pytest.raises(
            ArtefactError, match=r"gives outputs of shapes \[\(2,\)\]; expected \[\(2,\), .*joint_pairs"
        ):
            export(Short(), INFO, tmp_path / "m.onnx")

    def test_an_output_that_is_not_finite(self, plain):
        onnx = pytest.importorskip("onnx")
        model = onnx.load(plain)
        for tensor in model.graph.initializer:
            if onnx.numpy_helper.to_array(tensor).dtype == np.float32 and not tensor.dims:
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32("nan"), tensor.name))
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name == "value_float":
                    attribute.f = float("nan")
        broken = plain.with_name("nan.onnx")
        onnx.save(model, broken)
        with pytest.raises(ArtefactError, match="output 'score' is not finite for an ordinary window"):
            parity(Heads(lambda joints: joints[:, 0, 0, 0, 0] * 2), broken)

    def test_the_mode_of_the_module_is_left_alone(self, plain, tmp_path):
        module = Heads(lambda joints: joints[:, 0, 0, 0, 0] * 2).train()
        export(module, INFO, tmp_path / "m.onnx")
        assert module.training
        assert (tmp_path / "m.onnx").read_bytes() == plain.read_bytes(), (
            "exports of the same network should be the same"
        )

    @pytest.mark.parametrize("package", ["torch", "onnx", "onnxscript", "onnxruntime"])
    def test_a_missing_package_names_the_command(self, package, monkeypatch, tmp_path):
        real = importlib.import_module

        def missing(name, *rest):
            if name == package:
                raise ImportError(name)
            return real(name, *rest)

        monkeypatch.setattr(importlib, "import_module", missing)
        with pytest.raises(MissingExtraError, match=rf"{package} is not installed; .*constraints.txt '.\[train\]'"):
            export(nn.Identity(), INFO, tmp_path / "m.onnx")


def test_reading_a_model_needs_neither_torch_nor_onnx(plain):
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'onnxruntime'): sys.modules[name] = None\n"
        "from dyadwatch.core.model_file.artefact import read_info\n"
        "import dyadwatch.exporters.onnx_export\n"
        f"print(read_info({str(plain)!r}).name)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "t\n"


def test_random_pairs_are_people() -> None:
    windows = random_pairs(64, 30, 11, seed=0)
    assert windows.dtype == np.float32
    assert np.array_equal(windows, random_pairs(64, 30, 11, seed=0))
    apart = np.linalg.norm((windows[:, 1] - windows[:, 0]).mean((1, 2))[:, [0, 2]], axis=-1)
    assert 0.2 < np.median(apart) < 3
    assert np.abs(np.diff(windows, axis=2)).max() < 0.5
