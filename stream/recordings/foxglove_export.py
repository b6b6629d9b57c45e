"""Recordings as MCAP that Foxglove draws: the people as a 3D scene, with scores, events and status beside it.

The pose messages of a recording are kept byte for byte as they came, which no viewer can draw; as JSON scenes they are
some ten times larger. So scenes are made when somebody wants to look, not while recording.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from mcap.writer import CompressionType, Writer

from dyadwatch.core.errors import RecordingError, WireError
from dyadwatch.core.files.atomic import written_atomically
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.messages import encode_json
from dyadwatch.stream.recordings.channels import JSON, Ended, Schema, event_time, schema_of
from dyadwatch.stream.recordings.edit import cannot_begin
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.left_out import note_unusable, nothing_to_export
from dyadwatch.stream.recordings.playback import NewRun, Playback
from dyadwatch.stream.recordings.refused import decode_received
from dyadwatch.stream.recordings.write_queue import ReceivedMessage

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


def write_scenes(playback: Playback, out: Path, source: str | None = None) -> int:
    """Writes a new MCAP file; returns how many frames are in it.

    Raises:
        RecordingError: the file is there already or cannot be made, or there is nothing to write.
    """
    dropped: Counter[str] = Counter()
    if out.exists():
        raise cannot_begin(out, FileExistsError())
    try:
        with written_atomically(out) as partial, partial.open("wb") as stream:
            frames = _write(playback, stream, source, dropped)
            if not frames:
                raise RecordingError(nothing_to_export(dropped))
    except OSError as e:
        raise cannot_begin(out, e) from None
    finally:
        note_unusable(playback, dropped)
    return frames


def _write(playback: Playback, stream: BinaryIO, source: str | None, dropped: Counter[str]) -> int:
    """Writes everything there is to draw; returns how many frames that is."""
    limits = config_of(r.about for r in playback.recordings).wire
    writer = Writer(stream, compression=CompressionType.ZSTD)
    writer.start(profile="")
    channels: dict[str, int] = {}
    frames = 0
    for entry in playback:
        if isinstance(entry, NewRun):
            continue
        if isinstance(entry, ReceivedMessage):
            if source not in (None, entry.source):
                continue
            try:
                frame = decode_received(entry, limits)
            except WireError as e:
                dropped[e.reason] += entry.counts
                continue
            frames += 1
            topic, schema, data, at = f"scene.{frame.source}", SCENE, scene(frame, entry.log_time), entry.log_time
        elif isinstance(entry.what, Ended) or source not in (None, entry.what.source):
            continue
        else:
            topic, schema, data = entry.what.topic, schema_of(entry.what), encode_json(entry.what)
            at = event_time(entry.what) or entry.log_time
        if topic not in channels:
            number = writer.register_schema(schema.name, schema.encoding, schema.data)
            channels[topic] = writer.register_channel(topic, JSON, number)
        writer.add_message(channels[topic], entry.log_time, data, at)
    writer.finish()
    return frames


def scene(frame: PoseFrame, log_time: int) -> bytes:
    """A frame as a `foxglove.SceneUpdate` in JSON: bones as lines, joints as spheres, one entity a person."""
    ids: tuple[TrackId, ...] = frame.ids if frame.ids is not None else tuple(range(1, frame.people + 1))
    stamp = {"sec": log_time // NS, "nsec": log_time % NS}
    entities = [
        _entity(frame, joints, person, f"{frame.source}/{who}", stamp)
        for person, (who, joints) in enumerate(zip(ids, frame.joints, strict=True))
    ]
    return msgspec.json.encode({"deletions": [], "entities": entities})


def _entity(frame: PoseFrame, joints: np.ndarray, person: int, name: str, stamp: dict[str, int]) -> dict[str, Any]:
    red, green, blue = _COLOURS[person % len(_COLOURS)]
    colour = {"r": red, "g": green, "b": blue, "a": 1.0}
    seen = np.asarray(~np.isnan(joints).any(axis=1))
    places = np.where(seen[:, None], joints, 0.0).round(4).tolist()
    at = [dict(zip("xyz", place, strict=True)) for place in places]
    ends = [at[k] for bone in frame.layout.bone_indices if seen[list(bone)].all() for k in bone]
    # The viewer's Z is our Y, its Y our -Z.
    turned = [{"x": p[0], "y": -p[2], "z": p[1]} for p in places]
    size = {"x": 0.05, "y": 0.05, "z": 0.05}
    poses = [{"position": turned[k], "orientation": _QUARTER_TURN} for k in np.flatnonzero(seen).tolist()]
    spheres = [{"pose": pose, "size": size, "color": colour} for pose in poses]
    line = {"type": 2, "pose": _AT_ORIGIN, "thickness": 0.03, "scale_invariant": False, "points": ends, "color": colour}
    return {
        "timestamp": stamp,
        "frame_id": "world",
        "id": name,
        "lifetime": _LIFETIME,
        "frame_locked": False,
        "lines": [line] if ends else [],
        "spheres": spheres,
    }
