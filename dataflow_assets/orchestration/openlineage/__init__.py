"""What runs did, told to a server of lineage in the events of OpenLineage.

Here: from assets to datasets, from runs to events, and the sensor that sends them. Not here: what Dagster shows of
lineage itself (see `metadata.lineage`).
"""
