"""What each key means that the platform's metadata have: the reference page is made from this, and a test finds others.

Here: the keys and their meanings. Not here: the values (see where each asset and check says its own).
"""

ASSETS = {
    "objects": "landed objects that were looked at, or collected",
    "bytes": "bytes read, without those of objects that were known",
    "delivered": "rows delivered, counted in the bytes",
    "accepted": "rows that are as declared: of the lake those that it took, of the warehouse those that the lake has",
    "rejected": "rows that are not as declared; `lake/rejects` has them",
    "quarantined": "objects that wait for a release",
    "is_quarantined": "1 if the dump of the day waits for a release, else 0",
    "days_touched": "event days that get or lose rows by these deliveries",
    "rows": "rows that the partition has now",
    "superseded": "accepted rows that a later row of the same key replaces",
    "undeclared_columns": "columns that files have and the declaration has not; they are kept out",
    "undeclared_column_names": "their names",
    "missing_columns": "columns that the declaration has and files have not; they give no values",
    "missing_column_names": "their names",
    "lake_version": "version of the Delta table that holds it, or that it was made from",
    "lake_version_before": "version of the Delta table that it was made from before; absent the first time",
    "is_changed": "1 if the load wrote to the table, 0 if it left it as it was",
    "table_rows": "keys that the table has",
    "history_rows": "runs of equal values that the table's history has",
    "rows_changed": "rows written to the table and its history",
    "seconds": "how long the partition took",
    "rows_per_second": "rows delivered, or else rows kept, by its seconds",
    "bytes_per_second": "bytes read by its seconds",
    "landed": "the objects that it was made from, ten at most",
    "paths": "what the files are called where they were collected, ten at most",
    "rejects": "how many rows were rejected, and where they are",
    "deliveries": "the command that says what became of each file",
    "arrives from": "where the source is collected from",
    "preview": "its first rows, of the newest partition of a run",
    "Query": "the statement that reads the published rows",
    "partition_expr": "the column by which the published table is cut",
}
ASSETS_BY_PATTERN = {
    r"repaired_\w+": "rows that were taken although their text was not quite right, by kind: `repaired_<kind>`",
    r"\w+: [\w.]+": "of `lake/rejects`: rejected rows, by `<source>: <code>`",
}
CHECKS = {
    "rows": "rows of the day",
    "delivered": "rows delivered, counted in the bytes",
    "accepted": "rows accepted",
    "rejected": "rows rejected",
    "superseded": "accepted rows that a later row of the same key replaces",
    "duplicates": "rows whose key a later row has too",
    "undeclared_columns": "columns that files have and the declaration has not",
    "missing_columns": "columns that the declaration has and files have not",
    "objects_that_differ": "objects whose columns are not as declared",
    "quarantined": "objects that wait for a release",
    "usual_rows": "median of the rows of the 28 days before; absent where fewer than seven have rows",
    "is_there": "1 if the partition is there and up to date, else 0",
    "objects": "objects that were collected of the day",
    "not_loaded": "sources of which nothing is loaded yet, so that nobody can tell what is unknown",
}
CHECKS_BY_PATTERN = {
    r"unknown_\w+": "rows whose column names what is unknown: `unknown_<column>`; the first such names: "
    "`unknown_<column>_names`",
}
DAGSTERS = {
    "dagster/partition_row_count": "the same as `rows`, where Dagster looks for it",
    "dagster/column_schema": "the columns",
    "dagster/column_lineage": "the columns that each column is made from",
    "dagster/table_name": "the table in the database",
}
