"""The keys of the assets: the layers, and what stands beside a source in the lake.

Here: names alone. Not here: the assets of these names (see `assets`).
"""

LANDING, LAKE, WAREHOUSE, ANALYTICS, PUBLISHED = "landing", "lake", "warehouse", "analytics", "published"
DAYS_SUFFIX = "_days"  # lake/<source>_days: the event days that deliveries touch
REJECTS = (LAKE, "rejects")
