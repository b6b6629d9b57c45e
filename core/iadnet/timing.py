"""Whether two people would fit together better were one of them a fifth of a second earlier or later.

How surely the critic calls a pair broken depends on who the two are and where they stand, by more than a small delay
adds. So the pair is compared with itself: the same window, with one person's part of it read `LAG_S` earlier. Normal
pairs fit best as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dyadwatch.core.features.pair_statistics import SEGMENTS, Statistics
from dyadwatch.core.iadnet.frame_module import PairFrame
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.iadnet.statistics_module import RelationalStatistics

LAG_S = 0.2


def lag_frames(frames: int, fps: float) -> int:
    """How many frames `LAG_S` are; 0 where what is left of a window of `frames` is too short to be judged."""
    lag = max(1, round(LAG_S * fps))
    return lag if frames - lag >= SEGMENTS + 1 else 0


class TimingGain(nn.Module):
    """What the critic's logit falls by when one person's part of the window is read earlier than the other's.

    With x[i:j] frames i to j of a window of T and n = T - lag, f the critic: f(a[lag:], b[lag:]) less the smaller of
    f(a[lag:], b[:n]) and f(a[:n], b[lag:]).

    Arguments:
        critic: of broken pairs; its statistics are means over parts of a window, so it judges shorter ones as well.
        statistics: that it judges.
        frames: T.

    Raises:
        ValueError: when T is too short to be shifted, see `lag_frames`.
    """

    def __init__(self, critic: MismatchClassifier, statistics: Statistics, frames: int) -> None:
        super().__init__()
        self.lag = lag_frames(frames, statistics.fps)
        if not self.lag:
            raise ValueError(f"frames is {frames}; expected {SEGMENTS + 1} more than {LAG_S:g} s have")
        self.critic = critic
        self.frame = PairFrame(statistics.at)
        self.statistics = RelationalStatistics(statistics, frames - self.lag)

    def forward(self, joints: Tensor) -> Tensor:
        """Raw windows (B, 2, T, J, 3) in metres to the gain (B,); above 0 where another timing fits better."""
        earlier, later = joints[:, :, : -self.lag], joints[:, :, self.lag :]
        pairs = [
            torch.stack([first[:, 0], second[:, 1]], 1)
            for first, second in ((later, later), (earlier, later), (later, earlier))
        ]
        windows = torch.stack(pairs, 1).flatten(0, 1)  # in one batch: the graph holds the statistics once
        logit = self.critic(self.statistics(windows, self.frame(windows))[0]).unflatten(0, (-1, 3))
        return logit[:, 0] - torch.minimum(logit[:, 1], logit[:, 2])
