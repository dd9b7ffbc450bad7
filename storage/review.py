"""Review of clips: the queue, the labels, and what they add up to."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import sqlalchemy as sa

from radd.errors import ConfigError
from radd.ranges import check
from radd.references import Reference
from storage.database import Database
from storage.overlay import REVIEWERS, Review, enter, leave
from storage.people import is_imported, person, readable
from storage.records import SAMPLE, storable
from storage.tables import (
    alerts,
    clips,
    evidence,
    gaps,
    indexed_clips,
    labels,
    overlay_references,
    streams,
    uploads,
)

UPLOAD = "upload"  # kind of a sample that a person added
LONGEST_ID = 36  # a UUID with its hyphens
ID = re.compile(rf"[0-9a-f-]{{4,{LONGEST_ID}}}")
State = Literal["pending", "fake", "real", "unsure", "conflict", "expired"]
STATES: tuple[str, ...] = get_args(State)
IN_INDEX = {"fake": "spoof", "real": "bonafide"}
"""the agreed labels in the terms of the index"""
SHOWN = (
    "id",
    "stream_id",
    "state",
    "review",
    "began_utc",
    "peak_p_spoof",
    "informative",
    "clip_sha256",
    "bundle",
)


class Label(StrEnum):
    FAKE = "fake"
    REAL = "real"
    UNSURE = "unsure"
    WITHDRAWN = "withdrawn"
    """an answer that was taken back counts for nothing"""


class Quorum(NamedTuple):
    """By how many reviewers a label has to lead the other one before it counts."""

    fake: int
    real: int


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """The section [review] of config.toml."""

    quorum: int
    quorum_real: int

    def __post_init__(self):
        check(self, quorum=(1, 2), quorum_real=(0, 2))

    def among(self, registered: int) -> Quorum:
        """The quorum where so many reviewers are registered; where there are two or more, one alone
        does not call a voice real unless quorum_real says so.
        """
        usual = max(self.quorum, 2) if registered > 1 else self.quorum
        return Quorum(self.quorum, self.quorum_real or usual)


@dataclass(frozen=True, slots=True)
class Question:
    """Filter for clips; None: any."""

    state: str = "pending"
    """one of STATES"""
    kind: str | None = None
    """alert or sample"""
    stream: str | None = None
    """id of a stream, or its first characters"""
    label: Label | None = None
    """somebody gave this label"""
    unlabelled_by: str | None = None
    """a reviewer who has not labelled it yet"""
    since: datetime | None = None
    """UTC; began at that time or later"""
    after: str | None = None
    """the last clip of the previous page"""
    limit: int = 20


@dataclass(frozen=True, slots=True)
class AgreedClip:
    """A clip whose label is agreed, to be encoded for the index."""

    sha256: str
    review: str
    """fake or real"""
    source: str
    flac: bytes
    first_sample: int
    """where the labelled voice begins"""

    @property
    def label(self) -> str:
        """The agreed label in the terms of the index."""
        return IN_INDEX[self.review]


def agreed(history: Iterable[tuple[str, str]], quorum: int | Quorum) -> str:
    """The state that labels (reviewer, label), in order of arrival, add up to: one of STATES except
    expired.

    The latest label of each reviewer counts. `fake` or `real` is agreed if it leads the other by
    its quorum of reviewers. With labels on both sides and no such lead it is a conflict. Imported
    labels count only if nobody here has called the clip fake or real.
    """
    of = quorum if isinstance(quorum, Quorum) else Quorum(quorum, quorum)
    latest = {person(reviewer): (reviewer, label) for reviewer, label in history}
    local = [label for reviewer, label in latest.values() if not is_imported(reviewer)]
    is_told_here = any(label in IN_INDEX for label in local)
    votes = Counter(local if is_told_here else [label for _, label in latest.values()])
    fakes, reals = votes[Label.FAKE], votes[Label.REAL]
    if fakes - reals >= of.fake:
        return Label.FAKE
    if reals - fakes >= of.real:
        return Label.REAL
    if fakes and reals:
        return "conflict"
    return Label.UNSURE if votes[Label.UNSURE] and not fakes + reals else "pending"


Rows = list[dict[str, Any]]  # an alias, because the class has a method called list


class Reviews:
    """The review of a database; a context manager that creates missing tables.

    A clip is identified by the id of its alert or sample, or by its first characters. Every method
    raises ConfigError for an id that matches none or several, and the errors of Database.
    """

    def __init__(self, url: str, quorum: int | Quorum, reads_only: bool = False):
        self.database = Database(url, reads_only)
        self.quorum = quorum

    def __enter__(self) -> Reviews:
        self.database.prepare()
        return self

    def __exit__(self, *exc) -> None:
        self.database.close()

    def list(self, question: Question) -> Rows:
        """The matching clips with the highest review priority, at most `limit`."""
        with self.database.transaction() as connection:
            ids = connection.scalars(self._queue(connection, question)).all()
            columns = *(alerts.c[name] for name in SHOWN), clips.c.length_samples, streams.c.source
            chosen = (
                sa.select(*columns)
                .select_from(alerts)
                .join(clips)
                .join(streams)
                .where(alerts.c.id.in_(ids))
            )
            rows = {row["id"]: row for row in connection.execute(chosen).mappings()}
            found = [rows[id] for id in ids]
            said = _labels(connection, [row["clip_sha256"] for row in found])
        return [
            {**row, "labels": [label["label"] for label in said.get(row["clip_sha256"], [])]}
            for row in found
        ]

    def explain(self, question: Question) -> Rows:
        """The query plan in MySQL and MariaDB: the rows of EXPLAIN."""
        with self.database.transaction() as connection:
            query = self._queue(connection, question).compile(
                connection, compile_kwargs={"literal_binds": True}
            )
            return [dict(row) for row in connection.execute(sa.text(f"EXPLAIN {query}")).mappings()]

    def _queue(self, connection: sa.Connection, question: Question) -> sa.Select:
        """Only the ids, so that an index answers without reading the rows."""
        chosen = sa.select(alerts.c.id).where(alerts.c.review == question.state)
        if question.kind is not None:
            chosen = chosen.where((alerts.c.state == SAMPLE) == (question.kind == SAMPLE))
        if question.stream is not None:
            chosen = chosen.where(
                alerts.c.stream_id == find(connection, streams, question.stream)["id"]
            )
        if question.since is not None:
            chosen = chosen.where(alerts.c.began_utc >= question.since)
        of_clip = labels.c.clip_sha256 == alerts.c.clip_sha256
        if question.label is not None:
            chosen = chosen.where(sa.exists().where(of_clip, labels.c.label == question.label))
        if (
            question.unlabelled_by is not None
        ):  # by a join: for NOT EXISTS MariaDB would materialise all labels
            mine = labels.alias("mine")
            by = mine.c.reviewer == storable(question.unlabelled_by)
            chosen = chosen.outerjoin(mine, sa.and_(mine.c.clip_sha256 == alerts.c.clip_sha256, by))
            chosen = chosen.where(mine.c.number.is_(None))
        if question.after is not None:
            last = find(connection, alerts, question.after)
            place, later = last["informative"], sa.tuple_(alerts.c.informative, alerts.c.id)
            chosen = chosen.where(alerts.c.informative <= place, later < (place, last["id"]))
        return chosen.order_by(alerts.c.informative.desc(), alerts.c.id.desc()).limit(
            question.limit
        )

    def show(self, id: str) -> dict[str, Any]:
        """Everything stored about one clip except its audio: rows of alert, stream and clip,
        evidence, labels.
        """
        with self.database.transaction() as connection:
            alert = find(connection, alerts, id)
            stream = (
                connection.execute(sa.select(streams).where(streams.c.id == alert["stream_id"]))
                .mappings()
                .one()
            )
            sound = [column for column in clips.c if column.name != "flac"]
            clip = (
                connection.execute(sa.select(*sound).where(clips.c.sha256 == alert["clip_sha256"]))
                .mappings()
                .one()
            )
            why = (
                connection.execute(sa.select(evidence).where(evidence.c.alert_id == alert["id"]))
                .mappings()
                .one()
            )
            lost = sa.select(*gaps.c["start_samples", "end_samples", "cause"]).where(
                gaps.c.stream_id == alert["stream_id"], gaps.c.start_samples < alert["end_samples"]
            )
            blocks = sa.select(
                overlay_references.c.encoder_id, sa.func.count().label("blocks")
            ).where(overlay_references.c.clip_sha256 == alert["clip_sha256"])
            return {
                "alert": dict(alert),
                "stream": dict(stream),
                "clip": dict(clip),
                "trace": json.loads(why["trace"]),
                "neighbours": json.loads(why["neighbours"]),
                "gaps": [
                    dict(row)
                    for row in connection.execute(lost.order_by(gaps.c.start_samples)).mappings()
                ],
                "labels": _labels(connection, [alert["clip_sha256"]]).get(alert["clip_sha256"], []),
                "index": [
                    dict(row)
                    for row in connection.execute(
                        blocks.group_by(overlay_references.c.encoder_id)
                    ).mappings()
                ],
            }

    def sound(self, id: str) -> tuple[str, bytes]:
        """The full id of a clip and its FLAC bytes. Raises ConfigError if its audio is gone."""
        with self.database.transaction() as connection:
            alert = find(connection, alerts, id)
            flac = connection.scalar(
                sa.select(clips.c.flac).where(clips.c.sha256 == alert["clip_sha256"])
            )
        if flac is None:
            raise ConfigError(
                f"the audio of {alert['id']} is gone: it expired or exceeded the clip quota"
            )
        return alert["id"], flac

    def label(self, ids: Sequence[str], label: Label, reviewer: str, reason: str) -> dict[str, str]:
        """Add one reviewer's label to clips, all or none. Returns the resulting states, by full id.

        Repeating a label has no effect. If a clip's agreed label changes, it leaves the index in
        the same transaction. Raises ConfigError for a reviewer without a name and for an alert that
        is still open.
        """
        reviewer, reason = storable(reviewer), storable(reason)
        if not person(reviewer):
            raise ConfigError("a label needs the name of its reviewer: --reviewer NAME")
        if is_imported(reviewer):
            raise ConfigError(
                f"reviewer {reviewer[:80]!r}: names that begin so are those of imported labels; "
                "give another one"
            )
        with self.database.transaction() as connection:
            found = [find(connection, alerts, id) for id in ids]
        for alert in found:
            if alert["state"] == "open":
                raise ConfigError(f"alert {alert['id']} is still open; label it once it has closed")
        said = {
            "label": label.value,
            "reviewer": reviewer,
            "reason": reason,
            "labelled_utc": utc_now(),
        }
        now = {}
        with (
            self.database.transaction() as connection
        ):  # separate, so that it sees no labels older than its lock
            for sha256, history in self.lock(
                connection, {alert["clip_sha256"] for alert in found}
            ).items():
                before = [row for row in history if person(row["reviewer"]) == person(reviewer)]
                if not before or (before[-1]["label"], before[-1]["reason"]) != (
                    said["label"],
                    said["reason"],
                ):
                    history = self.add(connection, sha256, history, [said])
                now[sha256] = agreed(
                    [(row["reviewer"], row["label"]) for row in history], self.quorum
                )
        return {
            alert["id"]: now[alert["clip_sha256"]] for alert in found if alert["clip_sha256"] in now
        }

    def lock(self, connection: sa.Connection, sha256s: Collection[str]) -> dict[str, Rows]:
        """The labels of existing clips; until the transaction ends nobody else can add one."""
        mine = sa.select(clips.c.sha256).where(clips.c.sha256.in_(sha256s)).order_by(clips.c.sha256)
        locked = connection.scalars(mine.with_for_update()).all()
        said = _labels(connection, locked)
        return {sha256: said.get(sha256, []) for sha256 in locked}

    def add(
        self,
        connection: sa.Connection,
        sha256: str,
        history: Rows,
        said: Rows,
    ) -> Rows:
        """Add labels to those that `lock` returned, and update the state. Returns all labels."""
        first = max((row["number"] for row in history), default=0) + 1
        rows = [row | {"number": number} for number, row in enumerate(said, first)]
        if rows:
            connection.execute(labels.insert(), [row | {"clip_sha256": sha256} for row in rows])
        now = agreed([(row["reviewer"], row["label"]) for row in history + rows], self.quorum)
        before = connection.scalar(
            sa.select(alerts.c.review).where(alerts.c.clip_sha256 == sha256).limit(1)
        )
        if history + rows and now != before:
            connection.execute(
                alerts.update().where(alerts.c.clip_sha256 == sha256).values(review=now)
            )
            leave(connection, sha256)
            connection.execute(indexed_clips.delete().where(indexed_clips.c.clip_sha256 == sha256))
        return history + rows

    def not_in_index(self, encoder_id: str) -> Sequence[str]:
        """Clips with an agreed label that this encoder's index lacks, by SHA-256."""
        known = sa.exists().where(
            indexed_clips.c.clip_sha256 == alerts.c.clip_sha256,
            indexed_clips.c.encoder_id == encoder_id,
        )
        waiting = (
            sa.select(alerts.c.clip_sha256)
            .distinct()
            .join(clips, clips.c.sha256 == alerts.c.clip_sha256)
        )
        waiting = waiting.where(
            alerts.c.review.in_(list(IN_INDEX)), clips.c.state == "stored", ~known
        )
        with self.database.transaction() as connection:
            return sorted(connection.scalars(waiting))

    def agreed_clip(self, sha256: str) -> AgreedClip | None:
        """A clip with its agreed label; None if the label or the audio is gone by now."""
        before = (alerts.c.began_samples - alerts.c.clip_start_samples).label("before")
        clip = (
            sa.select(alerts.c.review, before, streams.c.source, clips.c.flac)
            .select_from(alerts)
            .join(clips)
            .join(streams)
        )
        with self.database.transaction() as connection:
            row = connection.execute(clip.where(clips.c.sha256 == sha256).limit(1)).one_or_none()
        if row is None or row.review not in IN_INDEX or row.flac is None:
            return None
        # before the alert, in a call that is taken over, a person speaks
        first = row.before if row.review == Label.FAKE else 0
        return AgreedClip(sha256, row.review, row.source, row.flac, first)

    def add_to_index(
        self,
        clip: AgreedClip,
        encoder_id: str,
        references: Sequence[Reference],
        vectors: np.ndarray,
    ) -> int:
        """Add the blocks of an agreed clip, vectors float32 (n, width), to this encoder's overlay.

        Returns their number; 0 if the clip is there already or its label has changed.
        """
        with self.database.transaction() as connection:
            latest = {
                person(label["reviewer"]): label
                for label in self.lock(connection, [clip.sha256]).get(clip.sha256, [])
            }
            said = [label for label in latest.values() if label["label"] == clip.review]
            now = connection.scalar(
                sa.select(alerts.c.review).where(alerts.c.clip_sha256 == clip.sha256).limit(1)
            )
            mine = {"clip_sha256": clip.sha256, "encoder_id": encoder_id}
            is_known = sa.select(indexed_clips.c.blocks).filter_by(**mine)
            if now != clip.review or connection.scalar(is_known) is not None:
                return 0
            if references:
                who = REVIEWERS.join(" ".join(label["reviewer"].split()) for label in said)
                review = Review(who, said[-1]["reason"])
                enter(connection, encoder_id, references, vectors, review, clip.sha256)
            connection.execute(indexed_clips.insert().values(**mine, blocks=len(references)))
        return len(references)

    def stats(self) -> dict[str, Any]:
        """Counts of clips by kind and state, of labels by reviewer, and of what the indices have
        learned.
        """
        is_upload = sa.exists().where(uploads.c.alert_id == alerts.c.id)
        kind = sa.case((is_upload, UPLOAD), (alerts.c.state == SAMPLE, SAMPLE), else_="alert")
        with self.database.transaction() as connection:
            counted = sa.select(kind, alerts.c.review, sa.func.count()).group_by(
                kind, alerts.c.review
            )
            by_kind: dict[str, dict[str, int]] = {"alert": {}, SAMPLE: {}, UPLOAD: {}}
            for name, state, count in connection.execute(counted):
                by_kind[name][state] = count
            said = connection.execute(
                sa.select(*labels.c["clip_sha256", "reviewer", "label"]).order_by(
                    labels.c.clip_sha256, labels.c.number
                )
            ).all()
            answered = sa.exists().where(labels.c.clip_sha256 == alerts.c.clip_sha256)
            states = sa.select(*alerts.c["clip_sha256", "review"]).where(answered)
            state_of = {sha: state for sha, state in connection.execute(states)}
            learnt = connection.execute(
                sa.select(
                    indexed_clips.c.encoder_id,
                    sa.func.count().label("clips"),
                    sa.func.sum(indexed_clips.c.blocks).label("blocks"),
                ).group_by(indexed_clips.c.encoder_id)
            )
            index = [
                {"encoder_id": id, "clips": count, "blocks": int(blocks)}
                for id, count, blocks in learnt
            ]
        reviewers: dict[str, Counter[str]] = {}
        names = {person(name): readable(name) for _, name, _ in said}
        for (sha256, reviewer), label in {
            (sha, person(name)): label for sha, name, label in said
        }.items():
            counts = reviewers.setdefault(names[reviewer], Counter())
            counts[label] += 1
            counts["overruled"] += {label, state_of.get(sha256)} == set(IN_INDEX)
        by_reviewer = {name: dict(reviewers[name]) for name in sorted(reviewers)}
        return {"clips": by_kind, "reviewers": by_reviewer, "index": index}


