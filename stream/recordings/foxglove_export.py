"""Recordings as MCAP that Foxglove draws: the people as a 3D scene, with scores, events and status beside it.

The pose messages of a recording are kept byte for byte as they came, which no viewer can draw; as JSON scenes they are
some ten times larger. So scenes are made when somebody wants to look, not while recording.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import BinaryIO

import msgspec
from mcap.writer import CompressionType, Writer

from dyadwatch.core.errors import RecordingError, WireError
from dyadwatch.core.files.atomic import written_atomically
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.stream.messages import encode_json
from dyadwatch.stream.recordings.channels import JSON, Ended, event_time, schema_of
from dyadwatch.stream.recordings.edit import cannot_begin
from dyadwatch.stream.recordings.foxglove_scene import SCENE, scene_of
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.left_out import note_unusable, nothing_to_export
from dyadwatch.stream.recordings.playback import NewRun, Playback
from dyadwatch.stream.recordings.refused import decode_received
from dyadwatch.stream.recordings.write_queue import ReceivedMessage


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
    """A frame as a `foxglove.SceneUpdate` in JSON."""
    ids: tuple[TrackId, ...] = frame.ids if frame.ids is not None else tuple(range(1, frame.people + 1))
    return msgspec.json.encode(scene_of(frame.source, ids, frame.joints, frame.layout.bone_indices, log_time))
