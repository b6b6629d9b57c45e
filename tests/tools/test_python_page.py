"""The examples of docs/python.md run as they stand, with real sockets and the model."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from dyadwatch.live_detector import free_address, running_detector
from dyadwatch.model_files import shipped_model

INTO, OUT = "tcp://127.0.0.1:5570", "tcp://127.0.0.1:5571"


def examples(root: Path) -> dict[str, str]:
    """Code by heading."""
    page = (root / "docs" / "python.md").read_text("utf8")
    sections = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    return {
        heading: "".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }


def scores_told(out: str, folder: Path) -> None:
    assert re.search(r"^\d+ windows, the most unusual scores \d\.\d\d$", out.splitlines()[0])
    assert re.search(r"^open [\d.]+ \S+", out, re.MULTILINE)
    assert re.search(r"^close [\d.]+ \S+", out, re.MULTILINE)


def scores_came_back(out: str, folder: Path) -> None:
    lines = out.splitlines()
    assert len(lines) > 10
    assert all(re.fullmatch(r"\(1, 2\) \d+\.\d+ \d\.\d+", line) for line in lines), lines[0]


def events_in_a_file(out: str, folder: Path) -> None:
    rows = [line.split(",") for line in (folder / "events.csv").read_text("utf8").splitlines()]
    assert {row[0] for row in rows} >= {"open", "close"}
    assert all(len(row) == 7 and row[2] == "lab" for row in rows)
    assert out.strip() == (folder / "events.csv").read_text("utf8").strip()


def clip_read(out: str, folder: Path) -> None:
    assert out == "lab (40, 2, 3, 3) ('pelvis', 'neck', 'head')\n"


def row_in_the_table(out: str, folder: Path) -> None:
    rows = re.findall(r"^\| (.+?) \| ([01]\.\d{3}) \|", out, re.MULTILINE)
    assert [name for name, _ in rows][:2] == ["nearest neighbour", "mean deviation"]


EXAMPLES: dict[str, Callable[[str, Path], None]] = {
    "Score an array": scores_told,
    "Plug in a source": scores_came_back,
    "A custom sink": events_in_a_file,
    "Add a reader": clip_read,
    "Add a baseline to `evaluate`": row_in_the_table,
}


def test_every_example_is_run(repo_root: Path) -> None:
    assert list(examples(repo_root)) == list(EXAMPLES)


def test_the_first_example_runs_as_a_program(repo_root: Path, tmp_path: Path) -> None:
    """Nothing is imported before it: what it needs it imports itself."""
    heading, told = next(iter(EXAMPLES.items()))
    words = [sys.executable, "-c", examples(repo_root)[heading]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told(done.stdout, tmp_path)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # examples are short
@pytest.mark.parametrize("heading", list(EXAMPLES)[1:])
def test_the_others_run(
    heading: str, repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = examples(repo_root)[heading]
    # The detector that the text asks for, on ports that are free; a service of the example's own binds such itself.
    asked = heading == "Plug in a source"
    with running_detector(shipped_model()) if asked else nullcontext((free_address(), free_address())) as (into, out):
        code = code.replace(INTO, into).replace(OUT, out)
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            exec(compile(code, heading, "exec"), {"__name__": "__main__"})
    EXAMPLES[heading](capsys.readouterr().out, tmp_path)
