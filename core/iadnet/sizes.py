"""Sizes and switches of IADNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.features.pair_frame import Anchors, anchors
from dyadwatch.core.skeletons.layout import Layout

Position = Literal["synchronised", "unsynchronised", "sinusoidal"]


@dataclass(frozen=True, kw_only=True)
class IADNetConfig:
    """What an IADNet is built from; the defaults are the small network that runs live on a CPU.

    Arguments:
        joints: J, joints of a person.
        frames: T, frames of a window.
        pelvis, neck: index pairs whose middles are these joints, see `core.features.pair_frame.anchors`.
        trunk: length of what lies between, see `core.features.pair_frame.Anchors`.
        width: E, channels of a token.
        units: N, stacked two-person attention units (TASU).
        heads: attention heads; divides `width`.
        ffn: hidden width of the feed-forward blocks, as a multiple of `width`.
        features: channels that the encoder gives for each person and frame.
        pooling: how features become one vector for a window; mean and maximum over time.
        flow_features: dimensions of the flow; a last linear map narrows the pooled features to it.
        flow_layers: layers of the flow.
        position: one positional matrix learnt for both persons, one for each, or fixed sines (ablation).
        relations: distance maps and the attention to them (DREM, DCA); off is an ablation.
        sharing: both persons' streams share their parameters; off is an ablation.
        relation_joints: the joints whose distances are taken; None is all. Cost grows with its square.
        velocities: each token also sees the joints' movement since the frame before.

    Raises:
        TrainingError: when sizes do not fit; the message names the key, its value and what was expected.
    """

    joints: int
    frames: int
    pelvis: tuple[int, int] = (0, 0)
    neck: tuple[int, int] = (1, 1)
    trunk: float = 1.0
    width: int = 64
    units: int = 2
    heads: int = 4
    ffn: int = 2
    features: int = 64
    pooling: Literal["mean+max"] = "mean+max"
    flow_features: int = 64
    flow_layers: int = 10
    position: Position = "synchronised"
    relations: bool = True
    sharing: bool = True
    relation_joints: tuple[int, ...] | None = None
    velocities: bool = True

    def __post_init__(self) -> None:
        for key in ("joints", "frames"):
            _expect(getattr(self, key) >= 2, key, getattr(self, key), "at least 2")
        for key in ("width", "units", "heads", "ffn", "features", "flow_features", "flow_layers"):
            _expect(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        _expect(self.width % self.heads == 0, "heads", self.heads, f"a divisor of width {self.width}")
        _expect(self.width % 2 == 0, "width", self.width, "an even number")
        _expect(self.position in get_args(Position), "position", self.position, " or ".join(get_args(Position)))
        _expect(self.pooling == "mean+max", "pooling", self.pooling, "mean+max")
        for key, joints in (
            ("pelvis", self.pelvis),
            ("neck", self.neck),
            ("relation_joints", self.relation_joints),
        ):
            inside = joints is None or (joints and all(0 <= j < self.joints for j in joints))
            _expect(bool(inside), key, joints, f"indices from 0 to {self.joints - 1}")

    @classmethod
    def for_layout(cls, layout: Layout, frames: int, **sizes) -> IADNetConfig:
        """The configuration for windows of `frames` frames of `layout`; `sizes` are any other keys.

        Raises:
            LayoutError: when the layout has no joints to place a pair by.
        """
        at = anchors(layout)
        return cls(joints=len(layout), frames=frames, pelvis=at.pelvis, neck=at.neck, trunk=at.trunk, **sizes)

    @classmethod
    def paper(cls, joints: int = 64, frames: int = 64, **sizes) -> IADNetConfig:
        """The paper's size: eight units of width 512."""
        return cls(joints=joints, frames=frames, **{"width": 512, "units": 8, "features": 128, **sizes})

    @property
    def anchors(self) -> Anchors:
        """The joints that place a pair."""
        return Anchors(self.pelvis, self.neck, self.trunk)

    @property
    def related(self) -> tuple[int, ...]:
        """The joints whose distances are taken, spelt out."""
        return tuple(range(self.joints)) if self.relation_joints is None else self.relation_joints

    @property
    def streams(self) -> int:
        """How many sets of parameters the two persons' streams have."""
        return 1 if self.sharing else 2

    @property
    def pooled(self) -> int:
        """F, length of the pooled features of a pair: mean and maximum for each person."""
        return 4 * self.features


def _expect(holds: bool, key: str, value: object, expected: str) -> None:
    if not holds:
        raise TrainingError(f"network size {key} = {value!r}: expected {expected}")
