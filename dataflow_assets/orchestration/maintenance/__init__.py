"""Jobs that keep lake, database and event log small and fast."""
