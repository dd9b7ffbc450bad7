"""What people say of clips, what of it the index has learnt, and an order in which clips are worth
a person's time.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")

OLD = {"ix_alerts_review": ("review", "began_utc")}
NEW = {
    "ix_alerts_queue": ("review", "informative", "id", "began_utc", "state"),
    "ix_alerts_stream_queue": ("stream_id", "review", "informative", "id", "began_utc", "state"),
}


def change_indices(dropped, made):
    known = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("alerts")}
    for name, columns in made.items():
        if name not in known:
            op.create_index(name, "alerts", columns)
    for name in known & dropped.keys():
        op.drop_index(name, "alerts")


def has_order():
    return "informative" in {
        column["name"] for column in sa.inspect(op.get_bind()).get_columns("alerts")
    }


def upgrade():
    if not has_order():
        op.add_column(
            "alerts", sa.Column("informative", sa.Double, nullable=False, server_default="0")
        )
    change_indices(OLD, NEW)
    op.create_table(
        "labels",
        sa.Column(
            "clip_sha256",
            sa.String(64),
            sa.ForeignKey("clips.sha256", name="fk_labels_clip", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("labelled_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )
    op.create_table(
        "indexed_clips",
        sa.Column(
            "clip_sha256",
            sa.String(64),
            sa.ForeignKey("clips.sha256", name="fk_indexed_clips_clip", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("encoder_id", sa.String(64), primary_key=True),
        sa.Column("blocks", sa.Integer, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade():
    for name in ("indexed_clips", "labels"):
        op.drop_table(name, if_exists=True)
    change_indices(NEW, OLD)
    if has_order():
        op.drop_column("alerts", "informative")
