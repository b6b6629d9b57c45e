"""The detector's side: takes requests for its configuration, and says what became of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec import structs

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.stream.config_difference import Difference, plain_value
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.memory.kept import ConfigChange
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.reload_request import ReloadRequest
from dyadwatch.stream.settings.exchange import (
    ConfigurationAccount,
    Exchange,
    SettingsRequest,
    StaleError,
    check_revision,
    revision_of,
    write,
)

_log = logging.getLogger(__name__)


class SettingsDesk:
    """Where the page asks for changes; a `Desk` of the service.

    Arguments:
        exchange: the files.
        file: that the detector reads; None for none.
        config: that it was started with.
        fixed: keys that its command line sets.
    """

    def __init__(self, exchange: Exchange, file: Path | None, config: Config, fixed: Sequence[str]) -> None:
        self._exchange = exchange
        self._file = None if file is None else file.absolute()
        self._told = LimitedLog(_log)
        self._lock = threading.Lock()
        self._asked_for: SettingsRequest | None = None
        self._seen = self._mark()  # one from before is nobody's any more
        self._account = ConfigurationAccount(
            file="" if self._file is None else str(self._file),
            revision="" if self._file is None else revision_of(self._file),
            fixed={key: plain_value(config, key) for key in fixed},
        )
        self._write(self._account)

    def asked(self) -> ReloadRequest | None:
        """The next request."""
        mark = self._mark()
        if mark == self._seen:
            return None
        self._seen = mark
        try:
            self._asked_for = self._exchange.read_request()
        except OSError as e:
            self._told.warning(DETECTOR, "request", f"{self._exchange.request} cannot be read ({e.strerror})")
            return None
        wanted = self._asked_for
        if wanted is None:
            return None
        request = ReloadRequest(wanted.who, wanted.text, partial(self._keep, wanted))
        if wanted.file != self._account.file or self._file is None:
            reads = self._account.file or "no file"
            self.refused(
                request, ConfigError(f"the detector reads {reads}, and not {wanted.file}; nothing was changed")
            )
            return None
        return request

    def refused(self, request: ReloadRequest, error: DyadwatchError | OSError) -> None:
        """Says why nothing changed."""
        if request.text is None or self._asked_for is None:
            return
        answers, stale = self._asked_for.id, isinstance(error, StaleError)
        self._write(structs.replace(self._account, answers=answers, refused=str(error), stale=stale, changes=(), at=0))

    def taken_up(self, request: ReloadRequest, found: Difference, change: ConfigChange | None) -> None:
        """Says what changed; on a thread of its own, for a disk may hold it up."""
        account = structs.replace(
            self._account,
            revision="" if self._file is None else revision_of(self._file),
            waiting=found.waiting,
            changes=() if change is None else change.changes,
            at=0 if change is None else change.at,
        )
        if request.text is not None and self._asked_for is not None:
            account = structs.replace(account, answers=self._asked_for.id, refused="", stale=False)
        threading.Thread(target=self._write, args=(account,), name="settings", daemon=True).start()

    def _mark(self) -> tuple[int, int]:
        try:
            status = self._exchange.request.stat()
        except OSError:
            return 0, 0
        return status.st_ino, status.st_mtime_ns

    def _keep(self, wanted: SettingsRequest) -> None:
        """Puts the text that is wanted into the file.

        Raises:
            StaleError: the file is another by now.
            ConfigError: nobody waits for it any more, or the file cannot be written.
        """
        if self._exchange.read_request() != wanted:
            raise ConfigError(f"{wanted.who} does not wait for it any more; nothing was changed")
        file = Path(wanted.file)
        check_revision(file, wanted.revision)
        try:
            write_atomically(file, wanted.text.encode())
        except OSError as e:
            raise ConfigError(
                f"{file} cannot be written ({e.strerror}); expected a file that the detector may change"
            ) from None

    def _write(self, account: ConfigurationAccount) -> None:
        with self._lock:
            self._account = account
            try:
                write(self._exchange.account, account)
            except OSError as e:
                why = f"{self._exchange.account} cannot be written ({e.strerror}); the page cannot change settings"
                self._told.warning(DETECTOR, "settings", why)
