"""From when to when each source was watched, blind, silent or learning; of the rest of the time nobody watched."""

from __future__ import annotations

from msgspec import Struct

from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.names import DETECTOR

GONE = "gone"  # kept like a state: from here on the source has none


class SourceSpan(Struct, frozen=True, kw_only=True):
    """A time throughout which a source did the same.

    Arguments:
        source: its name.
        state: watching, behind, blind, silent or learning.
        code: why it was blind or silent; else empty.
        start, end: unix ns.
    """

    source: str
    state: str
    code: str
    start: int
    end: int


def source_spans(store: Store, since: int, until: int, running: int = 0) -> list[SourceSpan]:
    """What all sources did from the one moment to the other, unix ns, in order.

    A run that was killed counts as far as it was known to go on, to a minute.

    Arguments:
        store: the memory.
        since, until: see above.
        running: unix ns up to which the latest run is known to go on; 0 where nobody knows more than the memory.
    """
    rows = store.connection.execute(
        """
        WITH ends AS (
            SELECT id, max(
                ifnull(ended, 0), ifnull(seen, 0), latest,
                iif(ended IS NULL AND started = (SELECT max(started) FROM runs), ?, 0)
            ) AS over FROM runs JOIN (SELECT run, max(at) AS latest FROM source_states GROUP BY run) ON run = id
        )
        SELECT source, state, ifnull(code, ''), at,
            ifnull(lead(at) OVER (PARTITION BY run, source ORDER BY at, s.id), ends.over)
        FROM source_states s JOIN ends ON ends.id = s.run AND ends.over > ?
        WHERE source != ? AND at < ? ORDER BY at, s.id
        """,
        (running, since, DETECTOR, until),
    )
    return [
        SourceSpan(source=source, state=state, code=code, start=max(start, since), end=min(end, until))
        for source, state, code, start, end in rows
        if state != GONE and max(start, since) < min(end, until)
    ]
