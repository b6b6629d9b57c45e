"""Results kept by what they were made from: data, options and code. A stopped run goes on where it was."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dyadwatch.core.clips import ClipSet


def default_cache() -> Path:
    """`evaluate` in the user's cache folder for this program."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dyadwatch" / "evaluate"


def data_digest(clips: ClipSet) -> str:
    """SHA-256 of everything that clips hold."""
    digest = hashlib.sha256(json.dumps(clips.layout.joints).encode())
    for clip in clips:
        digest.update(json.dumps([clip.label, clip.clip_id, clip.split, clip.session, clip.fps, len(clip)]).encode())
        digest.update(np.ascontiguousarray(clip.joints).data)
    return digest.hexdigest()


@cache
def code_digest(modules: tuple[str, ...]) -> str:
    """SHA-256 of what modules, and packages with all their modules, do: comments, docstrings and form left out."""
    digest = hashlib.sha256()
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module {name}", name=name)
        origin = Path(spec.origin)
        for file in sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]:
            digest.update(f"{name}/{file.name}\n{meaning(file.read_text('utf8'))}".encode())
    return digest.hexdigest()


def meaning(source: str) -> str:
    """A module's syntax without docstrings, comments and line breaks: equal for sources that do the same."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and _is_text(body[0].value):
            body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@dataclass(frozen=True)
class ResultCache:
    """JSON documents in a folder, by the hash of what they were made from.

    Arguments:
        folder: made when first written to; None keeps nothing.
    """

    folder: Path | None

    def _file(self, made_from: dict[str, Any]) -> Path | None:
        if self.folder is None:
            return None
        name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.json"

    def get(self, made_from: dict[str, Any]) -> dict[str, Any] | None:
        """The document, or None where there is none or it is damaged."""
        file = self._file(made_from)
        if file is None:
            return None
        try:
            document = json.loads(file.read_text("utf8"))
        except (OSError, ValueError):
            return None
        wanted = json.loads(json.dumps(made_from))  # a tuple comes back as a list
        return document["result"] if isinstance(document, dict) and document.get("made_from") == wanted else None

    def put(self, made_from: dict[str, Any], result: dict[str, Any]) -> None:
        """Keeps a document; whole or not at all, whenever the run is stopped."""
        file = self._file(made_from)
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, suffix=".part", encoding="utf8") as part:
            json.dump({"made_from": made_from, "result": result}, part)
        Path(part.name).replace(file)


def packages_of(*names: str) -> Sequence[str]:
    """Full names of modules of `dyadwatch.core`."""
    return tuple(f"dyadwatch.core.{name}" for name in names)
