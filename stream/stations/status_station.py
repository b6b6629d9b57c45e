"""What the main thread tells while the others work: how sources do, and incidents about sources themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dyadwatch.stream.alarms.incident import in_shadow
from dyadwatch.stream.codes import Station
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.health.source_incidents import SourceIncidents
from dyadwatch.stream.health.status_board import OwnState, StatusBoard
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.messages import IncidentMessage, StatusMessage
from dyadwatch.stream.stations.outputs import Outputs
from dyadwatch.stream.stations.receiving_station import ReceivingStation
from dyadwatch.stream.stations.station_context import StationContext


class StatusStation:
    """Publishes the status, and looks for sources that are silent, missing or blind. A failure costs one word of it.

    Arguments:
        board: makes the status.
        incidents: about sources themselves.
        receiving, scoring, outputs: what it tells of.
        context: what it shares with the other stations.
    """

    def __init__(
        self,
        board: StatusBoard,
        incidents: SourceIncidents,
        receiving: ReceivingStation,
        scoring: Scoring,
        outputs: Outputs,
        context: StationContext,
    ) -> None:
        self._config = context.config
        self._board = board
        self._incidents = incidents
        self._receiving = receiving
        self._scoring = scoring
        self._outputs = outputs
        self._recorder = context.recorder
        self._failures = context.failures
        self._told: dict[str, StatusMessage] = {}

    def adopt(self, config: Config, *, model: str, learning: bool) -> None:
        """Switches to another configuration; incidents about sources that are expected no more close."""
        self._config = config
        self._board.adopt(config, model=model, learning=learning)
        gone = self._incidents.adopt(config.incidents, config.liveness.expected, time.time_ns())
        self._outputs.emit(self._marked(gone))

    def tell(self) -> None:
        """Publishes the status of every source, and of the detector."""
        try:
            messages = self._board.messages(self._receiving.views, self._scoring.judged, self._own())
            self._told = {m.source: m for m in messages}
            self._outputs.emit(messages)
        except Exception as e:  # noqa: BLE001 - reported
            self._failures.report(Station.STATUS, e)

    def look(self) -> None:
        """Looks for sources that are silent, missing or blind."""
        try:
            at, views = self._receiving.viewed
            now = time.monotonic_ns()
            self._outputs.emit(self._marked(self._incidents.look(views, at, self._told, now, time.time_ns())))
        except Exception as e:  # noqa: BLE001 - reported
            self._failures.report(Station.STATUS, e)

    def finish(self) -> None:
        """Closes what is open about sources."""
        self._outputs.emit(self._marked(self._incidents.finish(time.time_ns())))

    def _own(self) -> OwnState:
        return OwnState(
            recording=self._recorder and self._recorder.state,
            trouble=self._failures.trouble(),
            memory=self._outputs.memory_state(),
            deliveries=tuple(self._outputs.deliveries()),
            incidents=self._incidents.open,
            schedules=self._scoring.site.schedules_at,
        )

    def _marked(self, incidents: Sequence[IncidentMessage]) -> Sequence[IncidentMessage]:
        """As they are published: nobody is called about those in shadow."""
        return in_shadow(incidents) if self._config.alarm.shadow else incidents
