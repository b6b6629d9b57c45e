"""The page answers how far a site is learnt, and operators decide what is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.core.decision.calibration_file import calibration_path
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.learning.progress import HeardOf, LearnerProgress, write_progress
from dyadwatch.stream.learning.versions import SiteModels, Version, WouldBe, site_models
from dyadwatch.stream.page.tokens import Role


@pytest.fixture
def models(page_config: Config) -> SiteModels:
    """Two versions, the second proposed."""
    found = site_models(page_config)
    assert found is not None
    found.folder.mkdir(parents=True)
    alarm = WouldBe(source="hall", pair=(1, 2), clock="unix", stamp=1, evidence=1.2)
    for number in (1, 2):
        made = found.folder / "made.onnx"
        made.write_bytes(b"%d" % number)
        calibration_path(made).write_text("")
        found.add(Version(made=1, how=Origin.ENROLLED, events=1, would_be=(alarm,)), made, propose=number == 2)
    write_progress(found.folder, LearnerProgress(at=1, heard=(HeardOf(source="hall", minutes=2.0, pairs=3),)))
    return found


def test_a_viewer_looks_and_an_operator_decides(models: SiteModels, page: Any) -> None:
    with page.client(Role.VIEWER) as viewer, page.client(Role.OPERATOR) as operator, page.client() as stranger:
        assert stranger.get("/api/v1/learning").status_code == 401
        now = viewer.get("/api/v1/learning").json()
        assert (now["state"], now["proposed"], now["current"], now["before"]) == ("proposed", 2, 0, None)
        assert now["versions"][0]["would_be"][0]["evidence"] == 1.2
        assert now["progress"]["heard"] == [{"source": "hall", "minutes": 2.0, "pairs": 3, "since": 0}]
        assert viewer.post("/api/v1/learning/use", json={}).status_code == 403
        assert models.read().current == 0
        used = operator.post("/api/v1/learning/use", json={}).json()
        assert (used["state"], used["current"], used["proposed"], used["before"]) == ("watching", 2, 0, 0)
        assert models.read().by.startswith("operator")
        assert operator.post("/api/v1/learning/use", json={"version": 1}).json()["before"] == 2
        assert operator.post("/api/v1/learning/back").json()["current"] == 2
        assert operator.post("/api/v1/learning/back").json()["state"] == "learning"
        assert operator.post("/api/v1/learning/propose").status_code == 200
        assert models.read().asked > 0


@pytest.mark.parametrize(
    ("what", "body", "code", "text"),
    [
        ("use", {"version": 9}, "version", "version is 9; expected one of those there are: 1, 2"),
        ("use", {"number": 1}, "body", 'Object contains unknown field `number`; expected {"version": 3}'),
        ("back", {}, "version", "no version is in use, so that there is none to go back from; expected one"),
    ],
)
def test_what_cannot_be_is_said(models: SiteModels, page: Any, what: str, body: object, code: str, text: str) -> None:
    with page.client(Role.OPERATOR) as operator:
        answer = operator.post(f"/api/v1/learning/{what}", json=body)
    assert answer.status_code in (400, 409)
    assert answer.json() == {"code": code, "text": text}


def test_a_named_model_is_left_alone(page_config: Config, serve: Callable[..., Any], tmp_path: Path) -> None:
    with serve(set_option(page_config, "scorer.model=simulated")) as page, page.client(Role.ADMIN) as admin:
        assert admin.get("/api/v1/learning").json()["state"] == "fixed"
        refused = admin.post("/api/v1/learning/use", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "fixed")
