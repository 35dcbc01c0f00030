"""Dagster and nothing else: partitions, assets built from declarations, IO managers, jobs, sensors."""

import warnings

from dagster import BetaWarning

# Backfill policies are still marked as beta; Dagster's minor version is pinned, so they do not change under us.
warnings.filterwarnings("ignore", category=BetaWarning)
