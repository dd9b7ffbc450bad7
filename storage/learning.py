"""Storage for retraining: confirmed clips, retrainings, decisions, alert rates, drift."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from storage.database import Database
from storage.lease import Lease
from storage.people import person
from storage.records import SAMPLE, storable
from storage.review import IN_INDEX, Label, utc_now
from storage.tables import (
    alerts,
    clips,
    decisions,
    drift,
    labels,
    retrainings,
    shadows,
    streams,
    timeline,
)

RETRAINING = "retraining"


@dataclass(frozen=True, slots=True)
class ConfirmedClip:
    """A clip with an agreed label and stored audio."""

    sha256: str
    label: str
    """bonafide or spoof"""
    source: str
    stream_id: str
    began_utc: datetime
    labelled_utc: datetime
    reviewers: frozenset[str]
    """who labelled it so"""
    first: int
    """sample of the clip from which the label holds: for a fake, the start of the alert"""


class Learning:
    """The retraining view of a database; a context manager that creates missing tables.

    With `reads_only` every change is rejected. Errors of every method are those of Database.
    """

    def __init__(self, url: str, reads_only: bool = False):
        self._database = Database(url, reads_only)
        self.lease = Lease(self._database, RETRAINING)

    def __enter__(self) -> Learning:
        self._database.prepare()
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def confirmed(self) -> list[ConfirmedClip]:
        """The clips eligible for training, in the order of their labels."""
        before = (alerts.c.began_samples - alerts.c.clip_start_samples).label("before")
        chosen = (
            sa.select(
                *alerts.c["clip_sha256", "review", "stream_id", "began_utc"],
                before,
                streams.c.source,
            )
            .join(clips, clips.c.sha256 == alerts.c.clip_sha256)
            .join(streams, streams.c.id == alerts.c.stream_id)
            .where(alerts.c.review.in_(list(IN_INDEX)), clips.c.state == "stored")
            .order_by(alerts.c.began_utc)
        )
        with self._database.transaction() as connection:
            found = {row.clip_sha256: row for row in connection.execute(chosen)}
            said = self._answers(connection)
        made = []
        for sha256, row in found.items():
            agreeing = {
                who: when
                for who, (label, when) in said.get(sha256, {}).items()
                if label == row.review
            }
            if agreeing:
                made.append(
                    ConfirmedClip(
                        sha256,
                        IN_INDEX[row.review],
                        row.source,
                        row.stream_id,
                        row.began_utc,
                        max(agreeing.values()),
                        frozenset(agreeing),
                        row.before if row.review == Label.FAKE else 0,
                    )
                )
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
        """The newest clips without an agreed label, by SHA-256."""
        waiting = sa.select(clips.c.sha256).where(
            clips.c.state == "stored",
            ~sa.exists().where(
                alerts.c.clip_sha256 == clips.c.sha256, alerts.c.review.in_(list(IN_INDEX))
            ),
        )
        with self._database.transaction() as connection:
            return list(
                connection.scalars(
                    waiting.order_by(clips.c.stored_utc.desc(), clips.c.sha256).limit(limit)
                )
            )

    def sound(self, sha256: str) -> bytes | None:
        """The FLAC bytes of a clip; None if they are gone."""
        with self._database.transaction() as connection:
            return connection.scalar(sa.select(clips.c.flac).where(clips.c.sha256 == sha256))

    def ask(self, why: str, champion: str) -> str:
        """Record a requested retraining and return its id; the process that receives the id decides
        whether it is due.
        """
        id, now = str(uuid.uuid4()), utc_now()
        row = {
            "id": id,
            "state": "running",
            "step": "due",
            "why": storable(why),
            "champion": champion,
            "candidate": "",
        }
        with self._database.transaction() as connection:
            connection.execute(retrainings.insert().values(**row, began_utc=now))
        return id

    def begin(self, why: str, champion: str, candidate: str, asked: str | None = None) -> str:
        """The id of a new retraining, or of the requested one, which then continues.

        Others still marked as running become interrupted, because only one runs at a time.
        """
        mine = retrainings.c.id == asked
        with self._database.transaction() as connection:
            left = retrainings.update().where(
                retrainings.c.state == "running", ~mine if asked else sa.true()
            )
            connection.execute(left.values(state="interrupted", ended_utc=utc_now()))
            row = {
                "state": "running",
                "step": "clips",
                "champion": champion,
                "candidate": candidate,
            }
            said = connection.scalar(sa.select(retrainings.c.why).where(mine)) if asked else None
            if asked is not None and said is not None:
                connection.execute(
                    retrainings.update().where(mine).values(**row, why=f"{said}; {why}")
                )
                return asked
            id = str(uuid.uuid4())
            connection.execute(
                retrainings.insert().values(**row, id=id, why=why, began_utc=utc_now())
            )
        return id

    def change(self, id: str, **values: Any) -> None:
        """Record the progress of a retraining."""
        with self._database.transaction() as connection:
            connection.execute(retrainings.update().where(retrainings.c.id == id).values(**values))

    def end(self, id: str, state: str, outcome: str, report: str) -> None:
        """Record the end of a retraining."""
        self.change(id, state=state, outcome=outcome, report=report, ended_utc=utc_now())

    def retraining(self, id: str) -> dict[str, Any] | None:
        """The retraining with this id, or None."""
        found = self._all(sa.select(retrainings).where(retrainings.c.id == id))
        return found[0] if found else None

    def retrainings(self) -> list[dict[str, Any]]:
        """All of them, oldest first."""
        return self._all(sa.select(retrainings).order_by(retrainings.c.began_utc, retrainings.c.id))

    def decide(
        self, action: str, model: str, version: str, before: str, reason: str, numbers: Any = None
    ) -> None:
        """Record a decision: promote, rollback or refuse."""
        row = {
            "id": str(uuid.uuid4()),
            "action": action,
            "model": model,
            "version": version,
            "before": before,
            "reason": storable(reason),
            "numbers": json.dumps(numbers),
            "decided_utc": utc_now(),
        }
        with self._database.transaction() as connection:
            connection.execute(decisions.insert().values(**row))

    def decisions(self) -> list[dict[str, Any]]:
        """All of them, oldest first."""
        found = self._all(sa.select(decisions).order_by(decisions.c.decided_utc, decisions.c.id))
        return [row | {"numbers": json.loads(row["numbers"])} for row in found]

    def alert_rate(self, since: datetime, until: datetime) -> tuple[int, float]:
        """How many alerts began in a time span (UTC), and in how many hours of scored speech."""
        with self._database.transaction() as connection:
            began = (
                alerts.c.began_utc >= since,
                alerts.c.began_utc < until,
                alerts.c.state != SAMPLE,
            )
            count = connection.scalar(sa.select(sa.func.count()).select_from(alerts).where(*began))
            judged = 0
            for id, begin, end in self._spans(connection, since, until):
                within = (
                    timeline.c.stream_id == id,
                    timeline.c.second.between(begin, end),
                    timeline.c.llr.is_not(None),
                )
                counted = sa.select(sa.func.count()).select_from(timeline).where(*within)
                judged += connection.scalar(counted) or 0
        return count or 0, judged / 3600

    def shadow(self, candidate: str) -> tuple[float, float, int, int]:
        """Stored shadow results of a candidate (name and version): seconds of speech that it scored
        in shadow mode, mean difference of the LLRs, and the alerts of the champion and of the
        candidate in it.
        """
        heard = sa.func.sum(shadows.c.seconds)
        weighted = sa.func.sum(shadows.c.seconds * shadows.c.difference)
        alerts_of = (sa.func.sum(shadows.c[f"{who}_alerts"]) for who in ("champion", "candidate"))
        with self._database.transaction() as connection:
            row = connection.execute(
                sa.select(heard, weighted, *alerts_of).where(shadows.c.candidate == candidate)
            ).one()
        return (
            (float(row[0]), float(row[1] / row[0]), int(row[2]), int(row[3]))
            if row[0]
            else (0.0, 0.0, 0, 0)
        )

    def drifts(self, since: date) -> list[dict[str, Any]]:
        """The rows of `drift` from a day on, with the source of the stream, oldest first."""
        chosen = sa.select(drift, streams.c.source).join(streams, streams.c.id == drift.c.stream_id)
        return self._all(
            chosen.where(drift.c.day >= since).order_by(drift.c.day, drift.c.stream_id)
        )

    def _all(self, query: sa.Select) -> list[dict[str, Any]]:
        with self._database.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _answers(self, connection: sa.Connection) -> dict[str, dict[str, tuple[str, datetime]]]:
        """The latest label and its time, by clip and reviewer."""
        found: dict[str, dict[str, tuple[str, datetime]]] = {}
        rows = sa.select(*labels.c["clip_sha256", "reviewer", "label", "labelled_utc"])
        for sha256, reviewer, label, when in connection.execute(
            rows.order_by(labels.c.clip_sha256, labels.c.number)
        ):
            found.setdefault(sha256, {})[person(reviewer)] = (label, when)
        return found

    def _spans(
        self, connection: sa.Connection, since: datetime, until: datetime
    ) -> Iterable[tuple[str, int, int]]:
        """The streams that ran in a time span: id, first and last second of the timeline in it."""
        ran = (
            streams.c.started_utc < until,
            sa.or_(streams.c.ended_utc.is_(None), streams.c.ended_utc >= since),
        )
        for id, started in connection.execute(
            sa.select(streams.c.id, streams.c.started_utc).where(*ran)
        ).all():
            begin, end = (math.ceil((edge - started).total_seconds()) for edge in (since, until))
            yield id, max(0, begin), end - 1
