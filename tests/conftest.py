"""What several rooms' tests share."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and no deadline: the machine may be busy with the other workers' tests. Half as many
# as Hypothesis takes by itself; HYPOTHESIS_PROFILE=thorough takes ten times as many, other ones in every run.
settings.register_profile("repeatable", max_examples=50, derandomize=True, deadline=None, database=None)
settings.register_profile("thorough", max_examples=500, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """The levels of logs that a command sets in this process end with its test."""
    loggers = [logging.getLogger(name) for name in ("dyadwatch", "asyncio")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


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


# The longest, the longest first: the last to end would else be one of them, with nothing left for the other workers.
# Those at the top mostly wait for programs that they started, while others compute.
LONGEST = (
    "test_page.py", "test_stress.py", "test_up_learns.py", "test_recipe.py", "test_enrol.py", "test_train_simulated.py",
    "test_python_api.py", "test_evaluate.py", "test_upper_body.py", "test_live_and_offline_agree.py", "test_service.py",
    "test_connections.py", "test_foxglove.py", "test_encoder.py", "test_keys_of_publishers.py", "test_security.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then those that hold slow tests: what is short fills the end, so that no worker
    waits for another.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (rank.get(item.path.name, len(LONGEST)), item.path not in slow))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded and collected, half a million objects, stays to the end: no search for garbage goes there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
