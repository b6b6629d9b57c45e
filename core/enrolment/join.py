"""Moments that become normal, and nothing else: their windows join the support set of a model.

Centre, scale, directions, networks, flow, surprise maps and levels stay, so that no score rises and none falls but
those of windows like the moments. That is what one false alarm can prove: `enrol` with `keep` fits the maps again as
well, which a moment of two seconds is too little for.
"""

from __future__ import annotations

from dataclasses import dataclass

from dyadwatch.core.data.windows import cut
from dyadwatch.core.enrolment.enrol import Base, bank
from dyadwatch.core.enrolment.normal_clips import Normal
from dyadwatch.core.scoring.nearest import Support

# Seconds between windows that join, sparsest first. Denser, all neighbours that a window is compared with are of one
# moment, and it hides what is only somewhat like it: on handovers recall of variations fell from 0.90 to 0.57 with all
# windows of eight moments, and to 0.73 with one each 0.4 s.
HOPS_S = (1.6, 0.8, 0.4, 0.2)


@dataclass(frozen=True)
class JoinedMoments:
    """A model to which moments are normal.

    Arguments:
        model: bytes of the file, not yet sealed.
        support: windows it compares with.
        windows: of these, those that joined.
    """

    model: bytes
    support: int
    windows: int


def join(base: Base, normal: Normal, hop_s: float) -> JoinedMoments:
    """The model to which `normal` is normal besides.

    Arguments:
        base: that judges until now.
        normal: the moments, see `take_clips`.
        hop_s: between two windows that join.
    """
    windows = cut(normal.recordings, base.info.frames, max(1, round(hop_s * base.info.fps)))
    support = base.support + Support.of_windows(base.metric, windows.joints)
    tensors = bank(support, base.metric, whitened=base.metric.precision is not None)
    return JoinedMoments(base.graph.replaced(tensors), len(support), len(windows))
