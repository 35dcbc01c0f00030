"""Rejects, and what is held back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "dumps",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="rows of the day in the lake"),
        sa.Column("is_released", sa.Boolean(), nullable=False, comment="whether somebody released it"),
        sa.Column("held", sa.Text(), nullable=True, comment="why it is held back; null where it is believed"),
        sa.PrimaryKeyConstraint("source", "day"),
        schema="warehouse",
    )
    op.create_table(
        "rejects",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=True, comment="null where the reader does not know it"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False, comment="the row as delivered; a NUL is shown as ␀"),
        sa.Column("run", sa.Text(), nullable=True, comment="the run that took the delivery in"),
        schema="warehouse",
    )
    op.create_index("rejects_by_delivery", "rejects", ["delivery"], unique=False, schema="warehouse")
    op.add_column(
        "deliveries",
        sa.Column("held", sa.Text(), nullable=True, comment="why its present version is held back"),
        schema="warehouse",
    )
    op.alter_column("snapshots", "newest_day", comment="newest delivery day that is believed", schema="warehouse")


def downgrade() -> None:
    """Go back to the revision before."""
    op.alter_column("snapshots", "newest_day", comment="newest delivery day that has rows", schema="warehouse")
    op.drop_column("deliveries", "held", schema="warehouse")
    op.drop_index("rejects_by_delivery", table_name="rejects", schema="warehouse")
    op.drop_table("rejects", schema="warehouse")
    op.drop_table("dumps", schema="warehouse")
