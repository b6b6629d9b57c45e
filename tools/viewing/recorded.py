"""Scenes out of recordings and of clips, with the scores that were recorded or those of a model."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.units import NS
from dyadwatch.loading import load_scorer, model_path
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.header import as_recorded, recorded_thresholds
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scenes import RecordedScenes
from dyadwatch.stream.recordings.reprocess import Reprocess
from dyadwatch.stream.recordings.write_queue import Published, ReceivedMessage
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.tracking.scene_tracker import SceneTracker
from dyadwatch.tools.viewing.scene import Scene, ScenePeople

NO_SCORES = "no scores in the file; give --model shipped, or a model file, to score it"
_NONE_FOUND = "no window of two people near each other was scored"
_LONG_S = 90.0  # of a longer recording the part around its peak is shown
_AROUND_S = 15.0

Detector = tuple[Scorer, Thresholds]


def part(clip: Clip, start: str | None, end: str | None) -> Clip:
    """The frames of a clip between two moments, in seconds from its beginning; None for its own ends.

    Raises:
        ConfigError: a moment is no number of seconds, or nothing lies between the two.
    """
    seconds = len(clip) / clip.fps
    first, last = _seconds("from", start, 0.0), _seconds("until", end, seconds)
    if first >= seconds:
        raise ConfigError(f"--from is {start}; expected less than the {seconds:.1f} seconds of the clip")
    if last <= first:
        raise ConfigError(f"--until is {end}, which is not after --from, {start or 'the beginning'}")
    return replace(clip, joints=clip.joints[round(first * clip.fps) : round(last * clip.fps)])


def _seconds(option: str, text: str | None, otherwise: float) -> float:
    try:
        seconds = otherwise if text is None else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"--{option} is {text!r}; expected seconds from the beginning of the clip")
    return seconds


def clip_scene(clip: Clip, fps: float, config: Config, detector: Detector | None, pair: Sequence[str] = ()) -> Scene:
    """The scene of a clip, scored where there is a detector; its people are A and B.

    Raises:
        ConfigError: nobody is seen in it, or not the pair that is asked for.
    """
    people, tracker = ScenePeople(fps), SceneTracker("clip", config, fps, lambda reason: None)
    frames = [replace(frame, ids=("A", "B")) for frame in clip_frames([clip], "clip")]
    for frame in frames:
        people.take(tracker.take(frame))
    title = " · ".join(t for t in (clip.clip_id, clip.label) if t) or "clip"
    if detector is None:
        return people.scene(title, (), pair=pair, missing=NO_SCORES)
    told = Pipeline(*detector, config).run(frames)
    return people.scene(title, told, pair=pair, levels=_levels(detector[1]), missing=_NONE_FOUND)


def recorded_scene(
    paths: Sequence[Path],
    fps: float,
    config: Config,
    options: Sequence[str] = (),
    *,
    scored: bool = False,
    start: str | None = None,
    end: str | None = None,
    source: str | None = None,
    pair: Sequence[str] = (),
) -> tuple[Scene, list[str]]:
    """The scene of a recording, and what there is to say about it.

    Arguments:
        paths: recordings, or folders that hold some.
        fps: points a second.
        config: what the recording does not say itself.
        options: such as `alarm.hold_s=3`, which prevail over what was recorded.
        scored: with the model of the configuration; otherwise the scores are those that were recorded.
        start, end: as `Playback` takes them; of a long recording the part around its peak by default.
        source: name of a source or of a group; by default the one with the highest score.
        pair: ids of the two to look at.

    Raises:
        RecordingError: a file is unusable.
        ConfigError: there is no such source, nothing of it came in that time, nobody is seen, or an option cannot be.
    """
    playback = Playback(paths, start, end)
    abouts = [r.about for r in playback.recordings if r.about.config]
    about = abouts[0] if abouts else RecordingHeader(run="")
    config = as_recorded(config, about, options, model_path)
    if source is not None and source not in config.merge.groups:
        playback.expect_sources([source], said=True)
    notes: list[str] = []
    if start is None and end is None and playback.seconds > _LONG_S:
        whole, peak = playback.seconds, (_peak(playback, config, source) - playback.first) / NS
        first = max(peak - _AROUND_S, 0)
        playback = Playback(paths, str(first), str(peak + _AROUND_S))
        notes.append(
            f"{whole:.0f} s are recorded; shown is what came in the {playback.seconds:.0f} s from {first:.0f} s on, "
            "choose with --from and --until"
        )
    detector = load_scorer(config) if scored else None
    if detector is None:
        thresholds = recorded_thresholds(about)
        told: list[Message] = [e.what for e in playback.said() if isinstance(e.what, ScoreMessage | EventMessage)]
    else:
        thresholds = detector[1]
        told = [m for some in Reprocess(Pipeline(*detector, config), config).run(playback) for m in some]
    name = _source(playback, config, told, source)
    people = ScenePeople(fps)
    for step in RecordedScenes(playback, config, fps, name):
        if step.source == name:
            people.take(step)
    ours = [m for m in told if m.source == name]
    missing = NO_SCORES if detector is None else _NONE_FOUND
    scene = people.scene(name, ours, pair=pair, levels=_levels(thresholds), missing=missing)
    if abs(scene.seconds - playback.seconds) > max(0.1 * playback.seconds, 1.0):
        # Replayed faster or slower, stopped and sent again, or seen for a part of the time.
        notes.append(
            f"by the stamps of its frames {scene.seconds:.0f} s are shown, which the axis and --at count; "
            f"they came within {playback.seconds:.0f} s"
        )
    return scene, [*playback.notes, *notes]


def _levels(thresholds: Thresholds | None) -> tuple[float, float] | None:
    return None if thresholds is None else (1.0, thresholds.clear)


def _peak(playback: Playback, config: Config, source: str | None) -> int:
    """When the highest score was reported, unix ns; where there is none, the middle of what was received.

    Arguments:
        source: of this source or group alone.
    """
    members = None if source is None else config.merge.groups.get(source, [source])
    best: tuple[float, int] | None = None
    times = array("q")
    for e in playback:
        if isinstance(e, ReceivedMessage) and e.source is not None:
            if members is None or e.source in members:
                times.append(e.log_time)
        elif isinstance(e, Published) and isinstance(e.what, ScoreMessage) and source in (None, e.what.source):
            best = max(best or (e.what.score, e.log_time), (e.what.score, e.log_time))
    if best is not None:
        return best[1]
    return times[len(times) // 2] if times else playback.first


def _source(playback: Playback, config: Config, told: Sequence[Message], wanted: str | None) -> str:
    frames = Counter(e.source for e in playback.received() if e.source is not None)
    groups = [name for name, sources in config.merge.groups.items() if frames.keys() & set(sources)]
    if wanted is not None:
        if wanted not in frames and wanted not in groups:
            raise ConfigError(
                f"--source is {wanted!r}, of which nothing came in that time; choose other --from and --until"
            )
        return wanted
    best = max((m for m in told if isinstance(m, ScoreMessage)), key=lambda m: m.score, default=None)
    if best is not None:
        return best.source
    if not frames:
        raise ConfigError(f"{playback.recordings[0].path}: no poses are recorded there; expected some")
    return groups[0] if groups else frames.most_common(1)[0][0]
