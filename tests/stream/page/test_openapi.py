"""The description of the API says what is answered, no more and no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from dyadwatch.stream.page.guard import OPEN
from dyadwatch.stream.page.openapi import OPERATIONS, openapi
from dyadwatch.stream.page.tokens import Role


def test_every_request_that_is_answered_is_described(page: Any) -> None:
    with page.client(Role.OPERATOR) as operator:
        document = operator.get("/api/v1/openapi.json").json()
        for path, operations in document["paths"].items():
            for method in ("get", "post"):
                if path.endswith(("stream", "logout")):
                    continue
                asked = path.replace("{id}", "a1b2c3").replace("{source}", "hall")
                status = operator.request(method, asked, json={} if method == "post" else None).status_code
                assert (status != 405) == (method in operations), (method, path)
    assert {o.path for o in OPERATIONS if o.role is None} == OPEN


def test_answers_are_as_described(pushing: Any) -> None:
    document = openapi()
    with pushing.client(Role.OPERATOR) as operator:
        for operation in OPERATIONS:
            if (
                operation.method != "get"
                or operation.answer is None
                or operation.path.endswith(("clip", "normal", "export"))
            ):
                continue
            answer = operator.get(operation.path.replace("{id}", "a1b2c3").replace("{day}", "2026-11-21"))
            assert answer.status_code == 200, operation.path
            schema = document["paths"][operation.path]["get"]["responses"]["200"]["content"]["application/json"]
            jsonschema.validate(answer.json(), {**schema["schema"], "components": document["components"]})


def test_the_committed_file_is_this(repo_root: Path) -> None:
    kept = (repo_root / "docs" / "page-api.json").read_bytes()
    made = msgspec.json.format(msgspec.json.encode(openapi()), indent=2) + b"\n"
    assert kept == made, "make it again: dyadwatch page api > docs/page-api.json"
