"""What each partition of an answer was made from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "answers",
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("partition", sa.Date(), nullable=False, comment="the day, or the first day of the month"),
        sa.Column(
            "made_from",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="by source, the version that was read",
        ),
        sa.PrimaryKeyConstraint("answer", "partition"),
        schema="warehouse",
    )
    op.add_column(
        "snapshots",
        sa.Column(
            "changed_version",
            sa.BigInteger(),
            server_default="-1",
            nullable=False,
            comment="the lake_version by which a row was last written",
        ),
        schema="warehouse",
    )
    op.execute("UPDATE warehouse.snapshots SET changed_version = lake_version")


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("snapshots", "changed_version", schema="warehouse")
    op.drop_table("answers", schema="warehouse")
