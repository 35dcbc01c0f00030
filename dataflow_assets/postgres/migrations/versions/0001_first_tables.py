"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "average_session",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.Column("average_session_seconds", sa.Float(), nullable=False),
        schema="analytics",
    )
    op.create_index("average_session_by_day", "average_session", ["day"], unique=False, schema="analytics")
    op.create_table(
        "book_based_share",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("streamed", sa.BigInteger(), nullable=False),
        sa.Column("based_on_books", sa.BigInteger(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        schema="analytics",
    )
    op.create_index("book_based_share_by_day", "book_based_share", ["day"], unique=False, schema="analytics")
    op.create_table(
        "engaged_users",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        schema="analytics",
    )
    op.create_index("engaged_users_by_day", "engaged_users", ["day"], unique=False, schema="analytics")
    op.create_table(
        "median_session_size",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.Column("median_session_gigabytes", sa.Float(), nullable=False),
        schema="analytics",
    )
    op.create_index("median_session_size_by_day", "median_session_size", ["day"], unique=False, schema="analytics")
    op.create_table(
        "movies_by_author_nationality",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("nationality", sa.String(), nullable=False),
        sa.Column("movies", sa.BigInteger(), nullable=False),
        schema="analytics",
    )
    op.create_index(
        "movies_by_author_nationality_by_month",
        "movies_by_author_nationality",
        ["month"],
        unique=False,
        schema="analytics",
    )
    op.create_table(
        "sessions_in_progress",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("movie_title", sa.String(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        schema="analytics",
    )
    op.create_index("sessions_in_progress_by_day", "sessions_in_progress", ["day"], unique=False, schema="analytics")
    op.create_table(
        "authors_current",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("birth_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nationality", sa.String(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_seen", sa.Date(), nullable=True, comment="null while the key is present in the newest dump"),
        sa.Column("missing_since", sa.Date(), nullable=True, comment="the first delivery day after last_seen"),
        sa.PrimaryKeyConstraint("id"),
        schema="warehouse",
    )
    op.create_table(
        "authors_history",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="null while these are the latest values"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("birth_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nationality", sa.String(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.PrimaryKeyConstraint("id", "valid_from"),
        schema="warehouse",
    )
    op.create_table(
        "books_current",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("pages", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("publisher", sa.String(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_seen", sa.Date(), nullable=True, comment="null while the key is present in the newest dump"),
        sa.Column("missing_since", sa.Date(), nullable=True, comment="the first delivery day after last_seen"),
        sa.PrimaryKeyConstraint("id"),
        schema="warehouse",
    )
    op.create_table(
        "books_history",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="null while these are the latest values"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("pages", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("publisher", sa.String(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.PrimaryKeyConstraint("id", "valid_from"),
        schema="warehouse",
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="accepted or rejected"),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("lake_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("delivery"),
        schema="warehouse",
    )
    op.create_table(
        "event_days",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_day", sa.Date(), nullable=False),
        sa.Column("lake_version", sa.BigInteger(), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False, comment="hash of the source's declaration"),
        sa.Column("accepted", sa.BigInteger(), nullable=False, comment="rows of the day in the lake"),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="rows in the table"),
        sa.Column("superseded", sa.BigInteger(), nullable=False, comment="rows whose key another row has, later"),
        sa.PrimaryKeyConstraint("source", "event_day"),
        schema="warehouse",
    )
    op.create_table(
        "identity",
        sa.Column("only", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False, comment="the business time zone that cut the days"),
        sa.PrimaryKeyConstraint("only"),
        schema="warehouse",
    )
    op.create_table(
        "movies_current",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("duration_mins", sa.BigInteger(), nullable=False),
        sa.Column("original_language", sa.String(), nullable=True),
        sa.Column("size_mb", sa.Float(), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_seen", sa.Date(), nullable=True, comment="null while the key is present in the newest dump"),
        sa.Column("missing_since", sa.Date(), nullable=True, comment="the first delivery day after last_seen"),
        sa.PrimaryKeyConstraint("id"),
        schema="warehouse",
    )
    op.create_table(
        "movies_history",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="null while these are the latest values"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("duration_mins", sa.BigInteger(), nullable=False),
        sa.Column("original_language", sa.String(), nullable=True),
        sa.Column("size_mb", sa.Float(), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.PrimaryKeyConstraint("id", "valid_from"),
        schema="warehouse",
    )
    op.create_table(
        "reviews_current",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("rating", sa.BigInteger(), nullable=False),
        sa.Column("rating_label", sa.String(), nullable=True),
        sa.Column("movie_title", sa.String(), nullable=False),
        sa.Column("book_title", sa.String(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_seen", sa.Date(), nullable=True, comment="null while the key is present in the newest dump"),
        sa.Column("missing_since", sa.Date(), nullable=True, comment="the first delivery day after last_seen"),
        sa.PrimaryKeyConstraint("id"),
        schema="warehouse",
    )
    op.create_table(
        "reviews_history",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="null while these are the latest values"),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("rating", sa.BigInteger(), nullable=False),
        sa.Column("rating_label", sa.String(), nullable=True),
        sa.Column("movie_title", sa.String(), nullable=False),
        sa.Column("book_title", sa.String(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.PrimaryKeyConstraint("id", "valid_from"),
        schema="warehouse",
    )
    op.create_table(
        "snapshots",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("lake_version", sa.BigInteger(), nullable=False),
        sa.Column("newest_day", sa.Date(), nullable=True, comment="newest delivery day that has rows"),
        sa.PrimaryKeyConstraint("source"),
        schema="warehouse",
    )
    op.create_table(
        "streams",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("event_day", sa.Date(), nullable=False, comment="the day, in the business time zone"),
        sa.Column("movie_title", sa.String(), nullable=False),
        sa.Column("user_email", sa.String(), nullable=False),
        sa.Column("size_mb", sa.Float(), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="the row's number in the delivered object"),
        schema="warehouse",
        postgresql_partition_by="LIST (event_day)",
    )
    op.create_table(
        "users_current",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("first_name", sa.String(), nullable=True),
        sa.Column("last_name", sa.String(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_seen", sa.Date(), nullable=True, comment="null while the key is present in the newest dump"),
        sa.Column("missing_since", sa.Date(), nullable=True, comment="the first delivery day after last_seen"),
        sa.PrimaryKeyConstraint("id"),
        schema="warehouse",
    )
    op.create_table(
        "users_history",
        sa.Column("id", sa.Uuid(), nullable=False, comment="hash of the source's key"),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="null while these are the latest values"),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("first_name", sa.String(), nullable=True),
        sa.Column("last_name", sa.String(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values"),
        sa.PrimaryKeyConstraint("id", "valid_from"),
        schema="warehouse",
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("users_history", schema="warehouse")
    op.drop_table("users_current", schema="warehouse")
    op.drop_table("streams", schema="warehouse")
    op.drop_table("snapshots", schema="warehouse")
    op.drop_table("reviews_history", schema="warehouse")
    op.drop_table("reviews_current", schema="warehouse")
    op.drop_table("movies_history", schema="warehouse")
    op.drop_table("movies_current", schema="warehouse")
    op.drop_table("identity", schema="warehouse")
    op.drop_table("event_days", schema="warehouse")
    op.drop_table("deliveries", schema="warehouse")
    op.drop_table("books_history", schema="warehouse")
    op.drop_table("books_current", schema="warehouse")
    op.drop_table("authors_history", schema="warehouse")
    op.drop_table("authors_current", schema="warehouse")
    op.drop_index("sessions_in_progress_by_day", table_name="sessions_in_progress", schema="analytics")
    op.drop_table("sessions_in_progress", schema="analytics")
    op.drop_index(
        "movies_by_author_nationality_by_month", table_name="movies_by_author_nationality", schema="analytics"
    )
    op.drop_table("movies_by_author_nationality", schema="analytics")
    op.drop_index("median_session_size_by_day", table_name="median_session_size", schema="analytics")
    op.drop_table("median_session_size", schema="analytics")
    op.drop_index("engaged_users_by_day", table_name="engaged_users", schema="analytics")
    op.drop_table("engaged_users", schema="analytics")
    op.drop_index("book_based_share_by_day", table_name="book_based_share", schema="analytics")
    op.drop_table("book_based_share", schema="analytics")
    op.drop_index("average_session_by_day", table_name="average_session", schema="analytics")
    op.drop_table("average_session", schema="analytics")
