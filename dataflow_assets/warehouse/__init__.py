"""Rows to PostgreSQL: tables, loading, history, migrations, and the embedded server."""
