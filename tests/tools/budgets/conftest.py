"""A site that a detector judged for half an hour: its recording, incidents and model, as `up` leaves them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs
from testing_models import site_of_shipped_model

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.loading import load_scorer
from dyadwatch.stream.configuration.config import Config, MemoryOptions, RecordOptions, ScorerOptions
from dyadwatch.stream.learning.versions import FOLDER, SiteModels
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import IncidentMessage
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.header import about_detector
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import recording_name
from dyadwatch.stream.run import Run
from dyadwatch.stream.wire import encode_pose

NS = 10**9
PAIRS_S = 60
LONE_S = 1900  # of one person, which counts as watched: with the minute 0.54 h, enough for 6/hour


@dataclass(frozen=True)
class JudgedSite:
    """A folder of data; `now` is unix ns of today, after all that was recorded, and `began` before it."""

    folder: Path
    began: int
    now: int

    @property
    def hours(self) -> float:
        return (PAIRS_S + LONE_S) / 3600

    @property
    def config(self) -> Config:
        return at(self.folder)

    @property
    def models(self) -> SiteModels:
        return SiteModels(self.folder / FOLDER)

    def copy(self, folder: Path) -> JudgedSite:
        """The same in another folder, to be changed."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    def events(self, thresholds: Thresholds) -> set[tuple[object, ...]]:
        """Source, pair and stamp of the events that a detector with other levels opens on the same frames."""
        model = ScorerOptions(model=str(self.models.path(1)), threads=1)
        scorer, _ = load_scorer(structs.replace(self.config, scorer=model))
        told = events_of(Pipeline(scorer, thresholds, self.config).run(people(self.began)))
        return {(e.source, e.pair, e.stamp) for e in told if e.type == "open"}


def at(folder: Path) -> Config:
    return structs.replace(Config(), record=RecordOptions(folder=str(folder)), scorer=ScorerOptions(threads=1))


def people(began: int) -> Iterator[PoseFrame]:
    """Three people, who do three odd things."""
    seen = make_scenario(7, 3, duration_s=PAIRS_S, anomalies=3)
    yield from (replace(f, epoch=1) for f in seen.frames(30.0, source="hall", start_ns=began))


def frames(began: int) -> Iterator[PoseFrame]:
    """Those, and one person alone elsewhere."""
    yield from people(began)
    one = next(iter(make_scenario(3, 2, duration_s=1.0, room_m=3.0).frames(30.0, source="yard", start_ns=began)))
    for k in range(2 * LONE_S):
        yield replace(one, epoch=1, seq=k, stamp=began + k * NS // 2, joints=one.joints[:1],
                      confidence=one.confidence[:1], ids=(1,))  # fmt: skip


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> JudgedSite:
    folder, now = tmp_path_factory.mktemp("site"), time.time_ns() // NS * NS
    began = now - 2400 * NS
    config, model = at(folder), site_of_shipped_model(folder / FOLDER).path(1)
    scorer, thresholds = load_scorer(structs.replace(config, scorer=ScorerOptions(model=str(model), threads=1)))
    about = structs.replace(about_detector(scorer, thresholds, config), run="5")
    file = RecordingFile(folder / recording_name(began, 1, began), about)
    pipeline, incidents = Pipeline(scorer, thresholds, config), list[IncidentMessage]()
    for number, frame in enumerate(frames(began)):
        file.parts(f"pose.{frame.source}", encode_pose(frame), frame.stamp, frame.stamp, number)
        for message in pipeline.push(frame):
            file.message(message, frame.stamp)
            incidents += [message] if isinstance(message, IncidentMessage) else []
    for message in pipeline.finish():
        file.message(message, began + LONE_S * NS)
        incidents += [message] if isinstance(message, IncidentMessage) else []
    file.close()
    writer = MemoryWriter(folder / "incidents.db", MemoryOptions(), Run("r", 1), "dyadwatch", "m 1")
    writer.keep([i for i in incidents if i.type != "update"], now - 60 * NS)
    writer.close()
    return JudgedSite(folder, began, now)


@pytest.fixture
def own_site(site: JudgedSite, tmp_path: Path) -> JudgedSite:
    """The same, to be changed."""
    return site.copy(tmp_path / "data")
