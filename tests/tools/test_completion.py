"""Shells complete what the program has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from dyadwatch.tools.completion import completion
from dyadwatch.tools.main import app

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
# What bash does when Tab is pressed behind a line of words.
PRESS_TAB = """
source "$1"; shift
spec=$(complete -p dyadwatch); function=${spec#*-F }; function=${function%% *}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
"$function"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "dyadwatch.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w", encoding="utf8") as out:
        patch.setattr("sys.stdout", out)
        completion("bash")
    return path


def completed(script: Path, *words: str) -> list[str]:
    command = ["bash", "--norc", "-c", PRESS_TAB, "bash", str(script), "dyadwatch", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
    return [word.strip() for word in done.stdout.splitlines()]


def test_bash_accepts_the_script(script: Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes_verbs_flags_and_choices(script: Path) -> None:
    assert completed(script, "rec") == ["record", "recordings"]
    assert completed(script, "recordings", "ex") == ["export"]
    assert completed(script, "replay", "--unt") == ["--until"]
    assert completed(script, "publish", "jsonl", "--axes", "z") == ["z-up"]
    assert {name for name in app if not name.startswith("-")} <= set(completed(script, ""))


@pytest.mark.parametrize(("shell", "begins"), [("zsh", "#compdef dyadwatch"), ("fish", "# Fish completion for dyad")])
def test_the_other_shells(shell: Literal["zsh", "fish"], begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    completion(shell)
    out = capsys.readouterr().out
    assert out.startswith(begins)
    assert "recordings" in out
