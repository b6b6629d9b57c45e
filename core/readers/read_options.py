"""What a person says of a file that the file does not say itself: units, axes, frame rate, names of joints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.skeletons.body_size import METRES
from dyadwatch.core.skeletons.marker_map import MarkerMap, read_marker_map
from dyadwatch.core.skeletons.marker_sets import MARKER_SETS

Axes = Literal["y-up", "z-up", "y-down"]
AXES: tuple[Axes, ...] = ("y-up", "z-up", "y-down")
UNITS = {**METRES, "in": 0.0254}
_SPELLINGS = {"meters": "m", "metres": "m", "meter": "m", "metre": "m", "centimeters": "cm", "centimetres": "cm",
              "millimeters": "mm", "millimetres": "mm", "inch": "in", "inches": "in"}  # fmt: skip
FASTEST_FPS = 2000.0
SLOWEST_FOUND, FASTEST_FOUND = 1.0, 1000.0  # what a file may say of itself and be believed
_UNITS_OF_TIME = {"milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_USUAL_FPS = (5.0, 500.0)


def likely_time(fps: float) -> str:
    """The unit that was probably taken for seconds where a rate is out of range, in a few words; mostly nothing."""
    for unit, scale in _UNITS_OF_TIME.items():
        if _USUAL_FPS[0] <= fps * scale <= _USUAL_FPS[1]:
            return f" ({unit} taken for seconds? that would be {fps * scale:.4g} a second)"
    return ""


def metres_per_unit(units: str) -> float | None:
    """Metres of one unit: of m, cm, mm, in, or of a number of metres; None for anything else."""
    name = units.strip().lower()
    name = _SPELLINGS.get(name, name)
    if name in UNITS:
        return UNITS[name]
    try:
        scale = float(name)
    except ValueError:
        return None
    return scale if 1e-6 <= scale <= 1e3 else None


@dataclass(frozen=True)
class ReadOptions:
    """What the user says; what is None the file must say, or its format's convention holds.

    Arguments:
        units: m, cm, mm, in, or metres in one unit, such as 0.0564.
        axes: which way is up.
        fps: frames per second.
        markers: a built-in marker set's name or a YAML file, see `core.skeletons.marker_map`.
        unequal: two files of one person each are one recording, whatever their lengths.

    Raises:
        ClipError: for anything else.
    """

    units: str | None = None
    axes: str | None = None
    fps: float | None = None
    markers: str | None = None
    unequal: bool = False

    def __post_init__(self) -> None:
        if self.units is not None and metres_per_unit(self.units) is None:
            raise ClipError(
                f"units are {self.units!r:.40}; expected {', '.join(UNITS)}, or metres in one unit, such as 0.0564"
            )
        if self.axes is not None and self.axes not in AXES:
            raise ClipError(f"axes are {self.axes!r:.40}; expected one of {', '.join(AXES)}")
        if self.fps is not None and not 0 < self.fps <= FASTEST_FPS:
            raise ClipError(f"fps is {self.fps:g}; expected frames per second, more than 0, at most {FASTEST_FPS:g}")

    def marker_map(self) -> MarkerMap | None:
        """The marker map that was named; None without one.

        Raises:
            ConfigError: when its file is unusable.
        """
        if self.markers is None:
            return None
        return MARKER_SETS.get(self.markers) or read_marker_map(Path(self.markers))

    def rate(self, path: Path, found: float | None) -> float:
        """Frames per second: as declared, else as the file says.

        Raises:
            ClipError: when neither says, or the file says nonsense.
        """
        if self.fps is not None:
            return self.fps
        if found is None:
            raise ClipError(f"{path}: the format holds no frame rate; give it with --file-fps")
        if not SLOWEST_FOUND <= found <= FASTEST_FOUND:
            raise ClipError(
                f"{path}: says {found:.4g} frames per second; expected {SLOWEST_FOUND:g} to {FASTEST_FOUND:g}"
                f"{likely_time(found)}; say the true rate with --file-fps"
            )
        return found

    def metres(
        self, path: Path, values: NDArray[np.floating], units: str | None, axes: str | None
    ) -> tuple[NDArray[np.float32], str]:
        """Coordinates in metres, Y up, and the units they were in.

        Arguments:
            path: for messages.
            values: shape (..., 3).
            units, axes: as the file or its format says; what was declared goes before.

        Raises:
            ClipError: when neither says, or the file says nonsense.
        """
        units, axes = self.units or units, self.axes or axes
        if units is None:
            raise ClipError(f"{path}: the format holds no units; give them with --units ({', '.join(UNITS)})")
        if axes is None:
            raise ClipError(f"{path}: the format does not tell which way is up; say it with --axes ({', '.join(AXES)})")
        scale = metres_per_unit(units)
        if scale is None:
            raise ClipError(f"{path}: units are {units!r:.40}; expected {', '.join(UNITS)} (or say them with --units)")
        if axes not in AXES:
            raise ClipError(f"{path}: axes are {axes!r:.40}; expected one of {', '.join(AXES)}")
        x, y, z = np.moveaxis(values * scale, -1, 0)
        up = {"y-up": (x, y, z), "z-up": (x, z, -y), "y-down": (x, -y, -z)}[axes]
        return np.stack(up, axis=-1).astype(np.float32), units
