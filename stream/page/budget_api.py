"""What budgets of false events would make of the recorded hours, for the page; and the one that somebody chooses."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from anyio import to_thread
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.budget_table import DAYS, BudgetTable, WorkedOut, WorkOut
from dyadwatch.stream.learning.other_levels import levels_elsewhere, use_budget
from dyadwatch.stream.learning.standing import SiteLearning, learning_now
from dyadwatch.stream.learning.versions import site_models
from dyadwatch.stream.page.guard import problem, token_of
from dyadwatch.stream.page.hub import Hub
from dyadwatch.stream.page.page_places import answer

_log = logging.getLogger(__name__)
_FRESH_S = 300.0  # for which what was worked out is told again, rather than worked out anew
_FAILED_S = 3.0  # likewise, for which nobody tries again what failed
_DEFAULT_DAYS = 7


class BudgetsNow(Struct, frozen=True, kw_only=True):
    """What there is of an answer.

    Arguments:
        days: that are looked back.
        reading: whether it is being worked out; ask again in a second.
        failed: why it could not be; empty where it could.
        fixed: key of the configuration that keeps any budget from being used here; empty for none.
        table: the answer, once it is there.
    """

    days: int
    reading: bool = False
    failed: str = ""
    fixed: str = ""
    table: BudgetTable | None = None


class UseBudget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of taking a budget into use; `table` is the id of that in which somebody saw what it does."""

    budget: str
    table: str


@dataclass
class _Answer:
    """What was worked out for a number of days, or is being; `version` was in use when it was asked for."""

    days: int
    version: int
    worked: WorkedOut | None = None
    failed: str = ""
    done: float = 0.0  # monotonic seconds; 0 while it is being worked out

    def stands(self, version: int) -> bool:
        """Whether it need not be worked out again."""
        fresh_s = _FAILED_S if self.failed else _FRESH_S
        return not self.done or (version == self.version and time.monotonic() - self.done < fresh_s)


class BudgetApi:
    """The routes. One answer is worked out at a time, on a thread that nothing waits for.

    Arguments:
        config: of the detector.
        hub: tells every page that somebody did something.
        work_out: see `WorkOut`; None where that cannot be done.
    """

    def __init__(self, config: Config, hub: Hub, work_out: WorkOut | None) -> None:
        self._config, self._hub, self._work_out = config, hub, work_out
        self._models = site_models(config)
        self._answers: dict[int, _Answer] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        at = "/api/v1/learning/budgets"
        return [Route(at, self._now), Route(f"{at}/use", self._use, methods=["POST"])]

    @property
    def _fixed(self) -> str:
        if self._models is None:
            return "scorer.model" if self._config.scorer.model else "memory.file"
        return levels_elsewhere(self._config.alarm)

    def _version(self) -> int:
        return 0 if self._models is None else self._models.read().current

    async def _now(self, request: Request) -> Response:
        asked = request.query_params.get("days", str(_DEFAULT_DAYS))
        if asked not in map(str, DAYS):
            return problem(
                HTTPStatus.BAD_REQUEST, "query", f"days is {asked!r:.40}; expected one of {', '.join(map(str, DAYS))}"
            )
        if self._work_out is None:
            why = "this page was not given what looks into recordings; expected that of dyadwatch up"
            return answer(BudgetsNow(days=int(asked), failed=why, fixed=self._fixed))
        try:
            return answer(await to_thread.run_sync(self._answer, int(asked)))
        except ConfigError as e:
            return problem(HTTPStatus.CONFLICT, "version", str(e))

    def _answer(self, days: int) -> BudgetsNow:
        version = self._version()
        with self._lock:
            there = self._answers.get(days)
            if there is None or not there.stands(version):
                there = self._answers[days] = _Answer(days, version)
                threading.Thread(target=self._work, args=(there,), name="budgets", daemon=True).start()
        table = None if there.worked is None else there.worked.table
        return BudgetsNow(days=days, reading=not there.done, failed=there.failed, fixed=self._fixed, table=table)

    def _work(self, asked: _Answer) -> None:
        assert self._work_out is not None
        with self._turn:
            try:
                asked.worked = self._work_out(asked.days)
            except (DyadwatchError, OSError) as e:
                asked.failed = str(e)
            except Exception as e:  # noqa: BLE001 - whoever asks must not wait for ever
                _log.error("budgets could not be worked out: %s: %s", type(e).__name__, e, exc_info=e)
                asked.failed = f"{type(e).__name__}; the log of the page says more"
            asked.done = time.monotonic()

    async def _use(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body(), type=UseBudget)
        except msgspec.MsgspecError as e:
            text = f'{e!s:.200}; expected {{"budget": "1/day", "table": "..."}}'
            return problem(HTTPStatus.BAD_REQUEST, "body", text)
        token = token_of(request)
        who = "" if token is None else token.name
        try:
            now = await to_thread.run_sync(self._used, wanted, who)
        except ConfigError as e:
            return problem(HTTPStatus.CONFLICT, "fixed" if self._fixed else "budget", str(e))
        except OSError as e:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "versions", f"the version cannot be added ({e.strerror})")
        response = answer(now)
        self._hub.tell("acted", bytes(response.body))
        return response

    def _used(self, wanted: UseBudget, who: str) -> SiteLearning:
        if self._models is None:
            raise ConfigError(
                f"{self._fixed} of the configuration decides what is judged by; expected a version of the site's own, "
                "or levels made by hand with dyadwatch calibrate"
            )
        with self._lock:
            found = [a.worked for a in self._answers.values() if a.worked and a.worked.table.id == wanted.table]
        if not found:
            raise ConfigError(
                f"table is {wanted.table!r:.40}, which is not there any more; expected what was looked at: look again"
            )
        use_budget(self._models, found[0], wanted.budget, who, self._config.alarm)
        return learning_now(self._config, self._models)
