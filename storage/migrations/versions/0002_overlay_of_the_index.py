"""References that people have confirmed, those of the bundle that they took back, and the version
of both.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
Exact = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")


def table(name, *columns):
    op.create_table(name, *columns, if_not_exists=True, **MYSQL)


def upgrade():
    table(
        "overlay_references",
        sa.Column("encoder_id", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("start_samples", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column(
            "clip_sha256",
            sa.String(64),
            sa.ForeignKey("clips.sha256", name="fk_overlay_references_clip", ondelete="SET NULL"),
        ),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("added_utc", Moment, nullable=False),
    )
    table(
        "overlay_removals",
        sa.Column("encoder_id", sa.String(64), primary_key=True),
        sa.Column("reference_id", Exact, primary_key=True),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("removed_utc", Moment, nullable=False),
    )
    table(
        "overlay_versions",
        sa.Column("encoder_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )


def downgrade():
    for name in ("overlay_versions", "overlay_removals", "overlay_references"):
        op.drop_table(name, if_exists=True)
