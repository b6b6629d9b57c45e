"""People seen by several sources at one instant become persons: 3D association and averages by confidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.assignment import assign

_SETTLE_S = 1.0  # what a source shows of a person moves over to the average of all in about this time
_CONFIRM_S = 0.5  # two persons are found to be one, or one to be two, by what is seen for so long
_SPLIT = 2.0  # gates by which two sightings of one person must differ to be two people after all
_FEW = 3  # joints in common from which on two sightings can be compared
_BODY_M = 1.5  # what one source sees of a person lies no farther than this from what another sees
_MOST = 64  # persons out of sight that are remembered, however many sightings a source makes up


class GroupSighting(NamedTuple):
    """Whom one source sees: the source's name and the key of its track."""

    source: str
    key: int


class Persons(NamedTuple):
    """Everybody at one instant.

    Arguments:
        ids: numbers from 1, one a person.
        joints: metres, shape (P, J, 3), NaN where no source sees a joint.
        confidence: shape (P, J), of the source that is most sure.
    """

    ids: tuple[int, ...]
    joints: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(slots=True)
class _Bond:
    """A sighting that is taken for a person; `shift` (J, 3) is what is taken off it, NaN where just come into sight."""

    sighting: GroupSighting
    at: int
    shift: NDArray[np.float64]
    odd: int = 0


@dataclass(slots=True)
class _Person:
    id: int
    at: int
    joints: NDArray[np.float64]
    bonds: dict[str, _Bond] = field(default_factory=dict)


