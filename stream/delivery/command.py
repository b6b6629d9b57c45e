"""Updates to a program: JSON on its standard input, one at a time, for a bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress

from dyadwatch.core.errors import RefusedError, UnreachableError
from dyadwatch.stream.configuration.delivery_options import CommandOptions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.payload import payload
from dyadwatch.stream.delivery.pictures import Pictures
from dyadwatch.stream.delivery.wording import Wording

_LATER = os.EX_TEMPFAIL  # 75: what a program says that wants to be asked again, however often
_MOST_SAID = 200  # characters


class CommandCarrier:
    """Runs a program for each update and waits for it.

    It gets the update as JSON on standard input, and `DYADWATCH_KEY`, `DYADWATCH_TITLE` and `DYADWATCH_TEXT` in its
    environment. Exit code 0 means delivered, 75 that it may be tried again without end.

    Arguments:
        options: of the target.
        wording: of the target.
    """

    def __init__(self, options: CommandOptions, wording: Wording) -> None:
        self._options = options
        self._wording = wording
        self._pictures = Pictures(options, wording)
        self._lock = threading.Lock()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None

    def send(self, parcel: Parcel) -> None:
        """Returns once the program has ended well; see `Carrier`."""
        title, text = self._wording.of(parcel)
        told = {"DYADWATCH_KEY": parcel.key, "DYADWATCH_TITLE": title, "DYADWATCH_TEXT": text}
        name = self._options.command[0]
        try:
            with self._lock:
                if self._closed:
                    raise UnreachableError("the detector stops")
                self._process = subprocess.Popen(
                    self._options.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **told},
                    start_new_session=True,  # what it starts ends with it
                )
        except OSError as e:
            raise UnreachableError(f"{name} cannot be run ({e.strerror})") from None
        process = self._process
        try:
            said = process.communicate(payload(parcel, self._wording, self._pictures), timeout=self._options.timeout_s)[
                1
            ]
        except subprocess.TimeoutExpired:
            self._kill()
            process.communicate()
            self._failed(parcel, f"{name} took longer than {self._options.timeout_s:g} s and was ended")
        else:
            if process.returncode == 0:
                return
            words = said.decode("utf8", "replace").strip()[-_MOST_SAID:]
            ended = f"{name} ended with {process.returncode}" + (f": {words}" if words else "")
            if process.returncode == _LATER or self._closed:
                raise UnreachableError(ended)
            self._failed(parcel, ended)

    def close(self) -> None:
        """Ends the program, if it runs."""
        with self._lock:
            self._closed = True
            self._kill()

    def _failed(self, parcel: Parcel, why: str) -> None:
        if parcel.tries + 1 >= self._options.most_tries and not self._closed:
            raise RefusedError(f"{why}; try {parcel.tries + 1} of {self._options.most_tries}")
        raise UnreachableError(why)

    def _kill(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
