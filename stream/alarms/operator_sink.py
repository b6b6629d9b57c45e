"""The attention of people on a thread of its own: incidents and what people do go in, calls come out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.attention import Attention
from dyadwatch.stream.configuration.config import AttentionOptions
from dyadwatch.stream.memory.kept import Action, Before
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, Message

_WAITS_NS = 5 * NS  # an action may come a little before the word of what it is about


class OperatorSink:
    """Takes incidents as they are published, and passes on whom to call about them. It reads and writes no disk.

    Arguments:
        options: the section `attention` of the configuration.
        tell: where its messages go; it must not wait.
        clock: unix ns.
    """

    idle_s = 0.25
    takes = (IncidentMessage,)

    def __init__(
        self,
        options: AttentionOptions,
        tell: Callable[[Sequence[AttentionMessage]], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._attention = Attention(options)
        self._tell = tell
        self._clock = clock
        self._actions: SimpleQueue[Action] = SimpleQueue()
        self._adopted: AttentionOptions | None = None
        self._early: list[tuple[int, Action]] = []  # with when they came

    def restore(self, before: Before) -> None:
        """Takes up calls and answers from before a restart; before anything else."""
        self._attention.restore(before)

    def adopt(self, options: AttentionOptions) -> None:
        """Switches to other options from the next look on; from any thread."""
        self._adopted = options

    def act(self, action: Action) -> None:
        """Takes what somebody did; from any thread."""
        self._actions.put(action)

    def emit(self, messages: Sequence[Message]) -> None:
        """Takes the incidents among the messages."""
        incidents = [m for m in messages if isinstance(m, IncidentMessage)]
        if incidents:
            self._pass_on(self._attention.take(incidents, self._clock()))

    def idle(self) -> None:
        """Takes up what people did, and what is due."""
        adopted, self._adopted = self._adopted, None
        if adopted is not None:
            self._attention.adopt(adopted)
        now = self._clock()
        try:
            while True:
                self._early.append((now, self._actions.get_nowait()))
        except Empty:
            pass
        waiting, self._early = self._early, []
        for came, action in waiting:
            if action.incident and not self._attention.knows(action.incident):
                if now - came < _WAITS_NS:
                    self._early.append((came, action))
            else:
                self._pass_on(self._attention.acted(action, now))
        self._pass_on(self._attention.tick(now))

    def close(self) -> None:
        """Nothing is held."""

    def _pass_on(self, messages: list[AttentionMessage]) -> None:
        if messages:
            self._tell(messages)
