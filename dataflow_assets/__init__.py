"""DataFlow Assets: every file and every table a Dagster asset, by day, with nothing lost.

Nothing is imported here, so that a small part (the database supervisor, say) starts without the rest.
"""