class Fusion:
    """The persons of one group of sources, step by step on the model's grid of time.

    Sources never agree to the centimetre. So that nobody leaps when a source begins or ceases to see a joint, each
    source's joints are shifted onto where the person was last told to be, and the shift fades to the average of all
    sources within about a second.

    Arguments:
        sources: in the order in which they are asked.
        gate_m: mean distance of joints, up to which two sightings are one person.
        fps: steps a second.
        max_gap_s: a sighting that is gone for longer is forgotten.
        joints: J.
    """

    def __init__(self, sources: tuple[str, ...], gate_m: float, fps: float, max_gap_s: float, joints: int) -> None:
        self._sources = sources
        self._gate = gate_m
        self._gap = round(max_gap_s * fps)
        self._confirm = round(_CONFIRM_S * fps)
        self._fade = 1 - np.exp(-1 / (_SETTLE_S * fps))
        self._joints = joints
        self._persons: list[_Person] = []
        self._near: dict[tuple[int, int], int] = {}
        self._next_id = 1

    @property
    def shared(self) -> int:
        """How many persons more than one source sees now."""
        return sum(len(p.bonds) > 1 for p in self._persons)

    def clear(self) -> None:
        """Forgets everybody, because time began anew."""
        self._persons.clear()
        self._near.clear()

    def step(self, at: int, rows: dict[GroupSighting, NDArray[np.float32]]) -> Persons:
        """The persons at a point of the grid.

        Arguments:
            at: number of the point, larger than the one before.
            rows: what is seen there; metres and confidence, shape (J, 4), NaN where a joint is unseen.
        """
        for p in self._persons:
            p.bonds = {s: b for s, b in p.bonds.items() if at - b.at <= self._gap}
        self._persons = [p for p in self._persons if p.bonds]
        self._forget(rows)
        self._split(rows)
        for source in self._sources:
            self._bind(at, source, rows)
        self._join(rows)
        out: list[tuple[int, NDArray[np.float64], NDArray[np.float32]]] = []
        for p in self._persons:
            bonds = [p.bonds[s] for s in self._sources if s in p.bonds and p.bonds[s].sighting in rows]
            if bonds:
                seen = np.stack([rows[b.sighting] for b in bonds])
                joints = self._average(at, p, bonds, seen)
                out.append((p.id, joints, np.where(np.isnan(seen[..., 0]), 0, seen[..., 3]).max(axis=0)))
        if not out:
            return Persons((), np.zeros((0, self._joints, 3), np.float32), np.zeros((0, self._joints), np.float32))
        ids, joints, confidence = zip(*out, strict=True)
        return Persons(ids, np.stack(joints).astype(np.float32), np.stack(confidence).astype(np.float32))

    def _forget(self, rows: dict[GroupSighting, NDArray[np.float32]]) -> None:
        """Gives up those who are out of sight for longest: looking for the same person twice costs their square."""
        unseen = [p for p in self._persons if not any(b.sighting in rows for b in p.bonds.values())]
        if len(unseen) > _MOST:
            unseen.sort(key=lambda p: (p.at, p.id))
            gone = {p.id for p in unseen[:-_MOST]}
            self._persons = [p for p in self._persons if p.id not in gone]

    def _split(self, rows: dict[GroupSighting, NDArray[np.float32]]) -> None:
        """Parts sightings that have long been too far from each other to be one person.

        Sources that see different halves of one show too few joints in common to tell, which counts for nothing.
        """
        for p in self._persons:
            present = [b for b in p.bonds.values() if b.sighting in rows]
            for bond in present[1:]:
                far = _are_two(rows[present[0].sighting], rows[bond.sighting], _SPLIT * self._gate)
                if far is not None:
                    bond.odd = bond.odd + 1 if far else 0
                if bond.odd > self._confirm:
                    del p.bonds[bond.sighting.source]

    def _bind(self, at: int, source: str, rows: dict[GroupSighting, NDArray[np.float32]]) -> None:
        """Finds out whom a source sees: persons it did not see so far, or somebody new."""
        bound = {b.sighting for p in self._persons for b in p.bonds.values()}
        free = [s for s in rows if s.source == source and s not in bound]
        if free:
            open_to = [p for p in self._persons if source not in p.bonds]
            distance = np.full((len(free), len(open_to)), np.inf)
            for i, s in enumerate(free):
                for j, p in enumerate(open_to):
                    distance[i, j] = min(_distance(rows[s], where) for where in self._where(p, rows))
            taken = assign(distance, self._gate)
            for i, s in enumerate(free):
                person = open_to[taken[i]] if i in taken else self._new(at)
                person.bonds[source] = _Bond(s, at, np.full((self._joints, 3), np.nan))
        for p in self._persons:
            if source in p.bonds and p.bonds[source].sighting in rows:
                p.bonds[source].at = at

    def _where(self, person: _Person, rows: dict[GroupSighting, NDArray[np.float32]]) -> list[NDArray[np.floating]]:
        """Where a person is now, by each source that says so; or where last."""
        now = [rows[b.sighting] for b in person.bonds.values() if b.sighting in rows]
        return [*now] if now else [person.joints]

    def _new(self, at: int) -> _Person:
        person = _Person(self._next_id, at, np.full((self._joints, 3), np.nan))
        self._next_id += 1
        self._persons.append(person)
        return person

    def _join(self, rows: dict[GroupSighting, NDArray[np.float32]]) -> None:
        """Finds persons of different sources that have long been in one place: they are one."""
        near: dict[tuple[int, int], int] = {}
        for p, q in combinations(self._persons, 2):
            if p.bonds.keys() & q.bonds.keys():
                continue
            distance = min(_distance(a, b) for a in self._where(p, rows) for b in self._where(q, rows))
            if distance <= self._gate:
                near[p.id, q.id] = self._near.get((p.id, q.id), 0) + 1
                if near[p.id, q.id] > self._confirm:
                    p.bonds |= {s: _Bond(b.sighting, b.at, np.full_like(b.shift, np.nan)) for s, b in q.bonds.items()}
                    q.bonds = {}
        self._near = near
        self._persons = [p for p in self._persons if p.bonds]

    def _average(self, at: int, person: _Person, bonds: list[_Bond], seen: NDArray[np.float32]) -> NDArray[np.float64]:
        """One person's joints (J, 3) from what its bonds show, shape (S, J, 4)."""
        hidden = np.isnan(seen[..., 0])
        x = np.where(hidden[..., None], 0, seen[..., :3]).astype(np.float64)
        weight = np.where(hidden, 0, np.maximum(seen[..., 3], 1e-3))[..., None].astype(np.float64)
        mean = _mean(x, weight)
        shift = np.stack([b.shift for b in bonds])
        known = ~np.isnan(shift[..., :1]) & ~hidden[..., None]
        told = _mean(x - np.nan_to_num(shift), weight * known)  # where those long in sight put each joint
        if at - person.at <= 2:
            told = np.where(np.isnan(told), person.joints, told)
        told = np.where(np.isnan(told), mean, told)
        shift = np.where(known, shift, x - told)
        shift += self._fade * (x - mean - shift)
        shift[hidden] = np.nan
        for bond, own in zip(bonds, shift, strict=True):
            bond.shift = own
        person.at, person.joints = at, _mean(x - np.nan_to_num(shift), weight)
        return person.joints


def _mean(x: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean of (S, J, 3) over S; NaN where nothing has weight."""
    total = weight.sum(axis=0)
    return np.where(total > 0, (x * weight).sum(axis=0) / np.maximum(total, 1e-12), np.nan)


def _are_two(a: NDArray[np.floating], b: NDArray[np.floating], farthest: float) -> bool | None:
    """Whether sightings are of two people; None where they have too few joints in common to tell."""
    distance = _distance(a, b)
    if distance < np.inf:
        return distance > farthest
    middles = [np.nanmean(x[:, :3], axis=0) for x in (a, b) if not np.isnan(x[:, 0]).all()]
    far = len(middles) == 2 and float(np.linalg.norm(middles[0] - middles[1])) > _BODY_M
    return True if far else None


def _distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Mean distance in metres of the joints that both (J, 3 or more) show; infinite when there are too few."""
    step = a[:, :3] - b[:, :3]
    step = step[~np.isnan(step[:, 0])]
    return float(np.sqrt((step**2).sum(axis=1)).mean()) if len(step) >= _FEW else np.inf
