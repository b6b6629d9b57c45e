"""The pages come with the program, and what texts name is there: pages, extras, commands to install them."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest

from dyadwatch.core.errors import ConfigError, MissingExtraError
from dyadwatch.core.extras import install_command
from dyadwatch.tools.docs import docs, pages

ROOMS = ("core", "stream", "exporters", "tools")


@cache
def texts(root: Path) -> Sequence[tuple[str, str]]:
    """(place, text) of what users may read: strings of the code but for the words at the top of modules and classes."""
    return tuple(_texts(root))


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    for path in (p for room in ROOMS for p in (root / room).rglob("*.py")):
        tree = ast.parse(path.read_text("utf8"))
        heads = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef)]
        skipped = {id(n.body[0].value) for n in heads if n.body and isinstance(n.body[0], ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                yield f"{path.relative_to(root)}:{node.lineno}", node.value


def documents(root: Path) -> Iterator[tuple[str, str]]:
    for path in (root / "README.md", root / "CONTRIBUTING.md", root / "config.yaml", *(root / "docs").glob("*.md")):
        yield path.name, path.read_text("utf8")


def test_a_page_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], repo_root: Path) -> None:
    for name in ("wire-protocol", "wire-protocol.md", "docs/wire-protocol.md"):
        docs(name)
        assert capsys.readouterr().out == (repo_root / "docs" / "wire-protocol.md").read_text("utf8")
    docs()
    out = capsys.readouterr().out
    assert re.search(r"^dyadwatch docs wire-protocol +The wire protocol", out, re.MULTILINE)
    assert set(re.findall(r"^dyadwatch docs (\S+)", out, re.MULTILINE)) == set(pages())
    assert set(pages()) == {path.stem for path in (repo_root / "docs").glob("*.md")}


def test_a_page_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^page is 'wire'; expected one of accuracy, .*camera, .*proto"):
        docs("wire")


def test_texts_name_pages_that_the_user_of_a_wheel_has(repo_root: Path) -> None:
    recorded = "stream/recordings/channels.py"  # of a schema that is written into recordings, and stays as it is
    of_the_checkout = [(w, t) for w, t in texts(repo_root) if re.search(r"docs/[a-z-]+\.md", t)]
    assert [where for where, _ in of_the_checkout if not where.startswith(recorded)] == []
    named = [
        (where, name)
        for where, text in (*texts(repo_root), *documents(repo_root))
        for name in re.findall(r"`dyadwatch docs ([a-z-]+)`", " ".join(text.split()))
    ]
    assert len(named) > 10
    assert [(where, name) for where, name in named if name not in pages()] == []
    assert "docs/" not in (repo_root / "config.yaml").read_text("utf8")


def test_every_line_that_installs_can_work(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text("utf8"))
    extras = set(project["project"]["optional-dependencies"])
    pinned = re.compile(r"(?:uv )?pip install (?:--torch-backend cpu )?-c constraints\.txt '\.\[([\w,]+)\]'")
    wrong, seen = [], 0
    for where, text in (*texts(repo_root), *documents(repo_root)):
        flat = " ".join(text.split())
        if re.search(r"dyadwatch\[|index-url|find-links", flat):
            wrong.append((where, "dyadwatch is on no index"))
        for line in re.findall(r"(?:uv )?pip install [^`;\n]*?'\.\[[^']*'", flat):
            seen += 1
            match = pinned.fullmatch(line)
            if match is None or not set(match[1].split(",")) <= extras:
                wrong.append((where, line))
        wrong += [(where, bare) for bare in re.findall(r"pip install \.(?!\w)[^`]{0,20}", flat)]
    assert wrong == []
    assert seen > 5


@pytest.mark.parametrize("extra", ["cpu", "gpu", "train", "camera", "lsl", "view", "dev"])
def test_a_missing_extra_names_commands_for_wheel_and_checkout(extra: str) -> None:
    said = str(MissingExtraError("it", extra))
    assert said == f"it is not installed; install it with: {install_command(extra)}"
    packages, checkout = install_command(extra).split(", or in the checkout of dyadwatch: ")
    assert checkout == f"pip install -c constraints.txt '.[{extra}]'"
    wanted = [line.partition(";")[0].strip() for line in requires("dyadwatch") or [] if f'extra == "{extra}"' in line]
    assert wanted
    assert packages == f"pip install {' '.join(map(repr, wanted))}"


def test_an_unknown_extra_has_the_checkout_at_least() -> None:
    assert install_command("none") == "pip install -c constraints.txt '.[none]' in the checkout of dyadwatch"


def test_names_in_the_glossary_are_there(repo_root: Path) -> None:
    text = (repo_root / "docs" / "glossary.md").read_text("utf8")
    names = re.findall(r"`((?:core|stream)\.[\w.]+)`", text)
    assert len(names) > 20
    for name in names:
        module, _, member = name.rpartition(".") if name.rpartition(".")[2][0].isupper() else (name, "", "")
        path = repo_root / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or path.is_dir(), name
        if member:
            assert re.search(rf"^(class )?{member}\b", path.with_suffix(".py").read_text("utf8"), re.MULTILINE), name
