"""The counts of a stream for its `stats` and `stopped` events."""

from __future__ import annotations

import os
import resource

from radd.types import seconds
from stream.run_events import RunTotals, Stats
from stream.run_stream import Stream


def stats_of(stream: Stream, storage: dict[str, int], lost: dict[str, int]) -> Stats:
    """Health of a stream since its start, and its speed since the last call.

    `storage` are the counts of the journal; `lost` is how often it gave up `sound` and `alert`.
    """
    counts = stream.source.stats()
    queues = {
        "capture": counts.get("queue_depth", 0),
        "spool": storage.get("spool_entries", 0),
    }
    factor = (stream.busy_s - stream.stats_busy_s) / seconds(stream.end - stream.stats_end)
    stream.stats_end, stream.stats_busy_s = stream.end, stream.busy_s
    return Stats(
        stream.end,
        counts["chunks"],
        counts.get("drops", 0),
        counts.get("overruns", 0),
        queues,
        round(factor, 4),
        round(resident_mb(), 1),
        stream.totals.shed,
        stream.brief_hops,
        lost["sound"],
        lost["alert"],
    )


def totals_of(stream: Stream, storage: dict[str, int]) -> RunTotals:
    """Counts of a stream from its start to its end."""
    counts, totals = stream.source.stats(), stream.totals
    return {
        "sound_s": seconds(stream.end),
        "chunks": counts["chunks"],
        "scores": totals.scores,
        "measured": totals.measured,
        "alerts": totals.alerts,
        "gaps": totals.losses.gaps,
        "lost_s": seconds(totals.losses.lost_samples),
        "drops": counts.get("drops", 0),
        "overruns": counts.get("overruns", 0),
        "shed_hops": totals.shed,
        "brief_hops": stream.brief_hops,
        "storage": storage,
    }


def resident_mb() -> float:
    """Resident memory of this process in MB: current on Linux, the maximum so far elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
