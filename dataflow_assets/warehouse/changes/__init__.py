"""Changes: every key ever seen with its latest values, every value it had, and when it was deleted.

Here: what others import. `load` brings both tables to what the lake says, some keys at a time, and `derive` makes the
rows of some keys from all of their changes.
"""

from dataflow_assets.warehouse.changes.load import load_changes

__all__ = ["load_changes"]
