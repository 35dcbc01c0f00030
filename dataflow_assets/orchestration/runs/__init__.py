"""Runs in this process, backfills, and why a run failed."""
