"""Which partitions to make: what is stale, and what follows from a change."""
