"""BVH: a skeleton of bones and how each turns, one person a ROOT. Positions come from forward kinematics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import check_size, number, plain_numbers, read_lines
from dyadwatch.core.readers.people_files import Person, people_of_markers
from dyadwatch.core.readers.read_options import ReadOptions

_MOST_NODES = 1000
_MOST_FRAMES = 2_000_000
_LEAST_BYTES = 2  # of a number in the text, with the blank before it
_PIECE_CHARS = 1 << 20  # of text taken at once
_PIECE_VALUES = 1 << 20  # of turns worked out at once: all of them would be many times the file
_STILL = 4  # joints to a channel; more of them cannot move, and unfold to more than the file
_CHANNELS = {f"{axis}{kind}": (kind, i) for i, axis in enumerate("XYZ") for kind in ("position", "rotation")}


@dataclass
class Bone:
    """A joint or the end of one.

    Arguments:
        name: as the file has it; `<parent>_end` for an end.
        parent: index of the parent node; -1 for a root.
        offset: from the parent, in the file's units.
        channels: (kind, axis) of each number a frame has for it, in order; kind is `position` or `rotation`.
    """

    name: str
    parent: int
    offset: NDArray[np.float64]
    channels: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Motion:
    """What a BVH file holds.

    Arguments:
        nodes: parents before children.
        frame_s: seconds from frame to frame.
        values: shape (frames, channels), channels of all nodes in order; degrees and the file's units.
    """

    nodes: list[Bone]
    frame_s: float
    values: NDArray[np.float64]


class _Lines:
    """The words of the lines that are not empty, with where they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = read_lines(path)
        self.at = 0
        self.last: list[str] = []

    def __iter__(self) -> Iterator[list[str]]:
        for i, line in self._lines:
            self.at = i
            self.last = line.replace("{", " { ").replace("}", " } ").split()
            if self.last:
                yield self.last

    def error(self, expected: str) -> ClipError:
        return ClipError(f"{self.path}, line {self.at}: {' '.join(self.last)!r:.60} found; expected {expected}")

    def pieces(self) -> Iterator[str]:
        """What is left, in pieces of whole lines."""
        held: list[str] = []
        length = 0
        for _, line in self._lines:
            held.append(line)
            length += len(line)
            if length > _PIECE_CHARS:
                yield " ".join(held)
                held, length = [], 0
        if held:
            yield " ".join(held)


def read_motion(path: Path) -> Motion:
    """Parses a BVH file.

    Raises:
        ClipError: naming file and line, what was found and what was expected.
    """
    size = check_size(path, "a BVH file")
    lines = _Lines(path)
    nodes = _hierarchy(lines)
    facts: dict[str, float] = {}
    for words in lines:
        key, _, value = " ".join(words).partition(":")
        if key not in ("Frames", "Frame Time"):
            raise lines.error("'Frames: N' and 'Frame Time: seconds'")
        facts[key] = number(value, f"{path}, line {lines.at}")
        if len(facts) == 2:
            break
    if len(facts) < 2:
        raise ClipError(f"{path}: ends early; expected 'Frames: N' and 'Frame Time: seconds'")
    if not facts["Frame Time"] > 0:
        raise ClipError(f"{path}: a frame takes {facts['Frame Time']:g} s; expected a frame time of more than 0")
    count, channels = facts["Frames"], sum(len(n.channels) for n in nodes)
    if not 1 <= count <= _MOST_FRAMES or count != int(count):
        raise ClipError(f"{path}: says {count:g} frames; expected 1 to {_MOST_FRAMES}")
    if len(nodes) > _STILL * channels:
        raise ClipError(f"{path}: {channels} CHANNELS of {len(nodes)} joints; expected those of a person who moves")
    return Motion(nodes, facts["Frame Time"], _values(lines, int(count), channels, size))


def _values(lines: _Lines, count: int, channels: int, size: int) -> NDArray[np.float64]:
    """The numbers of motion, shape (count, channels); nothing is laid out that the file is too small to fill."""
    wanted, found = count * channels, 0
    expected = f"expected {count} frames of {channels} (cut short?)"
    if wanted * _LEAST_BYTES > size:
        raise ClipError(f"{lines.path}: {size} bytes hold no {wanted} numbers of motion; {expected}")
    values = np.empty(wanted)
    where = f"{lines.path}, below line {lines.at}"
    for piece in lines.pieces():
        numbers = plain_numbers(piece, where)
        fits = numbers[: wanted - found]
        values[found : found + len(fits)] = fits
        found += len(numbers)
    if found != wanted:
        raise ClipError(f"{lines.path}: {found} numbers of motion; {expected}")
    return values.reshape(count, channels)


