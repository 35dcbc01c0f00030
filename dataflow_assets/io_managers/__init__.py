"""IO managers that store the frames of any Dagster project: atomically, partition by partition."""
