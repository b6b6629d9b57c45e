"""People as a `foxglove.SceneUpdate`, which Foxglove draws: bones as lines, joints as spheres, an entity a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.recordings.channels import Schema

_COLOURS = ((0.1, 0.6, 1.0), (1.0, 0.5, 0.1), (0.3, 0.8, 0.3), (0.9, 0.2, 0.6), (0.7, 0.7, 0.2), (0.5, 0.4, 0.9))
_NUMBER = {"type": "number"}
_XYZ = {"type": "object", "properties": {"x": _NUMBER, "y": _NUMBER, "z": _NUMBER}}
_TIME = {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}
_TURN = {"type": "object", "properties": {"x": _NUMBER, "y": _NUMBER, "z": _NUMBER, "w": _NUMBER}}
_POSE = {"type": "object", "properties": {"position": _XYZ, "orientation": _TURN}}
_COLOUR = {"type": "object", "properties": {"r": _NUMBER, "g": _NUMBER, "b": _NUMBER, "a": _NUMBER}}
_LINE = {
    "type": "object",
    "properties": {
        "type": {"type": "integer"},
        "pose": _POSE,
        "thickness": _NUMBER,
        "scale_invariant": {"type": "boolean"},
        "points": {"type": "array", "items": _XYZ},
        "color": _COLOUR,
    },
}
_SPHERE = {"type": "object", "properties": {"pose": _POSE, "size": _XYZ, "color": _COLOUR}}
_ENTITY = {
    "type": "object",
    "properties": {
        "timestamp": _TIME,
        "frame_id": {"type": "string"},
        "id": {"type": "string"},
        "lifetime": _TIME,
        "frame_locked": {"type": "boolean"},
        "lines": {"type": "array", "items": _LINE},
        "spheres": {"type": "array", "items": _SPHERE},
    },
}
_SCENE = {
    "title": "foxglove.SceneUpdate",
    "type": "object",
    "properties": {"deletions": {"type": "array", "items": {"type": "object"}},
                   "entities": {"type": "array", "items": _ENTITY}},
}  # fmt: skip
SCENE = Schema("foxglove.SceneUpdate", "jsonschema", msgspec.json.encode(_SCENE))
_QUARTER_TURN = {"x": 0.7071068, "y": 0.0, "z": 0.0, "w": 0.7071068}  # our Y up becomes the Z up of the viewer
_AT_ORIGIN = {"position": {"x": 0.0, "y": 0.0, "z": 0.0}, "orientation": _QUARTER_TURN}
_LIFETIME = {"sec": 0, "nsec": 500_000_000}  # who is not seen for longer disappears


def scene_of(
    source: str,
    ids: Sequence[TrackId],
    places: NDArray[np.float32],
    bones: Sequence[tuple[int, int]],
    at: int,
    colours: Sequence[int] | None = None,
) -> dict[str, Any]:
    """A `foxglove.SceneUpdate` as JSON has it.

    Arguments:
        source: whose people they are.
        ids: of the people.
        places: metres, Y up, shape (people, joints, 3), NaN where unseen.
        bones: positions of two joints each.
        at: unix ns.
        colours: number of the colour of each; None: by their order.
    """
    stamp = {"sec": at // NS, "nsec": at % NS}
    numbers = range(len(ids)) if colours is None else colours
    entities = [
        _person(joints, bones, number, f"{source}/{who}", stamp)
        for who, joints, number in zip(ids, places, numbers, strict=True)
    ]
    return {"deletions": [], "entities": entities}


def line_entity(
    name: str, lines: Sequence[tuple[Sequence[float], Sequence[float], tuple[float, float, float]]], at: int
) -> dict[str, Any]:
    """Lines from one place to another, each in a colour.

    Arguments:
        name: of the entity, which it replaces.
        lines: two places each, metres, Y up, and red, green and blue, 0 to 1.
        at: unix ns.
    """
    made = [
        _line([dict(zip("xyz", end, strict=True)) for end in ends], dict(zip("rgb", colour, strict=True)) | {"a": 1.0})
        for *ends, colour in lines
    ]
    return _entity(name, {"sec": at // NS, "nsec": at % NS}, made, [])


def _person(
    joints: NDArray[np.float32], bones: Sequence[tuple[int, int]], number: int, name: str, stamp: dict[str, int]
) -> dict[str, Any]:
    red, green, blue = _COLOURS[number % len(_COLOURS)]
    colour = {"r": red, "g": green, "b": blue, "a": 1.0}
    seen = np.asarray(~np.isnan(joints).any(axis=1))
    places = np.where(seen[:, None], joints, 0.0).round(4).tolist()
    at = [dict(zip("xyz", place, strict=True)) for place in places]
    ends = [at[k] for bone in bones if seen[list(bone)].all() for k in bone]
    # The viewer's Z is our Y, its Y our -Z.
    turned = [{"x": p[0], "y": -p[2], "z": p[1]} for p in places]
    size = {"x": 0.05, "y": 0.05, "z": 0.05}
    poses = [{"position": turned[k], "orientation": _QUARTER_TURN} for k in np.flatnonzero(seen).tolist()]
    spheres = [{"pose": pose, "size": size, "color": colour} for pose in poses]
    return _entity(name, stamp, [_line(ends, colour)] if ends else [], spheres)


def _line(points: list[dict[str, float]], colour: dict[str, float]) -> dict[str, Any]:
    return {
        "type": 2,
        "pose": _AT_ORIGIN,
        "thickness": 0.03,
        "scale_invariant": False,
        "points": points,
        "color": colour,
    }


def _entity(
    name: str, stamp: dict[str, int], lines: list[dict[str, Any]], spheres: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "timestamp": stamp,
        "frame_id": "world",
        "id": name,
        "lifetime": _LIFETIME,
        "frame_locked": False,
        "lines": lines,
        "spheres": spheres,
    }
