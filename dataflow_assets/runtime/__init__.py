"""The platform on one machine: the Dagster instance, its processes, and `dataflow up`."""
