"""People to look at: simulated ones in every layout, and postures that the simulator does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.sense.bodies import BodySense
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.simulator.scenario import Act, make_scenario

Frames = NDArray[np.float32]  # (T, P, J, 3)
START = 1_700_000_000 * NS


def _unit(v: Frames) -> Frames:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def in_layout(people: Frames, layout: Layout) -> Frames:
    """Joints (..., 25, 3) of `kinect25` as another layout has them; faces, toes and collars are made up."""

    def at(name: str) -> Frames:
        return people[..., KINECT25.index[name], :]

    left, up = _unit(at("left_shoulder") - at("right_shoulder")), _unit(at("head") - at("neck"))
    ahead, head = np.cross(left, up), at("head")
    made = {"nose": head + 0.1 * ahead, "pelvis": (at("left_hip") + at("right_hip")) / 2}
    made |= {"naval_spine": at("spine_mid"), "torso": at("spine_mid"), "spine2": at("spine_mid")}
    made["spine1"] = 0.67 * at("pelvis") + 0.33 * at("spine_mid")
    made["spine3"] = made["chest_spine"] = (at("spine_mid") + at("spine_shoulder")) / 2
    for side, s in (("left", 1), ("right", -1)):
        made[f"{side}_eye"] = head + 0.085 * ahead + 0.03 * s * left + 0.03 * up
        made[f"{side}_eye_inner"], made[f"{side}_eye_outer"] = (
            made[f"{side}_eye"] + d * s * left for d in (-0.01, 0.01)
        )
        made[f"{side}_ear"] = head + 0.075 * s * left
        made[f"{side}_mouth"] = head + 0.085 * ahead + 0.03 * s * left - 0.04 * up
        made |= {f"{side}_{a}": at(f"{side}_{b}") for a, b in
                 (("pinky", "hand"), ("index", "handtip"), ("foot_index", "foot"), ("big_toe", "foot"))}  # fmt: skip
        made[f"{side}_small_toe"] = at(f"{side}_foot") + 0.03 * s * left
        made[f"{side}_heel"] = at(f"{side}_ankle") - 0.05 * ahead - np.array([0, 0.05, 0], np.float32)
        made[f"{side}_clavicle"] = made[f"{side}_collar"] = 0.6 * at("spine_shoulder") + 0.4 * at(f"{side}_shoulder")
    return np.stack([made[j] if j in made else at(j) for j in layout.joints], axis=-2).astype(np.float32)


@pytest.fixture(scope="session")
def meeting() -> Frames:
    """Two simulated people who meet, shake hands, hug and part: 20 s at 30 fps, kinect25, shape (600, 2, 25, 3)."""
    return make_scenario(3, 2, 20.0, script=[Act("handshake", (1, 2), 1.0), Act("hug", (1, 2), 9.0)]).joints()


@pytest.fixture(scope="session", name="in_layout")
def in_layout_fixture() -> Callable[[Frames, Layout], Frames]:
    return in_layout


class Looked:
    """What was found: when first, in seconds, by code, and the last of each."""

    def __init__(self, sense: BodySense) -> None:
        self.sense = sense
        self.first: dict[Oddity, float] = {}
        self.last: dict[Oddity, Odd] = {}

    @property
    def codes(self) -> set[Oddity]:
        return set(self.first)


def look(
    frames: Sequence[Frames],
    layout: Layout = KINECT25,
    fps: float = 30.0,
    keys: Callable[[int], list[int]] | None = None,
) -> Looked:
    """Looks at frames (P, J, 3) one after the other; `keys` says who is in which, all of them if not given."""
    found = Looked(BodySense())
    for k, people in enumerate(frames):
        who = keys(k) if keys else list(range(len(people)))
        found.sense.push(START + round(k * NS / fps), who, [f"p{i}" for i in who], people, layout)
        for odd in found.sense.findings(who):
            found.first.setdefault(odd.code, k / fps)
            found.last[odd.code] = odd
    return found


@pytest.fixture(scope="session", name="look")
def look_fixture() -> Callable[..., Looked]:
    return look
