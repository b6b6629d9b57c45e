"""The two-person attention module (TASM): two streams that look at themselves, each other and distances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dyadwatch.core.iadnet.attention_blocks import MultiHeadAttention, StreamMLP, StreamNorm, swap_persons
from dyadwatch.core.iadnet.batch_invariant import mean_over_time
from dyadwatch.core.iadnet.frame_module import Axes
from dyadwatch.core.iadnet.relation import Relations
from dyadwatch.core.iadnet.sizes import IADNetConfig

# Per-frame steps are an order smaller than positions; this brings both to the same size.
_VELOCITY_SCALE = 10.0


class TASU(nn.Module):
    """One unit: self-attention, motion cross-attention, distance cross-attention, feed-forward.

    Each is normalised before and added to its input: without these inner residuals eight units of three
    attentions do not train.
    """

    def __init__(self, config: IADNetConfig) -> None:
        super().__init__()
        streams, width, heads = config.streams, config.width, config.heads
        self.own_norm = StreamNorm(streams, width)
        self.own = MultiHeadAttention(streams, width, heads)
        self.motion_norm = StreamNorm(streams, width)
        self.motion = MultiHeadAttention(streams, width, heads)
        if config.relations:
            self.distance_norm = StreamNorm(streams, width)
            self.distance = MultiHeadAttention(streams, width, heads)
        self.ffn_norm = StreamNorm(streams, width)
        self.ffn = StreamMLP(streams, width, config.ffn * width, width)

    def forward(self, x: Tensor, relations: Tensor | None) -> Tensor:
        """Tokens (B, 2, T, E) and relation features of the same shape (None without DREM) to tokens."""
        normed = self.own_norm(x)
        x = x + self.own(normed, normed)
        normed = self.motion_norm(x)
        x = x + self.motion(normed, swap_persons(normed))
        if relations is not None:
            x = x + self.distance(self.distance_norm(x), relations)
        return x + self.ffn(self.ffn_norm(x))


class IADNetEncoder(nn.Module):
    """Two persons' canonical joints to features of what they do together.

    Each stream sees its own person with the partner towards +X: person 0 as he is, person 1 turned by half
    a turn about Y. Exchanging the persons turns the canonical frame by just that (`core.features.pair_frame`), so with
    shared parameters and one positional matrix it exchanges the features and changes nothing else, and one
    pass of the encoder serves both orders.
    """

    facing: Tensor
    position: Tensor

    def __init__(self, config: IADNetConfig) -> None:
        super().__init__()
        self.config = config
        streams, width = config.streams, config.width
        channels = config.joints * (6 if config.velocities else 3)
        self.register_buffer("facing", torch.tensor([1.0, -1.0]).view(2, 1, 1), persistent=False)
        self.embed = StreamMLP(streams, channels, width, width)
        if config.position == "sinusoidal":
            self.register_buffer("position", _sines(config.frames, width)[None])
        else:
            matrices = 1 if config.position == "synchronised" else 2
            self.position = nn.Parameter(0.1 * torch.randn(matrices, config.frames, width))
        if config.relations:
            self.relations = Relations(streams, config.related, config.joints, width)
            self.relation_norm = StreamNorm(streams, width)
        self.units = nn.ModuleList(TASU(config) for _ in range(config.units))
        self.norm = StreamNorm(streams, width)
        self.head = StreamMLP(streams, width, width, config.features)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Both persons' joints in their common canonical frame (B, T, J, 3) to features (B, T, features)."""
        features = self.encode(torch.stack([x, y], dim=1).unbind(-1))
        return features[:, 0], features[:, 1]

    def encode(self, axes: Axes) -> Tensor:
        """The same for coordinates of both persons, each (B, 2, T, J), to (B, 2, T, features)."""
        x, y, z = axes
        tokens = torch.cat([x * self.facing, y, z * self.facing], dim=-1)
        if self.config.velocities:
            step = _VELOCITY_SCALE * (tokens[:, :, 1:] - tokens[:, :, :-1])
            tokens = torch.cat([tokens, torch.cat([step[:, :, :1], step], dim=2)], dim=-1)
        out = self.embed(tokens) + self.position
        related: Tensor | None = None
        if self.config.relations:
            # the maps carry the time of their frame as the tokens do, else attention could not align the two
            maps = self.relations((x[:, 0], y[:, 0], z[:, 0]), (x[:, 1], y[:, 1], z[:, 1]))
            related = self.relation_norm(maps + self.position)
        for unit in self.units:
            out = unit(out, related)
        return self.head(self.norm(out))


def pool(fx: Tensor, fy: Tensor) -> Tensor:
    """One vector for a window: mean and maximum over time, person after person; (B, T, C) twice to (B, 4 C).

    Per-frame likelihoods would sum T terms that depend on each other.
    """
    return torch.cat([mean_over_time(fx), fx.amax(1), mean_over_time(fy), fy.amax(1)], dim=-1)


def _sines(frames: int, width: int) -> Tensor:
    """The fixed positional matrix of the Transformer, shape (frames, width)."""
    time = torch.arange(frames, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack([(time * rate).sin(), (time * rate).cos()], dim=-1).flatten(1)
