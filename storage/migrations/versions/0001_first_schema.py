"""Streams, alerts with clip and evidence, gaps and the timeline.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
Sound = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def table(name, *columns):
    op.create_table(name, *columns, if_not_exists=True, **MYSQL)


def index(name, table_name, *columns):
    if name not in {known["name"] for known in sa.inspect(op.get_bind()).get_indexes(table_name)}:
        op.create_index(name, table_name, columns)


def upgrade():
    # a table comes after those that its foreign keys name
    create_streams()
    create_clips()
    create_alerts()
    create_evidence()
    create_gaps()
    create_timeline()


def create_streams():
    table(
        "streams",
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
    )
    index("ix_streams_started", "streams", "started_utc")


def create_clips():
    table(
        "clips",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("length_samples", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("stored_utc", Moment, nullable=False),
        sa.Column("evicted_utc", Moment),
        sa.Column("flac", Sound),
    )
    index("ix_clips_state_stored", "clips", "state", "stored_utc", "size_bytes")


def create_alerts():
    table(
        "alerts",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "stream_id",
            sa.String(36),
            sa.ForeignKey("streams.id", name="fk_alerts_stream"),
            nullable=False,
        ),
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
        sa.Column(
            "clip_sha256",
            sa.String(64),
            sa.ForeignKey("clips.sha256", name="fk_alerts_clip"),
            nullable=False,
        ),
        sa.Column("clip_start_samples", sa.BigInteger, nullable=False),
    )
    index("ix_alerts_review", "alerts", "review", "began_utc")
    index("ix_alerts_stream", "alerts", "stream_id", "began_samples")
    index("ix_alerts_clip", "alerts", "clip_sha256")


def create_evidence():
    table(
        "evidence",
        sa.Column(
            "alert_id",
            sa.String(36),
            sa.ForeignKey("alerts.id", name="fk_evidence_alert", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("trace", LongText, nullable=False),
        sa.Column("neighbours", LongText, nullable=False),
    )


def create_gaps():
    table(
        "gaps",
        sa.Column(
            "stream_id",
            sa.String(36),
            sa.ForeignKey("streams.id", name="fk_gaps_stream", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("start_samples", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("end_samples", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
    )


def create_timeline():
    table(
        "timeline",
        sa.Column(
            "stream_id",
            sa.String(36),
            sa.ForeignKey("streams.id", name="fk_timeline_stream", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("second", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("llr", sa.Double),
        sa.Column("level_dbfs", sa.Double, nullable=False),
    )


def downgrade():
    for name in ("timeline", "gaps", "evidence", "alerts", "clips", "streams"):
        op.drop_table(name, if_exists=True)
