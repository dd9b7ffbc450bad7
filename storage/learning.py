"""What retraining asks of the database and leaves in it: confirmed clips, retrainings, decisions, alert rates, drift."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage.database import Database
from storage.lease import Lease
from storage.records import SAMPLE, storable
from storage.review import IN_INDEX, person, utc_now
from storage.rows import upsert
from storage.tables import alerts, clips, decisions, drift, labels, retrainings, streams, timeline

RETRAINING = "retraining"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A clip whose label is agreed and whose sound is there."""

    sha256: str
    label: str
    """bonafide or spoof"""
    source: str
    stream_id: str
    began_utc: datetime
    labelled_utc: datetime
    reviewers: frozenset[str]
    """who said so"""


class Learning:
    """The loop's side of a database; a context manager that makes the tables where there are none.

    Errors of every method are those of Database.
    """

    def __init__(self, url: str):
        self._database = Database(url)
        self.lease = Lease(self._database, RETRAINING)

    def __enter__(self) -> Learning:
        self._database.prepare()
        return self

    def __exit__(self, *exc) -> None:
        self._database.close()

    def confirmed(self) -> list[Confirmed]:
        """The clips that may be learned from, in the order of their labels."""
        chosen = (
            sa.select(alerts.c["clip_sha256", "review", "stream_id", "began_utc"], streams.c.source)
            .join(clips, clips.c.sha256 == alerts.c.clip_sha256).join(streams, streams.c.id == alerts.c.stream_id)
            .where(alerts.c.review.in_(list(IN_INDEX)), clips.c.state == "stored").order_by(alerts.c.began_utc)
        )  # fmt: skip
        with self._database.transaction() as connection:
            found = {row.clip_sha256: row for row in connection.execute(chosen)}
            said = self._answers(connection)
        made = []
        for sha256, row in found.items():
            agreeing = {who: when for who, (label, when) in said.get(sha256, {}).items() if label == row.review}
            if agreeing:
                made.append(Confirmed(sha256, IN_INDEX[row.review], row.source, row.stream_id, row.began_utc,
                                      max(agreeing.values()), frozenset(agreeing)))
        return sorted(made, key=lambda clip: (clip.labelled_utc, clip.sha256))

    def answers(self) -> dict[str, list[str]]:
        """The latest labels, fake or real, of each reviewer."""
        with self._database.transaction() as connection:
            said = self._answers(connection)
        found: dict[str, list[str]] = {}
        for answers in said.values():
            for who, (label, _) in answers.items():
                if label in IN_INDEX:
                    found.setdefault(who, []).append(IN_INDEX[label])
        return found

    def unlabelled(self, limit: int) -> list[str]:
        """The newest clips that nobody has agreed on, by SHA-256."""
        waiting = sa.select(clips.c.sha256).where(
            clips.c.state == "stored",
            ~sa.exists().where(alerts.c.clip_sha256 == clips.c.sha256, alerts.c.review.in_(list(IN_INDEX))),
        )
        with self._database.transaction() as connection:
            return list(connection.scalars(waiting.order_by(clips.c.stored_utc.desc(), clips.c.sha256).limit(limit)))

    def sound(self, sha256: str) -> bytes | None:
        """The FLAC bytes of a clip; None where they are gone."""
        with self._database.transaction() as connection:
            return connection.scalar(sa.select(clips.c.flac).where(clips.c.sha256 == sha256))

    def begin(self, why: str, champion: str, candidate: str) -> str:
        """The id of a new retraining; one that was left running is interrupted, as only one goes at a time."""
        id = str(uuid.uuid4())
        with self._database.transaction() as connection:
            left = retrainings.update().where(retrainings.c.state == "running")
            connection.execute(left.values(state="interrupted", ended_utc=utc_now()))
            connection.execute(retrainings.insert().values(
                id=id, state="running", step="clips", why=why, champion=champion, candidate=candidate, began_utc=utc_now(),
            ))  # fmt: skip
        return id

    def change(self, id: str, **values: Any) -> None:
        """Write down how a retraining goes."""
        with self._database.transaction() as connection:
            connection.execute(retrainings.update().where(retrainings.c.id == id).values(**values))

    def end(self, id: str, state: str, outcome: str, report: str) -> None:
        self.change(id, state=state, outcome=outcome, report=report, ended_utc=utc_now())

    def retrainings(self) -> list[dict[str, Any]]:
        """All of them, oldest first."""
        return self._all(sa.select(retrainings).order_by(retrainings.c.began_utc, retrainings.c.id))

    def decide(self, action: str, model: str, version: str, before: str, reason: str, numbers: Any = None) -> None:
        """Write down a decision: promote, rollback or refuse."""
        row = {"id": str(uuid.uuid4()), "action": action, "model": model, "version": version, "before": before,
               "reason": storable(reason), "numbers": json.dumps(numbers), "decided_utc": utc_now()}
        with self._database.transaction() as connection:
            connection.execute(decisions.insert().values(**row))

    def decisions(self) -> list[dict[str, Any]]:
        """All of them, oldest first."""
        found = self._all(sa.select(decisions).order_by(decisions.c.decided_utc, decisions.c.id))
        return [row | {"numbers": json.loads(row["numbers"])} for row in found]

    def alert_rate(self, since: datetime, until: datetime) -> tuple[int, float]:
        """How many alerts began in a span of time (UTC), and in how many hours of speech that was judged."""
        with self._database.transaction() as connection:
            began = (alerts.c.began_utc >= since, alerts.c.began_utc < until, alerts.c.state != SAMPLE)
            count = connection.scalar(sa.select(sa.func.count()).select_from(alerts).where(*began))
            judged = 0
            for id, begin, end in self._spans(connection, since, until):
                within = (timeline.c.stream_id == id, timeline.c.second.between(begin, end), timeline.c.llr.is_not(None))
                judged += connection.scalar(sa.select(sa.func.count()).select_from(timeline).where(*within))
        return count, judged / 3600

    def measure_drift(self, first: date, last: date) -> None:
        """Bring the rows of `drift` up to date for these days, both included."""
        with self._database.transaction() as connection:
            for back in range((last - first).days + 1):
                day = last - timedelta(days=back)
                since = datetime.combine(day, datetime.min.time())
                made = []
                for id, begin, end in self._spans(connection, since, since + timedelta(days=1)):
                    means = sa.select(sa.func.count(timeline.c.distance), sa.func.avg(timeline.c.distance))
                    count, mean = connection.execute(
                        means.where(timeline.c.stream_id == id, timeline.c.second.between(begin, end))
                    ).one()
                    if count:
                        made.append({"stream_id": id, "day": day, "seconds": count, "distance": float(mean)})
                upsert(connection, drift, made)

    def drifts(self, since: date) -> list[dict[str, Any]]:
        """The rows of `drift` from a day on, with the source of the stream, oldest first."""
        chosen = sa.select(drift, streams.c.source).join(streams, streams.c.id == drift.c.stream_id)
        return self._all(chosen.where(drift.c.day >= since).order_by(drift.c.day, drift.c.stream_id))

    def _all(self, query: sa.Select) -> list[dict[str, Any]]:
        with self._database.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _answers(self, connection: sa.Connection) -> dict[str, dict[str, tuple[str, datetime]]]:
        """By clip and reviewer the latest label and when it was given."""
        found: dict[str, dict[str, tuple[str, datetime]]] = {}
        rows = sa.select(labels.c["clip_sha256", "reviewer", "label", "labelled_utc"])
        for sha256, reviewer, label, when in connection.execute(rows.order_by(labels.c.clip_sha256, labels.c.number)):
            found.setdefault(sha256, {})[person(reviewer)] = (label, when)
        return found

    def _spans(self, connection: sa.Connection, since: datetime, until: datetime) -> Iterable[tuple[str, int, int]]:
        """The streams that ran in a span of time: id, first and last second of the timeline in it."""
        ran = (streams.c.started_utc < until, sa.or_(streams.c.ended_utc.is_(None), streams.c.ended_utc >= since))
        for id, started in connection.execute(sa.select(streams.c.id, streams.c.started_utc).where(*ran)).all():
            begin, end = (math.ceil((edge - started).total_seconds()) for edge in (since, until))
            yield id, max(0, begin), end - 1
