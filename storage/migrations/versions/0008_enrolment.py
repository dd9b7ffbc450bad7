"""What a site enrolled: recordings of its line and of its own voices, and the operating point that
follows from them.

MySQL commits after each statement of a migration; whatever a killed run left behind is kept and
completed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
Sound = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
Exact = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")


def of_enrolment(name):
    return sa.Column(
        "enrolment_id",
        sa.String(36),
        sa.ForeignKey("enrolments.id", name=name, ondelete="CASCADE"),
        primary_key=True,
    )


def upgrade():
    op.create_table(
        "enrolments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("admin", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("began_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )
    op.create_table(
        "enrolled_recordings",
        of_enrolment("fk_enrolled_recordings_enrolment"),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("speaker", sa.Text, nullable=False),
        sa.Column("length_samples", sa.Integer, nullable=False),
        sa.Column("flac", Sound),
        if_not_exists=True,
        **MYSQL,
    )
    op.create_table(
        "enrolled_blocks",
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
        if_not_exists=True,
        **MYSQL,
    )
    op.create_table(
        "operating_points",
        of_enrolment("fk_operating_points_enrolment"),
        sa.Column("bundle", Exact, primary_key=True),
        sa.Column("encoder_id", sa.String(64), nullable=False),
        sa.Column("point", LongText, nullable=False),
        sa.Column("report", LongText, nullable=False),
        sa.Column("measured_utc", Moment, nullable=False),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade():
    for table in ("operating_points", "enrolled_blocks", "enrolled_recordings", "enrolments"):
        op.drop_table(table, if_exists=True)
