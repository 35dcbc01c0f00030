"""The Delta tables of the lake: what a commit writes and says, dumps, and their maintenance."""
