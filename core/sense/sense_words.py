"""Sentences on odd bodies: what is wrong, and what to change. The one place where they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.words import counted

Detail = Mapping[str, Any]

_DECLARE = '"axes": "{axes}" in the header, or --axes {axes} for files'
_UNITS = '"units" in the header, or --units for files: m, cm, mm, in, or metres in one unit'


def _who(detail: Detail, key: str = "person") -> str:
    """Somebody by name; a mere number is said to be one."""
    who = str(detail[key])
    return f"person {who}" if who.isdigit() else who


def _both(detail: Detail) -> str:
    return f"{_who(detail, 'first')} and {_who(detail, 'second')}"


def _limbs(detail: Detail) -> str:
    return (
        f"{detail['joint']} of {_who(detail)} lies {detail['length_m']:.2f} m from {detail['other']}, where a body "
        f"has {detail['usual_m']:.2f} m"
    )


def _misnamed(detail: Detail) -> str:
    return (
        f"no body has these limbs: {_limbs(detail)}: are the joints, in this order, those of {detail['layout']}? (see "
        "dyadwatch docs wire-protocol for the layouts, or send joint names)"
    )


def _size(detail: Detail) -> str:
    likely = f"{detail['likely']}?" if detail["likely"] else "wrong units, or a wrong scale?"
    return f"{_who(detail)} measures {detail['height_m']:.2f} m by the bones: {likely} Say {_UNITS}"


def _odd_size(detail: Detail) -> str:
    likely = f"{detail['likely']}, " if detail["likely"] else "wrong units or scale, "
    who = "a small child" if detail["height_m"] < 1 else "somebody on stilts"
    return f"{_who(detail)} measures about {detail['height_m']:.2f} m by the bones: {likely}or {who}? Say {_UNITS}"


def _axes(axis: str) -> str:
    if axis == "+z":
        return f"z-up sent as y-up? Declare it: {_DECLARE.format(axes='z-up')}"
    if axis == "-y":
        return f"y-down sent as y-up? Declare it: {_DECLARE.format(axes='y-down')}"
    if axis:
        return f"the axis {axis} points up? Turn the coordinates so that +y does"
    return f"other axes than y-up? Declare them: {_DECLARE.format(axes='z-up')}"


def _walks_lying(detail: Detail) -> str:
    above = f" {detail['above_m']:.1f} m above their feet" if "above_m" in detail else ""
    moved = f"others stand, and {_who(detail)} lies{above} and has moved {detail['moved_m']:.1f} m"
    return f"{moved}: {_axes(detail['axis'])}"


SENTENCES: dict[Oddity, Callable[[Detail], str]] = {
    Oddity.JOINTS_MISNAMED: _misnamed,
    Oddity.ODD_LIMBS: lambda d: f"the limbs are odd: {_limbs(d)}: are some joints exchanged?",
    Oddity.ABSURD_SIZE: _size,
    Oddity.ODD_SIZE: _odd_size,
    Oddity.UPSIDE_DOWN: lambda d: f"the feet of {_who(d)} are above the head: {_axes('-y')}",
    Oddity.TURNED: lambda d: f"nobody stands, and yet they walk ({d['moved_m']:.1f} m): {_axes(d['axis'])}",
    Oddity.NOBODY_UPRIGHT: lambda d: f"nobody stands, or was seen to stand: {_axes(d['axis'])}",
    Oddity.WALKS_LYING: _walks_lying,
    Oddity.FROZEN: lambda d: (
        f"the poses of {_who(d)} stand still, bit for bit, for {d['seconds']:.1f} s: does the source repeat its "
        "last one? Send NaN, or nobody, for whom it has lost"
    ),
    Oddity.STIFF: lambda d: f"the poses of {_who(d)} stand still, bit for bit, for {d['seconds']:.1f} s",
    Oddity.ONE_BODY_TWICE: lambda d: (
        f"{_both(d)} are one body, {d['apart_m']:.2f} m apart: one person as two skeletons? Send each once"
    ),
    Oddity.ONE_PLACE: lambda d: (
        f"the {d['part']} of {_both(d)} are in one place ({d['apart_m']:.2f} m apart): coordinates with an origin of "
        "each person's own? Send places in the room"
    ),
    Oddity.FLAT: lambda d: (
        f"all joints of {_who(d)} have the same {d['axis']}: positions in an image, without a depth? Send places in "
        "the room, in metres"
    ),
    Oddity.ODD_WIDTH: lambda d: (
        f"shoulders and hips of {_who(d)} are {d['times']:.1f} times as wide as those of a body of that height: is one "
        "axis, such as the depth, of another scale than the others?"
    ),
    Oddity.SIDES_FLIP: lambda d: (
        f"left and right of {_who(d)} were exchanged from one frame to the next, {counted(d['times'], 'time')} within "
        "10 s: does the estimator take the back for the front?"
    ),
    Oddity.SIDES_CROSSED: lambda d: (
        f"the left shoulder of {_who(d)} is above the right hip: are left and right exchanged in the arms or the legs?"
    ),
    Oddity.MIRRORED: lambda d: (
        f"the {d['part']} of {_who(d)} {'points' if d['part'] == 'face' else 'point'} backward: are left and right "
        "exchanged, or the axes left-handed? Name the joints by the person's own left, or turn the sign of one axis"
    ),
    Oddity.JITTER: lambda d: (
        f"the joints of {_who(d)} jump by {100 * d['noise_m']:.1f} cm from frame to frame, along each axis, as nobody "
        "does: smooth them where they are estimated"
    ),
    Oddity.LIMBS_VARY: lambda d: (
        f"the limbs of {_who(d)} change their length, as that from {d['other']} to {d['joint']} by {d['share']:.0%}: "
        "is the depth guessed, or are joints taken for one another?"
    ),
    Oddity.NAILED: lambda d: (
        f"{d['part']} of {_who(d)}: the place stays the same, to half a millimetre, while the body moves: an origin of "
        "the person's own, or the last place of a joint that is lost? Send places in the room, and NaN for what is lost"
    ),
    Oddity.TILTED: lambda d: (
        f"everybody leans {d['degrees']} degrees towards {d['axis']}, whichever way they face: does the camera look up "
        "or down? Turn the coordinates so that +y points up"
    ),
    Oddity.ALL_SMALL: lambda d: (
        f"nobody measured more than {d['tallest_m']:.2f} m by the bones in {d['seconds']:.0f} s: children, or a wrong "
        f"scale? Say {_UNITS}, or ignore all_small where only children are"
    ),
    Oddity.MODEL_MISFIT: lambda d: (
        f"the model finds {d['share']:.0%} of {d['minutes']:.0f} minutes of pairs impossible (score above "
        f"{d['score']:g}): it was not made for this source? Make one of its own with dyadwatch enrol or train"
    ),
}


def odd_text(odd: Odd) -> str:
    """The sentence on something odd."""
    return SENTENCES[odd.code](odd.detail)
