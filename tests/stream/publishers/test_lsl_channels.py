"""Channels become markers by what their stream says of them."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layouts import KINECT25, UPPER11
from dyadwatch.core.skeletons.marker_map import MarkerMap
from dyadwatch.stream.publishers.lsl_channels import Channel, plan_channels

MAP = MarkerMap(joints={"head": "HEAD", "left_wrist": ["LWA", "LWB"]})
MARKERS = ("HEAD", "LWA", "LWB")
XYZ = "XYZ"


def described(style: str) -> list[Channel]:
    """The nine channels of three markers, as different programs describe them."""
    make = {
        "types": lambda m, a: Channel(label=f"{m}_{a}", marker=m, type=f"Position{a}", unit="millimeters"),
        "labels and types": lambda m, a: Channel(label=f"{m}_{a.lower()}", type=f"Position{a}", unit="mm"),
        "labels": lambda m, a: Channel(label=f"{m}_{a}"),
        "dots": lambda m, a: Channel(label=f"{m}.{a.lower()}", type="MoCap"),
        "pos": lambda m, a: Channel(label=f"{m} pos {a}"),
        "one label": lambda m, a: Channel(label=m, type=f"position{a}", unit="Meters"),
    }[style]
    return [make(m, a) for m in MARKERS for a in XYZ]


@pytest.mark.parametrize(
    ("style", "units"),
    [("types", "mm"), ("labels and types", "mm"), ("labels", None), ("dots", None), ("pos", None), ("one label", "m")],
)
def test_markers_are_found_however_they_are_described(style: str, units: str | None) -> None:
    plan = plan_channels(described(style), 9, wanted=MAP)
    assert plan.units == units
    values = plan.values(np.arange(1.0, 10.0))
    assert values.tolist() == [[[1, 2, 3, 1], [5.5, 6.5, 7.5, 1]]]


def test_objects_tell_people_apart_and_other_channels_do_not_matter() -> None:
    channels = [Channel(label="time"), Channel(label="HEAD", object="Ann", type="OrientationX")]
    channels += [Channel(label=m, object=o, type=f"Position{a}") for o in ("Ann", "Bob") for m in MARKERS for a in XYZ]
    plan = plan_channels(channels, 20, wanted=MAP)
    assert plan.markers.ids == ("Ann", "Bob")
    values = plan.values(np.arange(20.0))
    assert values[1, 0].tolist() == [11, 12, 13, 1]


def test_the_least_confidence_of_its_markers_is_a_joints() -> None:
    channels = [*described("types"), *[Channel(label=f"{m}_c", marker=m, type="Confidence") for m in MARKERS]]
    values = plan_channels(channels, 12, wanted=MAP).values(np.array([*range(9), 0.9, 0.5, 0.7]))
    assert np.allclose(values[0, :, 3], [0.9, 0.5])


@pytest.mark.parametrize("unseen", [[0.0, 0.0, 0.0], [np.nan, 1.0, 2.0]])
def test_unseen_markers_are_unseen_joints(unseen: list[float]) -> None:
    values = plan_channels(described("types"), 9, wanted=MAP).values(np.array([1.0, 2, 3, *unseen, 7, 8, 9]))
    assert values[0, 0, :3].tolist() == [1, 2, 3]
    assert np.isnan(values[0, 1, :3]).any()


def test_sets_in_common_use_need_no_map() -> None:
    channels = [Channel(label=f"{j}_{a}") for j in UPPER11.joints for a in XYZ]
    assert plan_channels(channels, 33).markers.layout is UPPER11


@pytest.mark.parametrize(("count", "people", "sure"), [(75, 1, False), (150, 2, False), (100, 1, True), (200, 2, True)])
def test_channels_in_order_of_a_layout(count: int, people: int, sure: bool) -> None:
    plan = plan_channels([], count, layout=KINECT25)
    values = plan.values(np.arange(1.0, count + 1.0))
    assert values.shape == (people, 25, 4)
    assert plan.markers.ids == tuple("12"[:people])
    step = 4 if sure else 3
    assert values[-1, 24].tolist() == [*np.arange(count - step + 1, count - step + 4), count if sure else 1]


@pytest.mark.parametrize(
    ("channels", "text"),
    [
        ([Channel(label="Fz"), Channel(label="max")], "its 2 channels have the labels Fz, max"),
        ([], "no channels of the stream are a marker's x, y and z; expected channel types PositionX"),
        (described("types")[:6], "the source has no marker LWB; it has HEAD, LWA"),
        (described("types")[:8], "the source has no marker LWB; it has HEAD, LWA"),
    ],
)
def test_what_makes_nobody_is_named(channels: list[Channel], text: str) -> None:
    with pytest.raises(LayoutError) as e:
        plan_channels(channels, len(channels), wanted=MAP)
    assert text in str(e.value)


@pytest.mark.parametrize("units", [("inch",), ("m", "mm"), ("metre", "", "furlong")])
def test_units_that_are_unknown_or_several_are_never_taken_for_metres(units: tuple[str, ...]) -> None:
    channels = [c._replace(unit=units[k % len(units)]) for k, c in enumerate(described("types"))]
    with pytest.raises(
        LayoutError, match=r"units of its channels are .*; expected the same for all, of m, cm and mm or"
    ):
        plan_channels(channels, 9, wanted=MAP)
    assert plan_channels(channels, 9, wanted=MAP, units="mm").units == "mm"


def test_a_wrong_count_for_a_layout_is_named() -> None:
    with pytest.raises(LayoutError, match=r"has 76 channels; expected a multiple of 75 \(x y z\) or 100 .* 'kinect25'"):
        plan_channels([], 76, layout=KINECT25)
