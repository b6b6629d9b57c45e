"""The most unusual normal recordings, and why: where to look for mistakes in the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.windows import Windows
from dyadwatch.core.explanation.sentences import leading_joint_pairs
from dyadwatch.core.features.pair_frame import Anchors
from dyadwatch.core.features.pair_statistics import DISTANCE_FLOOR_M, PER_PAIR, Statistics, mean_distances
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.training.training_data import Prepared

_MOST_COMPARED = 800  # windows; more cost time and change no picture


def most_unusual(
    prepared: Prepared, judges: Windows, scores: Mapping[str, NDArray[np.floating]], fps: float, count: int = 9
) -> list[dict[str, Any]]:
    """The recordings with the highest peaks of `score`, each compared with the nearest window of any other unit.

    Arguments:
        prepared: all recordings.
        judges: windows that were scored.
        scores: by name, `score` among them; shape (N,).
        fps: frames per second.
        count: how many at most.

    Returns:
        For each: `clip`, `label`, `start_s` in the clip, its scores by name, `why` (leading joint pairs as dicts),
        `moment_s` in the clip when the leading pair is farthest from what the nearest window does, `pose` of that
        moment and `nearest` (clip, `moment_s`, pose of the same frame). A pose is (2, J, 3): metres, seen with
        person 1 towards +X.
    """
    chosen = _peaks(judges, scores["score"], count)
    if not len(chosen):
        return []
    compared = _spread_windows(prepared, judges.joints.shape[2])
    statistics = Statistics.of_layout(prepared.layout, fps)
    bank = NearestNeighbour.fit(statistics, statistics(compared.joints))
    odd = judges.take(np.asarray(chosen))
    values = statistics(odd.joints)
    elsewhere = compared.unit[None] != odd.unit[:, None]
    found = bank(values, elsewhere)
    out: list[dict[str, Any]] = []
    for i, at in enumerate(chosen):
        recording = prepared.recordings[int(odd.recording[i])]
        start_s = recording.start_s + float(max(odd.start[i], 0)) / fps
        entry: dict[str, Any] = {"clip": recording.clip, "label": recording.label, "start_s": round(start_s, 2)}
        entry |= {name: round(float(score[at]), 3) for name, score in scores.items()}
        if elsewhere[i].any():
            near, turned = int(found.entry[i]), bool(found.swapped[i])
            other = compared.joints[near][::-1] if turned else compared.joints[near]
            maps = _contributions(bank, values[i], near, turned)
            shift = np.subtract(*mean_distances(np.stack([odd.joints[i], other]), statistics.joints))
            entry |= _explained(prepared, statistics, odd.joints[i], other, maps, shift)
            frame_s = entry.pop("frame") / fps
            twin = prepared.recordings[int(compared.recording[near])]
            twin_s = twin.start_s + float(max(compared.start[near], 0)) / fps + frame_s
            entry["moment_s"] = round(start_s + frame_s, 2)
            entry["nearest"] = {"clip": twin.clip, "moment_s": round(twin_s, 2), "pose": entry.pop("other_pose")}
        out.append(entry)
    return out


def _peaks(judges: Windows, score: NDArray[np.floating], count: int) -> list[int]:
    """The highest window of each recording, highest first."""
    best: dict[int, int] = {}
    for i in np.argsort(-score, kind="stable").tolist():
        best.setdefault(int(judges.recording[i]), i)
    return list(best.values())[:count]


def _spread_windows(prepared: Prepared, frames: int) -> Windows:
    """Windows half their length apart, thinned out evenly where there are many."""
    places = [
        (r.unit, i, start)
        for i, r in enumerate(prepared.recordings)
        for start in range(0, len(r.joints) - frames + 1, max(1, frames // 2))
    ]
    kept = np.unique(np.linspace(0, len(places) - 1, min(len(places), _MOST_COMPARED)).round().astype(int)).tolist()
    where = np.asarray([places[k] for k in kept], np.intp)
    joints = [prepared.recordings[i].joints[start : start + frames].swapaxes(0, 1) for _, i, start in where.tolist()]
    return Windows(np.stack(joints), where[:, 0], where[:, 1], where[:, 2])


def _contributions(bank: NearestNeighbour, values: NDArray[np.float32], near: int, turned: bool) -> NDArray[np.float32]:
    """How much each joint pair adds to the difference from the nearest window, (R, R); as the model explains it."""
    r = len(bank.statistics.joints)
    scaled = bank.scaling(values)
    scaled = scaled[bank.statistics.swap] if turned else scaled
    pairs = PER_PAIR * r * r
    maps = np.square(scaled[:pairs] - bank.support[near, :pairs]).reshape(PER_PAIR, r, r).mean(axis=0)
    return maps.T if turned else maps


def _explained(
    prepared: Prepared,
    statistics: Statistics,
    window: NDArray[np.float32],
    other: NDArray[np.float32],
    maps: NDArray[np.float32],
    shift: NDArray[np.float32],
) -> dict[str, Any]:
    """Leading joint pairs, the frame in which the first of them differs most, and both poses then."""
    names = [prepared.layout.joints[j] for j in statistics.joints]
    parts = leading_joint_pairs(maps, shift, names)
    frame = window.shape[1] // 2
    if parts:
        i, j = (prepared.layout.index[joint] for joint in (parts[0].first, parts[0].second))
        here, there = (
            np.log(np.linalg.norm(w[0, :, i] - w[1, :, j], axis=-1) + DISTANCE_FLOOR_M) for w in (window, other)
        )
        frame = int(np.abs(here - there).argmax())
    poses = {
        key: np.round(facing_east(w, statistics.at)[:, frame].astype(float), 3).tolist()
        for key, w in (("pose", window), ("other_pose", other))
    }
    return {"why": [asdict(p) for p in parts], "frame": frame, **poses}


def facing_east(window: NDArray[np.float32], at: Anchors) -> NDArray[np.float32]:
    """A window (2, T, J, 3) with the middle of the pair at the origin and person 1 towards +X.

    It is turned about the vertical and moved on the floor; metres and heights stay.
    """
    pelvis = 0.5 * (window[..., at.pelvis[0], :] + window[..., at.pelvis[1], :])
    centre = pelvis.mean(axis=1)  # (2, 3)
    line = centre[1] - centre[0]
    turn = np.arctan2(line[2], line[0])
    x, y, z = np.moveaxis(window - centre.mean(axis=0) * [1, 0, 1], -1, 0)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1).astype(np.float32)
