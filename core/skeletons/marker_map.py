"""From named mocap markers to joints: a small YAML file says which markers lie around which joint.

joints:
  head: [LFHD, RFHD]        # a joint is the middle of its markers
  left_wrist: LWRA
persons:                    # optional: how the labels of each person begin
  ann: "Ann:"
  bob: "Bob:"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError, LayoutError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.plain_yaml import PlainYamlError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import find_layout

_LONGEST_ID = 64  # on the wire


class MarkerMap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which markers make which joint.

    Arguments:
        joints: joint name -> marker, or markers whose middle it is. Empty: every marker is a joint of its own.
        persons: id -> how the labels of this person begin. Empty: what stands before the last ':' of a label, as
            Vicon and Motive write it, tells persons apart, where it has all markers of the map; labels without a ':'
            are one person.
    """

    joints: dict[str, str | list[str]] = {}
    persons: dict[str, str] = {}


def read_marker_map(path: str | Path) -> MarkerMap:
    """The marker map in a YAML file.

    Raises:
        ConfigError: when it cannot be read, or a key is unknown or wrong.
    """
    try:
        return plain_yaml.decode(Path(path), MarkerMap)
    except OSError as error:
        raise ConfigError(f"marker map {path} cannot be read: {error.strerror}") from None
    except PlainYamlError as error:
        raise ConfigError(f"marker map {path}: {error}") from None


@dataclass(frozen=True)
class MarkerPlan:
    """A marker map applied to the labels of one source; make it with `plan_markers`.

    Arguments:
        layout: the joints that come out.
        ids: of the persons.
        picks: (P, J, K) indices on the source's marker axis.
        weights: (P, J, K), summing to 1 over K.
    """

    layout: Layout
    ids: tuple[str, ...]
    picks: NDArray[np.intp]
    weights: NDArray[np.float32]

    def positions(self, markers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Joints of all persons.

        Arguments:
            markers: shape (..., M, 3), any unit and axes; NaN where unseen.

        Returns:
            Shape (..., P, J, 3); NaN where one marker of a joint was unseen, for the middle of the others lies
            elsewhere.
        """
        return (markers[..., self.picks, :] * self.weights[..., None]).sum(axis=-2, dtype=np.float32)


def plan_markers(labels: Sequence[str], wanted: MarkerMap | None = None) -> MarkerPlan:
    """What a map makes of a source's markers.

    Arguments:
        labels: name of each marker, in the source's order; case and blanks around them do not count.
        wanted: the map; None takes every marker as a joint of its own.

    Raises:
        LayoutError: when a marker or joint is missing or doubled; names all of them and the labels there are.
    """
    wanted = wanted or MarkerMap()
    joints = {j: [m] if isinstance(m, str) else m for j, m in wanted.joints.items()}
    persons = wanted.persons or _persons(labels, {m for markers in joints.values() for m in markers})
    joints = joints or _all_joints(labels, next(iter(persons.values()), ""))
    layout = Layout.custom(joints)
    empty = [j for j, markers in joints.items() if not markers]
    if empty:
        raise LayoutError(f"joint {empty[0]!r} of the marker map has no markers; expected a marker or a list of them")
    index = _index(labels)
    picks = np.zeros((len(persons), len(layout), max(map(len, joints.values()))), np.intp)
    weights = np.zeros(picks.shape, np.float32)
    missing: list[str] = []
    for p, prefix in enumerate(persons.values()):
        for j, markers in enumerate(joints.values()):
            names = [f"{prefix}{m}" for m in markers]
            found = [index[_fold(n)] for n in names if _fold(n) in index]
            missing += [n for n in names if _fold(n) not in index]
            picks[p, j] = (found or [0])[0]
            picks[p, j, : len(found)] = found
            weights[p, j, : len(names)] = 1 / len(names)
    if missing:
        raise LayoutError(f"the source has no marker {', '.join(missing)}; it has {_some(labels)}")
    return MarkerPlan(find_layout(layout.joints), tuple(persons), picks, weights)


def _fold(label: str) -> str:
    return label.strip().casefold()


def _index(labels: Sequence[str]) -> dict[str, int]:
    index: dict[str, int] = {}
    for i, label in enumerate(labels):
        if index.setdefault(_fold(label), i) != i:
            raise LayoutError(f"the source has more than one marker {label!r:.80}; expected each name once")
    return index


def _persons(labels: Sequence[str], wanted: set[str]) -> dict[str, str]:
    """The different beginnings up to a ':', as ids, in order of appearance; those with the most of what is wanted."""
    found: dict[str, str] = {}
    for label in labels:
        before, colon, _ = label.strip().rpartition(":")
        found.setdefault(before[:_LONGEST_ID] or "1", before + colon)
    if not wanted:  # stray markers have no person's name before them
        return {p: prefix for p, prefix in found.items() if prefix} or found
    have = {_fold(n) for n in labels}
    hits = {p: sum(_fold(prefix + m) in have for m in wanted) for p, prefix in found.items()}
    return {p: prefix for p, prefix in found.items() if hits[p] == max(hits.values())}


def _all_joints(labels: Sequence[str], prefix: str) -> dict[str, list[str]]:
    """Every marker of the person whose labels begin so, as a joint of its own."""
    rest = [n.strip().removeprefix(prefix) for n in labels if n.strip().startswith(prefix)]
    return {n: [n] for n in rest}


def _some(labels: Sequence[str]) -> str:
    return f"{', '.join(labels[:60])}{', ...' if len(labels) > 60 else ''}" or "none"
