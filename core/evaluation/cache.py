"""Results kept by what they were made from: data, options and code. A stopped run goes on where it was."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.files.atomic import write_atomically

_ROOT = "dyadwatch.core"


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


def code_digest(root: str) -> str:
    """SHA-256 of what a module and all of this package that it imports do: comments, docstrings and form left out."""
    digest = hashlib.sha256()
    for name in modules_of(root):
        digest.update(f"{name} {module_code(name).digest}\n".encode())
    return digest.hexdigest()


def modules_of(root: str) -> list[str]:
    """A module, the packages it is in, and whatever of `dyadwatch.core` these import, at any depth; sorted.

    An import counts wherever it stands: one inside a function is done when that is called.

    Raises:
        ModuleNotFoundError: when there is no such module.
    """
    found: set[str] = set()
    todo = [root]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += module_code(name).imports
    return sorted(found)


@dataclass(frozen=True)
class ModuleCode:
    """What a module does, as a SHA-256, and names of modules it needs to be there, its package among them."""

    digest: str
    imports: tuple[str, ...]


@cache
def module_code(name: str) -> ModuleCode:
    """Reads the source of a module; once, as a program's own code stays as it is while it runs.

    Raises:
        ModuleNotFoundError: when there is no such module.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {name}", name=name)
    source = Path(spec.origin).read_text("utf8")
    within = name if spec.submodule_search_locations else name.rpartition(".")[0]
    wanted = {n for n in (*_imported(source, within), name.rpartition(".")[0]) if f"{n}.".startswith(f"{_ROOT}.")}
    return ModuleCode(hashlib.sha256(meaning(source).encode()).hexdigest(), tuple(sorted(wanted)))


def _imported(source: str, within: str) -> Iterator[str]:
    """Full names of the modules that a source in the package `within` imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (n.name for n in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), within)
            yield base
            yield from (f"{base}.{n.name}" for n in node.names if _is_module(base, n.name))


def _is_module(package: str, name: str) -> bool:
    """Whether `from package import name` takes a module, not something in one."""
    if not f"{package}.".startswith(f"{_ROOT}."):
        return False
    spec = importlib.util.find_spec(package)
    return (
        spec is not None
        and spec.submodule_search_locations is not None
        and importlib.util.find_spec(f"{package}.{name}") is not None
    )


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
        write_atomically(file, json.dumps({"made_from": made_from, "result": result}).encode())
