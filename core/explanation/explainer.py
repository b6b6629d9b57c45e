"""Who does what to whom with which limb, and what normal pairs do: the explanation of one window, as data.

Made from the support set in a model file, without torch and off the path of the scores: only for what is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from threading import Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.explanation.odd_limb import LimbReference
from dyadwatch.core.features.pair_statistics import (
    DISTANCE_FLOOR_M,
    SEGMENTS,
    SPEED_FLOOR_M_S,
    Scaling,
    Statistics,
    plain_exp,
)
from dyadwatch.core.model_file.artefact import ArtefactInfo
from dyadwatch.core.model_file.onnx_graph import OnnxGraph
from dyadwatch.core.skeletons.limbs import Limb

_FEWEST = 10  # normal windows, of which one can say what is usual
_NORMAL = 0.99  # of normal windows lie within what is called usual
_TENSORS = ("neighbours.centre", "neighbours.scale", "neighbours.axes", "neighbours.compared")


class How(StrEnum):
    """What is unlike normal of a limb."""

    FAST = "fast"  # it moves faster than it does in normal pairs
    NEAR = "near"  # it comes nearer to a joint of the partner
    FAR = "far"  # it stays farther from a joint of the partner
    PLACE = "place"  # neither: it is where the rest of the two would not have it


@dataclass(frozen=True, slots=True)
class LimbFinding:
    """The limb that explains a window best.

    Arguments:
        person: 0 or 1.
        joint: that stands for the limb.
        toward: joint of the partner whose distance is the least usual.
        share: of the belief that it is this limb of all limbs of both, 0..1.
        speed_m_s: of the joint, root mean square over the window.
        distance_m: to `toward`, in the quarter of the window in which it is least.
        off_m: how far the joint is from where the rest of the two would have it.
        usual: what 99 % of normal windows stay below (fast, far) or above (near), in m/s or metres; None for place.
    """

    person: int
    limb: Limb
    joint: str
    toward: str
    how: How
    share: float
    speed_m_s: float
    distance_m: float
    off_m: float
    usual: float | None


class Explainer:
    """Explains windows by the support set of a model.

    Arguments:
        statistics: how windows become vectors.
        joints: names of the model's joints.
        scaling, axes, compared: of the support set, see `core.scoring.memory_bank`; (D, F) and (N, D).
    """

    def __init__(
        self,
        statistics: Statistics,
        joints: tuple[str, ...],
        scaling: Scaling,
        axes: NDArray[np.floating],
        compared: NDArray[np.floating],
    ) -> None:
        self._statistics = statistics
        self._joints = joints
        self._names = tuple(joints[j] for j in statistics.joints)
        self._support = scaling, axes, compared
        self._one = Lock()  # who explains waits for who prepares, and nothing is made twice

    @classmethod
    def of_model(cls, model: bytes, info: ArtefactInfo, what: str) -> Self | None:
        """From the bytes of a verified model file; None where it holds no support set.

        Raises:
            ArtefactError: when the file is damaged; `what` names it.
        """
        graph = OnnxGraph(model, what)
        if any(name not in graph.names for name in _TENSORS):
            return None
        try:
            statistics = Statistics.of_layout(info.skeleton, info.fps, info.training.get("placed_by"))
        except LayoutError:
            return None
        centre, scale, axes, compared = (graph.read(name).astype(np.float32) for name in _TENSORS)
        size = len(statistics)
        fits = centre.shape == scale.shape == (size,) and axes.shape == (compared.shape[-1], size)
        return (
            cls(statistics, info.joints, Scaling(centre, scale), axes, compared) if fits and len(compared) > 1 else None
        )

    @cached_property
    def _values(self) -> NDArray[np.float64]:
        """Statistics of the support windows in both orders of the persons, as far as the directions tell."""
        scaling, axes, compared = self._support
        values = np.sinh(compared.astype(np.float64) @ axes) * scaling.scale + scaling.centre
        return np.concatenate([values, values[:, self._statistics.swap]]).astype(np.float64, copy=False)

    @cached_property
    def _limbs(self) -> LimbReference:
        return LimbReference(self._statistics, self._joints, self._values[: len(self._values) // 2])

    @cached_property
    def _usual(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logarithms in normal windows: of each joint's speed (N, R), of the least distances of joints (N, R, R)."""
        return self._speeds(self._values)[:, 0], self._distances(self._values)

    def prepare(self) -> None:
        """Does now what else the first explanation waits for, part of a second; from any thread."""
        with self._one:
            _ = self._limbs, self._usual

    def __call__(self, window: NDArray[np.float32]) -> LimbFinding:
        """Explains a window (2, T, J, 3) in metres, without NaN."""
        self.prepare()
        values = self._statistics(window[None])[0].astype(np.float64)
        odd = self._limbs.oddest(values)
        member = next(m for m in self._limbs.limbs if m.limb is odd.limb)
        speed, least = self._speeds(values[None])[0, odd.person], self._distances(values[None])[0]
        normal_speed, normal_least = self._usual
        joint = member.end
        if odd.person == 1:  # normal windows are there in both orders
            least = least.T
        away = _in_spreads(least[joint], normal_least[:, joint])
        hurry = float(_in_spreads(speed, normal_speed)[joint])
        nearest, farthest = int(away.argmin()), int(away.argmax())
        fastest = float(np.quantile(normal_speed[:, joint], _NORMAL))
        closest = float(np.quantile(normal_least[:, joint, nearest], 1 - _NORMAL))
        widest = float(np.quantile(normal_least[:, joint, farthest], _NORMAL))
        how, toward, usual = How.PLACE, nearest, None
        if speed[joint] > fastest and hurry >= max(-away[nearest], away[farthest]):
            how, usual = How.FAST, _speed(fastest)
        elif least[joint, nearest] < closest and -away[nearest] >= away[farthest]:
            how, usual = How.NEAR, _distance(closest)
        elif least[joint, farthest] > widest:
            how, toward, usual = How.FAR, farthest, _distance(widest)
        return LimbFinding(
            odd.person,
            odd.limb,
            self._names[joint],
            self._names[toward],
            how,
            odd.share,
            _speed(float(speed[joint])),
            _distance(float(least[joint, toward])),
            odd.off_m,
            usual,
        )

    def _speeds(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithms of root mean square speeds; (N, F) to (N, 2, R)."""
        pairs, person = self._statistics.sizes
        r = len(self._names)
        return np.stack([values[:, pairs + p * person + r : pairs + p * person + 2 * r] for p in (0, 1)], axis=1)

    def _distances(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithms of distances of joints of person 0 and 1 in the quarter where they are least; (N, R, R)."""
        r = len(self._names)
        return values[:, : SEGMENTS * r * r].reshape(-1, SEGMENTS, r, r).min(axis=1)


def _in_spreads(value: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many usual spreads a value is from the median of normal windows, (R,) and (N, R) to (R,)."""
    middle = np.median(normal, axis=0)
    return (value - middle) / (1.4826 * np.median(np.abs(normal - middle), axis=0) + 1e-6)


def _speed(log: float) -> float:
    return round(max(float(plain_exp(np.asarray(log))) - SPEED_FLOOR_M_S, 0.0), 2)


def _distance(log: float) -> float:
    return round(max(float(plain_exp(np.asarray(log))) - DISTANCE_FLOOR_M, 0.0), 2)
