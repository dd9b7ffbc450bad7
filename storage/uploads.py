"""Recordings that people add with a label: reviewed, learned from and deleted like samples."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from radd.errors import ConfigError
from radd.flac import flac_bytes
from radd.types import SAMPLE_RATE_HZ, Sample
from storage.people import person
from storage.records import StreamInfo, sample_record, storable, stream_record, utc
from storage.review import Label, Reviews
from storage.rows import store, upsert
from storage.spool.entry import Entry, EntryKind
from storage.tables import alerts, clips, streams, uploads

MEGABYTE = 1_000_000
NAMESPACE = uuid.UUID("8f6a2c52-9d0b-4e0e-9a2f-6f1b7c1d5a90")


@dataclass(frozen=True, slots=True)
class UploadSource:
    """Where a recording comes from, as the person says who adds it."""

    file: str
    source: str
    licence: str
    """or who allowed its use"""
    uploaded_by: str


def add_upload(
    reviews: Reviews, sample: Sample, label: Label, said: UploadSource, bundle: str, quota_mb: int
) -> tuple[str, str]:
    """Store a recording as a sample with a label. Returns the id of its row and the resulting state
    of review; audio that is stored already only gets the label.

    All recordings of one person and day are one stream: they share the cap of [retrain]
    `per_source`, whatever source is named, and are held back for the gates together. Raises
    ConfigError if clips would exceed the quota, which would evict evidence.
    """
    now = datetime.now(UTC)
    flac = flac_bytes(sample.clip)
    digest = hashlib.sha256(flac).hexdigest()
    known = _known(reviews, digest)
    if known is None:
        _check_room(reviews, len(flac), quota_mb)
        info = _stream(said.uploaded_by, bundle, now)
        _store(reviews, sample, info, flac, digest, said, now)
    id = known or sample.id
    reason = f"uploaded: {said.source}; licence: {said.licence}"
    return id, reviews.label([id], label, said.uploaded_by, storable(reason))[id]


def list_uploads(reviews: Reviews, limit: int) -> list[dict[str, Any]]:
    """The recordings that people added, the newest first, each with its state of review."""
    chosen = (
        sa.select(uploads, alerts.c.review, clips.c.length_samples)
        .select_from(uploads)
        .join(alerts)
        .join(clips, clips.c.sha256 == alerts.c.clip_sha256)
        .order_by(uploads.c.uploaded_utc.desc(), uploads.c.alert_id)
        .limit(limit)
    )
    with reviews.database.transaction() as connection:
        return [dict(row) for row in connection.execute(chosen).mappings()]


def uploader(reviews: Reviews, id: str) -> str | None:
    """Who added a recording; None if there is no such upload."""
    with reviews.database.transaction() as connection:
        return connection.scalar(sa.select(uploads.c.uploaded_by).where(uploads.c.alert_id == id))


def start_samples(when: datetime) -> int:
    """The place of an upload in the stream of its day, which begins at midnight, UTC."""
    midnight = datetime.combine(when.astimezone(UTC), time(), UTC)
    return int((when - midnight) / timedelta(seconds=1) * SAMPLE_RATE_HZ)


def _known(reviews: Reviews, sha256: str) -> str | None:
    with reviews.database.transaction() as connection:
        stored = sa.select(alerts.c.id).join(clips, clips.c.sha256 == alerts.c.clip_sha256)
        return connection.scalar(
            stored.where(
                alerts.c.clip_sha256 == sha256,
                alerts.c.state != "open",
                clips.c.state == "stored",
            ).limit(1)
        )


def _check_room(reviews: Reviews, size_bytes: int, quota_mb: int) -> None:
    total = sa.select(sa.func.coalesce(sa.func.sum(clips.c.size_bytes), 0))
    with reviews.database.transaction() as connection:
        used = int(connection.scalar(total.where(clips.c.state == "stored")) or 0)
    if used + size_bytes > quota_mb * MEGABYTE:
        raise ConfigError(
            f"the stored clips have {used / MEGABYTE:.0f} of {quota_mb} MB, and an upload evicts "
            "none of them: remove uploads, or raise clip_quota_mb in [storage] of config.toml"
        )


def _stream(name: str, bundle: str, now: datetime) -> StreamInfo:
    midnight = datetime.combine(now, time(), UTC)
    return StreamInfo(
        id=str(uuid.uuid5(NAMESPACE, f"{person(name)} {midnight:%Y-%m-%d}")),
        source=f"upload by {name}",
        device=None,
        native_rate_hz=SAMPLE_RATE_HZ,
        host="console",
        bundle=bundle,
        config_hash="0" * 64,
        started=midnight,
    )


def _store(
    reviews: Reviews,
    sample: Sample,
    info: StreamInfo,
    flac: bytes,
    digest: str,
    said: UploadSource,
    now: datetime,
) -> None:
    ended = {"state": "ended", "ended_utc": utc(info.started)}
    entry = Entry(
        name="",
        kind=EntryKind.ALERT,
        record=sample_record(sample, info),
        clip_sha256=digest,
        clip_bytes=len(flac),
        clip=flac,
        live=False,
        interrupted=False,
        version=1,
    )
    told = {name: storable(text) for name, text in asdict(said).items()}
    with reviews.database.transaction() as connection:
        upsert(connection, streams, [stream_record(info) | ended])
        store(connection, entry)
        upsert(connection, uploads, [{"alert_id": sample.id, **told, "uploaded_utc": utc(now)}])
