"""Versions of a site's model: kept, used, gone back from, by any process; a detector follows the one in use."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from dyadwatch.core.decision.calibration_file import calibration_path
from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.learning.learning_codes import Origin, SiteState
from dyadwatch.stream.learning.standing import learning_now, state_of
from dyadwatch.stream.learning.version_watch import VersionWatch
from dyadwatch.stream.learning.versions import SiteModels, Version, site_models


def add(models: SiteModels, *, propose: bool = False, minutes: float = 1.0) -> Version:
    models.folder.mkdir(exist_ok=True)
    made = models.folder / "candidate.onnx"
    made.write_bytes(b"model %d" % models.read().next)
    calibration_path(made).write_text("thresholds")
    return models.add(Version(made=1, how=Origin.ENROLLED, minutes=minutes), made, propose=propose)


@pytest.fixture
def models(tmp_path: Path) -> SiteModels:
    return SiteModels(tmp_path / "site-models")


def test_a_version_is_proposed_used_and_gone_back_from(models: SiteModels) -> None:
    assert (models.read().current, models.current, state_of(models.read())) == (0, None, SiteState.LEARNING)
    first = add(models, propose=True)
    assert (first.number, models.read().proposed, state_of(models.read())) == (1, 1, SiteState.PROPOSED)
    table = models.use(1, "ann")
    assert (table.current, table.proposed, table.by, state_of(table)) == (1, 0, "ann", SiteState.WATCHING)
    assert models.current == models.folder / "site-v1.onnx"
    assert models.path(1).read_bytes() == b"model 1"
    add(models, propose=True)
    models.use(2, "bob")
    assert models.back("cem").current == 1
    assert models.read().proposed == 0
    assert models.back("cem").current == 0, "before the first one nobody was judged"
    with pytest.raises(ConfigError, match=r"^no version is in use, so that there is none to go back from"):
        models.back("cem")
    with pytest.raises(ConfigError, match=r"^version is 7; expected one of those there are: 1, 2$"):
        models.use(7, "ann")


def test_another_process_sees_it_and_a_detector_is_told_once(models: SiteModels) -> None:
    other, watch = SiteModels(models.folder), VersionWatch(models)
    add(other, propose=True)
    assert watch() == "", "a proposal changes nothing"
    other.use(1, "ann")
    assert (watch(), watch()) == ("ann", "")
    other.back("bob")
    assert (watch(), watch()) == ("bob", "")


def test_old_versions_go_and_those_in_use_stay(models: SiteModels) -> None:
    add(models)
    models.use(1, "ann")
    last = [add(models, propose=True) for _ in range(14)][-1]
    numbers = [v.number for v in models.read().versions]
    assert numbers == [1, *range(6, 16)]
    assert last.number == 15
    assert sorted(p.name for p in models.folder.glob("*.onnx")) == sorted(f"site-v{n}.onnx" for n in numbers)


def test_a_table_that_is_none_is_said_and_keeps_no_detector_from_running(
    models: SiteModels, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    add(models)
    watch = VersionWatch(models)
    (models.folder / "models.json").write_text("{")
    with pytest.raises(ConfigError, match=r"models\.json cannot be read \(.*\); expected a table of model versions$"):
        SiteModels(models.folder).read()
    assert watch() == ""
    assert "expected a table of model versions" in caplog.text


def test_where_the_configuration_names_a_model_there_is_nothing_to_learn(tmp_path: Path) -> None:
    named = set_option(Config(), f"record.folder={tmp_path}", "scorer.model=own.onnx")
    assert site_models(named) is None
    assert site_models(Config()) is None, "nothing is kept"
    assert learning_now(named).state is SiteState.FIXED
    own = set_option(Config(), f"record.folder={tmp_path}", "learning.auto=true")
    found = site_models(own)
    assert found is not None
    add(found, propose=True)
    now = learning_now(own)
    assert (now.state, now.proposed, now.before, now.alive, now.auto) == (SiteState.PROPOSED, 1, None, False, True)
    found.use(1, "ann")
    assert learning_now(own).before == 0
    assert json.loads((found.folder / "models.json").read_text())["uses"][0]["by"] == "ann"
