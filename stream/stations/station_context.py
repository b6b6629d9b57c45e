"""What all stations of one detector share."""

from __future__ import annotations

from dataclasses import dataclass

import zmq

from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.people_socket import PeopleQueue
from dyadwatch.stream.recordings.recorder import Recorder
from dyadwatch.stream.run import Run
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.stage_times import StageTimes
from dyadwatch.stream.stations.failures import Failures
from dyadwatch.stream.stations.stopping import Stopping


@dataclass(frozen=True)
class StationContext:
    """What all stations share; each of it may be used from any thread.

    Arguments:
        config: the whole configuration as it was at the start.
        run: that everything is attributed to.
        counters: what was dropped or refused.
        drops: the same, with lines in the log.
        sockets: the context that all sockets belong to.
        security: who may send and listen.
        recorder: keeps what comes and what is reported; None where nothing is recorded.
        failures: where failures are reported.
        stopping: when it all ends.
        times: how long stages take; None where nobody asks for it.
        people: who is where, for a sink that shows it; None for none.
    """

    config: Config
    run: Run
    counters: Counters
    drops: DropLog
    sockets: zmq.Context[zmq.Socket[bytes]]
    security: Security
    recorder: Recorder | None
    failures: Failures
    stopping: Stopping
    times: StageTimes | None = None
    people: PeopleQueue | None = None
