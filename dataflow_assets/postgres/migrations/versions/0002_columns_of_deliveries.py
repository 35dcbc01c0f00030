"""Columns of deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column(
        "deliveries",
        sa.Column(
            "kept_out",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="columns of the file that are not declared",
        ),
        schema="warehouse",
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "lacking",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="declared columns that the file does not have",
        ),
        schema="warehouse",
    )
    op.add_column(
        "snapshots",
        sa.Column(
            "declaration", sa.Text(), server_default="", nullable=False, comment="hash of the source's declaration"
        ),
        schema="warehouse",
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_column("snapshots", "declaration", schema="warehouse")
    op.drop_column("deliveries", "lacking", schema="warehouse")
    op.drop_column("deliveries", "kept_out", schema="warehouse")
