"""Recordings that people added with a label, for the index and for retraining.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")


def upgrade():
    op.create_table(
        "uploads",
        sa.Column(
            "alert_id",
            sa.String(36),
            sa.ForeignKey("alerts.id", name="fk_uploads_alert", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("uploaded_by", sa.Text, nullable=False),
        sa.Column("uploaded_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade():
    op.drop_table("uploads", if_exists=True)
