"""The tables as the program sees them; storage/migrations creates them, schema.sql documents them.

Wall-clock times are UTC without a zone, to the millisecond; `_samples` count 16 kHz samples since
the stream began.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

SCHEMA = "0009"
"""the newest migration; four digits, so that older and newer can be compared"""

METADATA = sa.MetaData()
MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}

Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
Sound = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
Exact = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")

streams = sa.Table(
    "streams",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("device", sa.Text),
    sa.Column("native_rate_hz", sa.Integer, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("bundle", sa.Text, nullable=False),
    sa.Column("config_hash", sa.String(64), nullable=False),
    sa.Column("started_utc", Moment, nullable=False),
    sa.Column("ended_utc", Moment),
    sa.Column("length_samples", sa.BigInteger),
    sa.Column("lost_samples", sa.BigInteger),
    sa.Column("scores", sa.Integer),
    sa.Column("judged", sa.Integer),
    sa.Column("alerts", sa.Integer),
    sa.Column("gaps", sa.Integer),
    sa.Column("call_id", sa.String(255)),
    sa.Column("track", sa.String(255)),
    sa.Column("call_details", sa.Text),
    sa.Index("ix_streams_started", "started_utc"),
    sa.Index("ix_streams_call", "call_id"),
    **MYSQL,
)

clips = sa.Table(
    "clips",
    METADATA,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("length_samples", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("stored_utc", Moment, nullable=False),
    sa.Column("evicted_utc", Moment),
    sa.Column("flac", Sound),
    sa.Index("ix_clips_state_stored", "state", "stored_utc", "size_bytes"),
    **MYSQL,
)

alerts = sa.Table(
    "alerts",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("stream_id", sa.ForeignKey("streams.id", name="fk_alerts_stream"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("review", sa.String(16), nullable=False, server_default="pending"),
    sa.Column("began_samples", sa.BigInteger, nullable=False),
    sa.Column("end_samples", sa.BigInteger, nullable=False),
    sa.Column("began_utc", Moment, nullable=False),
    sa.Column("ended_utc", Moment),
    sa.Column("peak_p_spoof", sa.Double),
    sa.Column("min_llr", sa.Double),
    sa.Column("gaps", sa.Integer, nullable=False),
    sa.Column("bundle", sa.Text, nullable=False),
    sa.Column("clip_sha256", sa.ForeignKey("clips.sha256", name="fk_alerts_clip"), nullable=False),
    sa.Column("clip_start_samples", sa.BigInteger, nullable=False),
    sa.Column("informative", sa.Double, nullable=False, server_default="0"),
    sa.Index("ix_alerts_stream", "stream_id", "began_samples"),
    sa.Index("ix_alerts_clip", "clip_sha256"),
    sa.Index("ix_alerts_queue", "review", "informative", "id", "began_utc", "state"),
    sa.Index(
        "ix_alerts_stream_queue", "stream_id", "review", "informative", "id", "began_utc", "state"
    ),
    **MYSQL,
)

evidence = sa.Table(
    "evidence",
    METADATA,
    sa.Column(
        "alert_id",
        sa.ForeignKey("alerts.id", name="fk_evidence_alert", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("trace", LongText, nullable=False),
    sa.Column("neighbours", LongText, nullable=False),
    **MYSQL,
)

uploads = sa.Table(
    "uploads",
    METADATA,
    sa.Column(
        "alert_id",
        sa.ForeignKey("alerts.id", name="fk_uploads_alert", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("licence", sa.Text, nullable=False),
    sa.Column("uploaded_by", sa.Text, nullable=False),
    sa.Column("uploaded_utc", Moment, nullable=False),
    **MYSQL,
)

gaps = sa.Table(
    "gaps",
    METADATA,
    sa.Column(
        "stream_id",
        sa.ForeignKey("streams.id", name="fk_gaps_stream", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("start_samples", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("end_samples", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    **MYSQL,
)

timeline = sa.Table(
    "timeline",
    METADATA,
    sa.Column(
        "stream_id",
        sa.ForeignKey("streams.id", name="fk_timeline_stream", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("second", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("llr", sa.Double),
    sa.Column("level_dbfs", sa.Double, nullable=False),
    sa.Column("distance", sa.Double),
    **MYSQL,
)

overlay_references = sa.Table(
    "overlay_references",
    METADATA,
    sa.Column("encoder_id", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("start_samples", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("label", sa.String(16), nullable=False),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("licence", sa.Text, nullable=False),
    sa.Column(
        "clip_sha256",
        sa.ForeignKey("clips.sha256", name="fk_overlay_references_clip", ondelete="SET NULL"),
    ),
    sa.Column("embedding", sa.LargeBinary, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("added_utc", Moment, nullable=False),
    **MYSQL,
)

overlay_removals = sa.Table(
    "overlay_removals",
    METADATA,
    sa.Column("encoder_id", sa.String(64), primary_key=True),
    sa.Column("reference_id", Exact, primary_key=True),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("removed_utc", Moment, nullable=False),
    **MYSQL,
)

overlay_versions = sa.Table(
    "overlay_versions",
    METADATA,
    sa.Column("encoder_id", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    **MYSQL,
)

labels = sa.Table(
    "labels",
    METADATA,
    sa.Column(
        "clip_sha256",
        sa.ForeignKey("clips.sha256", name="fk_labels_clip", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("label", sa.String(16), nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("labelled_utc", Moment, nullable=False),
    **MYSQL,
)

indexed_clips = sa.Table(
    "indexed_clips",
    METADATA,
    sa.Column(
        "clip_sha256",
        sa.ForeignKey("clips.sha256", name="fk_indexed_clips_clip", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("encoder_id", sa.String(64), primary_key=True),
    sa.Column("blocks", sa.Integer, nullable=False),
    **MYSQL,
)

leases = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("holder", sa.String(255), nullable=False),
    sa.Column("until_utc", Moment, nullable=False),
    **MYSQL,
)

retrainings = sa.Table(
    "retrainings",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("step", sa.String(16), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("champion", sa.Text, nullable=False),
    sa.Column("candidate", sa.Text, nullable=False),
    sa.Column("began_utc", Moment, nullable=False),
    sa.Column("ended_utc", Moment),
    sa.Column("outcome", sa.Text),
    sa.Column("report", LongText),
    **MYSQL,
)

decisions = sa.Table(
    "decisions",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("reason", LongText, nullable=False),
    sa.Column("numbers", LongText, nullable=False),
    sa.Column("decided_utc", Moment, nullable=False),
    **MYSQL,
)

drift = sa.Table(
    "drift",
    METADATA,
    sa.Column(
        "stream_id",
        sa.ForeignKey("streams.id", name="fk_drift_stream", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("seconds", sa.Integer, nullable=False),
    sa.Column("distance", sa.Double, nullable=False),
    **MYSQL,
)

call_states = sa.Table(
    "call_states",
    METADATA,
    sa.Column(
        "stream_id",
        sa.ForeignKey("streams.id", name="fk_call_states_stream", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("detector", sa.Text, nullable=False),
    sa.Column("end_samples", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("state", Sound, nullable=False),
    sa.Column("updated_utc", Moment, nullable=False),
    **MYSQL,
)

detectors = sa.Table(
    "detectors",
    METADATA,
    sa.Column("name", Exact, primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("lag_s", sa.Double, nullable=False),
    sa.Column("busy", sa.Double, nullable=False),
    sa.Column("shed_hops", sa.BigInteger, nullable=False),
    sa.Column("dead_letters", sa.BigInteger, nullable=False),
    sa.Column("seen_utc", Moment, nullable=False),
    **MYSQL,
)

shadows = sa.Table(
    "shadows",
    METADATA,
    sa.Column(
        "stream_id",
        sa.ForeignKey("streams.id", name="fk_shadows_stream", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("hour_utc", Moment, primary_key=True),
    sa.Column("candidate", Exact, primary_key=True),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("difference", sa.Double, nullable=False),
    sa.Column("champion_alerts", sa.Integer, nullable=False),
    sa.Column("candidate_alerts", sa.Integer, nullable=False),
    **MYSQL,
)

stream_commands = sa.Table(
    "stream_commands",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "stream_id",
        sa.ForeignKey("streams.id", name="fk_stream_commands_stream", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("given_by", sa.Text, nullable=False),
    sa.Column("given_utc", Moment, nullable=False),
    sa.Column("done_utc", Moment),
    sa.Index("ix_stream_commands_stream", "stream_id", "done_utc"),
    **MYSQL,
)

enrolments = sa.Table(
    "enrolments",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("admin", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("began_utc", Moment, nullable=False),
    **MYSQL,
)

enrolled_recordings = sa.Table(
    "enrolled_recordings",
    METADATA,
    sa.Column(
        "enrolment_id",
        sa.ForeignKey("enrolments.id", name="fk_enrolled_recordings_enrolment", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("label", sa.String(16), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("speaker", sa.Text, nullable=False),
    sa.Column("length_samples", sa.Integer, nullable=False),
    sa.Column("flac", Sound),
    **MYSQL,
)

enrolled_blocks = sa.Table(
    "enrolled_blocks",
    METADATA,
    sa.Column("encoder_id", sa.String(64), primary_key=True),
    sa.Column("enrolment_id", sa.String(36), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("start_samples", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("embedding", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(
        ["enrolment_id", "sha256"],
        ["enrolled_recordings.enrolment_id", "enrolled_recordings.sha256"],
        name="fk_enrolled_blocks_recording",
        ondelete="CASCADE",
    ),
    **MYSQL,
)

operating_points = sa.Table(
    "operating_points",
    METADATA,
    sa.Column(
        "enrolment_id",
        sa.ForeignKey("enrolments.id", name="fk_operating_points_enrolment", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("bundle", Exact, primary_key=True),
    sa.Column("encoder_id", sa.String(64), nullable=False),
    sa.Column("point", LongText, nullable=False),
    sa.Column("report", LongText, nullable=False),
    sa.Column("measured_utc", Moment, nullable=False),
    **MYSQL,
)