def find(connection: sa.Connection, table: sa.Table, id: str) -> dict[str, Any]:
    """The row of alerts or streams whose id equals or starts with this."""
    what = "clip" if table is alerts else "stream"
    if not ID.fullmatch(id):
        raise ConfigError(
            f"{id[:50]!r} is not the id of a {what}: expected its first 4 or more digits, 0-9a-f "
            "and -"
        )
    begins_so = table.c.id.between(
        id, id + "g"
    )  # no digit follows f; unlike LIKE, this can use any index
    found = connection.execute(sa.select(table).where(begins_so).limit(2)).mappings().all()
    if len(found) != 1:
        problem = "give more of its digits" if found else "review.py list shows the existing ones"
        raise ConfigError(f"there is {'more than one' if found else 'no'} {what} {id}; {problem}")
    return dict(found[0])


def _labels(connection: sa.Connection, sha256s: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The labels of clips, in order of arrival."""
    found: dict[str, list[dict[str, Any]]] = {}
    rows = (
        sa.select(labels)
        .where(labels.c.clip_sha256.in_(sha256s))
        .order_by(labels.c.clip_sha256, labels.c.number)
    )
    for row in connection.execute(rows).mappings():
        found.setdefault(row["clip_sha256"], []).append(
            {name: row[name] for name in row if name != "clip_sha256"}
        )
    return found


def utc_now() -> datetime:
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
