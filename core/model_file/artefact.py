"""The model file: an ONNX graph that describes itself and knows whether it is whole.

Everything is checked with the standard library and msgspec; neither onnx nor an inference engine is needed. An ONNX
file is one protobuf message, and protobuf messages may be appended to each other: two `metadata_props` entries at
the very end carry the description (key `dyadwatch`, JSON) and the SHA-256 of all bytes before it (key
`dyadwatch.sha256`).
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dyadwatch.core.errors import ArtefactError, LayoutError
from dyadwatch.core.files.atomic import (
    write_atomically as write_atomically,  # where it was, for those who import it here
)
from dyadwatch.core.model_file.protobuf import field, fields
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import LAYOUTS

FORMAT = (
    2  # since 2 neck, pelvis and head lie where `core.skeletons.mapping` derives them, whatever the sensor calls so
)
OUTPUTS = ("score", "relation", "unusual", "timing", "joint_pairs", "shift")
LATER = ("timing",)  # files without are read all the same: what they do not give is 0

_INFO_KEY, _SUM_KEY = b"dyadwatch", b"dyadwatch.sha256"
_METADATA = 14  # field number of ModelProto.metadata_props
_GRAPH = 7
_MAX_BYTES = 1 << 30  # of a model file; protobuf itself ends at 2 GiB, and a scorer of poses has a few MB
_MAX_FRAMES, _MAX_JOINTS, _MAX_NAME = 10_000, 1024, 200
_FIRST_BYTE = 0x08  # ModelProto.ir_version, which every writer puts first


class ArtefactInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model file says of itself.

    Arguments:
        format: version of this description and of what derived joints mean; 2.
        name, version: of the model, for people.
        layout: name of the layout it takes, `custom` where it has none.
        joints: J joint names, in the order of the J axis.
        frames: T, frames of a window.
        fps: frames a second of the time grid that windows lie on.
        lead: the most frames at the beginning of a window that may repeat the first in which both people were seen.
        training: what it was trained on and how, for people and model cards.
        parity: how closely the graph follows the network it was exported from, see `exporters.parity`.
    """

    name: str
    version: str
    layout: str
    joints: tuple[str, ...]
    frames: int
    fps: float
    lead: int = 0
    format: int = FORMAT
    training: dict[str, Any] = {}
    parity: dict[str, Any] = {}

    def __post_init__(self) -> None:
        known = LAYOUTS.get(self.layout)
        if known is not None and known.joints != self.joints:
            raise ValueError(f"joints are not those of layout {self.layout!r}, which are {', '.join(known.joints)}")
        if self.frames < 2:
            raise ValueError(f"frames is {self.frames}; expected at least 2")
        if not 0 <= self.lead < self.frames:
            raise ValueError(f"lead is {self.lead}; expected 0 to {self.frames - 1}, less than frames")
        if self.frames > _MAX_FRAMES:
            raise ValueError(f"frames is {self.frames}; expected at most {_MAX_FRAMES}")
        if len(self.joints) > _MAX_JOINTS:
            raise ValueError(f"it has {len(self.joints)} joints; expected at most {_MAX_JOINTS}")
        for key, value in (("name", self.name), ("version", self.version)):
            if len(value) > _MAX_NAME or not value.isprintable():
                raise ValueError(
                    f"{key} is {value[:40]!r}; expected at most {_MAX_NAME} characters and no control character"
                )
        if not 1 <= self.fps <= 1000:
            raise ValueError(f"fps is {self.fps:g}; expected 1 to 1000")

    @property
    def title(self) -> str:
        """Name and version, as messages and recordings name the model."""
        return f"{self.name} {self.version}"

    @property
    def skeleton(self) -> Layout:
        """The layout itself.

        Raises:
            LayoutError: when the joint names are empty or doubled.
        """
        return LAYOUTS.get(self.layout) or Layout(self.layout, self.joints)


class _Version(msgspec.Struct):
    format: int


