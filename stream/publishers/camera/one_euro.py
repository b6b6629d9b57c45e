"""A filter that is calm while a thing stands and quick while it moves."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_NS = 1_000_000_000


class OneEuro:
    """The One-Euro filter of Casiez, Roussel and Vogel (2012), of a vector, causal.

    Arguments:
        least_hz: cut-off while the thing stands still. Lower: calmer and later; higher: more jitter passes.
        beta: how much the cut-off rises with speed, hertz per unit and second. Lower: later when quick.
        speed_hz: cut-off of the speed itself.
    """

    def __init__(self, least_hz: float, beta: float, speed_hz: float = 1.0) -> None:
        self.least_hz = least_hz
        self._beta = beta
        self._speed_hz = speed_hz
        self._value: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] | None = None
        self._stamp = 0

    def step(self, value: NDArray[np.float64], stamp: int, noise: float = 0.0) -> NDArray[np.float64]:
        """The filtered value at a stamp in nanoseconds.

        Arguments:
            value: measured, any shape, the same each time.
            stamp: later than the last one, or the value is passed over.
            noise: standard deviation of the value; both cut-offs fall with it, a tenth of a unit halves them.
        """
        if self._value is None or self._speed is None:
            self._value, self._speed, self._stamp = value, np.zeros_like(value), stamp
            return value
        dt = (stamp - self._stamp) / _NS
        if dt <= 0:
            return self._value
        calm = 1.0 / (1.0 + 10.0 * noise)
        speed = (value - self._value) / dt
        self._speed = self._speed + _share(self._speed_hz * calm, dt) * (speed - self._speed)
        hz = (self.least_hz + self._beta * float(np.linalg.norm(self._speed))) * calm
        self._value = self._value + _share(hz, dt) * (value - self._value)
        self._stamp = stamp
        return self._value


def _share(hz: float, dt: float) -> float:
    """How much of a step of `dt` seconds a low pass of `hz` lets through."""
    r = 2 * math.pi * hz * dt
    return r / (r + 1)
