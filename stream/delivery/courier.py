"""Delivers to one target what waits for it, in order, and tries again what could not be delivered."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable

from dyadwatch.core.errors import DeliveryError, GoneError, RefusedError
from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import DeliveryLoss, DeliveryState
from dyadwatch.stream.delivery.carrier import Carrier
from dyadwatch.stream.delivery.spool import Spool, TargetAccount
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.texts import DELIVERY_LOSS

_log = logging.getLogger(__name__)
_FIRST_S, _MOST_S = 0.5, 30.0  # between two tries; doubled from try to try
_LOOK_S = 5.0  # between two looks whether anything waits, for what nobody announced
_MOST_ERROR = 200  # characters


class Courier:
    """One target, on a thread of its own.

    Arguments:
        name: of the target.
        carrier: closed with it.
        spool: where its updates wait.
        clock: unix ns.
    """

    def __init__(self, name: str, carrier: Carrier, spool: Spool, clock: Callable[[], int] = time.time_ns) -> None:
        self.name = name
        self.carrier = carrier
        self._spool = spool
        self._clock = clock
        self._log = LimitedLog(_log)
        self._changed = threading.Condition()
        self._news = False
        self._ended = False
        self._now = False
        self._failing: tuple[str, float] | None = None  # why, and monotonic seconds since when
        # Not waited for at the end of the program: the other side may never answer.
        self._thread = threading.Thread(target=self._work, name=f"delivery {name}", daemon=True)

    def start(self) -> None:
        """Begins with what waits from earlier runs."""
        self._news = True
        self._thread.start()

    def wake(self) -> None:
        """Something new waits."""
        with self._changed:
            self._news = True
            self._changed.notify()

    def try_now(self) -> None:
        """The other side is there again: what failed is tried at once."""
        with self._changed:
            self._now = True
            self._changed.notify()

    def end(self) -> None:
        """Stops soon; what is not delivered by then waits for the next run."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def join(self, within_s: float) -> bool:
        """Waits for the end; False if it did not come in time."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    @property
    def failing(self) -> tuple[str, float] | None:
        """Why the last try failed, and for how many seconds it has been so; None where it did not. From any thread."""
        failing = self._failing
        return None if failing is None else (failing[0], round(time.monotonic() - failing[1], 1))

    def state(self) -> tuple[Finding[DeliveryState], TargetAccount]:
        """How it stands; from any thread.

        Raises:
            sqlite3.Error: the spool cannot be read.
        """
        account, failing = self._spool.account(self.name), self.failing
        if failing is not None and account.waiting:
            error, seconds = failing
            found = Finding(DeliveryState.FAILING, error=error, seconds=seconds, waiting=account.waiting)
        elif account.waiting:
            found = Finding(DeliveryState.DELIVERING, waiting=account.waiting)
        else:
            found = Finding(DeliveryState.READY)
        return found, account

    def _work(self) -> None:
        pause = 0.0
        while not self._wait(pause):
            try:
                pause = self._deliver(pause)
            except sqlite3.Error as e:
                pause = self._fails(f"the spool fails: {e}", pause)

    def _wait(self, pause: float) -> bool:
        """Until there is something to do; True at the end."""
        with self._changed:
            if pause:
                self._changed.wait_for(lambda: self._ended or self._now, pause * random.uniform(0.5, 1.0))
            else:
                self._changed.wait_for(lambda: self._ended or self._now or self._news, _LOOK_S)
            self._news = self._now = False
            return self._ended

    def _deliver(self, pause: float) -> float:
        """Delivers all that waits; gives the seconds to wait before the next try, 0 where none failed."""
        while not self._ended and (parcel := self._spool.next(self.name, self._clock())) is not None:
            try:
                self.carrier.send(parcel)
            except RefusedError as e:
                loss = DeliveryLoss.GONE if isinstance(e, GoneError) else DeliveryLoss.REFUSED
                self._spool.drop(self.name, parcel, loss)
                self._log.warning(self.name, loss, f"{parcel.key} is left out: {DELIVERY_LOSS[loss]} ({e})")
            except Exception as e:  # noqa: BLE001 - whatever goes wrong there is reported, and tried again
                self._spool.failed(self.name, parcel)
                return self._fails(str(e) if isinstance(e, DeliveryError) else f"{type(e).__name__}: {e}", pause)
            else:
                self._spool.done(self.name, parcel)
            pause = 0.0
            if self._failing is not None:
                _log.info("delivery %s works again", self.name)
                self._failing = None
        return 0.0

    def _fails(self, why: str, pause: float) -> float:
        why = why[:_MOST_ERROR]
        if not self._ended:
            self._log.warning(self.name, DeliveryState.FAILING, f"{why}; it will be tried again")
        self._failing = (why, time.monotonic() if self._failing is None else self._failing[1])
        return min(max(2 * pause, _FIRST_S), _MOST_S)
