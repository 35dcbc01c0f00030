"""What assets and their partitions say of themselves: metrics, links, column lineage."""