def seal(model: bytes, info: ArtefactInfo) -> bytes:
    """The artefact: the ONNX file `model`, less any earlier seal, with description and checksum at its end.

    Raises:
        ArtefactError: when `model` is not a whole ONNX file.
    """
    return seal_document(model, msgspec.json.encode(info))


def seal_document(model: bytes, document: bytes) -> bytes:
    """The same for a description that is JSON already, valid or not."""
    kept = [whole for number, whole, content in fields(model, "model") if not _is_ours(number, content)]
    body = b"".join(kept) + _entry(_INFO_KEY, document)
    return body + _entry(_SUM_KEY, hashlib.sha256(body).hexdigest().encode())


def read_info(path: str | Path) -> ArtefactInfo:
    """The description in a model file whose bytes are verified.

    Raises:
        ArtefactError: when the file is missing, too large, cut short, damaged, not ours or of another version.
    """
    path = Path(path)
    try:
        about = path.stat()
        if stat.S_ISREG(about.st_mode) and about.st_size > _MAX_BYTES:
            raise ArtefactError(f"model {path} has {about.st_size} bytes; expected at most {_MAX_BYTES}")
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise ArtefactError(f"model {path} is no file; expected an .onnx file")
        data = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"model {path} cannot be read: {error.strerror}") from None
    return read_sealed(data, f"model {path}")


def read_sealed(data: bytes, what: str) -> ArtefactInfo:
    """The same for the bytes of a file; `what` names it in errors."""
    if data[:1] != bytes([_FIRST_BYTE]):
        raise ArtefactError(f"{what} is not an ONNX file")
    tail = _entry(_SUM_KEY, b"0" * 64)
    body, found = data[: -len(tail)], data[-len(tail) :]
    if found[:-64] != tail[:-64]:
        entries = dict(_metadata(data, what))  # says where a file that was cut short ends
        if _INFO_KEY not in entries:
            raise ArtefactError(f"{what} is an ONNX file, but not a dyadwatch model: it has no metadata 'dyadwatch'")
        raise ArtefactError(f"{what} is damaged: it does not end with its checksum")
    stated, real = found[-64:].decode("ascii", "replace"), hashlib.sha256(body).hexdigest()
    if stated != real:
        raise ArtefactError(f"{what} is damaged: its checksum says {stated[:12]}..., its bytes give {real[:12]}...")
    document = dict(_metadata(body, what)).get(_INFO_KEY)
    if document is None:
        raise ArtefactError(f"{what} has a checksum but no metadata 'dyadwatch'; export it again")
    try:
        version = msgspec.json.decode(document, type=_Version).format
        if version != FORMAT:
            older = " (neck, pelvis and head lay elsewhere in older ones: train it again)" if version < FORMAT else ""
            raise ArtefactError(f"{what} has format {version}; this dyadwatch reads format {FORMAT}{older}")
        info = msgspec.json.decode(document, type=ArtefactInfo)
        _ = info.skeleton
    except (msgspec.MsgspecError, LayoutError, RecursionError) as error:
        raise ArtefactError(f"{what} has unusable metadata: {error!s:.300}") from None
    return info


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a whole file in hex, as `sha256sum` prints it; calibration files name their model by it.

    Raises:
        ArtefactError: when the file cannot be read.
    """
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from None


def _is_ours(number: int, content: bytes) -> bool:
    return number == _METADATA and dict(_strings(content)).get(1) in (_INFO_KEY, _SUM_KEY)


def _metadata(data: bytes, what: str) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of `metadata_props`."""
    graph = False
    for number, _, content in fields(data, what):
        graph |= number == _GRAPH
        if number == _METADATA:
            pair = dict(_strings(content))
            yield pair.get(1, b""), pair.get(2, b"")
    if not graph:
        raise ArtefactError(f"{what} is not an ONNX file: it has no graph")


def _strings(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Field numbers and contents of a small message; nothing where it is garbled."""
    try:
        for number, _, content in fields(message, ""):
            yield number, content
    except ArtefactError:
        return


def _entry(key: bytes, value: bytes) -> bytes:
    """One `metadata_props` field."""
    return field(_METADATA, field(1, key) + field(2, value))
