"""Tables go between the marks of a document; the prose around them stays as people wrote it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.tools.tables_file import BEGIN, END, check_writable, write_tables


def test_only_what_stands_between_the_marks_is_remade(tmp_path: Path) -> None:
    file = tmp_path / "accuracy.md"
    file.write_text(f"# Title\n\nProse: äöü.\n\n{BEGIN}\nold\n{END}\n\nMore prose.\n", "utf8")
    for text in ("## new\n", "## newer\n\n"):
        check_writable(file)
        write_tables(file, text)
    assert file.read_text("utf8") == f"# Title\n\nProse: äöü.\n\n{BEGIN}\n\n## newer\n\n{END}\n\nMore prose.\n"
    assert [p.name for p in tmp_path.iterdir()] == ["accuracy.md"]


def test_a_document_without_marks_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "t.md"
    for text in ("one\n", "two\n"):
        write_tables(file, text)
        assert file.read_text("utf8") == text


def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text(f"{BEGIN}{END}")
    link.symlink_to(target)
    write_tables(link, "x")
    assert link.is_symlink()
    assert target.read_text("utf8") == f"{BEGIN}\n\nx\n\n{END}"
    check_writable(Path(os.devnull))
    write_tables(Path(os.devnull), "x")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize(
    ("text", "counts"), [(BEGIN, (1, 0)), (END, (0, 1)), (END + BEGIN, (1, 1)), (BEGIN + END + BEGIN, (2, 1))]
)
def test_marks_that_are_no_pair_are_told_before_the_work(tmp_path: Path, text: str, counts: tuple[int, int]) -> None:
    file = tmp_path / "accuracy.md"
    file.write_text(text)
    expected = f"has {counts[0]} '{BEGIN}' and {counts[1]} '{END}'; expected one of each, in this order, or none"
    for refuses in (check_writable, lambda f: write_tables(f, "x")):
        with pytest.raises(DyadwatchError, match=expected):
            refuses(file)
    assert file.read_text() == text


def test_files_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(DyadwatchError, match=r"cannot write .*t\.md: there is no folder .*no; make it first"):
        check_writable(tmp_path / "no" / "t.md")
    with pytest.raises(DyadwatchError, match=r"cannot write .*: it is a folder; expected the name of a file"):
        check_writable(tmp_path)
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(DyadwatchError, match=r"binary\.md: cannot be read as text \(.*\); give another name"):
        check_writable(tmp_path / "binary.md")
