"""Where a body is, from places that are sure across the line of sight and unsure along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.units import NS

_FAR_OUT = 3.0  # standard deviations: what lies farther beside counts the less, the farther it does
_WALK_M_S = 1.0  # how fast somebody new may be going


class RootFilter:
    """A Kalman filter of constant velocity (Kalman 1960), whose measurements may be as flat as a pencil is long.

    A camera sees well at which angle somebody stands, and badly how far away. The filter knows both, and that people
    hardly go up and down: somebody seen from above who seems to come nearer without sinking stays where they are.

    Arguments:
        place: first measured, metres, shape (3,).
        along, across: standard deviations of that along the line of sight and across it, metres.
        ray: the line of sight, length 1, shape (3,).
        stamp: nanoseconds.
        roam: how much people change their velocity, m/s in a second. Lower: calmer and later; higher: more jitter.
        rise: the same up and down; as large as `roam` where nobody knows which way is up.
    """

    def __init__(
        self,
        place: NDArray[np.float64],
        along: float,
        across: float,
        ray: NDArray[np.float64],
        stamp: int,
        *,
        roam: float = 1.0,
        rise: float = 0.1,
    ) -> None:
        self._force = np.array([roam, rise, roam]) ** 2
        self._mean = np.concatenate([place, np.zeros(3)])
        self._spread = np.zeros((6, 6))
        self._spread[:3, :3] = _pencil(along, across, ray)
        self._spread[3:, 3:] = np.diag(np.minimum(self._force, _WALK_M_S**2))
        self._stamp = stamp

    @property
    def place(self) -> NDArray[np.float64]:
        """Metres, shape (3,)."""
        return self._mean[:3]

    @property
    def velocity(self) -> NDArray[np.float64]:
        """Metres a second, shape (3,)."""
        return self._mean[3:]

    def step(
        self, place: NDArray[np.float64], along: float, across: float, ray: NDArray[np.float64], stamp: int
    ) -> float:
        """Takes a measurement, as at the start; one that is not later than the last is passed over.

        Returns:
            how likely it was before it came, as the logarithm of a density.
        """
        dt = (stamp - self._stamp) / NS
        if dt <= 0:
            return 0.0
        self._stamp = stamp
        go = np.eye(6)
        go[:3, 3:] = dt * np.eye(3)
        mean, spread = go @ self._mean, go @ self._spread @ go.T
        spread[:3, :3] += np.diag(self._force * dt**3 / 3)
        spread[:3, 3:] += np.diag(self._force * dt**2 / 2)
        spread[3:, :3] += np.diag(self._force * dt**2 / 2)
        spread[3:, 3:] += np.diag(self._force * dt)
        off, noise = place - mean[:3], _pencil(along, across, ray)
        expected = spread[:3, :3] + noise
        far = float(off @ np.linalg.solve(expected, off))
        likely = -0.5 * (far + float(np.linalg.slogdet(expected)[1]) + 3 * np.log(2 * np.pi))
        if far > _FAR_OUT**2:
            expected = spread[:3, :3] + noise * np.sqrt(far) / _FAR_OUT
        gain = np.linalg.solve(expected, spread[:3]).T
        self._mean = mean + gain @ off
        spread = spread - gain @ spread[:3]
        self._spread = (spread + spread.T) / 2
        return likely


def _pencil(along: float, across: float, ray: NDArray[np.float64]) -> NDArray[np.float64]:
    return across**2 * np.eye(3) + (along**2 - across**2) * np.outer(ray, ray)
