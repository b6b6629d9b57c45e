"""One take in several files: as it was found, filtered, augmented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.readers.copies import copies
from dyadwatch.core.readers.people_files import Person
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.core.skeletons.layouts import UPPER11

HOW = ("filt", "filt_LSTM", "LSTM")


def _walk(seed: int, x: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    body = rng.uniform(-0.3, 0.3, (11, 3)) + np.asarray([x, 1.2, 0.0])
    steps = np.cumsum(rng.normal(0, 0.01, (60, 1, 3)), axis=0)
    return (body + steps).astype(np.float32)


def _write(path: Path, joints: NDArray[np.float32]) -> None:
    head = ["frame", "person", *(f"{j}_{a}" for j in UPPER11.joints for a in "xyz")]
    rows = [",".join([str(k), "1", *(f"{v:.4f}" for v in frame.ravel())]) for k, frame in enumerate(joints)]
    path.write_text("\n".join(["# fps: 30", ",".join(head), *rows]))


def test_every_take_counts_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for take in range(2):
        for p in (1, 2):
            joints = _walk(10 * take + p, float(p))
            _write(tmp_path / f"t{take}_p{p}.csv", joints)
            for how in HOW:
                _write(tmp_path / f"t{take}_p{p}_{how}.csv", joints + rng.normal(0, 0.01, joints.shape).astype("f4"))
    found = read_dataset(tmp_path)
    assert [c.clip_id for c in found.clips] == ["t0_p1+t0_p2", "t1_p1+t1_p2"]
    told = {s.name: s.reason for s in found.skipped}
    assert set(told) == {f"t{t}_p{p}_{how}.csv" for t in (0, 1) for p in (1, 2) for how in HOW}
    assert told["t1_p2_filt.csv"] == (
        "the same take as t1_p2.csv, in place within a few centimetres: raw and filtered? one is enough"
    )


def test_only_what_can_be_a_copy_is_one() -> None:
    ann, bob = _walk(1, 0.0), _walk(2, 0.4)
    people = {
        Path("a/x.csv"): Person("x", ann, UPPER11, 30.0),
        Path("a/x_filt.csv"): Person("x", ann[:50] + np.float32(0.02), UPPER11, 30.0),
        Path("a/x_fast.csv"): Person("x", ann, UPPER11, 60.0),
        Path("a/again.csv"): Person("x", ann, UPPER11, 30.0),
        Path("a/x_y.csv"): Person("y", bob, UPPER11, 30.0),
        Path("a/unseen.csv"): Person("u", np.full_like(ann, np.nan), UPPER11, 30.0),
        Path("b/x.csv"): Person("x", ann, UPPER11, 30.0),
        Path("b/z.csv"): Person("x", ann, UPPER11, 30.0),
    }
    assert copies(people) == {Path("a/x_filt.csv"): Path("a/x.csv")}
