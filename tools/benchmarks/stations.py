"""What each station costs a frame: four people, 25 joints, 30 fps, without the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.windows.source_line import SourceLine
from dyadwatch.stream.wire import decode_pose, encode_pose
from dyadwatch.tools.benchmarks.machine import spread


class _Timed:
    """A callable that keeps the microseconds of each of its calls."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self.us: list[float] = []

    def __call__(self, *args: Any) -> Any:
        began = time.perf_counter_ns()
        out = self._call(*args)
        self.us.append((time.perf_counter_ns() - began) / 1e3)
        return out


def measure_stations(frames: list[PoseFrame], shape: WindowShape, config: Config) -> dict[str, dict[str, float]]:
    """Microseconds a frame at every station, and from message to windows in all.

    Arguments:
        frames: of one source, in order.
        shape: what the model wants.
        config: the whole configuration.
    """
    messages = [encode_pose(f) for f in frames]
    decode = _Timed(decode_pose)
    line = SourceLine("bench", shape, config, lambda reason: None)
    scene = line.scene
    order, track, gate = _Timed(scene.order.push), _Timed(scene.tracker.push), _Timed(scene.gate.update)
    for station, name, timed in (
        (scene.order, "push", order),
        (scene.tracker, "push", track),
        (scene.gate, "update", gate),
    ):
        setattr(station, name, timed)
    push = _Timed(line.push)
    total: list[float] = []
    for parts in messages:
        began = time.perf_counter_ns()
        push(decode(parts, config.wire), 0)
        total.append((time.perf_counter_ns() - began) / 1e3)
    rest = [p - o - t - g for p, o, t, g in zip(push.us, order.us, track.us, gate.us, strict=True)]
    warm = len(frames) // 5  # the first windows fill, caches and layouts are met for the first time
    rows = {
        "decode and validate": decode.us,
        "clock": order.us,
        "tracks": track.us,
        "pairs": gate.us,
        "grid and windows": rest,
        "message to windows": total,
    }
    return {name: spread(us[warm:], 1) for name, us in rows.items()}