def _hierarchy(lines: _Lines) -> list[Bone]:
    nodes: list[Bone] = []
    open_nodes: list[int] = []
    started, pending = False, False
    for words in lines:
        if words[0] == "HIERARCHY" and not started:
            started = True
        elif not started:
            raise lines.error("HIERARCHY, as every BVH file begins")
        elif words[0] == "MOTION" and nodes and not open_nodes and not pending:
            return nodes
        elif words[0] in ("ROOT", "JOINT", "End") and not pending:
            nodes.append(_node(lines, words, nodes, open_nodes))
            pending = words[-1] != "{"
            if not pending:
                open_nodes.append(len(nodes) - 1)
        elif words == ["{"] and pending:
            open_nodes.append(len(nodes) - 1)
            pending = False
        elif words[0] == "}" and open_nodes and not pending:
            if len(words) > len(open_nodes):
                raise lines.error("as many braces closed as opened")
            del open_nodes[-len(words) :]
        elif words[0] == "OFFSET" and open_nodes and len(words) == 4:
            where = f"{lines.path}, line {lines.at}"
            nodes[open_nodes[-1]].offset = np.asarray([number(w, where) for w in words[1:]])
        elif words[0] == "CHANNELS" and open_nodes and len(words) >= 2:
            nodes[open_nodes[-1]].channels = _channels(lines, words)
        else:
            raise lines.error("ROOT, JOINT, End Site, OFFSET, CHANNELS, a brace, or MOTION after the last")
    raise ClipError(f"{lines.path}: ends early; expected a HIERARCHY, then MOTION")


def _node(lines: _Lines, words: list[str], nodes: list[Bone], open_nodes: list[int]) -> Bone:
    """The node that a line begins, within the innermost open one."""
    if len(nodes) >= _MOST_NODES:
        raise ClipError(f"{lines.path}: more than {_MOST_NODES} joints; expected a person's")
    if (words[0] == "ROOT") == bool(open_nodes):
        raise lines.error("a ROOT outside of braces, every JOINT within")
    parent = open_nodes[-1] if open_nodes else -1
    name = "_".join(w for w in words[1:] if w != "{") if words[0] != "End" else f"{nodes[parent].name}_end"
    return Bone(name, parent, np.zeros(3))


def _channels(lines: _Lines, words: list[str]) -> list[tuple[str, int]]:
    names = words[2:]
    if words[1] != str(len(names)) or len(set(names)) != len(names) or any(n not in _CHANNELS for n in names):
        raise lines.error("CHANNELS, their number, and that many of Xposition to Zrotation")
    return [_CHANNELS[n] for n in names]


def forward(motion: Motion) -> NDArray[np.float64]:
    """Where each node is, by forward kinematics.

    A node lies at its parent's place + the parent's turn times its offset; where it has position channels, they take
    the place of the offset. Turns are applied in the order of the channels, the first outermost.

    Returns:
        Shape (frames, nodes, 3), in the file's units.
    """
    count = len(motion.values)
    places = np.zeros((count, len(motion.nodes), 3))
    turns: list[NDArray[np.float64]] = []
    column = 0
    for i, node in enumerate(motion.nodes):
        local = np.broadcast_to(node.offset, (count, 3)).copy()
        turn = np.broadcast_to(np.eye(3), (count, 3, 3))
        for kind, axis in node.channels:
            value = motion.values[:, column]
            column += 1
            if kind == "position":
                local[:, axis] = value
            else:
                turn = turn @ _about(axis, np.radians(value))
        if node.parent < 0:
            places[:, i] = local
        else:
            places[:, i] = places[:, node.parent] + np.einsum("tij,tj->ti", turns[node.parent], local)
            turn = turns[node.parent] @ turn
        turns.append(turn)
    return places


def _about(axis: int, angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turns about one axis; shape (T, 3, 3)."""
    turn = np.zeros((len(angle), 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1
    turn[:, a, a] = turn[:, b, b] = np.cos(angle)
    turn[:, b, a] = np.sin(angle)
    turn[:, a, b] = -turn[:, b, a]
    return turn


def read_bvh(path: Path, declared: ReadOptions) -> list[Person]:
    """The people of a BVH file, one a ROOT; centimetres and Y up unless declared otherwise.

    Raises:
        ClipError: naming the file, what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    motion = read_motion(path)
    fps = 1 / motion.frame_s
    if abs(fps - round(fps)) < 2e-4 * fps:  # 0.033333 s stands for 30 a second; 29.97 stays what it is
        fps = round(fps)
    fps = declared.rate(path, float(fps))
    rows = max(_PIECE_VALUES // (9 * len(motion.nodes)), 1)
    pieces = (Motion(motion.nodes, motion.frame_s, motion.values[i : i + rows])
              for i in range(0, len(motion.values), rows))  # fmt: skip
    metres = [declared.metres(path, forward(piece), "cm", "y-up") for piece in pieces]
    places, units = np.concatenate([m for m, _ in metres]), metres[0][1]
    root = np.zeros(len(motion.nodes), np.intp)
    for i, node in enumerate(motion.nodes):
        root[i] = i if node.parent < 0 else root[node.parent]
    column_of = np.repeat(root, [len(n.channels) for n in motion.nodes])
    people: list[Person] = []
    for r in np.unique(root):
        mine = np.flatnonzero(root == r)
        # Every channel zero is the rest pose at the origin, which recorders write for want of a person.
        lost = np.flatnonzero(~motion.values[:, column_of == r].any(axis=1))
        if len(lost) < len(places):
            places[lost[:, None], mine] = np.nan
        names = [motion.nodes[i].name for i in mine]
        people += people_of_markers(path, names, places[:, mine], fps, units, declared)
    return people
