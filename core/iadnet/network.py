"""IADNet whole: canonical frame, encoder, pooling and flow."""

from __future__ import annotations

from torch import Tensor, nn

from dyadwatch.core.iadnet.flow import QRFlow
from dyadwatch.core.iadnet.frame_module import PairFrame
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.iadnet.tasm import IADNetEncoder, pool


class IADNet(nn.Module):
    """Interaction anomaly detection network (Maeda et al., arXiv 2512.13560).

    Trained end to end by `nll` this is the paper's recipe, which collapses on small data; `core.training`
    therefore trains the encoder by itself, freezes it, and fits a flow on its whitened features.
    """

    def __init__(self, config: IADNetConfig) -> None:
        super().__init__()
        self.config = config
        self.frame = PairFrame(config.anchors)
        self.encoder = IADNetEncoder(config)
        self.narrow = nn.Linear(config.pooled, config.flow_features)
        self.flow = QRFlow(config.flow_features, config.flow_layers)

    def features(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Raw metres (B, 2, T, J, 3) to the pair's pooled features (B, F) in both orders of the persons."""
        features = self.encoder.encode(self.frame(joints))
        fx, fy = features[:, 0], features[:, 1]
        return pool(fx, fy), pool(fy, fx)

    def nll(self, joints: Tensor) -> Tensor:
        """Negative log-likelihood of windows in nats, shape (B,); the anomaly score.

        Who is person 0 is arbitrary, so both orders are scored and averaged: the encoder runs once, the flow
        twice. The average, not the minimum, because a flow trained on both orders expects both, and because
        it is smooth.

        Arguments:
            joints: raw metres, shape (B, 2, T, J, 3).
        """
        forth, back = self.features(joints)
        return -0.5 * (self.flow.log_prob(self.narrow(forth)) + self.flow.log_prob(self.narrow(back)))

    def forward(self, joints: Tensor) -> Tensor:
        """The same as `nll`."""
        return self.nll(joints)
