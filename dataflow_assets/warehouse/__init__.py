"""The tables that people query: rows of the lake brought into PostgreSQL, and read from there as frames."""
