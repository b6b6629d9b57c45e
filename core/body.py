"""How large a body can be: the one rule by which wrong units are recognised, on the wire and in files."""

from __future__ import annotations

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
# The tallest span of one body, arms up, plus noise; and metres from the origin that no room reaches.
LARGEST_BODY_M = 3.5
FARTHEST_M = 1000.0
# A whole person in one frame, and typically over a recording: who crouches for a moment is small for a moment.
SMALLEST_BODY_M = 0.05
SMALLEST_FIGURE_M = 0.35
WHOLE_BODY_JOINTS = 5


def guess_units(span: float, declared: str) -> str:
    """The units, `mm`, `cm` or the declared ones, in which a body that spans so many of them was probably measured."""
    return "mm" if span > 350 else "cm" if span > 20 else declared


def likely_units(span: float, declared: str) -> str:
    """What is probably wrong with a body that spans too many of the declared units, in a few words."""
    likely = guess_units(span, declared)
    return "a wrong joint" if likely == declared else f"{likely} sent as {declared!r}"
