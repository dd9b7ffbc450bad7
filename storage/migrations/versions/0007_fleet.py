"""A fleet of detectors: the states of its calls, and what the detectors report.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
Exact = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")
Blob = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def upgrade():
    op.create_table(
        "call_states",
        sa.Column(
            "stream_id",
            sa.String(36),
            sa.ForeignKey("streams.id", name="fk_call_states_stream", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("end_samples", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("state", Blob, nullable=False),
        sa.Column("updated_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )
    op.create_table(
        "detectors",
        sa.Column("name", Exact, primary_key=True),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("lag_s", sa.Double, nullable=False),
        sa.Column("busy", sa.Double, nullable=False),
        sa.Column("shed_hops", sa.BigInteger, nullable=False),
        sa.Column("dead_letters", sa.BigInteger, nullable=False),
        sa.Column("seen_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade():
    op.drop_table("detectors", if_exists=True)
    op.drop_table("call_states", if_exists=True)
