"""When the scores of a pair are enough for an alarm: running means of its parts, each against a level of its own.

A blow lasts a third of a second, a partner who does not answer shows over seconds: so the parts of a score are
averaged over a short and a long span, and every such mean has its own level (`Rule`). The evidence is the largest mean
in units of its level: at 1 an alarm is raised. All is causal; what is not there yet counts as calm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLEAR_PART = 0.6  # of the level that raises: below it an alarm may clear
_RISING_PART = 0.5  # of a level: what lies above counts towards the moment at which something began


class ScorePart(StrEnum):
    """What a rule looks at; see `ScoreMessage`."""

    SCORE = "score"
    RELATION = "relation"
    UNUSUAL = "unusual"
    TIMING = "timing"


COLUMN = {part: column for column, part in enumerate(ScorePart)}  # of a window's surprise


@dataclass(frozen=True, slots=True)
class Rule:
    """A mean that raises an alarm.

    Arguments:
        part: of the score.
        over_s: seconds that are averaged; 0 is each window by itself.
        raise_at: the level, in surprise.
    """

    part: ScorePart
    over_s: float
    raise_at: float

    def __str__(self) -> str:
        """For people."""
        return f"{self.part} of {self.raise_at:.2f}" + (f" over {self.over_s:g} s" if self.over_s else "")

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values, as a calibration keeps it."""
        return {"part": str(self.part), "over_s": self.over_s, "raise_at": self.raise_at}

    def windows(self, hop_s: float) -> int:
        """How many windows, `hop_s` apart, are averaged."""
        return max(1, round(self.over_s / hop_s))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The evidence that raises an alarm and that below which it may clear.

    Arguments:
        raise_at, clear_at: of the score where there are no rules, else of the evidence.
        rules: what the evidence is made of; without any it is the score of each window.
    """

    raise_at: float
    clear_at: float
    rules: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        """For people: what raises an alarm."""
        return f"{' or '.join(map(str, self.by_rule))}, cleared below {self.clear:.0%} of that"

    @property
    def by_rule(self) -> tuple[Rule, ...]:
        """The rules at the levels in force, or the one that stands for a plain threshold on the score."""
        scaled = tuple(replace(rule, raise_at=rule.raise_at * self.raise_at) for rule in self.rules)
        return scaled or (Rule(ScorePart.SCORE, 0.0, self.raise_at),)

    @property
    def clear(self) -> float:
        """Evidence below which an alarm may clear, where 1 raises it."""
        return self.clear_at / self.raise_at


@dataclass(frozen=True, slots=True)
class Evidence:
    """How near an alarm is.

    Arguments:
        value: the largest mean in units of its rule's level; 1 raises an alarm.
        rule: whose mean that is, at the level in force.
        mean: the mean, in surprise.
        since: stamp of the window with which it began to rise; of this window where it does not.
    """

    value: float
    rule: Rule
    mean: float
    since: int


class _Running:
    """The mean of one rule, and the moment at which it began to rise (the last at which a CUSUM was 0)."""

    __slots__ = ("_column", "_last", "_most", "_rise", "_rising", "mean", "rule", "since")

    def __init__(self, rule: Rule, hop_s: float) -> None:
        self.rule = rule
        self.mean = 0.0
        self.since = 0
        self._column = COLUMN[rule.part]
        self._last: deque[float] = deque([0.0] * rule.windows(hop_s), maxlen=rule.windows(hop_s))
        self._rising = _RISING_PART * rule.raise_at
        # a calm as long as the rule's span ends every rise, however long it lasted
        self._most = self._rising * rule.windows(hop_s)
        self._rise = 0.0

    def push(self, stamp: int, parts: Sequence[float]) -> float:
        value = parts[self._column]
        self._last.append(value)
        self.mean = sum(self._last) / len(self._last)
        if self._rise == 0:
            self.since = stamp
        self._rise = min(max(0.0, self._rise + value - self._rising), self._most)
        return self.mean / self.rule.raise_at

    def settle(self) -> None:
        self._rise = 0.0


class PairEvidence:
    """The evidence of one pair, window by window.

    Arguments:
        thresholds: what raises an alarm.
        hop_s: seconds from one window of a pair to its next.
    """

    def __init__(self, thresholds: Thresholds, hop_s: float) -> None:
        self._running = [_Running(rule, hop_s) for rule in thresholds.by_rule]

    def push(self, stamp: int, parts: Sequence[float]) -> Evidence:
        """Takes the surprise of the pair's next window; `parts` as in `COLUMN`.

        Arguments:
            stamp: end of the window, ns.
        """
        value, leading = max(((r.push(stamp, parts), r) for r in self._running), key=lambda found: found[0])
        return Evidence(value, leading.rule, leading.mean, leading.since)

    def settle(self) -> None:
        """Notes that an event closed: what rises from here on began after it."""
        for running in self._running:
            running.settle()


def running_means(values: NDArray[np.floating], windows: int) -> NDArray[np.float64]:
    """Means over the last `windows` of a series (N,), zeros before it; the same numbers as `PairEvidence` compares."""
    total = np.cumsum(np.concatenate([np.zeros(windows), np.asarray(values, np.float64)]))
    return (total[windows:] - total[:-windows]) / windows
