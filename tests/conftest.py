"""What several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and no deadline: the machine may be busy with the other workers' tests. Half as many
# as Hypothesis takes by itself; HYPOTHESIS_PROFILE=thorough takes ten times as many, other ones in every run.
settings.register_profile("repeatable", max_examples=50, derandomize=True, deadline=None, database=None)
settings.register_profile("thorough", max_examples=500, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips: `DYADWATCH_DATA`, or ../shared/data beside the checkout; skips without one."""
    named = os.environ.get("DYADWATCH_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"DYADWATCH_DATA is {named!r}; expected an existing folder", pytrace=False)
        pytest.skip(f"no real clips: {folder} does not exist; set DYADWATCH_DATA to the folder that holds sbu/")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that hold slow tests come first: what is short fills the end, so that no worker waits for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
