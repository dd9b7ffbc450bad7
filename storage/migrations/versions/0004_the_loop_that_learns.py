"""Retrainings, the decisions about models, and how far the sound drifts from what the model knows.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def has_distance():
    return "distance" in {
        column["name"] for column in sa.inspect(op.get_bind()).get_columns("timeline")
    }


def upgrade():
    if not has_distance():
        op.add_column("timeline", sa.Column("distance", sa.Double))
    create_leases()
    create_retrainings()
    create_decisions()
    create_drift()


def create_leases():
    op.create_table(
        "leases",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("until_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def create_retrainings():
    op.create_table(
        "retrainings",
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
        if_not_exists=True,
        **MYSQL,
    )


def create_decisions():
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("reason", LongText, nullable=False),
        sa.Column("numbers", LongText, nullable=False),
        sa.Column("decided_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def create_drift():
    op.create_table(
        "drift",
        sa.Column(
            "stream_id",
            sa.String(36),
            sa.ForeignKey("streams.id", name="fk_drift_stream", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("distance", sa.Double, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade():
    for name in ("drift", "decisions", "retrainings", "leases"):
        op.drop_table(name, if_exists=True)
    if has_distance():
        op.drop_column("timeline", "distance")
