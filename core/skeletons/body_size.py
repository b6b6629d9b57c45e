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
# Standing heights estimated from the bones, see `core/sense`: of people and of children who stand, and beyond doubt.
PEOPLE_M, BODIES_M = (0.9, 2.2), (0.6, 3.0)
_GROWN_M = (1.4, 2.1)
_TAKEN_FOR = {
    2.54: "inches taken for centimetres",
    0.3048: "feet taken for metres",
    0.3937: "centimetres taken for inches",
    10.0: "centimetres taken for millimetres",
    0.1: "millimetres taken for centimetres",
    3.2808: "metres taken for feet",
    25.4: "inches taken for millimetres",
}


def guess_units(span: float, declared: str) -> str:
    """The units, `mm`, `cm` or the declared ones, in which a body that spans so many of them was probably measured."""
    return "mm" if span > 350 else "cm" if span > 20 else declared


def likely_units(span: float, declared: str) -> str:
    """What is probably wrong with a body that spans too many of the declared units, in a few words."""
    likely = guess_units(span, declared)
    return "a wrong joint" if likely == declared else f"{likely} sent as {declared!r}"


def likely_scale(height: float) -> str:
    """Which units were probably taken for which where people measure so many metres, in a few words; may be empty."""
    return next((text for scale, text in _TAKEN_FOR.items() if _GROWN_M[0] <= height * scale <= _GROWN_M[1]), "")
