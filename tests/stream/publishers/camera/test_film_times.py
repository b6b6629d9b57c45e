"""Stamps of videos whose rate varies, and of those whose times cannot be used."""

from __future__ import annotations

import itertools
import logging
import struct
from pathlib import Path

import numpy as np
import pytest

from dyadwatch.stream.publishers.camera.film_times import FilmTimes
from dyadwatch.stream.publishers.camera.video import Video, played_again

cv2 = pytest.importorskip("cv2", reason="needs the extra camera: pip install 'dyadwatch[camera]'")


@pytest.mark.parametrize(
    ("times", "stamps", "fault"),
    [
        ([0, 20, 120, 121], [0, 20, 120, 121], ""),
        ([500, 533, 600], [0, 33, 100], ""),
        ([0, 0, 0, 0], [0, 40, 80, 120], "stand still"),
        ([0, 0, 80, 80], [0, 40, 80, 120], "stand still"),
        ([float("nan")] * 3, [0, 40, 80], "are not numbers"),
        ([float("nan")], [0], "are not numbers"),
        ([0, 90, 10, 20], [0, 40, 80, 120], "go back"),
        ([0, 90, 4e6, 4e6 + 20], [0, 40, 80, 120], "leap"),
        ([], [], ""),
    ],
)  # fmt: skip
def test_times_hold_unless_the_first_of_them_are_wrong(times: list[float], stamps: list[float], fault: str) -> None:
    film = FilmTimes(times, 25.0, 7)
    assert [film.stamp(t) for t in times] == [7 + round(s * 1e6) for s in stamps]
    assert film.fault == fault


@pytest.mark.parametrize(
    ("times", "stamps", "fault"),
    [
        ([0, 10, 10, 30], [0, 10, 50, 70], "stand still"),
        ([0, 10, 0, 15, 30], [0, 10, 50, 65, 80], "go back"),
        ([0, 10, 1e9, 1e9 + 5, 0], [0, 10, 50, 55, 95], "leap"),
        ([0, 10, float("inf"), 20, 30], [0, 10, 50, 90, 100], "are not numbers"),
    ],
)
def test_a_wrong_step_later_lasts_a_period(times: list[float], stamps: list[float], fault: str) -> None:
    film = FilmTimes([0, 10], 25.0)
    assert [film.stamp(t) for t in times] == [round(s * 1e6) for s in stamps]
    assert film.fault == fault


def _film(path: Path, steps: list[tuple[int, int]]) -> Path:
    """A film whose images last as `steps` say: how many, and how many 1/12800 of a second each.

    All together at most 1/25 s an image, for no more is shown.
    """
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (64, 48))
    for k in range(sum(count for count, _ in steps)):
        out.write(np.full((48, 64, 3), 10 * k % 255, np.uint8))
    out.release()
    data = path.read_bytes()
    table = struct.pack(">II", 0, len(steps)) + b"".join(struct.pack(">II", *step) for step in steps)
    path.write_bytes(_with_box(data, [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], table))
    return path


def _with_box(data: bytes, way: list[bytes], content: bytes) -> bytes:
    """The boxes of an MP4 file with what lies in one of them replaced; its images come before, and stay there."""
    if not way:
        return content
    out, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        inside = data[at + 8 : at + size]
        if kind == way[0]:
            inside = _with_box(inside, way[1:], content)
        out += struct.pack(">I4s", len(inside) + 8, kind) + inside
        at += size
    return out


def test_a_video_of_variable_rate_is_stamped_with_the_times_of_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Video(_film(tmp_path / "vfr.mp4", [(40, 256), (10, 1280)])) as film:
        stamps = [p.stamp for p in film.pictures()]
    assert stamps == [k * 20_000_000 for k in range(40)] + [800_000_000 + k * 100_000_000 for k in range(10)]
    assert not caplog.records


def test_a_video_without_times_is_stamped_by_its_rate_and_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = _film(tmp_path / "still.mp4", [(2, 0), (10, 512)])
    with Video(path) as film:
        for _ in range(2):
            stamps = [p.stamp for p in film.pictures()]
            assert stamps == [round(k * 1e9 / film.fps) for k in range(12)]
    told = f"{path}: the times of its images stand still; taken by its rate, {film.fps:.4g} a second"
    assert [r.getMessage() for r in caplog.records] == [told]


def test_a_video_played_again_goes_on_a_second_later_and_begins_anew(tmp_path: Path) -> None:
    anew: list[int] = []
    with Video(_film(tmp_path / "vfr.mp4", [(4, 128), (2, 1024)])) as film:
        again = played_again(film, lambda: anew.append(1))
        stamps = [p.stamp for p in itertools.islice(again, 14)]
        period = round(1e9 / film.fps)
    first = [0, 10_000_000, 20_000_000, 30_000_000, 40_000_000, 120_000_000]
    second = [first[-1] + period + 1_000_000_000 + s for s in first]
    assert stamps[:12] == first + second
    assert np.diff(stamps).min() > 0
    assert len(anew) == 2
