"""What a candidate says beside the champion, without a voice.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
Exact = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade():
    op.create_table(
        "shadows",
        sa.Column(
            "stream_id",
            sa.String(36),
            sa.ForeignKey("streams.id", name="fk_shadows_stream", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("hour_utc", Moment, primary_key=True),
        sa.Column("candidate", Exact, primary_key=True),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("difference", sa.Double, nullable=False),
        sa.Column("champion_alerts", sa.Integer, nullable=False),
        sa.Column("candidate_alerts", sa.Integer, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade():
    op.drop_table("shadows", if_exists=True)
