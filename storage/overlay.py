"""The index overlay in the database: additions, removals, and the version that announces them to
daemons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

from radd.confirmed_side import RecordingKey
from radd.errors import ConfigError, StorageError
from radd.overlay import Overlay
from radd.references import Origin, Reference, References
from radd.types import SAMPLE_RATE_HZ, seconds
from storage.database import Database
from storage.enrolled_overlay import read_enrolled
from storage.people import IMPORTED, is_imported, person
from storage.tables import overlay_references as added
from storage.tables import overlay_removals as removals
from storage.tables import overlay_versions as versions

FLOAT32 = np.dtype("<f4")
REVIEWERS = "\n"  # between the names of those who confirmed one recording
TOGETHER = 200  # recordings whose blocks are read in one query


@dataclass(frozen=True, slots=True)
class Review:
    """Who changed the index, and why."""

    reviewer: str
    """or several, REVIEWERS between them"""
    reason: str


@dataclass(frozen=True, slots=True)
class OverlayRecording:
    """A recording in the overlay."""

    id: str
    label: str
    system: str
    source: str
    licence: str
    reviewer: str
    reason: str
    added_utc: datetime
    blocks: int


class OverlayStore:
    """The overlay of one encoder. A change and its version number are written in one transaction.

    Errors of every method are those of Database.
    """

    def __init__(self, url: str, encoder_id: str):
        self.database = Database(url)
        self._encoder_id = encoder_id
        self._latest = Overlay.empty(encoder_id)
        self._prepared = False

    def __enter__(self) -> OverlayStore:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def read(self) -> Overlay:
        """The current overlay."""
        return self.changed(-1) or self._latest

    def changed(self, version: int) -> Overlay | None:
        """The current overlay; None if it still has this version. Only new parts are read."""
        with self._transaction() as connection:
            now = connection.scalar(sa.select(versions.c.version).where(self._mine(versions))) or 0
            if now == version:
                return None
            columns = added.c.id, added.c.label, added.c.added_utc
            there = (
                sa.select(*columns, sa.func.count(), sa.func.min(added.c.reviewer))
                .where(self._mine(added))
                .group_by(*columns)
                .order_by(*columns)
            )
            recordings = {
                id: RecordingKey(label, confirmed, blocks, _people(reviewers))
                for id, label, confirmed, blocks, reviewers in connection.execute(there)
            }
            known, vectors = self._blocks(connection, self._latest.unknown(recordings))
            removed = frozenset(
                connection.scalars(sa.select(removals.c.reference_id).where(self._mine(removals)))
            )
            enrolled = read_enrolled(connection, self._encoder_id)
        latest = self._latest.changed(now, recordings, known, vectors, removed)
        self._latest = replace(latest, enrolled=enrolled)
        return self._latest

    def _blocks(
        self, connection: sa.Connection, ids: Sequence[str]
    ) -> tuple[References, np.ndarray]:
        """Blocks of these recordings, with vectors float32 (n, width)."""
        names = "id", "label", "system", "source", "licence", "start_samples", "embedding"
        read, widths = bytearray(), set()

        def rows() -> Iterator[Reference]:
            for begin in range(0, len(ids), TOGETHER):
                mine = self._mine(added), added.c.id.in_(ids[begin : begin + TOGETHER])
                chosen = sa.select(*(added.c[name] for name in names)).where(*mine)
                for id, *origin, start_samples, embedding in connection.execute(
                    chosen.order_by(added.c.id, added.c.start_samples)
                ):
                    read.extend(embedding)
                    widths.add(len(embedding))
                    yield Reference(id, *Origin(*origin), seconds(start_samples))

        known = References(rows())
        if len(widths) > 1:
            raise StorageError(
                f"the confirmed references have embeddings of {sorted(widths)} bytes, expected one "
                "length; remove and add them again with train.py index"
            )
        return known, np.frombuffer(read, FLOAT32).reshape(len(known), -1 if len(known) else 0)

    def recordings(self) -> list[OverlayRecording]:
        """Added recordings, oldest first."""
        columns = [added.c[name] for name in OverlayRecording.__slots__ if name != "blocks"]
        chosen = sa.select(*columns, sa.func.count().label("blocks")).where(self._mine(added))
        with self._transaction() as connection:
            rows = connection.execute(
                chosen.group_by(*columns).order_by(added.c.added_utc, added.c.id)
            )
            return [OverlayRecording(**row) for row in rows.mappings()]

    def add(
        self,
        references: Sequence[Reference],
        vectors: np.ndarray,
        review: Review,
        clip_sha256: str | None = None,
    ) -> bool:
        """Add the blocks of one recording, vectors float32 (n, width); False if it exists already.

        Raises ConfigError if it exists with the other label.
        """
        with self._transaction() as connection:
            return enter(connection, self._encoder_id, references, vectors, review, clip_sha256)

    def remove(self, ids: Collection[str], bundled: Collection[str], review: Review) -> None:
        """Delete added recordings, and hide references of the bundle, whose ids are `bundled`; all
        or none.

        Raises ConfigError for an id that is neither, or is already hidden.
        """
        with self._transaction() as connection:
            grow(connection, self._encoder_id)
            for id in ids:
                if connection.execute(
                    added.delete().where(self._mine(added), added.c.id == id)
                ).rowcount:
                    continue
                hidden = sa.exists().where(self._mine(removals), removals.c.reference_id == id)
                if id not in bundled or connection.scalar(sa.select(hidden)):
                    raise ConfigError(
                        f"the index has no reference {id}; train.py index list shows the added ones"
                    )
                connection.execute(
                    removals.insert().values(
                        encoder_id=self._encoder_id,
                        reference_id=id,
                        reviewer=review.reviewer,
                        reason=review.reason,
                        removed_utc=_now(),
                    )
                )

    def restore(self, ids: Collection[str]) -> None:
        """Show references of the bundle again. Raises ConfigError for one that is not hidden."""
        with self._transaction() as connection:
            grow(connection, self._encoder_id)
            for id in ids:
                shown = removals.delete().where(self._mine(removals), removals.c.reference_id == id)
                if not connection.execute(shown).rowcount:
                    raise ConfigError(
                        f"reference {id} of the bundle is not removed, so it cannot be restored"
                    )

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """Like Database.transaction; creates missing tables."""
        if not self._prepared:
            self.database.prepare()
            self._prepared = True
        with self.database.transaction() as connection:
            yield connection

    def _mine(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.encoder_id == self._encoder_id


def enter(
    connection: sa.Connection,
    encoder_id: str,
    references: Sequence[Reference],
    vectors: np.ndarray,
    review: Review,
    clip_sha256: str | None = None,
) -> bool:
    """Like OverlayStore.add, inside the transaction of `connection`."""
    id, label = references[0].id, references[0].label
    mine = added.c.encoder_id == encoder_id, added.c.id == id
    known = connection.scalar(sa.select(added.c.label).where(*mine).limit(1))
    if known == label:
        return False
    if known is not None:
        raise ConfigError(
            f"the recording {id} is in the index as {known}, not {label}; if that was wrong, "
            f"run train.py index remove {id} and add it again"
        )
    grow(connection, encoder_id)
    moment = _now()
    connection.execute(
        added.insert(),
        [
            {
                "encoder_id": encoder_id,
                "id": id,
                "start_samples": round(reference.start_s * SAMPLE_RATE_HZ),
                "label": label,
                "system": reference.system,
                "source": reference.source,
                "licence": reference.licence,
                "clip_sha256": clip_sha256,
                "embedding": vector.astype(FLOAT32).tobytes(),
                "reviewer": review.reviewer,
                "reason": review.reason,
                "added_utc": moment,
            }
            for reference, vector in zip(references, vectors, strict=True)
        ],
    )
    return True


def _people(reviewers: str) -> frozenset[str]:
    """Those who confirmed a recording; whoever labelled elsewhere is no further person."""
    names = [name for name in reviewers.split(REVIEWERS) if person(name)]
    return frozenset(person(IMPORTED if is_imported(name) else name) for name in names)


def leave(connection: sa.Connection, clip_sha256: str) -> int:
    """Remove a clip's blocks from the overlay of every encoder, inside the transaction. Returns
    their number.
    """
    mine = added.c.clip_sha256 == clip_sha256
    for encoder_id in connection.scalars(
        sa.select(added.c.encoder_id).where(mine).distinct()
    ).all():
        grow(connection, encoder_id)
    return connection.execute(added.delete().where(mine)).rowcount


def grow(connection: sa.Connection, encoder_id: str) -> None:
    """Increment the version. Other writers of this overlay block here until this transaction has
    ended.
    """
    first, grown = {"encoder_id": encoder_id, "version": 1}, {"version": versions.c.version + 1}
    if connection.dialect.name == "sqlite":
        connection.execute(
            sqlite.insert(versions).values(first).on_conflict_do_update(["encoder_id"], set_=grown)
        )
    else:
        connection.execute(mysql.insert(versions).values(first).on_duplicate_key_update(grown))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
