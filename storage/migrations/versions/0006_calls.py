"""Calls: whose stream it is, and the commands of operators to a running stream.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
COLUMNS = {"call_id": sa.String(255), "track": sa.String(255), "call_details": sa.Text()}


def upgrade():
    known = _columns()
    for name, kind in COLUMNS.items():
        if name not in known:
            op.add_column("streams", sa.Column(name, kind))
    op.create_table(
        "stream_commands",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "stream_id",
            sa.String(36),
            sa.ForeignKey("streams.id", name="fk_stream_commands_stream", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("given_by", sa.Text, nullable=False),
        sa.Column("given_utc", Moment, nullable=False),
        sa.Column("done_utc", Moment),
        if_not_exists=True,
        **MYSQL,
    )
    _index("streams", "ix_streams_call", ["call_id"])
    _index("stream_commands", "ix_stream_commands_stream", ["stream_id", "done_utc"])


def downgrade():
    op.drop_table("stream_commands", if_exists=True)
    if "ix_streams_call" in _indexes("streams"):
        op.drop_index("ix_streams_call", "streams")
    for name in _columns() & COLUMNS.keys():
        op.drop_column("streams", name)


def _columns() -> set[str]:
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns("streams")}


def _indexes(table) -> set[str | None]:
    return {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}


def _index(table, name, columns):
    if name not in _indexes(table):
        op.create_index(name, table, columns)
