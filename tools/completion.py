"""`dyadwatch completion`: a script by which a shell completes verbs and flags."""

from __future__ import annotations

import sys
from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print a script that completes verbs, flags and their choices.

    bash: eval "$(dyadwatch completion bash)" in ~/.bashrc. zsh: into a file _dyadwatch in a folder of $fpath.
    fish: into ~/.config/fish/completions/dyadwatch.fish.

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    from dyadwatch.tools.main import app

    sys.stdout.write(app.generate_completion(shell=shell))
