"""Figures of the source itself, for `make figures`: its size, its longest parts, names that occur twice.

Exit code 1 says that a public class has the name of another.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "stream", "exporters", "tools")
LONG_FUNCTION = 80  # lines, as CONTRIBUTING.md says


def sources() -> Iterator[tuple[Path, ast.Module, int]]:
    """Every source file below the rooms, its syntax tree and its lines."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            text = path.read_text()
            yield path.relative_to(ROOT), ast.parse(text), len(text.splitlines())


def twice(names: dict[str, list[str]]) -> list[str]:
    """Names with where they are, of those that occur more than once."""
    return [f"{name} ({', '.join(sorted(where))})" for name, where in sorted(names.items()) if len(where) > 1]


def main() -> int:
    """Prints the figures; returns the exit code."""
    lines: dict[Path, int] = {}
    long_functions: list[tuple[int, str]] = []
    functions = 0
    files, classes = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for path, tree, count in sources():
        lines[path] = count
        if path.name != "__init__.py" and "tools/" not in f"{path.parent}/":
            files[path.name].append(str(path.parent))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions += 1
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > LONG_FUNCTION:
                    long_functions.append((size, f"{path}:{node.name}"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(str(path))
    print_size(lines)
    print(f"functions of more than {LONG_FUNCTION} lines: {len(long_functions)} of {functions}")
    for size, name in sorted(long_functions, reverse=True)[:10]:
        print(f"  {size:4d} {name}")
    print_twice("file names that occur twice below core, stream and exporters", twice(files))
    print_twice("public classes that occur twice", twice(classes))
    return 1 if twice(classes) else 0


def print_size(lines: dict[Path, int]) -> None:
    """Prints how many lines there are, and where."""
    tests = sum(len(p.read_text().splitlines()) for p in (ROOT / "tests").rglob("*.py"))
    by_room = Counter[str]()
    for path, count in lines.items():
        by_room[path.parts[0]] += count
    print(f"{len(lines)} source files, {sum(lines.values())} lines; tests {tests} lines")
    print("by room: " + ", ".join(f"{room} {count}" for room, count in by_room.items()))
    longest = max(lines, key=lambda p: lines[p])
    print(f"lines a file: median {statistics.median(lines.values()):g}, longest {lines[longest]} ({longest})")


def print_twice(what: str, found: list[str]) -> None:
    """Prints how many there are, and each."""
    print(f"{what}: {len(found)}")
    for text in found:
        print(f"  {text}")


if __name__ == "__main__":
    sys.exit(main())
