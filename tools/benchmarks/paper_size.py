"""A model of the paper's size, untrained, and frames that fit it: what it costs does not depend on what it learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dyadwatch.core.errors import MissingExtraError
from dyadwatch.core.model_file.artefact import ArtefactInfo
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.pose import PoseFrame

JOINTS, FRAMES, FPS = 64, 64, 30.0
_EXTRA = tuple(f"extra{i}" for i in range(JOINTS - len(KINECT25)))
LAYOUT = Layout("paper64", (*KINECT25.joints, *_EXTRA))


def paper_frames(frames: list[PoseFrame]) -> list[PoseFrame]:
    """Frames of `kinect25` with 39 further joints along the bones, so that there are the paper's 64."""
    bones = np.asarray(KINECT25.bone_indices)[np.arange(len(_EXTRA)) % len(KINECT25.bone_indices)]
    along = np.where(np.arange(len(_EXTRA)) < len(KINECT25.bone_indices), 0.5, 0.25)[:, None].astype(np.float32)
    out: list[PoseFrame] = []
    for f in frames:
        extra = f.joints[:, bones[:, 0]] * (1 - along) + f.joints[:, bones[:, 1]] * along
        sure = f.confidence[:, bones[:, 0]]
        out.append(
            replace(
                f,
                layout=LAYOUT,
                joints=np.concatenate([f.joints, extra], axis=1, dtype=np.float32),
                confidence=np.concatenate([f.confidence, sure], axis=1),
            )
        )
    return out


def build_paper_model(path: Path) -> None:
    """Exports an IADNet of the paper's size (8 units of width 512, 64 joints, 64 frames) with random weights.

    Raises:
        MissingExtraError: when torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "train") from None
    from dyadwatch.core.iadnet.network import IADNet
    from dyadwatch.core.iadnet.sizes import IADNetConfig
    from dyadwatch.exporters.onnx_export import export

    class LikelihoodOnly(torch.nn.Module):
        """The artefact's five outputs, with nothing but the network's likelihood behind them."""

        def __init__(self) -> None:
            super().__init__()
            self.net = IADNet(IADNetConfig.for_layout(LAYOUT, FRAMES, width=512, units=8, features=128))
            self.flow = self.net.flow.folded()

        def forward(self, joints: torch.Tensor) -> tuple[torch.Tensor, ...]:
            forth, back = (self.flow.log_prob(self.net.narrow(f)) for f in self.net.features(joints))
            nll = -0.5 * (forth + back)
            still = (joints[:, 0, 0, :, None, 0] - joints[:, 1, 0, None, :, 0]) * 0.0
            return nll, nll * 0.0, nll * 1.0, still, still * 1.0

    torch.manual_seed(0)
    info = ArtefactInfo(
        name="paper-size", version="0", layout=LAYOUT.name, joints=LAYOUT.joints, frames=FRAMES, fps=FPS
    )
    export(LikelihoodOnly(), info, path)
