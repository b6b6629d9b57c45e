"""One source's way from frames to windows: its scene, and the windows of the pairs in it."""

from __future__ import annotations

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import BLINDING, Odd
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness, Fault, MergeState, PairEnd, Reason
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Count
from dyadwatch.stream.items import Item, WindowShape
from dyadwatch.stream.tracking.scene_tracker import SceneStep, SceneTracker
from dyadwatch.stream.windows.pair_windows import PairWindows


def blindness_of(odd: Odd) -> Finding[Blindness]:
    """What is odd about bodies, as what makes a source blind."""
    return Finding(Blindness(odd.code), **odd.detail)


class SourceLine:
    """The stations of one source up to its windows, and what is known of it.

    Arguments:
        source: its name.
        shape: what the model wants.
        config: the whole configuration.
        count: called with a reason for everything that is dropped.
        scene: where somebody else takes the frames and hands over steps (`take`); by default one of its own.

    Attributes:
        source: its name.
        scene: who is there; with its stations `order`, `tracker` and `gate`.
        windows: what cuts its windows.
    """

    def __init__(
        self, source: str, shape: WindowShape, config: Config, count: Count, scene: SceneTracker | None = None
    ) -> None:
        self.source = source
        self._config = config
        self.scene = scene or SceneTracker(source, config, shape.fps, count, shape.layout)
        self.windows = PairWindows(source, shape, config.windows, config.pairs.leave_m, self.scene.max_gap, count)

    @property
    def merge(self) -> Finding[MergeState] | None:
        """What `merge` in the status says of it: None for a source that belongs to no group."""
        return None

    @property
    def hidden_joint(self) -> Finding[Blindness] | None:
        """The joint for which the newest window of a pair was left out; None where no window was."""
        return self.windows.hidden_joint

    @property
    def odd(self) -> tuple[Odd, ...]:
        """What is odd about the bodies in view, whether it blinds or is merely doubtful."""
        return self.scene.odd

    @property
    def left_out_for(self) -> Odd | None:
        """Why somebody was left out last for what they look like; None where nobody ever was."""
        return self.windows.left_out_for

    @property
    def blind(self) -> Finding[Blindness] | None:
        """Why no pair of this source can be scored now; None when nothing is in the way."""
        scene = self.scene
        if scene.unfit is not None:
            return scene.unfit
        if scene.order.trouble is not None:
            return scene.order.trouble
        if scene.people == 0:
            return Finding(Blindness.NOBODY)
        pairs = scene.open_pairs
        odd = scene.blinding or self.windows.odd(pairs)
        if odd is not None:
            return blindness_of(odd)
        if scene.people == 1:
            return Finding(Blindness.ONE_PERSON)
        if not pairs or self.windows.flow(pairs):
            return None
        filling = Finding(Blindness.FILLING)
        return self.windows.hidden(pairs) or scene.order.wrong_unit or self._too_slow or filling

    @property
    def _too_slow(self) -> Finding[Blindness] | None:
        pace, gaps = self.scene.order.pace, {"clock": self._config.clock, "tracks": self._config.tracks}
        if pace is None or pace <= self.scene.max_gap:
            return None
        section = min(gaps, key=lambda name: gaps[name].max_gap_s)
        key = f"{section}.max_gap_s"
        return Finding(Blindness.TOO_SLOW, step_s=pace / NS, most_s=self.scene.max_gap / NS, key=key)

    def cause(self, reason: Reason) -> Finding[Blindness] | None:
        """What is known of the present cause of something counted under `reason`, for the log; mostly nothing."""
        match reason:
            case Fault.LAYOUT_UNFIT:
                return self.scene.unfit
            case Fault.STAMP_NOT_INCREASING | Fault.WRONG_UNIT:
                return self.scene.order.wrong_unit
            case Fault.OLD_EPOCH:
                return self.scene.order.trouble
            case _ if reason in BLINDING and self.left_out_for is not None:
                return blindness_of(self.left_out_for)
            case _:
                return None

    def push(self, frame: PoseFrame, arrived: int) -> list[Item]:
        """Takes a frame as received; returns the windows it completes and the pairs it ends, in order."""
        return self._all(self.scene.push(frame), arrived)

    def finish(self, arrived: int, reason: PairEnd = PairEnd.END_OF_STREAM) -> list[Item]:
        """Releases what the order holds back and ends all pairs."""
        return self._all(self.scene.finish(reason), arrived)

    def end_pairs(self, reason: PairEnd) -> list[Item]:
        """Ends all pairs, and nothing else: for a line that failed and is not to be used again."""
        return self.windows.take(self.scene.end(reason), 0)

    def _all(self, steps: list[SceneStep], arrived: int) -> list[Item]:
        if len(steps) == 1:  # as nearly always
            return self.windows.take(steps[0], arrived)
        return [item for step in steps for item in self.windows.take(step, arrived)]
