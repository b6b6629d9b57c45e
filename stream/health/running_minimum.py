"""The least of what was seen in the last minute."""

from __future__ import annotations

from dyadwatch.core.units import NS

_PART_NS = 5 * NS
_PARTS = 12


class RunningMinimum:
    """Minima of the last twelve pieces of five seconds. One thread adds; any thread may read while it does.

    Attributes:
        parts: number, arrival and value of the minimum of each piece; replaced whole.
    """

    def __init__(self) -> None:
        self.parts: tuple[tuple[int, int, int], ...] = ()

    @property
    def value(self) -> int | None:
        """The least; None before the first."""
        return min((value for _, _, value in self.parts), default=None)

    def clear(self) -> None:
        """Begins again."""
        self.parts = ()

    def add(self, arrived: int, value: int) -> None:
        """Takes a value that came at `arrived`, ns, which never goes back."""
        part, parts = arrived // _PART_NS, self.parts
        if not parts or part > parts[-1][0]:
            self.parts = (*parts, (part, arrived, value))[-_PARTS:]
        elif value < parts[-1][2]:
            self.parts = (*parts[:-1], (parts[-1][0], arrived, value))
