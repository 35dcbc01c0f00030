"""A row for each version of a landed object, and the objects that nobody takes in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision. The versions before the present ones come with `dataflow deliveries --rebuild`."""
    op.add_column(
        "deliveries",
        sa.Column("version", sa.Text(), comment="what S3 calls it, where the bucket keeps versions"),
        schema="warehouse",
    )
    op.add_column(
        "deliveries",
        sa.Column("refusal", sa.Text(), comment="why the object was rejected as a whole"),
        schema="warehouse",
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "event_days",
            postgresql.ARRAY(sa.Date()),
            server_default="{}",
            nullable=False,
            comment="the days, in the business time zone, that this version touches",
        ),
        schema="warehouse",
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "mended", postgresql.JSONB(), server_default="{}", nullable=False, comment="counts of mended rows, by name"
        ),
        schema="warehouse",
    )
    op.alter_column(
        "deliveries",
        "state",
        comment="accepted, rejected as a whole, or superseded",
        existing_comment="accepted or rejected",
        schema="warehouse",
    )
    op.drop_constraint("deliveries_pkey", "deliveries", schema="warehouse")
    op.create_primary_key("deliveries_pkey", "deliveries", ["delivery", "lake_version"], schema="warehouse")
    op.create_table(
        "strays",
        sa.Column("stray", sa.BigInteger(), autoincrement=False, nullable=False, comment="small key of the object"),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stray"),
        schema="warehouse",
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("strays", schema="warehouse")
    op.execute("DELETE FROM warehouse.deliveries WHERE state = 'superseded'")
    op.drop_constraint("deliveries_pkey", "deliveries", schema="warehouse")
    op.create_primary_key("deliveries_pkey", "deliveries", ["delivery"], schema="warehouse")
    op.alter_column(
        "deliveries",
        "state",
        comment="accepted or rejected",
        existing_comment="accepted, rejected as a whole, or superseded",
        schema="warehouse",
    )
    op.drop_column("deliveries", "mended", schema="warehouse")
    op.drop_column("deliveries", "event_days", schema="warehouse")
    op.drop_column("deliveries", "refusal", schema="warehouse")
    op.drop_column("deliveries", "version", schema="warehouse")
