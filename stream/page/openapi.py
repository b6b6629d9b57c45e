"""The OpenAPI description of /api/v1, made of the types that are really sent."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from dyadwatch.stream.learning.standing import SiteLearning
from dyadwatch.stream.memory.kept import Action, KeptIncident
from dyadwatch.stream.messages import NearMissMessage
from dyadwatch.stream.page.api import Login, Said, Session
from dyadwatch.stream.page.budget_api import BudgetsNow, UseBudget
from dyadwatch.stream.page.configuration_api import ChangeSettings, SettingsChanged
from dyadwatch.stream.page.configuration_now import ConfigurationNow
from dyadwatch.stream.page.guard import HttpProblem
from dyadwatch.stream.page.hub import StateNow
from dyadwatch.stream.page.incident_clip import IncidentClip
from dyadwatch.stream.page.learning_api import UseVersion
from dyadwatch.stream.page.normal_moment import NormalMoment
from dyadwatch.stream.page.push_api import AddDevice, PushNow
from dyadwatch.stream.page.queries import DayCounts, DaySpans, IncidentRecord
from dyadwatch.stream.page.tokens import Role

_REFERENCE = "#/components/schemas/{name}"
_STREAM = (
    "Server-sent events. `message`: an incident, attention, near miss or status, as on the wire. `view`: who is where, "
    "at most twenty a second; only the latest is sent to who reads slowly. `strip`: the most evidence of every source "
    "in the last half second. `detector`: whether it is heard. `reset`: a new run of it. `gone`: a source that is none "
    "any more. `acted`: somebody did something. `lost`: so many events did not fit, fetch /state. `beat`: a sign of "
    "life."
)
_KINDS = (
    "For programs: kinds of messages with commas between, of score, event, near_miss, incident, attention and status. "
    "Then these come alone, beside `detector`, `lost` and `beat`."
)
_FORMATS = "mcap: its recording; clips: arrays of each pair, zipped; jsonl: a line a frame; mp4: a film."
_DAYS_BACK = "1, 7 or 28 days to look back; 7 by default. While they are read the answer says so: ask again."
_FILTERS = {
    "source": "Only this source.",
    "from": "Only what was not over by then, such as 2026-11-21T14:30:00+01:00.",
    "until": "Only what had begun by then.",
    "severity": "Only incidents at least so grave: notice, alarm or critical.",
    "verdict": "true, false, unsure, or none for those not judged.",
    "unacknowledged": "true: only those that nobody acknowledged.",
    "open": "true: only those that are open.",
    "limit": "How many at most, up to 1000.",
}


class Operation(NamedTuple):
    """One request that is answered."""

    method: str
    path: str
    says: str
    answer: Any
    role: Role | None = Role.VIEWER  # None: anybody
    body: Any = None
    query: dict[str, str] = {}  # noqa: RUF012


_ACT = "/api/v1/incidents/{id}"
OPERATIONS = (
    Operation("get", "/api/v1/health", "Whether the page runs and hears the detector.", dict[str, Any], None),
    Operation("post", "/api/v1/login", "Log a browser in with a token.", Session, None, Login),
    Operation("post", "/api/v1/logout", "Log the browser out.", dict[str, Any]),
    Operation("get", "/api/v1/session", "Who asks, and what there is.", Session),
    Operation("get", "/api/v1/state", "How everything stands now.", StateNow),
    Operation("get", "/api/v1/stream", _STREAM, None, query={"kinds": _KINDS}),
    Operation("get", "/api/v1/incidents", "Incidents, the latest first.", list[KeptIncident], query=_FILTERS),
    Operation("get", _ACT, "One incident, how it went, and what people did; the id may be cut short.", IncidentRecord),
    Operation("get", f"{_ACT}/clip", "Its skeletons and scores, out of the recording.", IncidentClip),
    Operation("get", f"{_ACT}/normal", "A calm moment of its source, the one most like it.", NormalMoment),
    Operation(
        "get", f"{_ACT}/export", "As a file to take along.", bytes,
        query={"format": _FORMATS},
    ),
    Operation("post", f"{_ACT}/acknowledge", "Somebody takes care of it.", IncidentRecord, Role.OPERATOR, Said),
    Operation("post", f"{_ACT}/snooze", "Call nobody about it for some minutes.", IncidentRecord, Role.OPERATOR, Said),
    Operation("post", f"{_ACT}/verdict", "What it was.", IncidentRecord, Role.OPERATOR, Said),
    Operation("post", f"{_ACT}/note", "A note.", IncidentRecord, Role.OPERATOR, Said),
    Operation("post", "/api/v1/sources/{source}/snooze", "Likewise about a source.", Action, Role.OPERATOR, Said),
    Operation(
        "get", "/api/v1/near-misses", "What came near to an event, the highest first.", list[NearMissMessage],
        query={"source": "Only this source."},
    ),
    Operation("get", "/api/v1/days", "Each of the last fourteen days: incidents, hours watched.", list[DayCounts]),
    Operation("get", "/api/v1/days/{day}", "What every source did on one day, such as 2026-11-21.", DaySpans),
    Operation("get", "/api/v1/learning", "How far the site is learnt: heard, proposed, in use.", SiteLearning),
    Operation("post", "/api/v1/learning/use", "Use a version, at once.", SiteLearning, Role.OPERATOR, UseVersion),
    Operation("post", "/api/v1/learning/back", "Back to the version before.", SiteLearning, Role.OPERATOR),
    Operation("post", "/api/v1/learning/propose", "Ask for a proposal now.", SiteLearning, Role.OPERATOR),
    Operation(
        "get", "/api/v1/learning/budgets", "What each budget of false events would make of the recorded hours.",
        BudgetsNow, query={"days": _DAYS_BACK},
    ),
    Operation(
        "post", "/api/v1/learning/budgets/use", "Use the levels of a budget, at once.", SiteLearning, Role.OPERATOR,
        UseBudget,
    ),
    Operation(
        "get", "/api/v1/configuration", "Every setting with its text and value, and what changed lately.",
        ConfigurationNow,
    ),
    Operation(
        "post", "/api/v1/configuration", "Change settings: all of them or none.", SettingsChanged, Role.ADMIN,
        ChangeSettings,
    ),
    Operation("get", "/api/v1/push", "Which devices are notified by push, own ones or to an admin all.", PushNow),
    Operation("post", "/api/v1/push/devices", "Notify a device.", PushNow, Role.VIEWER, AddDevice),
    Operation("post", "/api/v1/push/devices/{id}/remove", "Notify it no more.", PushNow),
    Operation("get", "/api/v1/openapi.json", "This description.", dict[str, Any], None),
)  # fmt: skip


def openapi() -> dict[str, Any]:
    """The whole document, version 3.1."""
    types = [
        HttpProblem,
        *dict.fromkeys(t for o in OPERATIONS for t in (o.answer, o.body) if t is not None and _named(t)),
    ]
    schemas, parts = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    for part in parts.values():
        if "description" in part:
            part["description"] = " ".join(part["description"].split())
    of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dyadwatch page",
            "version": "1",
            "description": "What the page and other programs may ask.",
        },
        "paths": paths,
        "components": {
            "schemas": parts,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _named(kind: Any) -> bool:
    return kind not in (dict[str, Any], bytes)


def _described(operation: Operation, of: dict[str, Any]) -> dict[str, Any]:
    if operation.answer is None:
        content = {"text/event-stream": {"schema": {"type": "string"}}}
    elif operation.answer is bytes:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    else:
        content = {"application/json": {"schema": of.get(repr(operation.answer), {"type": "object"})}}
    refused = {"application/json": {"schema": of[repr(HttpProblem)]}}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("id", "source", "day")
        if f"{{{name}}}" in operation.path
    ]
    parameters += [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in operation.query.items()
    ]
    out: dict[str, Any] = {
        "summary": operation.says if operation.answer is not None else "Everything that changes, as it does.",
        "responses": {
            "200": {"description": "As asked.", "content": content},
            "default": {"description": "What is wrong, as a code and a sentence.", "content": refused},
        },
    }
    if operation.answer is None:
        out["description"] = operation.says
    if parameters:
        out["parameters"] = parameters
    if operation.body is not None:
        out["requestBody"] = {"content": {"application/json": {"schema": of[repr(operation.body)]}}}
    if operation.role is not None:
        out["security"] = [{"token": []}]
        out["x-role"] = str(operation.role)
    return out
