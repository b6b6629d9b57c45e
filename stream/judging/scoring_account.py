"""What the scoring thread tells other threads of every source: an account that nobody changes once it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dyadwatch.core.decision.drift import DriftFound
from dyadwatch.core.sense.sense_codes import Odd
from dyadwatch.stream.configuration.site_rules import InForce
from dyadwatch.stream.scoring.learning import Heard


@dataclass(frozen=True, slots=True)
class ScoringAccount:
    """What the judge knows of every source, for other threads: nobody changes it once it is made.

    Arguments:
        windows: scored ones by source.
        open_events: events that are open now by source.
        scored: monotonic ns of the last score by source, and how old its data was by then, ns.
        incidents: ids of those that are open now by source.
        heard: how much there was to learn from by source, while nobody is judged.
        site: zones and schedules that hold for pairs in view by source.
        drifts: what speaks for a stale calibration by source.
        misfits: that the model was not made for a source, by source.
    """

    windows: Mapping[str, int] = field(default_factory=dict[str, int])
    open_events: Mapping[str, int] = field(default_factory=dict[str, int])
    scored: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    incidents: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    heard: Mapping[str, Heard] = field(default_factory=dict[str, Heard])
    site: Mapping[str, tuple[InForce, ...]] = field(default_factory=dict[str, "tuple[InForce, ...]"])
    drifts: Mapping[str, DriftFound] = field(default_factory=dict[str, DriftFound])
    misfits: Mapping[str, Odd] = field(default_factory=dict[str, Odd])
